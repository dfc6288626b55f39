"""Why a design matrix has not full rank, in words that a biologist can act on."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pandas as pd

from poma_assets.science.subsets import column_texts
from poma_assets.science.tables import listing, natural_key


def explain_rank_deficiency(matrix: pd.DataFrame, table: pd.DataFrame, factors: Sequence[str]) -> str:
    """Say which factors or coefficients of a rank-deficient design cannot be told apart.

    Parameters
    ----------
    matrix
        Samples x coefficients.
    table
        The same samples x columns of the sheet.
    factors
        Columns of the sheet in the design, the compared one first.
    """
    for one, other in combinations(factors, 2):
        sentence = _same_split(table, one, other) or _nested(table, one, other) or _nested(table, other, one)
        if sentence:
            return sentence
    empty = [str(name) for name in matrix.columns if not matrix[name].any()]
    if empty:
        return f"no sample carries {listing(empty)}: that combination of levels was not measured"
    return f"the columns {listing(guilty_columns(matrix))} of the design add up to one another"


def guilty_columns(matrix: pd.DataFrame) -> list[str]:
    """Coefficients which take part in a linear dependence of the design's columns."""
    values = matrix.to_numpy(dtype=float)
    lengths = np.linalg.norm(values, axis=0)
    scaled = values / np.where(lengths > 0, lengths, 1.0)
    _, singular, right = np.linalg.svd(scaled, full_matrices=True)
    rank = int((singular > 1e-8).sum())
    involved = np.abs(right[rank:]).max(axis=0, initial=0.0) > 1e-6
    return [str(name) for name, guilty in zip(matrix.columns, involved, strict=True) if guilty]


def cramers_v(one: pd.Series, other: pd.Series) -> float:
    """Cramer's V of two factors: 0 where they are independent, 1 where they are the same split."""
    table = pd.crosstab(one, other).to_numpy(dtype=float)
    smaller = min(table.shape) - 1
    if smaller < 1:
        return 0.0
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum()
    return float(np.sqrt(((table - expected) ** 2 / expected).sum() / table.sum() / smaller))


def _levels(table: pd.DataFrame, by: str, of: str) -> dict[str, set[str]]:
    """For every level of ``by``, in natural order, the levels of ``of`` that its samples have."""
    pairs = zip(column_texts(table, by), column_texts(table, of), strict=True)
    found: dict[str, set[str]] = {}
    for key, value in sorted(pairs, key=lambda pair: natural_key(str(pair[0]))):
        found.setdefault(str(key), set()).add(str(value))
    return found


def _same_split(table: pd.DataFrame, one: str, other: str) -> str | None:
    forward, backward = _levels(table, one, other), _levels(table, other, one)
    if len(forward) < 2 or any(len(values) > 1 for values in (*forward.values(), *backward.values())):
        return None
    details = " and ".join(
        f"every {level} sample is in {other} {next(iter(values))}" for level, values in forward.items()
    )
    return f"{one} and {other} are the same split: {details}"


def _nested(table: pd.DataFrame, outer: str, inner: str) -> str | None:
    """``inner`` (batch) lies within ``outer`` (treatment) if no batch holds two treatments."""
    within = _levels(table, inner, outer)
    if len(_levels(table, outer, inner)) < 2 or any(len(values) > 1 for values in within.values()):
        return None
    by_outer: dict[str, set[str]] = _levels(table, outer, inner)
    details = "; ".join(
        f"{level} is only in {inner} {listing(_in_order(values))}" for level, values in by_outer.items()
    )
    return f"no {inner} holds two levels of {outer}: {details}"


def _in_order(values: set[str]) -> list[str]:
    return sorted(values, key=natural_key)
