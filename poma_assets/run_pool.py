"""What the launcher asks of a pool that executes runs: the worker processes of this machine, or a cluster."""

from collections.abc import Sequence
from typing import Protocol

from poma_assets.runs import RunOutcome, RunTask

KILLED = "its worker process was killed (out of memory?); run `poma run` again to continue"

MOST_ATTEMPTS = 3
"""How often a run is handed over whose machine or worker was lost, where there are others."""

STAR_ASSETS = frozenset({"star_index", "alignments"})
"""The steps that hold a genome index in memory."""


class RunPool(Protocol):
    """Executes Dagster runs, each of which is one task."""

    @property
    def capacity(self) -> int | None:
        """How many tasks it takes at once where other machines do the work; None: as this machine's cores allow."""

    @property
    def running(self) -> Sequence[RunTask]:
        """The tasks that were handed over and have not ended."""

    def grow(self, n_workers: int) -> None:
        """Expect so many tasks at once."""

    def submit(self, task: RunTask) -> None:
        """Hand a task over."""

    def finished(self, timeout_s: float) -> list[RunOutcome]:
        """Outcomes of tasks that ended within ``timeout_s`` seconds; of a lost worker's task: `KILLED`."""

    def stop(self, run_id: str) -> None:
        """End a run with its programs; its task then shows as lost."""

    def close(self, *, interrupt: bool = False) -> None:
        """End: after the tasks under way, or now."""


def lost(task: RunTask) -> RunOutcome:
    """The outcome of a task whose worker is gone."""
    return RunOutcome(task.run_id, False, (("worker", KILLED),))


def needs_genome_index(task: RunTask) -> bool:
    """Whether a run holds a genome index in memory."""
    return not STAR_ASSETS.isdisjoint(task.assets)
