"""The design doctor: what is good, weak or wrong about the design of a contrast, before anything is run.

It never raises for a bad design, so that all contrasts of a study can be shown: the error is a finding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from poma_assets.science import arm_comparability, pseudo_replication
from poma_assets.science.arm_comparability import Comparison
from poma_assets.science.contrast_formulas import least_squares_weights
from poma_assets.science.contrasts import contrast_kind
from poma_assets.science.contrasts_file import Contrast
from poma_assets.science.design import arm_replicates, estimable_model, model_arms, model_findings
from poma_assets.science.design_findings import Finding, Severity
from poma_assets.science.design_model import Model, assemble_model
from poma_assets.science.errors import ContrastError, InputError
from poma_assets.science.sample_sheet import METADATA_COLUMNS
from poma_assets.science.subsets import column_texts, parse_subset
from poma_assets.science.tables import listing, natural_key, near_miss

__all__ = ["ROLES", "DesignReport", "Finding", "common_findings", "examine_columns", "examine_design"]

ROLES = ("reference", "target", "in the model", "not used")
"""What a sample is to a contrast; ``in the model`` helps to estimate the variation, and is in neither arm."""

_SYNONYMS = {
    **dict.fromkeys(("time", "hours", "time_point", "timepoint"), "time_h"),
    **dict.fromkeys(("dose", "concentration", "conc", "dose_nm"), "dose_um"),
    **dict.fromkeys(("patient", "subject", "individual"), "donor"),
    **dict.fromkeys(("drug", "compound"), "treatment"),
    **dict.fromkeys(("line", "cells"), "cell_line"),
}


@dataclass(frozen=True, eq=False)
class DesignReport:
    """What is known of the design of a contrast.

    Attributes
    ----------
    contrast_id, formula
        The contrast and its model, for people.
    test
        ``wald`` or ``lrt`` (likelihood ratio).
    coefficients
        Names of the coefficients; none if the model could not be built.
    weights
        The log2 fold change as a sum of coefficients: ``treatment[pom] - treatment[dex]``.
    rank, n_samples, residual_df
        Of the model.
    n_reference, n_target
        Biological replicates of the arms.
    factors
        Columns of the sheet that tell the groups apart: those of the model and of the subset.
    groups
        One row per combination of levels of ``factors``: these columns as texts, ``n_samples``, ``role`` (one of
        ``ROLES``, or ``mixed``) and ``samples``.
    roles
        One of ``ROLES`` for every sample of the sheet. In a formula contrast without ``variable`` the samples
        that count positively are ``target``, those that count negatively ``reference``.
    findings
        Errors, then warnings, then notes.
    effect_is_slope
        As in `design.Design`; False where the design cannot be estimated.
    """

    contrast_id: str
    formula: str
    test: str
    coefficients: tuple[str, ...]
    weights: str
    rank: int
    n_samples: int
    residual_df: int
    n_reference: int
    n_target: int
    factors: tuple[str, ...]
    groups: pd.DataFrame
    roles: pd.Series
    findings: tuple[Finding, ...]
    effect_is_slope: bool

    @property
    def severity(self) -> Severity | None:
        """The worst severity among the findings; None without findings."""
        return self.findings[0].severity if self.findings else None


def examine_design(contrast: Contrast, design_table: pd.DataFrame, *, vehicle: Sequence[str] = ()) -> DesignReport:
    """Examine the design of a contrast; a bad one gives findings, never an exception.

    Parameters
    ----------
    contrast
        The contrast.
    design_table
        One row per sample (index ``sample_id``) as from ``SampleSheet.design_table``.
    vehicle
        Levels that mean no drug, in any case.
    """
    findings: list[Finding] = []
    model: Model | None = None
    try:
        model = estimable_model(contrast, design_table, vehicle)
    except InputError as problem:
        model = _model_at_least(contrast, design_table, vehicle)
        findings.append(_error(problem, model))
    if model is None:
        return _report(contrast, design_table, None, (), (), (0, 0), [*findings, *examine_columns(design_table)])
    reference, target = model_arms(contrast, model, vehicle)
    replicates = arm_replicates(contrast, model, (reference, target))
    if not findings:
        findings += model_findings(model, (reference, target), replicates)
        findings += _reversed_sign(contrast, design_table, vehicle)
    if reference and target:
        findings += _comparability(Comparison(contrast, model, reference, target))
    findings += pseudo_replication.technical_names(model.rows, model.factors)
    findings += pseudo_replication.repeated_donors(model.rows, model.factors)
    findings += _empty_cells(model)
    findings += _reading_notes(contrast, model)
    findings += _samples_outside(contrast, model, design_table, (*reference, *target))
    findings += examine_columns(design_table)
    return _report(contrast, design_table, model, reference, target, replicates, findings)


def common_findings(reports: Sequence[DesignReport]) -> tuple[Finding, ...]:
    """Findings that all of several reports share, such as a misspelt column: to be said once."""
    if len(reports) < 2:
        return ()
    return tuple(
        finding for finding in reports[0].findings if all(finding in report.findings for report in reports[1:])
    )


def examine_columns(design_table: pd.DataFrame) -> tuple[Finding, ...]:
    """Columns whose names are nearly those of standard columns, and which therefore do nothing special."""
    findings = []
    missing = [name for name in METADATA_COLUMNS if name not in design_table.columns]
    for column in map(str, design_table.columns):
        if column in METADATA_COLUMNS:
            continue
        meant = _SYNONYMS.get(column.casefold()) or near_miss(column, missing, cutoff=0.85)
        if meant in missing:
            sentence = (
                f"the column {column!r} of the sample sheet is kept as a further column: if it means {meant}, rename "
                f"it to {meant!r}, so that what is known of {meant} is checked"
            )
            findings.append(Finding("warning", "column_name", sentence))
    return tuple(findings)


def _model_at_least(contrast: Contrast, table: pd.DataFrame, vehicle: Sequence[str]) -> Model | None:
    """The model although it cannot be estimated; None if it cannot even be written down."""
    try:
        return assemble_model(contrast, table, vehicle, arms_only=True)
    except InputError:
        return None


def _error(problem: InputError, model: Model | None) -> Finding:
    code = "cannot_be_built"
    if model is not None:
        code = "no_residual_df" if len(model.matrix) <= model.rank else "confounded"
    without_place = type(problem)(problem.what, found=problem.found, expected=problem.expected, fix=problem.fix)
    return Finding("error", code, str(without_place).rstrip("."))


def _reversed_sign(contrast: Contrast, table: pd.DataFrame, vehicle: Sequence[str]) -> list[Finding]:
    try:
        contrast_kind(contrast, table, vehicle)
    except ContrastError as problem:
        sentence = f"{problem.what} (found {problem.found}; expected {problem.expected}). {problem.fix}"
        return [Finding("error", "reversed_sign", sentence)]
    return []


def _comparability(comparison: Comparison) -> list[Finding]:
    examinations = (
        arm_comparability.imbalance,
        arm_comparability.unmatched_times,
        arm_comparability.mixed_doses,
        arm_comparability.mixed_cell_lines,
        arm_comparability.unused_pairing,
        arm_comparability.unused_batches,
        arm_comparability.hidden_conditions,
    )
    return [finding for examine in examinations for finding in examine(comparison)]


def _empty_cells(model: Model) -> list[Finding]:
    """Combinations of levels of interacting factors that no sample has."""
    findings = []
    binary = model.matrix.isin([0.0, 1.0]).all()
    groups = {columns for name, columns in model.columns_of.items() if len(columns) > 1 and binary[name]}
    for columns in sorted(map(sorted, groups)):
        texts = [column_texts(model.rows, column) for column in columns]
        counts = pd.crosstab(texts[0], texts[1:]) if len(texts) > 1 else pd.DataFrame()
        empty = [
            " ".join(f"{column} {level}" for column, level in zip(columns, _flat(row, column_key), strict=True))
            for row in counts.index
            for column_key in counts.columns
            if counts.loc[row, column_key] == 0
        ]
        if empty:
            sentence = (
                f"no sample has {listing(empty)}: that part of the interaction of {' and '.join(columns)} cannot be "
                "estimated. Measure it, leave the other samples of that level out by the subset, or take the "
                "interaction out of the formula"
            )
            findings.append(Finding("warning", "empty_cell", sentence))
    return findings


def _flat(row: object, column_key: object) -> tuple[object, ...]:
    return (row, *column_key) if isinstance(column_key, tuple) else (row, column_key)


def _reading_notes(contrast: Contrast, model: Model) -> list[Finding]:
    """How to read numbers in a formula and a likelihood-ratio test."""
    findings = []
    for column in map(str, model.matrix.columns):
        if contrast.formula and column in model.rows.columns:
            sentence = (
                f"{column} counts as a number: its coefficient is the change for one unit of {column}. Write "
                f"C({column}) to compare its levels, log2_dose({column}) for a change for each doubling"
            )
            findings.append(Finding("note", "numeric_term", sentence))
    if model.reduced is not None:
        tested = [str(name) for name in model.matrix.columns if name not in model.reduced.columns]
        degrees = model.rank - int(np.linalg.matrix_rank(model.reduced.to_numpy()))
        if degrees == 0:
            return findings
        sentence = (
            f"the likelihood-ratio test asks whether {listing(tested)} {'are' if degrees > 1 else 'is'} needed at all "
            f"({degrees} degree{'s' if degrees > 1 else ''} of freedom); the log2 fold change that is shown is "
            f"{_weights_text(model)}"
        )
        findings.append(Finding("note", "likelihood_ratio", sentence))
    return findings


def _samples_outside(contrast: Contrast, model: Model, table: pd.DataFrame, arms: tuple[str, ...]) -> list[Finding]:
    findings = []
    others = [str(sample) for sample in model.rows.index if sample not in arms]
    if others:
        sentence = f"in the model but in neither arm, to estimate the variation: {listing(others, 6)}"
        findings.append(Finding("note", "in_model_only", sentence))
    outside = [str(sample) for sample in table.index if sample not in model.rows.index]
    if outside:
        why = f" (subset {contrast.subset})" if contrast.subset else ""
        findings.append(Finding("note", "samples_outside", f"not used{why}: {listing(outside, 6)}"))
    return findings


def _report(
    contrast: Contrast,
    table: pd.DataFrame,
    model: Model | None,
    reference: tuple[str, ...],
    target: tuple[str, ...],
    replicates: tuple[int, int],
    findings: list[Finding],
) -> DesignReport:
    order = ("error", "warning", "note")
    roles = _roles(contrast, table, model, reference, target)
    factors = _group_columns(contrast, table, model)
    n_samples = 0 if model is None else len(model.matrix)
    coefficients = () if model is None else tuple(map(str, model.matrix.columns))
    return DesignReport(
        contrast_id=contrast.id,
        formula=contrast.formula or "~ " + " + ".join([*contrast.blocking, contrast.variable or ""])
        if model is None
        else model.formula,
        test="wald" if contrast.reduced is None else "lrt",
        coefficients=coefficients,
        weights="" if model is None else _weights_text(model),
        rank=0 if model is None else model.rank,
        n_samples=n_samples,
        residual_df=n_samples - len(coefficients),
        n_reference=replicates[0],
        n_target=replicates[1],
        factors=factors,
        groups=sample_groups(table, factors, roles),
        roles=roles,
        findings=tuple(sorted(dict.fromkeys(findings), key=lambda finding: order.index(finding.severity))),
        effect_is_slope=model is not None and model.effect_is_slope and all(f.severity != "error" for f in findings),
    )


def _roles(
    contrast: Contrast, table: pd.DataFrame, model: Model | None, reference: tuple[str, ...], target: tuple[str, ...]
) -> pd.Series:
    roles = pd.Series("not used", index=table.index, dtype=object, name="role")
    if model is None:
        return roles
    roles[model.rows.index] = "in the model"
    if contrast.formula is not None and contrast.variable is None:
        estimate = least_squares_weights(model.matrix, model.weights)
        reference, target = tuple(estimate.index[estimate < 0]), tuple(estimate.index[estimate > 0])
    roles[list(reference)] = "reference"
    roles[list(target)] = "target"
    return roles


def _group_columns(contrast: Contrast, table: pd.DataFrame, model: Model | None) -> tuple[str, ...]:
    try:
        restricted = [item.column for item in parse_subset(contrast.subset or "", where="")]
    except InputError:
        restricted = []
    declared = [contrast.variable, *contrast.blocking] if model is None else model.factors
    names = [name for name in (*declared, *restricted) if name in table.columns]
    return tuple(dict.fromkeys(str(name) for name in names))


def sample_groups(table: pd.DataFrame, factors: Sequence[str], roles: pd.Series) -> pd.DataFrame:
    """Count the samples of every combination of levels.

    Returns
    -------
    pandas.DataFrame
        ``factors`` as texts in natural order, ``n_samples``, ``role`` (``mixed`` where the samples of a group
        differ in it) and ``samples``, separated by commas.
    """
    keys = pd.DataFrame(
        {factor: column_texts(table, factor).fillna("not recorded").astype(str) for factor in factors},
        index=table.index,
    )
    found: dict[tuple[str, ...], list[str]] = {}
    for sample, levels in zip(table.index, keys.to_numpy(), strict=True):
        found.setdefault(tuple(map(str, levels)), []).append(str(sample))
    records, role_of = [], {str(sample): role for sample, role in roles.items()}
    for key in sorted(found, key=lambda levels: [natural_key(level) for level in levels]):
        samples = found[key]
        held = {role_of[sample] for sample in samples}
        role = held.pop() if len(held) == 1 else "mixed"
        records.append((*key, len(samples), role, ", ".join(samples)))
    return pd.DataFrame(records, columns=[*factors, "n_samples", "role", "samples"])


def _weights_text(model: Model) -> str:
    text = ""
    for name, weight in zip(model.matrix.columns, model.weights, strict=True):
        if weight:
            sign = " - " if weight < 0 else " + "
            size = "" if abs(weight) == 1 else f"{abs(weight):.4g} "
            text += f"{sign}{size}{name}"
    return "-" + text.removeprefix(" - ") if text.startswith(" - ") else text.removeprefix(" + ")
