"""The model of a contrast before it is judged: which samples, which matrix, which weights.

Without a formula the model is over all levels of the variable, with a base level that does not depend on the
contrast, so that contrasts of one experiment get one and the same matrix.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from poma_assets.science.contrast_formulas import base_level, formula_model, needed_columns
from poma_assets.science.contrasts import arm_samples, select_samples
from poma_assets.science.contrasts_file import Contrast
from poma_assets.science.design_findings import Finding
from poma_assets.science.errors import DesignError
from poma_assets.science.formula import INTERCEPT, formula_variables
from poma_assets.science.subsets import column_texts, level_as_stored
from poma_assets.science.tables import listing, natural_key


@dataclass(frozen=True, eq=False)
class Model:
    """The model of a contrast, not yet known to be estimable.

    Attributes
    ----------
    rows
        The samples in the model x columns of the sheet.
    matrix, weights
        Samples x coefficients, and one weight per coefficient.
    columns_of
        For every coefficient the columns of the sheet that it is made of.
    factors
        Columns of the sheet in the model, the compared one first.
    formula
        The model, for people.
    reduced
        Samples x coefficients of the reduced formula; None for a Wald test.
    findings
        What was left out on the way.
    slopes
        Coefficients that are changes for one unit of a number.
    """

    rows: pd.DataFrame
    matrix: pd.DataFrame
    weights: NDArray[np.float64]
    columns_of: dict[str, frozenset[str]]
    factors: tuple[str, ...]
    formula: str
    reduced: pd.DataFrame | None
    findings: tuple[Finding, ...]
    slopes: frozenset[str] = frozenset()

    @cached_property
    def rank(self) -> int:
        """Rank of the matrix."""
        return int(np.linalg.matrix_rank(self.matrix.to_numpy()))

    @property
    def involved(self) -> frozenset[str]:
        """Columns of the sheet whose coefficients have a weight."""
        return frozenset[str]().union(*(self.columns_of[name] for name in self.weighted))

    @property
    def weighted(self) -> tuple[str, ...]:
        """Coefficients that have a weight."""
        return tuple(str(name) for name, weight in zip(self.matrix.columns, self.weights, strict=True) if weight)

    @property
    def effect_is_slope(self) -> bool:
        """Whether the effect is a change for one unit of a number and no difference between groups."""
        return not self.slopes.isdisjoint(self.weighted)


def assemble_model(
    contrast: Contrast, design_table: pd.DataFrame, vehicle: Sequence[str] = (), *, arms_only: bool = False
) -> Model:
    """Put the model of a contrast together; ``arms_only`` keeps the other levels of the variable out.

    Raises
    ------
    DesignError
        A level without samples, metadata missing in an arm, or a formula that cannot be read.
    """
    where = f"contrast {contrast.id}"
    if contrast.formula is not None:
        return _formula_model(contrast, select_samples(contrast, design_table), vehicle, where)
    _require_arms(contrast, design_table, where)
    factors = [contrast.variable or "", *contrast.blocking]
    arms = arm_samples(contrast, design_table)
    _require_recorded(arms, factors, where)
    rows = arms if arms_only else select_samples(contrast, design_table)
    complete = rows[factors].notna().all(axis=1)
    findings = [] if complete.all() else [_not_recorded(rows, complete, factors)]
    return _treatment_coded_model(contrast, rows[complete], factors, vehicle, findings)


def _treatment_coded_model(
    contrast: Contrast, rows: pd.DataFrame, factors: list[str], vehicle: Sequence[str], findings: list[Finding]
) -> Model:
    variable = factors[0]
    columns = [pd.Series(1.0, index=rows.index, name=INTERCEPT)]
    columns_of = {INTERCEPT: frozenset[str]()}
    used = []
    for factor in [*contrast.blocking, variable]:
        coded = _treatment_coded(rows, factor, vehicle)
        columns_of |= {str(column.name): frozenset({factor}) for column in coded}
        columns += coded
        if coded:
            used.append(factor)
        elif factor != variable:
            level = column_texts(rows, factor).iloc[0]
            sentence = f"{factor} is {level} in all samples of this contrast and was left out of the design"
            findings.append(Finding("warning", "blocking_with_one_level", sentence))
    matrix = pd.concat(columns, axis=1)
    names = [
        f"{variable}[{level_as_stored(rows, variable, level or '')}]" for level in (contrast.reference, contrast.target)
    ]
    weights = np.array([float(name == names[1]) - float(name == names[0]) for name in matrix.columns]) + 0.0
    ordered = (variable, *(name for name in used if name != variable))
    return Model(rows, matrix, weights, columns_of, ordered, "~ " + " + ".join(used), None, tuple(findings))


def _formula_model(contrast: Contrast, rows: pd.DataFrame, vehicle: Sequence[str], where: str) -> Model:
    formula = contrast.formula or ""
    if rows.empty:
        raise DesignError(
            f"no sample is left after the subset {contrast.subset}",
            where=where,
            found="0 samples",
            expected="at least 2 samples in each group",
            fix="Correct the subset",
        )
    columns = set(map(str, rows.columns))
    variables = sorted(formula_variables(formula, where=where) & columns)
    _require_recorded(rows, sorted(needed_columns(contrast) & columns), where)
    built = formula_model(contrast, rows, vehicle)
    ordered = sorted(variables, key=lambda name: name != (contrast.variable or "treatment"))
    return Model(
        rows,
        built.full.matrix,
        built.weights,
        built.full.factors,
        tuple(ordered),
        formula,
        None if built.reduced is None else built.reduced.matrix,
        (),
        built.full.slopes,
    )


def _treatment_coded(rows: pd.DataFrame, factor: str, vehicle: Sequence[str]) -> list[pd.Series]:
    """Indicator columns of a factor but its base level."""
    texts = column_texts(rows, factor)
    levels = sorted(map(str, set(texts)), key=natural_key)
    base = base_level(levels, vehicle)
    return [(texts == level).astype(float).rename(f"{factor}[{level}]") for level in levels if level != base]


def _require_arms(contrast: Contrast, table: pd.DataFrame, where: str) -> None:
    variable = contrast.variable or ""
    if variable not in table.columns:
        raise DesignError(f"the sample sheet has no column {variable!r}", where=where, found=listing(table.columns))
    texts = column_texts(select_samples(contrast, table), variable)
    wanted = [
        (name, level_as_stored(table, variable, name)) for name in (contrast.reference or "", contrast.target or "")
    ]
    counts = {name: int((texts == stored).sum()) for name, stored in wanted}
    for level, count in counts.items():
        if count == 0:
            rest = f" after the subset {contrast.subset}" if contrast.subset else ""
            raise DesignError(
                f"no sample is left with {variable} {level!r}{rest}",
                where=where,
                found=", ".join(f"{number} with {name!r}" for name, number in counts.items()),
                expected="at least 2 samples with each level",
                fix="Correct the level or the subset, or see in sample_quality why samples were left out",
            )


def _require_recorded(rows: pd.DataFrame, factors: Sequence[str], where: str) -> None:
    for factor in factors:
        if factor not in rows.columns:
            raise DesignError(f"the sample sheet has no column {factor!r}", where=where, expected=listing(rows.columns))
        missing = rows.index[rows[factor].isna()]
        if len(missing):
            raise DesignError(
                f"{factor} is not recorded for every sample of this contrast",
                where=where,
                found=f"no {factor} for {listing(missing)}",
                expected="a value for each of the samples",
                fix=f"Fill in {factor} in the sample sheet, leave {factor} out of the design, or leave these "
                "samples out by the subset",
            )


def _not_recorded(rows: pd.DataFrame, complete: pd.Series, factors: Sequence[str]) -> Finding:
    missing = [factor for factor in factors if rows[factor].isna().any()]
    left_out = rows.index[~complete]
    sentence = (
        f"not in the model, because {' and '.join(missing)} is not recorded: {listing(left_out)}, in neither arm. "
        f"Fill it in, so that {'they help' if len(left_out) > 1 else 'it helps'} to estimate the variation"
    )
    return Finding("warning", "metadata_missing", sentence)
