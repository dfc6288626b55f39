"""A Dagster run as the launcher hands it to a worker, and how it ended."""

from dataclasses import dataclass


@dataclass(frozen=True)
class RunTask:
    """One Dagster run: a job, its partition, and the assets of it that must run."""

    run_id: str
    job_name: str
    partition: str
    assets: tuple[str, ...]
    launcher_pid: int


@dataclass(frozen=True)
class RunOutcome:
    """How a run ended; ``failures`` are (step, message) pairs."""

    run_id: str
    succeeded: bool
    failures: tuple[tuple[str, str], ...] = ()
