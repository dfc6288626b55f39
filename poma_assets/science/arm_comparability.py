"""Whether the two arms of a contrast differ in more than what is compared: batch, donor, time, dose, cell line.

Each function takes a comparison and gives its findings; none needs the design to be estimable.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from poma_assets.science.confounding import cramers_v
from poma_assets.science.contrast_formulas import least_squares_weights
from poma_assets.science.contrasts_file import Contrast
from poma_assets.science.design_findings import Finding
from poma_assets.science.design_model import Model
from poma_assets.science.sample_sheet import METADATA_COLUMNS
from poma_assets.science.subsets import column_texts
from poma_assets.science.tables import listing, natural_key

# What differs by itself between the levels of which other columns: a line has its sensitivity, a drug its dose.
_CONDITIONS = {
    "treatment": frozenset[str](),
    "dose_um": frozenset({"treatment"}),
    "cell_line": frozenset({"sensitivity", "donor"}),
    "sensitivity": frozenset({"cell_line", "donor"}),
}
NOTABLE_INFLATION, LARGE_INFLATION = 1.1, 1.5
_STRONG_ASSOCIATION = 0.3
_BATCH_LIKE = re.compile(
    r"(^|_)(batch|plate|run|date|day|flow_?cell|lane|library|prep|operator|extraction|sequencer|centre|center|site)"
    r"(_|\d|$)",
    re.IGNORECASE,
)


@dataclass(frozen=True, eq=False)
class Comparison:
    """A contrast, its model, and the samples of its arms."""

    contrast: Contrast
    model: Model
    reference: tuple[str, ...]
    target: tuple[str, ...]

    def levels(self, column: str, samples: Iterable[str]) -> list[str]:
        """Recorded levels of a column among samples, in natural order."""
        texts = column_texts(self.model.rows, column).loc[list(samples)].dropna()
        return sorted(map(str, set(texts)), key=natural_key)

    def has(self, column: str) -> bool:
        """Whether the sheet has the column and it is not what the contrast compares."""
        return column in self.model.rows.columns and column not in self.compared

    @property
    def compared(self) -> frozenset[str]:
        """Columns that the contrast compares, with those that they interact with in the model."""
        compared = self.model.involved | ({self.contrast.variable} if self.contrast.variable else set())
        for columns in self.model.columns_of.values():
            if columns & compared and len(columns) > 1:
                compared |= columns
        return frozenset(compared)

    @property
    def sides(self) -> pd.Series:
        """``reference`` or ``target`` for every sample of an arm."""
        named = dict.fromkeys(self.reference, "reference") | dict.fromkeys(self.target, "target")
        return pd.Series(named, dtype=object)

    def is_accounted_for(self, column: str) -> bool:
        """Whether the model already holds all that this factor could explain."""
        return _rank(self._with(column)) == self.model.rank

    def can_block_on(self, column: str) -> bool:
        """Whether the contrast could be estimated, with residual degrees of freedom, with this factor added."""
        wider = self._with(column)
        rank, weights = _rank(wider), np.zeros(wider.shape[1])
        weights[: len(self.model.weights)] = self.model.weights
        return wider.shape[0] > rank and _rank(np.vstack([wider, weights])) == rank

    def _with(self, column: str) -> NDArray[np.float64]:
        indicators = pd.get_dummies(column_texts(self.model.rows, column).fillna("")).to_numpy(dtype=float)
        return np.column_stack([self.model.matrix.to_numpy(), indicators])

    @property
    def how_to_block(self) -> str:
        """Where a blocking factor is written."""
        return "the formula" if self.contrast.formula else "the column 'blocking'"


def _rank(matrix: NDArray[np.float64]) -> int:
    return int(np.linalg.matrix_rank(matrix))


def imbalance(comparison: Comparison) -> list[Finding]:
    """How much the other factors of the model widen the standard error, and samples that add nothing."""
    findings = []
    others = [name for name in comparison.model.factors if name not in comparison.compared]
    inflation = standard_error_inflation(comparison)
    if others and inflation >= NOTABLE_INFLATION:
        sides = comparison.sides
        texts = {name: column_texts(comparison.model.rows, name).loc[sides.index] for name in others}
        factor, association = max(
            ((name, cramers_v(values, sides)) for name, values in texts.items()), key=lambda pair: pair[1]
        )
        sentence = (
            f"{factor} explains a part of the difference between the arms ({_split(texts[factor], sides)}; Cramer's V "
            f"{association:.2f}): the standard error of the effect is {inflation:.1f} times that of a balanced design. "
            f"Measure both arms in every {factor}, or be ready to find large effects only"
        )
        findings.append(Finding("warning" if inflation >= LARGE_INFLATION else "note", "imbalance", sentence))
    if comparison.contrast.formula is None and np.isfinite(inflation):
        estimate = least_squares_weights(comparison.model.matrix, comparison.model.weights)
        idle = [sample for sample in comparison.sides.index if estimate[sample] == 0]
        if idle:
            sentence = (
                f"{listing(idle)} {'add' if len(idle) > 1 else 'adds'} nothing to the effect: no sample of the other "
                f"arm has the same {' and '.join(others)}. Add its counterpart, or do not count it as a replicate"
            )
            findings.append(Finding("warning", "no_counterpart", sentence))
    return findings


def standard_error_inflation(comparison: Comparison) -> float:
    """Standard error of the contrast divided by that in a model without the factors it does not compare.

    Under equal variances; 1 where every other factor is balanced over the arms, NaN if not estimable.
    """
    model = comparison.model
    whole = model.matrix.to_numpy()
    kept = np.array([model.columns_of[str(name)] <= comparison.compared for name in model.matrix.columns])
    alone, weights = whole[:, kept], model.weights[kept]
    ones = np.ones((len(whole), 1))
    if _rank(np.column_stack([whole, ones])) == model.rank and _rank(np.column_stack([alone, ones])) > _rank(alone):
        alone, weights = np.column_stack([alone, ones]), np.append(weights, 0.0)
    if not model.weights.any() or model.rank < whole.shape[1] or _rank(alone) < alone.shape[1]:
        return float("nan")
    variances = [float(w @ np.linalg.inv(x.T @ x) @ w) for x, w in ((whole, model.weights), (alone, weights))]
    return float(np.sqrt(variances[0] / variances[1]))


def _split(levels: pd.Series, sides: pd.Series) -> str:
    parts = []
    for level in sorted(set(map(str, levels)), key=natural_key)[:6]:
        here = sides[levels.astype(str) == level]
        parts.append(f"{level}: {(here == 'reference').sum()} reference and {(here == 'target').sum()} target")
    return ", ".join(parts)


def unused_batches(comparison: Comparison) -> list[Finding]:
    """Columns that look like batches, differ among the samples and are not in the design."""
    findings = []
    sides = comparison.sides
    for column in map(str, comparison.model.rows.columns):
        if not _BATCH_LIKE.search(column) or column in comparison.model.factors or not comparison.has(column):
            continue
        texts = column_texts(comparison.model.rows, column).loc[sides.index].fillna("not recorded").astype(str)
        if not 1 < texts.nunique() < len(texts):
            continue
        if (pd.crosstab(texts, sides) > 0).all(axis=1).any():
            findings += _mixed_batch(comparison, column, cramers_v(texts, sides))
        else:
            findings.append(_separate(comparison, column))
    return findings


def _mixed_batch(comparison: Comparison, column: str, association: float) -> list[Finding]:
    if comparison.is_accounted_for(column) or not comparison.can_block_on(column):
        return []
    levels = comparison.levels(column, comparison.sides.index)
    strong = association >= _STRONG_ASSOCIATION
    effect = f"and differs between the arms (Cramer's V {association:.2f}), so that it can pass for an effect"
    sentence = (
        f"{column} is recorded ({listing(levels, 6)}) {effect if strong else 'and not in the design'}: "
        f"write {column} in {comparison.how_to_block}"
    )
    return [Finding("warning" if strong else "note", "batch_unused", sentence)]


def _separate(comparison: Comparison, column: str) -> Finding:
    arms = (listing(comparison.levels(column, arm), 6) or "not recorded" for arm in _arms(comparison))
    sentence = (
        f"no {column} holds samples of both arms (reference: {next(arms)}; target: {next(arms)}): the effect cannot be "
        f"told from that of {column}, and leaving {column} out of the design does not change that. Repeat the "
        f"experiment with both arms in each {column}, or say so with the result"
    )
    return Finding("warning", "hidden_confounding", sentence)


def hidden_conditions(comparison: Comparison) -> list[Finding]:
    """Treatment, dose, cell line or sensitivity that differs between the arms though it is not what is compared.

    A contrast of a further column, such as ``group``, may mean just these, and is left alone.
    """
    if not comparison.compared <= set(METADATA_COLUMNS):
        return []
    findings: dict[str, Finding | None] = {}
    for column, goes_with in _CONDITIONS.items():
        told = any(findings.get(name) for name in goes_with)
        if told or goes_with & comparison.compared or not comparison.has(column):
            continue
        if column not in comparison.model.factors:
            findings[column] = _hidden_condition(comparison, column)
    return [finding for finding in findings.values() if finding]


def _hidden_condition(comparison: Comparison, column: str) -> Finding | None:
    sides = comparison.sides
    if "dose_um" in comparison.compared and column == "treatment":
        sides = sides[comparison.model.rows["dose_um"].loc[sides.index] != 0]  # Without a drug there is no dose.
    texts = column_texts(comparison.model.rows, column).loc[sides.index].fillna("not recorded").astype(str)
    if texts.nunique() < 2 or sides.nunique() < 2:
        return None
    differs = f"{column} differs between the arms ({_split(texts, sides)})"
    if not (pd.crosstab(texts, sides) > 0).all(axis=1).any():
        sentence = (
            f"{differs}, so that the effect cannot be told from that of {column}, whatever the design. Measure both "
            f"arms with the same {column}, or say so with the result"
        )
        return Finding("warning", "hidden_confounding", sentence)
    if column == "cell_line" or comparison.is_accounted_for(column) or cramers_v(texts, sides) < _STRONG_ASSOCIATION:
        return None  # Of cell lines mixed_cell_lines speaks.
    shared = [level for level in comparison.levels(column, comparison.target) if (sides[texts == level]).nunique() > 1]
    sentence = f"{differs} and is not in the design, so that it can pass for an effect: "
    if not shared:
        return Finding("warning", "hidden_confounding", f"{sentence}fill in {column} in the sample sheet")
    if comparison.can_block_on(column):
        sentence += f"write {column} in {comparison.how_to_block}, or "
    return Finding(
        "warning", "hidden_confounding", f"{sentence}restrict the contrast by the subset {column}={shared[0]}"
    )


def _arms(comparison: Comparison) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return comparison.reference, comparison.target


def unused_pairing(comparison: Comparison) -> list[Finding]:
    """Donors with samples in both arms while donor is not in the design."""
    if not comparison.has("donor") or "donor" in comparison.model.factors:
        return []
    of_reference, of_target = (comparison.levels("donor", arm) for arm in _arms(comparison))
    both = [donor for donor in of_reference if donor in of_target]
    if len(both) < 2 or comparison.is_accounted_for("donor") or not comparison.can_block_on("donor"):
        return []
    sentence = (
        f"donors {listing(both)} have samples in both arms and donor is not in the design: block on donor (write donor "
        f"in {comparison.how_to_block}), so that each donor is compared with itself"
    )
    return [Finding("warning", "donor_unused", sentence)]


def unmatched_times(comparison: Comparison) -> list[Finding]:
    """Arms taken at different times, or times mixed within an arm."""
    if not comparison.has("time_h"):
        return []
    reference, target = (comparison.levels("time_h", arm) for arm in _arms(comparison))
    if not reference or not target:
        return []
    shared = [time for time in target if time in reference]
    if len(shared) < len(target):
        restrict = f"restrict the contrast by the subset time_h={','.join(shared)}" if shared else "leave it out"
        sentence = (
            f"the target arm was taken at {listing(target)} h and the reference arm at {listing(reference)} h: what "
            f"time alone does looks like the effect. Add reference samples at the same times, or {restrict}"
        )
        return [Finding("warning", "time_not_matched", sentence)]
    if len(reference) > 1 and not comparison.is_accounted_for("time_h"):
        sentence = (
            f"the arms mix samples taken at {listing(reference)} h and time_h is not in the design: restrict the "
            f"contrast by the subset time_h={target[-1]}, or write {_as_factor(comparison, 'time_h')}"
        )
        return [Finding("warning", "times_mixed", sentence)]
    return []


def mixed_doses(comparison: Comparison) -> list[Finding]:
    """Several doses within one arm."""
    if not comparison.has("dose_um"):
        return []
    findings = []
    for name, arm in zip(("reference", "target"), _arms(comparison), strict=True):
        doses = [dose for dose in comparison.levels("dose_um", arm) if dose != "0"]
        if len(doses) > 1 and not comparison.is_accounted_for("dose_um"):
            sentence = (
                f"the {name} arm mixes the doses {listing(doses)} uM: the effect is an average over them. Restrict "
                f"the contrast by the subset, or ask for the trend with the formula '~ log2_dose(dose_um)'"
            )
            findings.append(Finding("warning", "doses_mixed", sentence))
    return findings


def mixed_cell_lines(comparison: Comparison) -> list[Finding]:
    """Several cell lines within the arms: not in the design, in one arm only, or of different sensitivity."""
    if not comparison.has("cell_line"):
        return []
    reference, target = (comparison.levels("cell_line", arm) for arm in _arms(comparison))
    lines = comparison.levels("cell_line", comparison.sides.index)
    if len(lines) < 2:
        return []
    treated = "treatment" in comparison.model.involved
    if not set(reference) & set(target):
        return []  # The business of hidden_conditions.
    findings = []
    if not comparison.is_accounted_for("cell_line") and comparison.can_block_on("cell_line"):
        sentence = (
            f"the arms mix the cell lines {listing(lines)} and cell_line is not in the design: write cell_line in "
            f"{comparison.how_to_block}, or restrict the contrast by the subset cell_line={lines[0]}"
        )
        findings.append(Finding("warning", "cell_lines_mixed", sentence))
    if treated and comparison.has("sensitivity"):
        responses = [
            level
            for level in comparison.levels("sensitivity", comparison.sides.index)
            if level in ("sensitive", "resistant")
        ]
        if len(responses) == 2:
            sentence = (
                f"sensitive and resistant lines ({listing(lines)}) share one effect, which is an average over both. "
                "Make a contrast for each by the subset, or compare them with the formula '~ cell_line * treatment'"
            )
            findings.append(Finding("warning", "responses_mixed", sentence))
    return findings


def _as_factor(comparison: Comparison, column: str) -> str:
    return f"C({column}) in the formula" if comparison.contrast.formula else f"{column} in the column 'blocking'"
