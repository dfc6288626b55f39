"""The form of an enrichment result: its columns and types, its order, the adjustment of its p values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
import scipy
from numpy.typing import NDArray

from poma_assets.science.errors import InputError

RESULT_COLUMNS = (
    "collection",
    "term_id",
    "term_name",
    "set_size",
    "overlap",
    "expected_overlap",
    "score",
    "normalised_score",
    "p_value",
    "p_adjusted",
    "permutations",
    "leading_genes",
)
"""Columns of a test's result, in the order of the table ``enrichment``."""

ENRICHMENT_COLUMNS = ("contrast_id", "method", "direction", *RESULT_COLUMNS, "group_term_id")
"""Columns of the table ``enrichment``."""

_FLOATS = ("expected_overlap", "score", "normalised_score", "p_value", "p_adjusted")
_DIRECTIONS = {"ora": ("up", "down", "both"), "gsea": ("both",)}


def benjamini_hochberg(p_values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Benjamini-Hochberg adjusted p values over all given p values (an empty array stays empty)."""
    if p_values.size == 0:
        return p_values
    return np.asarray(scipy.stats.false_discovery_control(p_values, method="bh"), dtype=np.float64)


def result_frame(rows: Iterable[Mapping[str, object]]) -> pd.DataFrame:
    """Result columns from rows without ``p_adjusted``: adjusted over all, strongest first.

    A column that a method does not have (``expected_overlap`` of gsea; ``normalised_score`` and ``permutations``
    of ora) is missing in its rows, and missing values in the frame.
    """
    frame = pd.DataFrame(list(rows), columns=list(RESULT_COLUMNS))
    frame = frame.astype({"set_size": "int32", "overlap": "int32", "permutations": "Int32"})
    frame = frame.astype(dict.fromkeys(_FLOATS, "float64"))
    frame["p_adjusted"] = benjamini_hochberg(frame["p_value"].to_numpy(dtype=np.float64))
    return strongest_first(frame)


def strongest_first(frame: pd.DataFrame) -> pd.DataFrame:
    """Rows by p value, then by size of the normalised score, then by term id."""
    frame = frame.sort_values(
        ["p_value", "normalised_score", "term_id"],
        key=lambda column: -column.abs() if column.name == "normalised_score" else column,
    )
    return frame.reset_index(drop=True)


def enrichment_frame(result: pd.DataFrame, contrast_id: str, method: str, direction: str) -> pd.DataFrame:
    """Add contrast, method and direction: exactly the columns of the table ``enrichment``.

    ``group_term_id`` is left empty for ``redundancy.group_redundant_sets``.

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
    frame["group_term_id"] = np.full(len(frame), None, dtype=object)
    return frame
