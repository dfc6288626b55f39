"""Design matrices of contrasts.

A design that would make an engine hang, crash or answer a wrong question is refused here, in words.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from poma_assets.science.confounding import explain_rank_deficiency
from poma_assets.science.contrast_formulas import base_level, least_squares_weights
from poma_assets.science.contrasts_file import Contrast
from poma_assets.science.design_findings import Finding, size_findings
from poma_assets.science.design_model import Model, assemble_model
from poma_assets.science.errors import DesignError
from poma_assets.science.pseudo_replication import repeated_replicates
from poma_assets.science.subsets import column_texts, level_as_stored
from poma_assets.science.tables import listing


@dataclass(frozen=True, eq=False)
class Design:
    """The design of one contrast.

    Attributes
    ----------
    matrix
        Samples x coefficients, floats, index ``sample_id``; the first column is ``Intercept`` (unless a
        formula leaves it out). Without a formula it holds all levels of the compared variable, so that
        contrasts of one variable, blocking and subset have the same matrix.
    weights
        One weight per coefficient: the log2 fold change is ``matrix coefficients . weights``.
    reference_samples, target_samples
        The arms. For a formula contrast the samples at the reference and target of ``variable`` (or at the
        levels of ``treatment`` that an interaction compares); otherwise those that count negatively and
        positively in the least-squares estimate.
    n_reference, n_target
        Biological replicates of the arms: rows of the sheet, and for a formula contrast those of the
        smallest cell (combination of the levels, and for a trend of the values, that the contrast involves).
    formula
        The model, for people.
    findings
        What is allowed but weakens the answer.
    reduced
        The smaller design matrix of a likelihood-ratio test, samples x coefficients; None for a Wald test.
    effect_is_slope
        Whether the log2 fold change is a change for one unit of a number (an hour, a doubling of the dose) and no
        difference between groups, so that thresholds for differences mean nothing for it.
    """

    contrast_id: str
    matrix: pd.DataFrame
    weights: NDArray[np.float64]
    reference_samples: tuple[str, ...]
    target_samples: tuple[str, ...]
    n_reference: int
    n_target: int
    formula: str
    findings: tuple[Finding, ...]
    reduced: pd.DataFrame | None = None
    effect_is_slope: bool = False

    @property
    def warnings(self) -> tuple[str, ...]:
        """The warnings among the findings, as sentences."""
        return tuple(finding.sentence for finding in self.findings if finding.severity == "warning")

    @property
    def residual_df(self) -> int:
        """Samples minus coefficients."""
        return int(self.matrix.shape[0] - self.matrix.shape[1])

    @property
    def key(self) -> str:
        """SHA-256 of samples, coefficient names and matrix: equal where contrasts can share one fit."""
        digest = hashlib.sha256()
        for names in (self.matrix.index, self.matrix.columns):
            digest.update("\x1f".join(map(str, names)).encode() + b"\x1e")
        digest.update(np.ascontiguousarray(self.matrix.to_numpy(dtype="<f8") + 0.0).tobytes())
        return digest.hexdigest()


def build_design(contrast: Contrast, design_table: pd.DataFrame, vehicle: Sequence[str] = ()) -> Design:
    """Build the design of a contrast with treatment coding.

    Without a formula the model is over all samples that the subset leaves, whatever their level of
    ``variable``; if that cannot be estimated, over the two arms with a warning. Blocking factors are factors,
    numeric columns too; one that has a single level is left out with a warning. The base level of a factor is
    the vehicle if it has it, else the first in natural order, whichever levels are compared. Level names stay
    as written: ``treatment[pomalidomide 1 uM]``.

    Parameters
    ----------
    contrast
        The contrast.
    design_table
        One row per sample (index ``sample_id``) as from ``SampleSheet.design_table``.
    vehicle
        Levels that mean no drug, in any case.

    Raises
    ------
    DesignError
        A level without samples, missing metadata, confounded factors, no residual degrees of freedom, or a
        formula that cannot be read. Names samples, levels and what to do.
    """
    model = estimable_model(contrast, design_table, vehicle)
    arms = model_arms(contrast, model, vehicle)
    replicates = arm_replicates(contrast, model, arms)
    findings = model_findings(model, arms, replicates)
    return Design(
        contrast.id,
        model.matrix,
        model.weights,
        *arms,
        *replicates,
        model.formula,
        findings,
        model.reduced,
        model.effect_is_slope,
    )


def estimable_model(contrast: Contrast, table: pd.DataFrame, vehicle: Sequence[str] = ()) -> Model:
    """The model over all levels, or over the two arms where only that can be estimated.

    Raises
    ------
    DesignError
        As ``build_design``.
    """
    model = assemble_model(contrast, table, vehicle)
    where = f"contrast {contrast.id}"
    try:
        require_estimable(model, where)
    except DesignError as problem:
        if contrast.formula is not None:
            raise
        arms = assemble_model(contrast, table, vehicle, arms_only=True)
        require_estimable(arms, where)
        sentence = (
            f"only the {len(arms.rows)} samples of the two arms are in the model: over all {len(model.rows)} "
            f"samples {problem.what}"
        )
        return replace(arms, findings=(*arms.findings, Finding("warning", "two_arms_only", sentence)))
    return model


def model_arms(
    contrast: Contrast, model: Model, vehicle: Sequence[str] = ()
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Samples of the reference and the target arm."""
    rows, variable = model.rows, contrast.variable
    estimate = least_squares_weights(model.matrix, model.weights)
    negative, positive = estimate < 0, estimate > 0
    if variable is not None and contrast.reference is not None and contrast.target is not None:
        texts = column_texts(rows, variable)
        used = (estimate != 0) | (contrast.formula is None)
        negative = (texts == level_as_stored(rows, variable, contrast.reference)) & used
        positive = (texts == level_as_stored(rows, variable, contrast.target)) & used
    elif "treatment" in model.involved and len(model.involved) > 1:
        texts = column_texts(rows, "treatment")
        base = texts == base_level(sorted(map(str, set(texts))), vehicle)
        negative, positive = base & (estimate != 0), ~base & (estimate != 0)
    return tuple(rows.index[negative].astype(str)), tuple(rows.index[positive].astype(str))


