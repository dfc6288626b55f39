"""Contrasts against the samples: which samples they use, whether they fit the sheet, what kind they are.

The files are read in ``contrasts_file``, formulas in ``contrast_formulas``, designs are built in ``design``. Positive
log2 fold change is higher in ``target``.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from poma_assets.science.contrast_formulas import formula_sample_weights
from poma_assets.science.contrasts_file import KINDS, Contrast, parse_contrasts
from poma_assets.science.errors import ContrastError, DesignError
from poma_assets.science.formula import formula_variables
from poma_assets.science.sample_sheet import SampleSheet
from poma_assets.science.subsets import column_texts, has_column, keep, level_as_stored, parse_subset
from poma_assets.science.tables import listing, natural_key, near_miss

__all__ = [
    "KINDS",
    "Contrast",
    "arm_samples",
    "contrast_kind",
    "contrasts_frame",
    "parse_contrasts",
    "select_samples",
    "validate_contrasts",
]

DRUG, BASELINE, INTERACTION, _ = KINDS


def select_samples(contrast: Contrast, design_table: pd.DataFrame) -> pd.DataFrame:
    """Rows of the design table that the model of a contrast may use, in their order: those left by ``subset``.

    A model without formula is fitted on all levels of ``variable``, as in DESeq2 and
    nf-core/differentialabundance, so that contrasts of one experiment share it; ``arm_samples`` are the two
    levels that are compared.
    """
    return keep(design_table, parse_subset(contrast.subset or "", where=f"contrast {contrast.id}"))


def arm_samples(contrast: Contrast, design_table: pd.DataFrame) -> pd.DataFrame:
    """Rows at the two compared levels; for a formula contrast without ``variable`` all that it may use."""
    rows = select_samples(contrast, design_table)
    if contrast.variable is None or contrast.reference is None or contrast.target is None:
        return rows
    levels = [
        level_as_stored(design_table, contrast.variable, level) for level in (contrast.reference, contrast.target)
    ]
    return rows[column_texts(rows, contrast.variable).isin(levels)]


def contrasts_frame(contrasts: Sequence[Contrast], sheet: SampleSheet, vehicle: Sequence[str]) -> pd.DataFrame:
    """The contrasts as rows of the table ``contrasts``, with their kinds."""
    table = sheet.design_table()
    columns = ["contrast_id", "variable", "reference", "target", "blocking"]
    columns += ["subset", "formula", "reduced", "contrast", "kind"]
    records = [
        (item.id, item.variable, item.reference, item.target, ";".join(item.blocking) or None)
        + (item.subset, item.formula, item.reduced, item.contrast, contrast_kind(item, table, vehicle))
        for item in contrasts
    ]
    return pd.DataFrame(records, columns=columns, dtype=object)


def validate_contrasts(contrasts: Sequence[Contrast], sheet: SampleSheet, *, source: str) -> None:
    """Check contrasts against the sheet: ids, columns and levels. Nothing is fitted.

    Raises
    ------
    ContrastError
        Repeated ids; a column or level that the sheet has not; equal levels. Names contrast, line, column,
        what was found, and the levels that there are.
    """
    table = sheet.design_table()
    by_folded: dict[str, Contrast] = {}
    for contrast in contrasts:
        other = by_folded.setdefault(contrast.id.casefold(), contrast)
        if other is not contrast:
            raise ContrastError(
                f"the id {contrast.id!r} is there twice",
                where=f"{source}, line {contrast.line}, column id",
                found=f"{other.id!r} in line {other.line} and {contrast.id!r} in line {contrast.line}",
                expected="ids that differ in more than upper and lower case",
            )
        _validate_columns(contrast, table, source)
        _validate_levels(contrast, table, source)


def _validate_columns(contrast: Contrast, table: pd.DataFrame, source: str) -> None:
    if contrast.variable is not None:
        _require_column(contrast, "variable", contrast.variable, table, source)
    for name in contrast.blocking:
        _require_column(contrast, "blocking", name, table, source)
        if name == contrast.variable:
            raise ContrastError(
                f"contrast {contrast.id!r} blocks on its own variable",
                where=f"{source}, line {contrast.line}, column blocking",
                found=repr(name),
                expected="other columns than the one that is compared",
                fix=f"Delete {name!r} from 'blocking'",
            )
    for field, formula in (("formula", contrast.formula), ("reduced", contrast.reduced)):
        if formula is None:
            continue
        where = f"{source}, line {contrast.line}, column {field}"
        try:
            names = formula_variables(formula, where=where)
        except DesignError as problem:
            raise ContrastError(
                f"contrast {contrast.id!r}: {problem.what}",
                where=where,
                found=problem.found,
                expected=problem.expected,
                fix=problem.fix,
            ) from problem
        for name in sorted(names):
            _require_column(contrast, field, name, table, source)


def _require_column(contrast: Contrast, field: str, name: str, table: pd.DataFrame, source: str) -> None:
    if name in table.columns or (field == "subset" and has_column(table, name)):
        return
    alike = near_miss(name, map(str, table.columns))
    raise ContrastError(
        f"contrast {contrast.id!r} names a column that the sample sheet has not",
        where=f"{source}, line {contrast.line}, column {field}",
        found=repr(name),
        expected=f"one of the columns {listing(table.columns)}",
        fix=f"Did you mean {alike!r}?" if alike else "Add the column to the sample sheet",
    )


def _validate_levels(contrast: Contrast, table: pd.DataFrame, source: str) -> None:
    variable = contrast.variable
    for field, level in (("reference", contrast.reference), ("target", contrast.target)):
        if variable is not None and level is not None:
            _require_level(contrast, field, variable, level, table, source)
    if variable is not None and contrast.reference is not None and contrast.target is not None:
        stored = {level_as_stored(table, variable, name) for name in (contrast.reference, contrast.target)}
        if len(stored) == 1:
            raise ContrastError(
                f"contrast {contrast.id!r} compares a level with itself",
                where=f"{source}, line {contrast.line}, column target",
                found=f"reference {contrast.reference!r} and target {contrast.target!r}",
                expected="two different levels",
            )
    where = f"{source}, line {contrast.line}, column subset"
    for condition in parse_subset(contrast.subset or "", where=where):
        _require_column(contrast, "subset", condition.column, table, source)
        for level in condition.values:
            _require_level(contrast, "subset", condition.column, level, table, source)


def _require_level(contrast: Contrast, field: str, column: str, level: str, table: pd.DataFrame, source: str) -> None:
    levels = sorted({str(text) for text in column_texts(table, column).dropna()}, key=natural_key)
    if level_as_stored(table, column, level) in levels:
        return
    alike = near_miss(level, levels)
    raise ContrastError(
        f"contrast {contrast.id!r} names a level that no sample has in column {column!r}",
        where=f"{source}, line {contrast.line}, column {field}",
        found=repr(level),
        expected=f"one of the levels {listing(map(repr, levels))}",
        fix=f"Did you mean {alike!r}?" if alike else None,
    )


def contrast_kind(contrast: Contrast, design_table: pd.DataFrame, vehicle: Sequence[str]) -> str:
    """Say which kind of comparison a contrast is, which decides the marker hypotheses that apply.

    The declared kind wins. Otherwise treatment against a vehicle level is ``drug_vs_vehicle``; resistant
    against sensitive among vehicle samples is ``resistant_vs_sensitive_at_vehicle``, also by cell line where
    the lines' declared sensitivity tells them apart. A formula contrast is judged by the cells of treatment
    and sensitivity that it adds and subtracts; ``drug_by_sensitivity_interaction`` is the drug's effect in
    sensitive minus that in resistant samples. Everything else, likelihood-ratio tests too, is ``other``.

    Parameters
    ----------
    contrast
        The contrast.
    design_table
        One row per sample, of the whole sheet or of the samples of the contrast.
    vehicle
        Levels of ``treatment`` that mean no drug, in any case.

    Raises
    ------
    ContrastError
        The sign is the reverse of what the kind means, so that every verdict would be upside down.
    """
    if contrast.reduced is not None and contrast.kind is None:
        return "other"
    if contrast.formula:
        found, forward = _formula_orientation(contrast, select_samples(contrast, design_table), vehicle)
    else:
        folded = {level.casefold() for level in vehicle}
        found, forward = _variable_orientation(contrast, arm_samples(contrast, design_table), folded)
    undeclared_interaction = contrast.kind is None and found == INTERACTION
    if found and not forward and (contrast.kind == found or undeclared_interaction):
        raise _reversed(contrast, found)
    return contrast.kind or (found if found and forward else "other")


def _variable_orientation(contrast: Contrast, rows: pd.DataFrame, vehicle: set[str]) -> tuple[str | None, bool]:
    """The kind that fits and whether its sign is the right way round; None if no kind fits."""
    reference, target = contrast.reference or "", contrast.target or ""
    if contrast.variable == "treatment":
        from_vehicle, to_vehicle = reference.casefold() in vehicle, target.casefold() in vehicle
        return (DRUG, from_vehicle) if from_vehicle != to_vehicle else (None, False)
    if contrast.variable not in ("sensitivity", "cell_line") or "treatment" not in rows.columns:
        return None, False
    if not all(text is not None and text.casefold() in vehicle for text in column_texts(rows, "treatment")):
        return None, False
    arms = column_texts(rows, contrast.variable)
    of_reference, of_target = (_sensitivities(rows[arms == level]) for level in (reference, target))
    if (of_reference, of_target) == ({"sensitive"}, {"resistant"}):
        return BASELINE, True
    if (of_reference, of_target) == ({"resistant"}, {"sensitive"}):
        return BASELINE, False
    return None, False


def _sensitivities(rows: pd.DataFrame) -> set[str | None]:
    return set(column_texts(rows, "sensitivity")) if "sensitivity" in rows.columns else set()


# Rows: sensitive, resistant, not known; columns: vehicle, drug, not known.
_INTERACTION_CELLS = np.array([[-1.0, 1, 0], [1, -1, 0], [0, 0, 0]])
_BASELINE_CELLS = np.array([[-1.0, 0, 0], [1, 0, 0], [0, 0, 0]])


def _formula_orientation(contrast: Contrast, rows: pd.DataFrame, vehicle: Sequence[str]) -> tuple[str | None, bool]:
    cells = _cell_weights(contrast, rows, vehicle)
    for sign in (1.0, -1.0):
        if np.allclose(cells, sign * _INTERACTION_CELLS, atol=1e-6):
            return INTERACTION, sign > 0
        if np.allclose(cells, sign * _BASELINE_CELLS, atol=1e-6):
            return BASELINE, sign > 0
        within_lines = np.allclose(cells[:, 0], -cells[:, 1], atol=1e-6) and not cells[:, 2].any()
        if within_lines and np.isclose(cells[:, 1].sum(), sign):
            return DRUG, sign > 0
    return None, False


def _cell_weights(contrast: Contrast, rows: pd.DataFrame, vehicle: Sequence[str]) -> NDArray[np.float64]:
    """How much the samples of each cell count in the estimate, by ordinary least squares."""
    weights = formula_sample_weights(contrast, rows, vehicle)
    no_drug = {level.casefold() for level in vehicle}
    cells = np.zeros((3, 3))
    if "treatment" not in rows.columns:
        return cells
    sensitivity = {"sensitive": 0, "resistant": 1}
    for sample, weight in weights.items():
        row = rows.loc[str(sample)]
        line = sensitivity.get(str(row.get("sensitivity")), 2)
        treatment = row["treatment"]
        column = 2 if treatment is None else int(str(treatment).casefold() not in no_drug)
        cells[line, column] += weight
    return cells


def _reversed(contrast: Contrast, kind: str) -> ContrastError:
    meaning = {
        DRUG: "drug minus vehicle",
        BASELINE: "resistant minus sensitive",
        INTERACTION: "the drug's effect in sensitive minus its effect in resistant samples",
    }[kind]
    swap = "Put a minus before the contrast" if contrast.formula else "Swap reference and target"
    return ContrastError(
        f"contrast {contrast.id!r} has the reverse sign of its kind {kind}",
        where=f"line {contrast.line}",
        found=contrast.contrast if contrast.formula else f"{contrast.target} minus {contrast.reference}",
        expected=meaning,
        fix=f"{swap}, or declare 'kind' as other if no marker is to be judged by it",
    )
