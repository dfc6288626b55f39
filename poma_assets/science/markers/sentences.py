"""The one-line explanation of a verdict, with its numbers."""

from __future__ import annotations

import math
from typing import Final

from poma_assets.science.markers.judgement import ContrastFacts, Judgement
from poma_assets.science.markers.rules import (
    ALPHA,
    BASELINE_KIND,
    INTERACTION_KIND,
    REPLICATES_FOR_ABSENCE,
)
from poma_assets.science.markers.statistics import (
    interval,
    replicates_needed,
    smallest_detectable_effect,
)

LEVEL_FOLD: Final = 1.05
"""Changes below this are called level in words; the numbers stand beside them."""


def explain(judgement: Judgement, facts: ContrastFacts) -> str:
    """Return the sentence for a settled judgement."""
    if judgement.hypothesis.policy == "identity" and judgement.stop is None:
        parts = [_identity(judgement)]
    elif judgement.stop is not None:
        parts = [_not_tested(judgement)]
        if not math.isnan(judgement.estimate.effect):
            parts.append(f"For the record: {_effect(judgement, facts)}; {_details(judgement, facts)}")
    else:
        parts = [f"{_effect(judgement, facts)}{_finding(judgement, facts)}"]
        if facts.kind == INTERACTION_KIND:
            parts[0] = _capitalised(parts[0])
        parts.append(_capitalised(_details(judgement, facts)))
    parts += [_capitalised(remark) for remark in judgement.remarks]
    return ". ".join(parts).replace("\n", " ") + "."


def fold(log2: float) -> str:
    """Return a fold change in figures, two significant digits: 1.68 -> 3.2."""
    value = 2 ** abs(log2)
    return f"{value:.0f}" if value >= 10 else f"{value:.2g}"


def probability(value: float) -> str:
    """Return a p or q value as people write it: 2e-9, 0.031."""
    if math.isnan(value):
        return "not given"
    if value < 1e-300:
        return "< 1e-300"
    text = f"{value:.1g}" if value < 0.001 else f"{value:.2g}"
    mantissa, e, exponent = text.partition("e")
    return f"{mantissa}e{int(exponent)}" if e else text


def _subject(judgement: Judgement) -> str:
    if not judgement.is_set:
        return judgement.hypothesis.gene_symbol
    counted = f"{judgement.members_used} of {judgement.members_total} genes"
    return f"{judgement.hypothesis.gene_symbol} ({counted}, on average)"


def _effect(judgement: Judgement, facts: ContrastFacts) -> str:
    effect = judgement.estimate.effect
    low, high = interval(effect, judgement.estimate.standard_error)
    numbers = f"log2 {effect:.2f}, 95 % CI {low:.2f} to {high:.2f}{_deciding_q(judgement)}"
    return f"{_comparison(_subject(judgement), effect, facts.kind)} ({numbers})"


def _comparison(subject: str, effect: float, kind: str) -> str:
    """Return what was found in the words of the comparison: a course of time, two kinds of cells, two effects."""
    level = 2 ** abs(effect) < LEVEL_FOLD
    more = f"{fold(effect)}-fold {'higher' if effect > 0 else 'lower'}"
    if kind == INTERACTION_KIND:
        found = "alike in sensitive and resistant cells" if level else f"{more} in sensitive than in resistant cells"
        return f"the drug's effect on {subject} is {found}"
    if kind == BASELINE_KIND:
        found = "alike in resistant and sensitive cells" if level else f"{more} in resistant than in sensitive cells"
        return f"{subject} is {found}"
    return f"{subject} " + ("stayed level" if level else f"{'rose' if effect > 0 else 'fell'} {fold(effect)}-fold")


def _deciding_q(judgement: Judgement) -> str:
    if judgement.sub_verdict in ("absent", "equivalent", "outside_window", "exposure_not_shown"):
        return f", q of equivalence = {probability(judgement.q_equivalence)}"
    if judgement.sub_verdict in ("opposite", "changed"):
        return f", q = {probability(judgement.q_opposite)}"
    if not math.isnan(judgement.q_confirm):
        return f", q = {probability(judgement.q_confirm)}"
    if not math.isnan(judgement.q_equivalence):
        return f", q of equivalence = {probability(judgement.q_equivalence)}"
    return ""


