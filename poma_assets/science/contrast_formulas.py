"""Contrasts with a formula: their matrices, weights, base levels, and how samples count in the estimate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from poma_assets.science.contrasts_file import Contrast
from poma_assets.science.errors import DesignError
from poma_assets.science.formula import FormulaMatrix, formula_matrix, formula_variables, parse_weights
from poma_assets.science.subsets import column_texts
from poma_assets.science.tables import listing, natural_key


@dataclass(frozen=True, eq=False)
class FormulaModel:
    """The matrices of a formula contrast (samples x coefficients) and its weights, one per coefficient.

    ``reduced`` is None without a reduced formula.
    """

    full: FormulaMatrix
    reduced: FormulaMatrix | None
    weights: NDArray[np.float64]


def formula_model(contrast: Contrast, rows: pd.DataFrame, vehicle: Sequence[str] = ()) -> FormulaModel:
    """Build the matrices of a formula contrast; without ``contrast`` the last coefficient tested is shown.

    Parameters
    ----------
    contrast
        A contrast with a formula.
    rows
        One row per sample; what the formulas need is recorded.
    vehicle
        Levels that are the base of their factor.

    Raises
    ------
    DesignError
        A formula or the contrast cannot be read, or the reduced formula is not nested in the full one.
    """
    where = f"contrast {contrast.id}"
    bases = base_levels(contrast, rows, vehicle)
    full = formula_matrix(contrast.formula or "", rows, base_levels=bases, where=where)
    names = list(full.matrix.columns)
    reduced = None
    if contrast.reduced is not None:
        reduced = formula_matrix(contrast.reduced, rows, base_levels=bases, where=f"{where}, reduced formula")
        _require_nested(contrast, full.matrix, reduced.matrix, where)
    if contrast.contrast is None:
        left_out = [name for name in names if reduced is None or name not in reduced.matrix.columns]
        shown = (left_out or names)[-1]
        return FormulaModel(full, reduced, np.array([float(name == shown) for name in names]))
    bases_left_out = _base_names(full, rows)
    return FormulaModel(full, reduced, parse_weights(contrast.contrast, names, where=where, bases=bases_left_out))


def _base_names(full: FormulaMatrix, rows: pd.DataFrame) -> list[str]:
    """What the coefficients of the base levels would be called if they had any: ``treatment[DMSO]``."""
    factors = {name: next(iter(columns)) for name, columns in full.factors.items() if len(columns) == 1}
    coded = {column for name, column in factors.items() if name.startswith(f"{column}[")}
    return [
        f"{column}[{level}]"
        for column in sorted(coded)
        for level in sorted(map(str, column_texts(rows, column).dropna().unique()), key=natural_key)
        if f"{column}[{level}]" not in full.factors
    ]


def _require_nested(contrast: Contrast, full: pd.DataFrame, reduced: pd.DataFrame, where: str) -> None:
    rank = int(np.linalg.matrix_rank(full.to_numpy()))
    outside = [
        str(name)
        for name in reduced.columns
        if np.linalg.matrix_rank(np.column_stack([full.to_numpy(), reduced[name].to_numpy()])) > rank
    ]
    if outside:
        raise DesignError(
            "the reduced formula is not a part of the formula, so that the two cannot be compared",
            where=where,
            found=f"{contrast.reduced!r} with {listing(outside)}, which {contrast.formula!r} has not",
            expected="the formula without the terms that are tested",
            fix=f"Add the missing term to 'formula' or take it out of 'reduced', for example '{contrast.formula}' "
            "against '~ 1'",
        )
    confounded = rank < full.shape[1]  # Said with its cause when the design is judged.
    if int(np.linalg.matrix_rank(reduced.to_numpy())) >= rank and not confounded:
        raise DesignError(
            "the reduced formula leaves nothing out, so that there is nothing to test",
            where=where,
            found=f"{contrast.reduced!r} beside {contrast.formula!r}",
            expected="a reduced formula without the terms that are tested",
            fix="Take the tested term out of 'reduced'; '~ 1' tests everything",
        )


def needed_columns(contrast: Contrast) -> frozenset[str]:
    """Columns of the sheet that the formulas of a contrast name.

    Raises
    ------
    DesignError
        A formula cannot be read.
    """
    formulas = [formula for formula in (contrast.formula, contrast.reduced) if formula is not None]
    where = f"contrast {contrast.id}"
    return frozenset[str]().union(*(formula_variables(formula, where=where) for formula in formulas))


def formula_sample_weights(contrast: Contrast, rows: pd.DataFrame, vehicle: Sequence[str] = ()) -> pd.Series:
    """Weight of every sample in the least-squares estimate of a formula contrast (index ``sample_id``).

    The contrast ``w`` of the design ``X`` is estimated as ``a . y`` with ``a = X (X'X)^+ w``.
    """
    needed = needed_columns(contrast) & set(map(str, rows.columns))
    model = formula_model(contrast, rows.dropna(subset=sorted(needed)), vehicle)
    return least_squares_weights(model.full.matrix, model.weights)


def least_squares_weights(matrix: pd.DataFrame, weights: NDArray[np.float64]) -> pd.Series:
    """How much each sample counts in the estimate of a contrast (index ``sample_id``), 0 where not at all."""
    a = np.linalg.pinv(matrix.to_numpy()).T @ weights
    return pd.Series(np.where(np.abs(a) < 1e-9, 0.0, a), index=matrix.index)


def base_level(levels: Sequence[str], vehicle: Sequence[str] = ()) -> str:
    """The level that the others are compared with: the vehicle if it is there, else the first in natural order."""
    by_folded = {level.casefold(): level for level in levels}
    for name in vehicle:
        if name.casefold() in by_folded:
            return by_folded[name.casefold()]
    return min(levels, key=natural_key)


def base_levels(contrast: Contrast, rows: pd.DataFrame, vehicle: Sequence[str] = ()) -> dict[str, str]:
    """Base levels of a formula contrast: the declared ``reference``, and the vehicle where there is one."""
    bases = {}
    folded = {level.casefold() for level in vehicle}
    for column in map(str, rows.columns):
        if not pd.api.types.is_numeric_dtype(rows[column]):
            levels = [str(level) for level in rows[column].dropna().unique()]
            if folded & {level.casefold() for level in levels}:
                bases[column] = base_level(levels, vehicle)
    if contrast.variable is not None and contrast.reference is not None:
        bases[contrast.variable] = contrast.reference
    return bases
