"""The form of an enrichment result: its columns and types, its order, the adjustment of its p values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import false_discovery_control

from poma_assets.science.errors import InputError

RESULT_COLUMNS = (
    "collection",
    "term_id",
    "term_name",
    "set_size",
    "overlap",
    "score",
    "normalised_score",
    "p_value",
    "p_adjusted",
    "leading_genes",
)
"""Columns of a test's result, in the order of the table ``enrichment``."""

ENRICHMENT_COLUMNS = ("contrast_id", "method", "direction", *RESULT_COLUMNS)
"""Columns of the table ``enrichment``."""

_DIRECTIONS = {"ora": ("up", "down", "both"), "gsea": ("both",)}


def benjamini_hochberg(p_values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Benjamini-Hochberg adjusted p values over all given p values (an empty array stays empty)."""
    if p_values.size == 0:
        return p_values
    return np.asarray(false_discovery_control(p_values, method="bh"), dtype=np.float64)


def result_frame(rows: Iterable[Mapping[str, object]]) -> pd.DataFrame:
    """Result columns from rows without ``p_adjusted``: adjusted over all, smallest p value first."""
    frame = pd.DataFrame(list(rows), columns=list(RESULT_COLUMNS))
    frame = frame.astype({"set_size": "int32", "overlap": "int32"})
    frame = frame.astype(dict.fromkeys(("score", "normalised_score", "p_value", "p_adjusted"), "float64"))
    frame["p_adjusted"] = benjamini_hochberg(frame["p_value"].to_numpy(dtype=np.float64))
    frame = frame.sort_values(
        ["p_value", "normalised_score", "term_id"],
        key=lambda column: -column.abs() if column.name == "normalised_score" else column,
    )
    return frame.reset_index(drop=True)


def enrichment_frame(result: pd.DataFrame, contrast_id: str, method: str, direction: str) -> pd.DataFrame:
    """Add contrast, method and direction: exactly the columns of the table ``enrichment``.

    Parameters
    ----------
    result
        Result of ``over_representation`` or ``gene_set_enrichment``; a frame without rows (and columns) for a
        test that could not be made.
    contrast_id
        The contrast.
    method
        ``ora`` or ``gsea``.
    direction
        ``up``, ``down`` or ``both`` for ora; ``both`` for gsea.
    """
    if direction not in _DIRECTIONS.get(method, ()):
        raise InputError(
            "Unknown enrichment method or direction",
            found=f"method {method!r}, direction {direction!r}",
            expected="ora with up, down or both; gsea with both",
        )
    frame = result_frame([]) if result.empty else result.loc[:, list(RESULT_COLUMNS)].copy()
    for position, (column, value) in enumerate(
        (("contrast_id", contrast_id), ("method", method), ("direction", direction))
    ):
        frame.insert(position, column, pd.Series(value, index=frame.index, dtype="object"))
    return frame
