"""How a check states its outcome: passed or not, severity, the threshold, and the offenders by name."""

from collections.abc import Iterable
from typing import Any

import dagster as dg

MOST_OFFENDERS = 20


def outcome(
    offenders: Iterable[object],
    *,
    severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR,
    expected: str,
    checked: int | None = None,
    **metadata: Any,
) -> dg.AssetCheckResult:
    """Pass if there are no offenders; otherwise fail and name them.

    Parameters
    ----------
    expected
        The rule with its threshold, in words.
    checked
        How many things were looked at; a check that looked at nothing does not pass.
    """
    named = [str(offender) for offender in offenders]
    nothing = checked == 0
    description = "nothing was there to check" if nothing else f"{len(named)} against the rule" if named else "holds"
    details: dict[str, Any] = {"expected": expected, "offenders": ", ".join(named[:MOST_OFFENDERS]) or "none"}
    if len(named) > MOST_OFFENDERS:
        details["further offenders"] = len(named) - MOST_OFFENDERS
    if checked is not None:
        details["checked"] = checked
    return dg.AssetCheckResult(
        passed=not named and not nothing,
        severity=severity,
        description=f"{description}: {expected}",
        metadata={**details, **metadata},
    )


WARN = dg.AssetCheckSeverity.WARN
