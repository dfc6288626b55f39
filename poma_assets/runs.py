"""A Dagster run as the launcher hands it to a worker, how it ended, and in plain words why a step of it failed."""

from dataclasses import dataclass

from dagster_shared.error import SerializableErrorInfo

_OWN_ERRORS = "poma_assets.science.errors."


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


def plain_error(error: SerializableErrorInfo | None) -> str:
    """Text of the innermost error of ours in a chain of causes; else of the innermost error."""
    chosen = ""
    while error is not None:
        text = error.message.strip()
        if text.startswith(_OWN_ERRORS) or not chosen.startswith(_OWN_ERRORS):
            chosen = text
        error = error.cause or error.context
    if chosen.startswith(_OWN_ERRORS):
        return chosen.split(": ", 1)[1]
    return chosen
