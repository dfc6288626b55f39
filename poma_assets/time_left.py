"""How long the rest of a launch will take, from what the same steps took before."""

import time
from collections.abc import Mapping, Sequence
from statistics import median

from poma_assets.resources import StudyResource
from poma_assets.runs import RunTask


class TimeLeft:
    """Estimates from the median wall time of each asset's steps, and from the runs of this launch once some ended.

    Parameters
    ----------
    wall_s
        Asset -> seconds that one of its steps took before.
    """

    def __init__(self, wall_s: Mapping[str, float]) -> None:
        self._wall_s = wall_s
        self._running: dict[str, tuple[RunTask, float]] = {}
        self._took: dict[tuple[str, ...], list[float]] = {}

    @classmethod
    def from_history(cls, study: StudyResource) -> "TimeLeft":
        """Read what the steps of a study took so far."""
        steps = study.warehouse.read("steps", columns=["asset", "wall_s"], ordered=False)
        return cls({str(asset): float(value) for asset, value in steps.groupby("asset")["wall_s"].median().items()})

    def started(self, task: RunTask) -> None:
        """A run has been given to a worker."""
        self._running[task.run_id] = (task, time.monotonic())

    def finished(self, run_id: str) -> None:
        """A run has ended."""
        task, since = self._running.pop(run_id)
        self._took.setdefault(task.assets, []).append(time.monotonic() - since)

    def seconds(self, waiting: Sequence[RunTask], workers: int) -> float | None:
        """Seconds until the running and waiting tasks have ended; None if one of them was never seen before."""
        now = time.monotonic()
        rest = [self._expected(task) for task in waiting]
        running = [(self._expected(task), now - since) for task, since in self._running.values()]
        rest += [None if expected is None else max(0.0, expected - spent) for expected, spent in running]
        known = [seconds for seconds in rest if seconds is not None]
        if len(known) < len(rest):
            return None
        return max(sum(known) / max(1, workers), max(known, default=0.0))

    def _expected(self, task: RunTask) -> float | None:
        if took := self._took.get(task.assets):
            return median(took)
        if all(asset in self._wall_s for asset in task.assets):
            return sum(self._wall_s[asset] for asset in task.assets)
        return None