def model_findings(
    model: Model, arms: tuple[tuple[str, ...], tuple[str, ...]], replicates: tuple[int, int]
) -> tuple[Finding, ...]:
    """What every fit of an estimable model must tell."""
    size = size_findings(model.matrix, arms, replicates)
    return (*model.findings, *size, *repeated_replicates(model.rows, model.factors))


def arm_replicates(contrast: Contrast, model: Model, arms: tuple[tuple[str, ...], tuple[str, ...]]) -> tuple[int, int]:
    """Biological replicates of the arms: for a formula those of the smallest cell that the contrast involves.

    A cell of a trend is one value of its number. A number that no two samples share (age, purity) makes no cells.
    """
    if contrast.formula is None:
        return len(arms[0]), len(arms[1])
    numbers = frozenset[str]().union(*(model.columns_of[name] for name in model.slopes))
    unshared = {name for name in numbers if model.rows[name].is_unique}
    factors = sorted(model.involved - unshared)
    cells = model.rows[factors].astype(str).agg("\x1f".join, axis=1) if factors else None
    return _smallest_cell(arms[0], cells), _smallest_cell(arms[1], cells)


def _smallest_cell(arm: Sequence[str], cells: pd.Series | None) -> int:
    if not arm or cells is None:
        return len(arm)
    return int(cells.loc[list(arm)].value_counts().min())


def require_estimable(model: Model, where: str) -> None:
    """Refuse a model without residual degrees of freedom or whose coefficients cannot be told apart.

    Raises
    ------
    DesignError
        Names the confounded factors or the coefficients.
    """
    matrix, rank = model.matrix, model.rank
    nothing_to_test = model.reduced is not None and int(np.linalg.matrix_rank(model.reduced.to_numpy())) >= rank
    n_samples, n_coefficients = matrix.shape
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
            f"the effects cannot be told apart: {explain_rank_deficiency(matrix, model.rows, model.factors)}"
            + (", so that the reduced formula explains as much as the formula" if nothing_to_test else ""),
            where=where,
            found=f"rank {rank} with {n_coefficients} coefficients ({listing(matrix.columns)})",
            expected="factors that vary independently of one another",
            fix="Take one of the confounded factors out of the design and say so with the result, or measure "
            "the missing combinations: no model can separate them afterwards",
        )
