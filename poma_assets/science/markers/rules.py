"""The rules of the verdicts: from a tested hypothesis's numbers to verdict, sub-verdict and labels.

The order of the conditions is binding. Gates come before (`gates`), words after (`sentences`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from poma_assets.science.markers.gates import SampleProblems, outside_window
from poma_assets.science.markers.hypotheses import Hypothesis
from poma_assets.science.markers.judgement import ContrastFacts, Judgement
from poma_assets.science.markers.statistics import (
    benjamini_hochberg,
    smallest_detectable_effect,
)

ALPHA: Final = 0.05
SINGLE_MARKER_ALPHA: Final = 0.0075
"""A direction called with a p that is not below this is labelled: where most of a panel truly changes, q is hardly
above p, and q alone calls up to 5 % of the markers that do not change; below it 1 % (docs/decisions/0009)."""
REPLICATES_FOR_ABSENCE: Final = 3
_DIRECTIONS = ("strong", "plain", "opposite", "changed")
AXIS_GENE: Final = "IRF4"
UNCOUPLED_GENE: Final = "MYC"
DRUG_KIND: Final = "drug_vs_vehicle"
BASELINE_KIND: Final = "resistant_vs_sensitive_at_vehicle"
INTERACTION_KIND: Final = "drug_by_sensitivity_interaction"


def adjust(judgements: Sequence[Judgement]) -> None:
    """Fill the q values: Benjamini-Hochberg over the testable panel, each kind of p value by itself."""
    testable = [judgement for judgement in judgements if judgement.testable]
    for kind in ("confirm", "opposite", "equivalence"):
        adjusted = benjamini_hochberg([getattr(judgement, f"p_{kind}") for judgement in testable])
        for judgement, q in zip(testable, adjusted, strict=True):
            setattr(judgement, f"q_{kind}", float(q))


def decide(judgement: Judgement, facts: ContrastFacts, exposure_shown: bool) -> None:
    """Settle the verdict of one hypothesis that passed the gates and was adjusted.

    Parameters
    ----------
    exposure_shown
        Whether the response score, this gene left out, shows that the drug acted.
    """
    if judgement.hypothesis.policy == "equivalence":
        verdict, sub_verdict = _decide_equivalence(judgement, facts)
    else:
        verdict, sub_verdict = decide_direction(judgement, facts)
        if judgement.hypothesis.policy == "permissive" and verdict == "contradicted":
            verdict = "inconclusive"
    judgement.settle(verdict, sub_verdict)
    _temper_absence(judgement, facts, exposure_shown)
    _temper_strength(judgement)


def decide_direction(judgement: Judgement, facts: ContrastFacts) -> tuple[str, str]:
    """Return verdict and sub-verdict where a direction is expected."""
    delta = judgement.hypothesis.min_effect_log2
    toward = judgement.hypothesis.sign * judgement.estimate.effect
    detectable = smallest_detectable_effect(judgement.estimate.standard_error)
    if toward >= delta and judgement.q_confirm < ALPHA:
        return "confirmed", "strong" if toward - detectable >= delta else "plain"
    if toward <= -delta and judgement.q_opposite < ALPHA:
        return "contradicted", "opposite"
    if judgement.q_confirm < ALPHA:
        return "inconclusive", "small_effect"
    if judgement.q_equivalence < ALPHA and _enough_for_absence(facts):
        return "contradicted", "absent"
    return "inconclusive", "underpowered" if detectable >= delta else "borderline"


def _decide_equivalence(judgement: Judgement, facts: ContrastFacts) -> tuple[str, str]:
    """Return verdict and sub-verdict where no change is the expectation; `opposite` is two-sided here."""
    delta = judgement.hypothesis.min_effect_log2
    if judgement.q_equivalence < ALPHA and _enough_for_absence(facts):
        return "confirmed", "equivalent"
    if abs(judgement.estimate.effect) >= delta and judgement.q_opposite < ALPHA:
        return "contradicted", "changed"
    detectable = smallest_detectable_effect(judgement.estimate.standard_error)
    return "inconclusive", "underpowered" if detectable >= delta else "borderline"


def _enough_for_absence(facts: ContrastFacts) -> bool:
    return min(facts.n_reference, facts.n_target) >= REPLICATES_FOR_ABSENCE


def _temper_absence(judgement: Judgement, facts: ContrastFacts, exposure_shown: bool) -> None:
    """No change says something only within the time window, and only if the drug acted at all."""
    found = (judgement.verdict, judgement.sub_verdict)
    if found not in (("contradicted", "absent"), ("confirmed", "equivalent")):
        return
    outside = outside_window(judgement.hypothesis, facts)
    if outside:
        judgement.settle("inconclusive", "outside_window", outside)
    elif facts.kind != DRUG_KIND or exposure_shown:
        return
    elif found == ("contradicted", "absent"):
        reason = "the response score does not show that the drug acted in these cells"
        judgement.settle("inconclusive", "exposure_not_shown", reason)
    else:
        judgement.flag(
            "exposure_not_shown",
            "the response score does not show that the drug acted, as is usual in resistant cells: "
            "RNA cannot tell resistance from missing exposure",
        )


def _temper_strength(judgement: Judgement) -> None:
    strong = judgement.sub_verdict == "strong"
    p = {"strong": judgement.p_confirm, "plain": judgement.p_confirm}.get(judgement.sub_verdict, judgement.p_opposite)
    called = judgement.verdict != "inconclusive" and judgement.sub_verdict in _DIRECTIONS
    if called and p >= SINGLE_MARKER_ALPHA:
        judgement.flag(
            "weak_by_itself",
            f"by itself (p = {p:.2g}) weaker than the p < {SINGLE_MARKER_ALPHA:g} that keeps the errors of a single "
            "marker below 1 in 100",
        )
    if judgement.estimate.status == "outlier":
        remark = "one sample's count is an outlier by Cook's distance" + (", so not strong" if strong else "")
        judgement.flag("count_outlier", remark)
    if strong and judgement.estimate.engines_agree is False:
        judgement.flag("engines_disagree", "edgeR sees the opposite direction, so not strong")
    if strong and judgement.labels:
        judgement.sub_verdict = "plain"


def label_uncoupled(judgements: Sequence[Judgement]) -> None:
    """Label IRF4 confirmed down with MYC shown to be flat: the axis is engaged, MYC does not follow."""
    falls = {
        judgement.hypothesis.gene_symbol: judgement
        for judgement in judgements
        if judgement.hypothesis.expected_direction == "down"
        and judgement.hypothesis.policy == "directional"
        and judgement.stop is None
    }
    axis, uncoupled = falls.get(AXIS_GENE), falls.get(UNCOUPLED_GENE)
    if axis is None or uncoupled is None or axis.verdict != "confirmed":
        return
    if uncoupled.q_equivalence < ALPHA and not uncoupled.q_confirm < ALPHA:
        for judgement in (axis, uncoupled):
            judgement.flag(
                "engaged_uncoupled",
                f"{AXIS_GENE} is down and {UNCOUPLED_GENE} is flat: the axis is engaged, {UNCOUPLED_GENE} uncoupled",
            )


def remark_interaction(judgements: Sequence[Judgement], hypotheses: Sequence[Hypothesis], facts: ContrastFacts) -> None:
    """Say with a drug effect in one kind of cells that it does not tell sensitive from resistant ones."""
    genes = {h.gene_symbol for h in hypotheses if h.contrast_kind == INTERACTION_KIND}
    for judgement in judgements:
        if facts.kind == DRUG_KIND and judgement.stop is None and judgement.hypothesis.gene_symbol in genes:
            judgement.remarks.append(
                "whether sensitive and resistant cells differ is decided by the interaction contrast alone"
            )


def label_samples(judgement: Judgement, facts: ContrastFacts, problems: SampleProblems) -> None:
    """Flag overridden samples, and a vehicle that was not (or not known to be) taken at the drug's times."""
    if problems.overridden and judgement.stop is None:
        judgement.flag("qc_override", "; ".join(problems.overridden))
    if facts.kind != DRUG_KIND or judgement.hypothesis.policy == "identity":
        return
    if facts.vehicle_time_matched is False:
        judgement.flag(
            "vehicle_not_time_matched",
            "the vehicle was not taken at the drug's time, so time in culture may explain a change",
        )
    elif facts.vehicle_time_matched is None:
        judgement.flag("vehicle_time_not_recorded", "whether the vehicle is time-matched is not recorded")
