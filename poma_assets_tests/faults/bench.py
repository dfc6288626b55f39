"""The bench that faults are tried on: prepared studies, what an undisturbed run leaves, a place for each fault."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .fault_points import ControlFile, Plan, Point, build_library
from .launches import MARK, Launch, Launches, start_program, survivors
from .snapshot import Snapshot, differences, folder_listing, inconsistencies, snapshot
from .studies import State, copy_study

PATIENCE_S = 300.0
"""A launch that takes longer hangs."""

_PROGRAM = ("PATH", "PYTHONPATH", "LANG")


class NotPossibleError(Exception):
    """This machine cannot have this fault; the reason."""


@dataclass(frozen=True)
class Prepared:
    """A state as it lies on disk, what an undisturbed run makes of it, and the points that such a run passes."""

    study: Path
    expected: Snapshot
    points: list[Point]
    seconds: float = 1.0
    """How long such a run takes."""


@dataclass
class Place:
    """Where one fault happens: a copy of a study, with neighbours that nothing may touch."""

    bench: Bench
    folder: Path
    prepared: Prepared
    launched: int = 0

    @property
    def study(self) -> Path:
        """The study."""
        return self.folder / "study"

    @property
    def environment(self) -> dict[str, str]:
        """What launches get: no home and no temporary folder but those of this place."""
        own = {"HOME": str(self.folder / "home"), "TMPDIR": str(self.folder / "tmp"), MARK: str(self.folder)}
        return {**self.bench.environment, **own}

    def start(self, *arguments: str, plan: Plan | None = None, environment: Mapping[str, str] | None = None) -> Launch:
        """Start ``poma`` on the study; ``run`` if no arguments are given."""
        given = self._arguments(arguments)
        control = None if plan is None else self.control(plan)
        return self.bench.launches.start(
            given,
            folder=self.folder,
            environment={**self.environment, **(environment or {})},
            output=self._output(),
            control=None if control is None else control.path,
        )

    def start_program(self, *arguments: str) -> Launch:
        """The same as a program of its own, not forked."""
        return start_program(
            self._arguments(arguments), folder=self.folder, environment=self.environment, output=self._output()
        )

    def control(self, plan: Plan) -> ControlFile:
        """Write the plan of the next launch."""
        self.last_control = ControlFile(self.folder / f"control-{self.launched}", plan)
        return self.last_control

    def plan(self, target: int = 0, **options: object) -> Plan:
        """A plan whose points are those of the results, without logs."""
        within = self.study / "results"
        return Plan(within, target, left_out=[within / "logs"], **options)  # type: ignore[arg-type]

    def _arguments(self, arguments: tuple[str, ...]) -> list[str]:
        name, *rest = arguments or ("run",)
        return [name, "--study", str(self.study), *rest]

    def _output(self) -> Path:
        self.launched += 1
        return self.folder / f"output-{self.launched}"

    # ---- what must hold afterwards ----
    def problems_afterwards(self) -> list[str]:
        """Run ``poma run`` once more, and say all that is not as in an undisturbed study; empty if nothing was lost."""
        launch = self.start()
        status = launch.wait(PATIENCE_S)
        if status != 0:
            return [f"the next run ended with exit status {status}: {launch.text()[-1500:]}"]
        said = self.differences()
        again = self.start()
        if again.wait(PATIENCE_S) != 0 or "Everything is up to date" not in again.text():
            said.append(f"there is still something to do: {again.text()[-500:]}")
        return said

    def differences(self) -> list[str]:
        """What is not as in an undisturbed study."""
        said = [
            f"still running: {process.pid} {' '.join(process.cmdline())[:200]}" for process in survivors(self.folder)
        ]
        said += differences(self.prepared.expected, snapshot(self.study))
        said += inconsistencies(self.study)
        said += [f"outside the study: {text}" for text in differences(self.bench.neighbour, self._neighbour())]
        said += [f"in the user's folder: {name}" for name in folder_listing(self.folder / "home")]
        return said

    def _neighbour(self) -> Snapshot:
        return folder_listing(self.folder / "neighbour")


class Bench:
    """Prepared studies and launches; use it as a context manager."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.library = build_library(folder)
        self.environment = {name: os.environ[name] for name in _PROGRAM if name in os.environ}
        self.environment |= {"POMA_CACHE": str(folder / "cache"), "MPLCONFIGDIR": str(folder / "matplotlib")}
        self.environment |= {"HOME": str(folder), "COLUMNS": "200"}
        if self.library is not None:
            self.environment["LD_PRELOAD"] = str(self.library)
        self.launches = Launches(self.environment, folder / "origin.log")
        self.neighbour: Snapshot = {}
        self._prepared: dict[str, Prepared] = {}
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    def __enter__(self) -> Bench:
        return self

    def __exit__(self, *_: object) -> None:
        self.launches.__exit__()

    def usual_seconds(self, prepared: Prepared) -> float:
        """How long an undisturbed run takes here."""
        return prepared.seconds

    def require_points(self) -> None:
        """Say why faults at chosen points are not possible, if they are not."""
        if self.library is None:
            raise NotPossibleError("no C compiler (cc) to make the library that counts calls")

    @contextmanager
    def place(self, state: State, name: str, *, keep: bool = False) -> Iterator[Place]:
        """A new place with a copy of a state; removed at the end unless ``keep``."""
        place = self._place(name, self.prepared(state))
        try:
            yield place
        finally:
            for process in survivors(place.folder, 0):
                process.kill()
            if not keep:
                shutil.rmtree(place.folder, ignore_errors=True)

    def prepared(self, state: State) -> Prepared:
        """A state on disk, and what an undisturbed run makes of it; made when first asked for."""
        with self._locks[state.name]:
            if state.name not in self._prepared:
                self._prepared[state.name] = self._prepare(state)
            return self._prepared[state.name]

    def _prepare(self, state: State) -> Prepared:
        source = self.folder / "states" / state.name.replace(" ", "_")
        shutil.rmtree(source, ignore_errors=True)
        if state.change is None:
            state.write(source)
        else:
            copy_study(self._finished(state), source)
            state.change(source)
        place = self._place(f"undisturbed-{source.name}", Prepared(source, {}, []))
        began = time.monotonic()
        points = self._run(place)
        seconds = time.monotonic() - began
        self.neighbour = place._neighbour()
        prepared = Prepared(source, snapshot(place.study), points, seconds)
        shutil.rmtree(place.folder)
        return prepared

    def _finished(self, state: State) -> Path:
        """The study of a state after a run, before anything of it was changed; one for all states of that study."""
        name = f"finished-{state.write.__name__}"
        with self._locks[name]:
            folder = self.folder / "places" / name
            if not (folder / "study" / "results" / "study.duckdb").exists():
                written = self.folder / "states" / name
                shutil.rmtree(written, ignore_errors=True)
                state.write(written)
                self._run(self._place(name, Prepared(written, {}, [])))
            return folder / "study"

    def _run(self, place: Place) -> list[Point]:
        plan = place.plan() if self.library is not None else None
        launch = place.start(plan=plan)
        if launch.wait(PATIENCE_S) != 0:
            raise RuntimeError(f"an undisturbed run failed: {launch.text()}")
        return place.last_control.points() if plan else []

    def _place(self, name: str, prepared: Prepared) -> Place:
        folder = self.folder / "places" / name
        shutil.rmtree(folder, ignore_errors=True)
        for part in ("home", "tmp", "neighbour/results/.other.partial-x"):
            (folder / part).mkdir(parents=True)
        (folder / "neighbour" / "samples.tsv").write_text("another study\n")
        (folder / "neighbour" / "results" / "warehouse.duckdb").write_text("of another study\n")
        copy_study(prepared.study, folder / "study")
        return Place(self, folder, prepared)
