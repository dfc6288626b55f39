"""The history of the verdicts: a row per change, from which the state after every run can be read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

import pandas as pd

from poma_assets.science.markers.change_causes import FIRST_JUDGED, Grounds, explain_change

NOT_ASKED: Final = "not_asked"
"""Verdict of a hypothesis that was judged before and is no longer asked in this contrast."""

_NO_LONGER_ASKED: Final = "the hypothesis is no longer asked in this contrast"
_KEY: Final = ("contrast_id", "hypothesis_id")
_STATE: Final = (*_KEY, "gene_symbol", "verdict", "sub_verdict", "log2_fold_change", "standard_error")
_ARMS: Final = ("n_reference", "n_target")

HISTORY_COLUMNS: Final = (
    *_STATE,
    *_ARMS,
    "previous_verdict",
    "previous_sub_verdict",
    "cause",
    "reference_samples",
    "target_samples",
    "hypothesis",
    "judged_from",
    "run_id",
    "recorded_at",
    "data_version",
    "hypotheses_sha256",
)


@dataclass(frozen=True)
class Judging:
    """One run's judging of one contrast.

    ``grounds`` are those of the whole contrast, ``hypotheses`` the declared fields by hypothesis. Times are UTC.
    """

    run_id: str
    recorded_at: datetime
    data_version: str
    grounds: Grounds
    hypotheses: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def grounds_of(self, hypothesis_id: str) -> Grounds:
        """Return the grounds of one verdict."""
        return replace(self.grounds, hypothesis=self.hypotheses.get(hypothesis_id, {}))


def verdict_changes(history: pd.DataFrame | None, current: pd.DataFrame, judging: Judging) -> pd.DataFrame:
    """Return the verdicts that are new, differ from the last recorded ones, or are no longer asked; with the cause.

    Parameters
    ----------
    history
        Rows of ``verdict_history`` of one contrast; None or empty if there are none. Rows of the run itself are
        passed over, so that a step which is tried again records the same.
    current
        Rows of ``marker_verdicts`` of the contrast.
    judging
        The run and what it judged from.

    Returns
    -------
    pandas.DataFrame
        Columns `HISTORY_COLUMNS`, one row per change, in the order of `current`. The cause compares with the
        grounds of the latest row of the contrast: until then the verdict was the same.
    """
    past = _in_order(history)
    past = past[past["run_id"] != judging.run_id]
    last = {str(row["hypothesis_id"]): row for row in past.to_dict("records")}
    latest = Grounds.from_columns(past.to_dict("records")[-1]) if len(past) else None
    asked = [_change(row, last.get(str(row["hypothesis_id"])), latest, judging) for row in current.to_dict("records")]
    gone = set(last) - set(current["hypothesis_id"].astype(str))
    closed = [_closing(row, judging) for name, row in last.items() if name in gone and row["verdict"] != NOT_ASKED]
    rows = [row for row in asked if row is not None] + closed
    frame = pd.DataFrame(rows, columns=list(HISTORY_COLUMNS))
    return frame.astype(dict.fromkeys(_ARMS, "Int64")) if len(frame) else frame


def verdicts_at(history: pd.DataFrame, moment: datetime) -> pd.DataFrame:
    """Return the verdicts that stood at a moment (UTC): the state after the last run before it.

    Parameters
    ----------
    history
        Rows of ``verdict_history``, of one contrast or several.
    moment
        A change recorded exactly then counts.

    Returns
    -------
    pandas.DataFrame
        Columns of the history, the last change of every hypothesis that was asked then; one row for each.
    """
    until = _in_order(history)
    until = until[until["recorded_at"] <= pd.Timestamp(moment)]
    standing = until.drop_duplicates(list(_KEY), keep="last")
    return standing[standing["verdict"] != NOT_ASKED].sort_values(list(_KEY)).reset_index(drop=True)


def change_sentence(row: Mapping[Any, Any]) -> str:
    """Return a change in one sentence: ``IRF4 in pom: confirmed (strong) -> ...: S07 was excluded: ...``."""
    now = _named_verdict(row["verdict"], row["sub_verdict"])
    before = _text(row["previous_verdict"])
    moved = now if before is None else f"{_named_verdict(before, row['previous_sub_verdict'])} -> {now}"
    return f"{row['gene_symbol']} in {row['contrast_id']}: {moved}: {row['cause']}"


def _named_verdict(verdict: object, sub_verdict: object) -> str:
    detail = _text(sub_verdict)
    return (str(verdict) + (f" ({detail})" if detail else "")).replace("_", " ")


def _in_order(history: pd.DataFrame | None) -> pd.DataFrame:
    if history is None or history.empty:
        return pd.DataFrame(columns=list(HISTORY_COLUMNS))
    return history.sort_values("recorded_at", kind="stable")


def _change(
    row: Mapping[Any, Any], old: Mapping[Any, Any] | None, latest: Grounds | None, judging: Judging
) -> dict[str, Any] | None:
    if old is not None and (old["verdict"], _text(old["sub_verdict"])) == (row["verdict"], _text(row["sub_verdict"])):
        return None
    now = judging.grounds_of(str(row["hypothesis_id"]))
    cause = FIRST_JUDGED
    if old is not None and latest is not None:
        before = replace(latest, hypothesis=Grounds.from_columns(old).hypothesis)
        cause = explain_change(before, now)
    state = {name: row[name] for name in (*_STATE, *_ARMS)}
    return {**state, **_previous(old), "cause": cause, **now.as_columns(), **_run(judging)}


def _closing(old: Mapping[Any, Any], judging: Judging) -> dict[str, Any]:
    state = {**dict.fromkeys((*_STATE, *_ARMS)), **{name: old[name] for name in (*_KEY, "gene_symbol")}}
    now = judging.grounds_of(str(old["hypothesis_id"]))
    closed = {**state, "verdict": NOT_ASKED, **_previous(old), "cause": _NO_LONGER_ASKED}
    return {**closed, **now.as_columns(), **_run(judging)}


def _previous(old: Mapping[Any, Any] | None) -> dict[str, str | None]:
    if old is None:
        return {"previous_verdict": None, "previous_sub_verdict": None}
    return {"previous_verdict": str(old["verdict"]), "previous_sub_verdict": _text(old["sub_verdict"])}


def _run(judging: Judging) -> dict[str, Any]:
    return {
        "run_id": judging.run_id,
        "recorded_at": judging.recorded_at,
        "data_version": judging.data_version,
    }


def _text(value: object) -> str | None:
    """Return a text of a table; None for every kind of missing value."""
    return value if isinstance(value, str) else None
