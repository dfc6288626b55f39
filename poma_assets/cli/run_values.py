"""What `poma run --json` tells programs. Light, for the entry point tells it before anything else is imported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

Failure = Mapping[str, str | None]


def run_values(
    report: Path,
    *,
    runs: int = 0,
    steps: int = 0,
    unchanged: int = 0,
    failures: Sequence[Failure] = (),
    not_reached: Sequence[str] = (),
) -> dict[str, object]:
    """What a launch did, as JSON-able values; the study report is named if all succeeded and it is there."""
    succeeded = not failures and not not_reached
    return {
        "succeeded": succeeded,
        "runs": runs,
        "steps": steps,
        "unchanged": unchanged,
        "failures": [dict(failure) for failure in failures],
        "not_reached": list(not_reached),
        "report": str(report) if succeeded and report.is_file() else None,
    }
