"""The arm of every sample: what of its metadata tells it from the others, in words."""

from __future__ import annotations

from typing import Any

import pandas as pd

from poma_assets.reports.rendering import is_missing

_ARM_COLUMNS = (("cell_line", ""), ("cell_context", ""), ("treatment", ""), ("dose_um", " µM"), ("time_h", " h"))
_MOST_ARMS = 40


def sample_arms(samples: pd.DataFrame) -> dict[str, str]:
    """Sample -> its arm, arms and samples in the order of the sheet.

    Parameters
    ----------
    samples
        Rows of ``samples``. Columns that are equal for all, or that divide the samples as an earlier one does, are
        not named; beyond forty arms only line and treatment are.
    """
    columns = _telling_columns(samples, _ARM_COLUMNS)
    if samples.groupby([name for name, _ in columns], dropna=False).ngroups > _MOST_ARMS if columns else False:
        columns = _telling_columns(samples, (_ARM_COLUMNS[0], _ARM_COLUMNS[2]))
    arms = {str(row["sample_id"]): _words(row, columns) for row in samples.to_dict("records")}
    order = {arm: position for position, arm in enumerate(dict.fromkeys(arms.values()))}
    return dict(sorted(arms.items(), key=lambda item: order[item[1]]))


def _telling_columns(samples: pd.DataFrame, columns: tuple[tuple[str, str], ...]) -> list[tuple[str, str]]:
    chosen, seen = [], set()
    for name, unit in columns:
        codes, levels = pd.factorize(samples[name].astype(str))
        if len(levels) > 1 and tuple(codes) not in seen:
            chosen.append((name, unit))
            seen.add(tuple(codes))
    return chosen


def _words(row: dict[Any, Any], columns: list[tuple[str, str]]) -> str:
    parts = []
    for name, unit in columns:
        value = row[name]
        if is_missing(value):
            parts.append(f"{name.split('_')[0]} not recorded")
        else:
            parts.append(f"{value:g}{unit}" if isinstance(value, float) else f"{value}{unit}")
    return ", ".join(parts) or "all samples"
