"""What changed between two runs' verdicts."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import pandas as pd

HISTORY_COLUMNS: Final = (
    "contrast_id",
    "hypothesis_id",
    "gene_symbol",
    "verdict",
    "sub_verdict",
    "log2_fold_change",
    "previous_verdict",
    "previous_sub_verdict",
    "run_id",
    "recorded_at",
    "data_version",
    "hypotheses_sha256",
)


def verdict_changes(
    previous: pd.DataFrame | None,
    current: pd.DataFrame,
    *,
    run_id: str,
    recorded_at: datetime,
    data_version: str,
) -> pd.DataFrame:
    """Return the verdicts that are new or differ from the previous ones.

    Parameters
    ----------
    previous
        Columns contrast_id, hypothesis_id, verdict, sub_verdict: the last verdicts, or their history (then
        with recorded_at, and the latest row of each hypothesis counts). None if there are none.
    current
        Rows of the table ``marker_verdicts``.
    run_id, recorded_at, data_version
        What is recorded with every change; time in UTC.

    Returns
    -------
    pandas.DataFrame
        Columns `HISTORY_COLUMNS`, one row per change, in the order of `current`.
    """
    before = _latest(previous)
    rows = []
    for row in current.to_dict("records"):
        old = before.get((str(row["contrast_id"]), str(row["hypothesis_id"])))
        if old == (row["verdict"], row["sub_verdict"]):
            continue
        recorded = {str(name): value for name, value in row.items()}
        recorded |= {"run_id": run_id, "recorded_at": recorded_at, "data_version": data_version}
        recorded["previous_verdict"], recorded["previous_sub_verdict"] = old or (None, None)
        rows.append({name: recorded[name] for name in HISTORY_COLUMNS})
    return pd.DataFrame(rows, columns=list(HISTORY_COLUMNS))


def _latest(previous: pd.DataFrame | None) -> dict[tuple[str, str], tuple[str, str]]:
    if previous is None or previous.empty:
        return {}
    if "recorded_at" in previous.columns:
        previous = previous.sort_values("recorded_at", kind="stable")
    columns = ["contrast_id", "hypothesis_id", "verdict", "sub_verdict"]
    return {
        (str(contrast), str(hypothesis)): (verdict, sub_verdict)
        for contrast, hypothesis, verdict, sub_verdict in previous[columns].itertuples(index=False)
    }
