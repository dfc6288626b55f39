"""Disks that are full, broken or read-only: by calls that fail, and by real file systems where we may mount."""

from __future__ import annotations

import errno
import os
import random
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .bench import NotPossibleError, Place
from .fault import REFUSED, Act, Effect, Kind, effect_on
from .fault_points import Action, Plan
from .kills import choose_point
from .studies import CHANGED, MIXED, NEW

_DISK_MIB = 260
_LEFT_BYTES = 2_000_000


def _failing_calls(error: int, action: Action, *, whole_study: bool, words: tuple[str, ...] = ()) -> Act:
    def act(place: Place, draw: random.Random) -> Effect:
        place.bench.require_points()
        chosen = choose_point(place.prepared.points, draw)
        plan = place.plan(chosen.number, action=action, argument=error)
        if whole_study:  # with the run history, whose calls are many
            plan = Plan(place.study, draw.randrange(1, 6 * len(place.prepared.points)), action, error)
        launch = place.start(plan=plan)
        launch.wait(300)
        control = place.last_control
        effect = effect_on(
            launch, f"from {control.happened}" if control.happened else "", happened=bool(control.happened)
        )
        if words and launch.status and not any(word in launch.text() for word in words):
            effect.problems.append(f"it is not said why: {launch.text()[-800:]}")
        return effect

    return act


def _full_disk(place: Place, draw: random.Random) -> Effect:
    results = place.study / "results"
    with _mounted("tmpfs", results, f"size={_DISK_MIB}m"):
        filler = results / "of_another_program"
        launch = place.start()
        time.sleep(draw.uniform(0.0, place.bench.usual_seconds(place.prepared)))
        happened = launch.is_running
        _fill(results, filler, draw.randrange(0, _LEFT_BYTES))
        effect = effect_on(launch, "a small file system, filled meanwhile", happened=happened)
        filler.unlink()
        effect.problems += place.problems_afterwards()
        # What follows looks at the study when nothing is mounted any more.
        shutil.copytree(results, place.folder / "kept", symlinks=True)
    shutil.copytree(place.folder / "kept", results, symlinks=True, dirs_exist_ok=True)
    return effect


def _fill(folder: Path, filler: Path, left_bytes: int) -> None:
    with filler.open("wb") as file, suppress(OSError):
        while True:
            free = shutil.disk_usage(folder).free
            if free <= left_bytes:
                return
            file.write(bytes(min(1 << 20, free - left_bytes)))
            file.flush()


def _read_only(place: Place, draw: random.Random) -> Effect:
    results = place.study / "results"
    results.mkdir(exist_ok=True)
    with _mounted("none", results, "bind", source=results):
        launch = None
        if draw.random() < 0.5:
            launch = place.start()
            time.sleep(draw.uniform(0.0, place.bench.usual_seconds(place.prepared)))
        for _ in range(200):  # refused as long as a file is open for writing
            if subprocess.run(["mount", "-o", "remount,bind,ro", results], capture_output=True).returncode == 0:
                break
            time.sleep(0.005)
        meanwhile = launch is not None
        launch = launch or place.start()
        effect = effect_on(launch, "while it ran" if meanwhile else "before it began")
        if not meanwhile:
            effect.word = REFUSED
            if launch.status == 0 or "cannot be written" not in launch.text():
                effect.problems.append(f"it is not said why: {launch.text()[-800:]}")
    return effect


def _frozen_folder(place: Place, draw: random.Random) -> Effect:
    folders = [path for path in [place.study / "results", *(place.study / "results").rglob("*")] if path.is_dir()]
    frozen = draw.choice(sorted(folders))
    if shutil.which("chattr") is None or subprocess.run(["chattr", "+i", frozen], capture_output=True).returncode:
        raise NotPossibleError("folders cannot be frozen here (chattr +i)")
    try:
        (place.study / "counts.tsv").write_text((place.study / "counts.tsv").read_text())
        shutil.rmtree(place.study / "results" / "nothing", ignore_errors=True)
        launch = place.start()
        return effect_on(launch, f"frozen: {frozen.relative_to(place.study)}")
    finally:
        subprocess.run(["chattr", "-i", frozen], check=True)


@contextmanager
def _mounted(kind: str, folder: Path, options: str, *, source: Path | None = None) -> Iterator[None]:
    if os.geteuid() != 0:
        raise NotPossibleError("only root may mount")
    folder.mkdir(exist_ok=True)
    argv = ["mount", "-o", options, *([] if source else ["-t", kind]), str(source or kind), str(folder)]
    answer = subprocess.run(argv, capture_output=True, text=True)
    if answer.returncode:
        raise NotPossibleError(f"mount is not permitted here: {answer.stderr.strip()}")
    try:
        yield
    finally:
        for _ in range(100):
            if subprocess.run(["umount", str(folder)], capture_output=True).returncode == 0:
                break
            time.sleep(0.1)
        else:
            subprocess.run(["umount", "-l", str(folder)], check=True)


_FULL = ("disk is full", "No space left")
KINDS = (
    Kind(
        "disk full from a call on",
        20,
        MIXED,
        _failing_calls(errno.ENOSPC, Action.FAIL_FROM_HERE, whole_study=False, words=_FULL),
    ),
    Kind(
        "disk full from a call on, run history too",
        10,
        MIXED,
        _failing_calls(errno.ENOSPC, Action.FAIL_FROM_HERE, whole_study=True),
    ),
    Kind(
        "one call fails with an input/output error",
        14,
        MIXED,
        _failing_calls(errno.EIO, Action.FAIL_ONCE, whole_study=False),
    ),
    Kind(
        "read-only from a call on",
        10,
        MIXED,
        _failing_calls(errno.EROFS, Action.FAIL_FROM_HERE, whole_study=False),
    ),
    Kind("a small file system runs full", 5, (NEW,), _full_disk),
    Kind("results mounted read-only", 5, MIXED, _read_only),
    Kind("a folder may not be written", 5, (CHANGED,), _frozen_folder),
)
