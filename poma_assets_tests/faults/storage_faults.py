"""Every call of every operation of the storage: a kill before it, half a write, and a disk that is full from it on."""

from __future__ import annotations

import errno
import shutil
import time
from collections.abc import Iterator

from .bench import PATIENCE_S, Bench
from .fault import BROKEN_OFF, WENT_ON, Outcome
from .fault_points import Action, ControlFile, Plan
from .launches import Launch
from .operations import Operation
from .snapshot import differences, snapshot

ACTIONS = {
    "kill -9 before every call": (Action.KILL_SELF, 0),
    "kill -9 in every half write": (Action.TEAR, 0),
    "disk full from every call on": (Action.FAIL_FROM_HERE, errno.ENOSPC),
    "input/output error in every call": (Action.FAIL_ONCE, errno.EIO),
}
_WRITES = ("write", "pwrite", "pwrite64", "writev", "sendfile", "sendfile64")


class _Trials:
    """An operation made ready, the calls that it makes, and what it leaves undisturbed."""

    def __init__(self, bench: Bench, operation: Operation) -> None:
        self._bench, self._operation = bench, operation
        self._folder = bench.folder / "operations" / operation.name.replace(" ", "_")
        self.place = self._folder / "trial"
        shutil.rmtree(self._folder, ignore_errors=True)
        (self._folder / "ready").mkdir(parents=True)
        operation.prepare(self._folder / "ready")
        self._renew()
        launch, control = self._start(Plan(self.place))
        if launch.wait(PATIENCE_S) != 0:
            raise RuntimeError(f"{operation.name} failed undisturbed: {launch.text()}")
        self.points, self._expected = control.points(), snapshot(self.place)

    def try_out(self, number: int, action: Action, argument: int) -> tuple[str, str, list[str]]:
        """Disturb the operation at a call, let it act again, and compare: how it ended, where, and what is wrong."""
        self._renew()
        launch, control = self._start(Plan(self.place, number, action, argument))
        status, where, problems = launch.wait(PATIENCE_S), control.happened, []
        if status > 0 and "poma_assets.science.errors." not in launch.text():
            problems.append(f"no plain message: {launch.text()[-600:]}")
        again, _ = self._start(Plan(self.place))
        if again.wait(PATIENCE_S) != 0:
            problems.append(f"the next time it failed: {again.text()[-600:]}")
        problems += differences(self._expected, snapshot(self.place))
        return BROKEN_OFF if status else WENT_ON, where, problems

    def _renew(self) -> None:
        shutil.rmtree(self.place, ignore_errors=True)
        shutil.copytree(self._folder / "ready", self.place, symlinks=True)

    def _start(self, plan: Plan) -> tuple[Launch, ControlFile]:
        control = ControlFile(self._folder / "control", plan)
        launch = self._bench.launches.start(
            [self._operation.name, str(self.place)],
            folder=self._folder,
            environment=self._bench.environment,
            output=self._folder / "output",
            control=control.path,
            acts=True,
        )
        return launch, control


def outcomes_at_every_call(bench: Bench, operation: Operation, *, every: int = 1) -> Iterator[Outcome]:
    """Disturb an operation at each of its calls in turn, or at every so many, in each way."""
    bench.require_points()
    trials = _Trials(bench, operation)
    for kind, (action, argument) in ACTIONS.items():
        chosen = [point for point in trials.points if action != Action.TEAR or point.call in _WRITES]
        for point in chosen[::every]:
            began = time.monotonic()
            word, detail, problems = trials.try_out(point.number, action, argument)
            seconds = time.monotonic() - began
            yield Outcome(kind, point.number, operation.name, word, detail, tuple(problems), seconds)
