"""Design matrices of contrasts.

A design that would make an engine hang, crash or answer a wrong question is refused here, in words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from poma_assets.science.confounding import explain_rank_deficiency
from poma_assets.science.contrasts import Contrast, base_levels, formula_sample_weights, select_samples
from poma_assets.science.count_validation import validate_counts as validate_counts
from poma_assets.science.errors import DesignError
from poma_assets.science.formula import INTERCEPT, formula_matrix, formula_variables, parse_weights
from poma_assets.science.subsets import column_texts, level_as_stored
from poma_assets.science.tables import listing, natural_key

FEW_RESIDUAL_DF = 3
_REPLICATE_WITHIN = ("cell_line", "sensitivity", "treatment", "dose_um", "time_h", "batch", "donor")


@dataclass(frozen=True, eq=False)
class Design:
    """The design of one contrast.

    Attributes
    ----------
    matrix
        Samples x coefficients, floats, index ``sample_id``; the first column is ``Intercept`` (unless a
        formula leaves it out), the compared one is last.
    weights
        One weight per coefficient: the log2 fold change is ``matrix coefficients . weights``.
    reference_samples, target_samples
        The arms. For a formula contrast the samples at the reference and target of ``variable`` (or at the
        levels of ``treatment`` that an interaction compares); otherwise those that count negatively and
        positively in the least-squares estimate.
    n_reference, n_target
        Biological replicates of the arms: rows of the sheet, and for a formula contrast those of the
        smallest cell (combination of the levels that the contrast involves).
    formula
        The model, for people.
    warnings
        What is allowed but weakens the answer.
    """

    contrast_id: str
    matrix: pd.DataFrame
    weights: NDArray[np.float64]
    reference_samples: tuple[str, ...]
    target_samples: tuple[str, ...]
    n_reference: int
    n_target: int
    formula: str
    warnings: tuple[str, ...]

    @property
    def residual_df(self) -> int:
        """Samples minus coefficients."""
        return int(self.matrix.shape[0] - self.matrix.shape[1])


def build_design(contrast: Contrast, design_table: pd.DataFrame) -> Design:
    """Build the design of a contrast over the samples that it selects, with treatment coding.

    Blocking factors are factors, numeric columns too; one that has a single level is left out with a
    warning. Level names stay as written: ``treatment[pomalidomide 1 uM]``.

    Parameters
    ----------
    contrast
        The contrast.
    design_table
        One row per sample (index ``sample_id``) as from ``SampleSheet.design_table``.

    Raises
    ------
    DesignError
        A level without samples, missing metadata, confounded factors, no residual degrees of freedom, or a
        formula that cannot be read. Names samples, levels and what to do.
    """
    rows = select_samples(contrast, design_table)
    where = f"contrast {contrast.id}"
    if contrast.formula is not None:
        return _formula_design(contrast, rows, where)
    _require_arms(contrast, design_table, rows, where)
    factors = [contrast.variable or "", *contrast.blocking]
    _require_recorded(rows, factors, where)
    reference = level_as_stored(rows, factors[0], contrast.reference or "")
    warnings: list[str] = []
    columns = [pd.Series(1.0, index=rows.index, name=INTERCEPT)]
    blocking = []
    for factor in contrast.blocking:
        coded = _treatment_coded(rows, factor)
        if coded:
            blocking.append(factor)
        else:
            level = column_texts(rows, factor).iloc[0]
            warnings.append(f"{factor} is {level} in all samples of this contrast and was left out of the design")
        columns += coded
    columns += _treatment_coded(rows, factors[0], base=reference)
    matrix = pd.concat(columns, axis=1)
    in_reference = column_texts(rows, factors[0]) == reference
    arms = tuple(rows.index[in_reference].astype(str)), tuple(rows.index[~in_reference].astype(str))
    _require_estimable(matrix, rows, [factors[0], *blocking], where)
    warnings += _small_design_warnings(matrix, arms) + _replicate_warnings(rows, factors)
    weights = np.zeros(matrix.shape[1])
    weights[-1] = 1.0
    formula = "~ " + " + ".join([*blocking, factors[0]])
    return Design(contrast.id, matrix, weights, *arms, len(arms[0]), len(arms[1]), formula, tuple(warnings))


def _formula_design(contrast: Contrast, rows: pd.DataFrame, where: str) -> Design:
    formula = contrast.formula or ""
    if rows.empty:
        raise _no_samples(contrast, where)
    variables = sorted(formula_variables(formula, where=where) & set(map(str, rows.columns)))
    _require_recorded(rows, variables, where)
    built = formula_matrix(formula, rows, base_levels=base_levels(contrast), where=where)
    weights = parse_weights(contrast.contrast or "", list(built.matrix.columns), where=where)
    ordered = sorted(variables, key=lambda name: name != (contrast.variable or "treatment"))
    _require_estimable(built.matrix, rows, ordered, where)
    involved: set[str] = set()
    for name, weight in zip(built.matrix.columns, weights, strict=True):
        involved |= built.factors[name] if weight else set()
    arms = _formula_arms(contrast, rows, involved)
    cells = rows[sorted(involved)].astype(str).agg("\x1f".join, axis=1) if involved else None
    n_reference, n_target = (_smallest_cell(arm, cells) for arm in arms)
    warnings = _small_design_warnings(built.matrix, arms) + _replicate_warnings(rows, variables)
    return Design(contrast.id, built.matrix, weights, *arms, n_reference, n_target, formula, tuple(warnings))


def _formula_arms(
    contrast: Contrast, rows: pd.DataFrame, involved: set[str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    estimate = formula_sample_weights(contrast, rows)
    negative, positive = estimate < 0, estimate > 0
    variable = contrast.variable
    if variable is not None and contrast.reference is not None and contrast.target is not None:
        texts = column_texts(rows, variable)
        used = estimate != 0
        negative = (texts == level_as_stored(rows, variable, contrast.reference)) & used
        positive = (texts == level_as_stored(rows, variable, contrast.target)) & used
    elif "treatment" in involved and len(involved) > 1:
        # The first level is the base of the treatment coding: the vehicle of an interaction.
        texts = column_texts(rows, "treatment")
        negative = (texts == min(texts)) & (estimate != 0)
        positive = (texts != min(texts)) & (estimate != 0)
    return tuple(rows.index[negative].astype(str)), tuple(rows.index[positive].astype(str))


def _smallest_cell(arm: Sequence[str], cells: pd.Series | None) -> int:
    if not arm or cells is None:
        return len(arm)
    return int(cells.loc[list(arm)].value_counts().min())


def _treatment_coded(rows: pd.DataFrame, factor: str, base: str | None = None) -> list[pd.Series]:
    """Indicator columns of a factor but its base level; the base is the first level if none is given."""
    texts = column_texts(rows, factor)
    levels = sorted(set(texts), key=lambda level: natural_key(str(level)))
    base = levels[0] if base is None else base
    return [(texts == level).astype(float).rename(f"{factor}[{level}]") for level in levels if level != base]


def _require_arms(contrast: Contrast, table: pd.DataFrame, rows: pd.DataFrame, where: str) -> None:
    variable = contrast.variable or ""
    if variable not in table.columns:
        raise DesignError(f"the sample sheet has no column {variable!r}", where=where, found=listing(table.columns))
    texts = column_texts(rows, variable)
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


def _no_samples(contrast: Contrast, where: str) -> DesignError:
    return DesignError(
        f"no sample is left after the subset {contrast.subset}",
        where=where,
        found="0 samples",
        expected="at least 2 samples in each group",
        fix="Correct the subset",
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


def _require_estimable(matrix: pd.DataFrame, rows: pd.DataFrame, factors: Sequence[str], where: str) -> None:
    n_samples, n_coefficients = matrix.shape
    rank = int(np.linalg.matrix_rank(matrix.to_numpy()))
    if n_samples <= rank:
        raise DesignError(
            "no residual degrees of freedom: without replicates the variation cannot be measured",
            where=where,
            found=f"{n_samples} samples for {n_coefficients} coefficients ({listing(matrix.columns)})",
            expected="more samples than coefficients; 2, better 3, biological replicates in each arm",
            fix="Add replicates, or take out of the design what has nearly as many levels as samples",
        )
    if rank < n_coefficients:
        raise DesignError(
            f"the effects cannot be told apart: {explain_rank_deficiency(matrix, rows, factors)}",
            where=where,
            found=f"rank {rank} with {n_coefficients} coefficients ({listing(matrix.columns)})",
            expected="factors that vary independently of one another",
            fix="Take one of the confounded factors out of the design and say so with the result, or measure "
            "the missing combinations: no model can separate them afterwards",
        )


def _small_design_warnings(matrix: pd.DataFrame, arms: tuple[tuple[str, ...], tuple[str, ...]]) -> list[str]:
    warnings = []
    residual_df = matrix.shape[0] - matrix.shape[1]
    if residual_df <= FEW_RESIDUAL_DF:
        warnings.append(
            f"only {residual_df} residual degree{'s' if residual_df > 1 else ''} of freedom "
            f"({matrix.shape[0]} samples, {matrix.shape[1]} coefficients): dispersions are uncertain"
        )
    for name, arm in zip(("reference", "target"), arms, strict=True):
        if len(arm) == 1:
            warnings.append(f"the {name} arm has one sample only ({arm[0]}), so no marker can be judged")
    return warnings


def _replicate_warnings(rows: pd.DataFrame, factors: Sequence[str]) -> list[str]:
    """A replicate number repeated within one condition, batch and donor hints at technical replicates."""
    if "replicate" not in rows.columns:
        return []
    within = [name for name in dict.fromkeys([*_REPLICATE_WITHIN, *factors]) if name in rows.columns]
    keys = rows[["replicate", *(name for name in within if name != "replicate")]].dropna(subset=["replicate"])
    keys = keys.astype(object).where(keys.notna(), "")
    groups = keys.groupby(list(keys.columns), sort=False).groups.values()
    repeated = [" and ".join(map(str, samples)) for samples in groups if len(samples) > 1]
    if not repeated:
        return []
    return [
        f"samples with the same replicate number in one condition: {listing(repeated)}. "
        "If these are technical replicates, give them one sample name, so that they are merged; "
        "counted as biological replicates they make the results look surer than they are"
    ]