def _details(judgement: Judgement, facts: ContrastFacts) -> str:
    estimate = judgement.estimate
    edger = "no edgeR estimate"
    if judgement.is_set:
        edger = "members' mean edgeR "
        edger += "not given" if math.isnan(estimate.edger_effect) else f"log2 {estimate.edger_effect:.2f}"
    elif not math.isnan(estimate.edger_effect):
        edger = f"edgeR log2 {estimate.edger_effect:.2f} (FDR {probability(estimate.edger_fdr)})"
    return (
        f"standard error {estimate.standard_error:.2f}, smallest detectable effect "
        f"{smallest_detectable_effect(estimate.standard_error):.2f} (log2), "
        f"{facts.n_reference} against {facts.n_target} replicates, {edger}"
    )


def _finding(judgement: Judgement, facts: ContrastFacts) -> str:
    """Return the second half of the main sentence, from what was asked to the verdict."""
    hypothesis = judgement.hypothesis
    asked = f"{fold(hypothesis.min_effect_log2)}-fold" if hypothesis.min_effect_log2 > 0 else ""
    change = {1: "rise", -1: "fall"}.get(hypothesis.sign, "change")
    change = "difference" if facts.kind in (INTERACTION_KIND, BASELINE_KIND) else change
    verdict = f"{judgement.verdict.replace('_', ' ')}, {judgement.sub_verdict.replace('_', ' ')}"
    findings = {
        "strong": f", at least the {asked} asked for, also at the cautious end of the estimate",
        "plain": f", at least the {asked} asked for",
        "opposite": f", opposite to the expected {change} and by at least {asked}",
        "absent": f"; a {change} of {asked} or more is excluded",
        "changed": f", by at least {asked} where no {change} is expected",
        "equivalent": f"; a {change} of {asked} or more is excluded, as expected",
        "small_effect": f", in the expected direction, but short of the {asked} asked for",
        "underpowered": f"; {_power(judgement, facts, asked)}",
        "borderline": f"; a {change} of {asked} is neither shown nor excluded{_too_few(judgement, facts)}",
        "outside_window": f"; no {change} of {asked}, but {judgement.reason}",
        "exposure_not_shown": f"; no {change} of {asked}, but {judgement.reason}",
        "report_only": "; no direction is expected, so it is reported only",
        "judged_as_set": f"; judged with the others as {hypothesis.panel}, not by itself",
    }
    text = findings[judgement.sub_verdict]
    if hypothesis.policy == "permissive" and judgement.sub_verdict in ("absent", "opposite"):
        text += f"; the hypothesis is that a {change} can occur, so its absence does not contradict it"
    return f"{text}: {verdict}"


def _power(judgement: Judgement, facts: ContrastFacts, asked: str) -> str:
    error = judgement.estimate.standard_error
    text = f"effects below {fold(smallest_detectable_effect(error))}-fold cannot be seen, {asked} is asked for"
    needed = replicates_needed(error, judgement.hypothesis.min_effect_log2, facts.n_reference, facts.n_target)
    return text if needed is None else f"{text}; about {needed} replicates an arm would do"


def _too_few(judgement: Judgement, facts: ContrastFacts) -> str:
    n = min(facts.n_reference, facts.n_target)
    if judgement.q_equivalence < ALPHA and n < REPLICATES_FOR_ABSENCE:
        return f" ({n} replicates an arm are too few to call it absent)"
    return ""


def _not_tested(judgement: Judgement) -> str:
    stop = judgement.stop
    if stop is None:
        return ""
    name = judgement.hypothesis.gene_symbol
    return f"{name}: {stop.reason}: not testable, {stop.sub_verdict.replace('_', ' ')}"


def _identity(judgement: Judgement) -> str:
    verdict = f"{judgement.verdict}, {judgement.sub_verdict.replace('_', ' ')}"
    return f"{judgement.hypothesis.gene_symbol} {judgement.reason}: {verdict}"


def _capitalised(text: str) -> str:
    return text[:1].upper() + text[1:]
