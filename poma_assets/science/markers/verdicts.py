"""Judges the marker hypotheses of one contrast: gates, p values, rules, labels, sentences, in that order.

Rows of the result: one per applicable hypothesis, and one per set of set_member hypotheses, just before
its members. A set's row bears the set's name as hypothesis and gene symbol. Its members are listed for the
record (not_testable/judged_as_set) unless the set fails its replicates or its context.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, cast

import numpy as np
import pandas as pd

from poma_assets.science.markers import gates, rules
from poma_assets.science.markers.estimates import MarkerEstimates
from poma_assets.science.markers.hypotheses import Hypotheses, Hypothesis
from poma_assets.science.markers.judgement import ContrastFacts, Estimate, GateStop, Judgement
from poma_assets.science.markers.programmes import programme_remarks
from poma_assets.science.markers.sentences import explain
from poma_assets.science.markers.set_tests import (
    MINIMUM_MEMBERS,
    MINIMUM_OTHER_GENES,
    competitive_rank_test,
    inter_gene_correlation,
    mean_effect,
)
from poma_assets.science.markers.statistics import interval, p_values, smallest_detectable_effect

__all__ = ["VERDICT_COLUMNS", "ContrastFacts", "judge_markers", "judged_genes"]

VERDICT_COLUMNS: Final = (
    "contrast_id",
    "hypothesis_id",
    "gene_symbol",
    "ensembl_gene_id",
    "panel",
    "policy",
    "verdict",
    "sub_verdict",
    "label",
    "expected_direction",
    "min_effect_log2",
    "log2_fold_change",
    "standard_error",
    "ci_low",
    "ci_high",
    "p_confirm",
    "q_confirm",
    "p_opposite",
    "q_opposite",
    "p_equivalence",
    "q_equivalence",
    "smallest_detectable_effect_log2",
    "n_reference",
    "n_target",
    "edger_log2_fold_change",
    "edger_p_adjusted",
    "engines_agree",
    "sentence",
    "hypotheses_sha256",
)


@dataclass(frozen=True)
class _Evidence:
    """All that a contrast's hypotheses are judged by."""

    facts: ContrastFacts
    deseq2: pd.DataFrame
    estimates: MarkerEstimates
    counts: pd.DataFrame
    library_size: pd.Series
    problems: gates.SampleProblems
    has_estimates: bool


def judge_markers(
    hypotheses: Hypotheses,
    facts: ContrastFacts,
    deseq2: pd.DataFrame,
    edger: pd.DataFrame | None,
    counts: pd.DataFrame,
    library_size: pd.Series,
    identity: pd.DataFrame,
    sample_quality: pd.DataFrame,
    response: pd.DataFrame | None,
    overrides: pd.DataFrame | None = None,
    programmes: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Judge the hypotheses that a contrast can speak to.

    Parameters
    ----------
    hypotheses
        All hypotheses; those for another kind of contrast are left out, and see `gates.applicable`.
    facts
        What is known about the contrast and its samples.
    deseq2, edger
        Rows of the table ``de_results`` for this contrast, by engine. Verdicts rest on DESeq2.
    counts
        Genes x samples: every sample of the contrast.
    library_size
        Assigned fragments by sample.
    identity, sample_quality
        Rows of the tables ``sample_identity`` and ``sample_quality``.
    response
        Rows of the table ``response_score`` for this contrast. Without a row for a gene, exposure counts
        as not shown.
    overrides
        As from `quality_gates.parse_overrides`: who lifted a failed metric or an identity mismatch.
    programmes
        Rows of the table ``programme_scores`` for this contrast: programmes of whole populations that moved are told
        beside the drug's effects. They change no verdict.

    Returns
    -------
    pandas.DataFrame
        The columns `VERDICT_COLUMNS`, one row per hypothesis and one per set.

    Raises
    ------
    CountsError
        A sample of the contrast has no counts.
    """
    gates.require_counts(facts, counts, library_size)
    estimates = MarkerEstimates(deseq2, edger, counts.index)
    problems = gates.sample_problems(facts, identity, sample_quality, overrides)
    evidence = _Evidence(facts, deseq2, estimates, counts, library_size, problems, estimates.any_estimable)
    declared = hypotheses.rows()
    judgements = _gate_all(gates.applicable(declared, facts), evidence)
    _settle_all(judgements, facts, response)
    rules.remark_interaction(judgements, declared, facts)
    if programmes is not None and facts.kind == rules.DRUG_KIND:
        _remark_programmes(judgements, programmes, facts)
    for judgement in judgements:
        rules.label_samples(judgement, facts, problems)
    rows = [_row(judgement, facts, hypotheses.sha256) for judgement in judgements]
    return pd.DataFrame(rows, columns=list(VERDICT_COLUMNS))


def _settle_all(judgements: Sequence[Judgement], facts: ContrastFacts, response: pd.DataFrame | None) -> None:
    rules.adjust(judgements)
    shown = _exposure(response)
    for judgement in judgements:
        if judgement.stop is not None:
            judgement.settle("not_testable", judgement.stop.sub_verdict, judgement.stop.reason)
        elif judgement.testable:
            rules.decide(judgement, facts, shown.get(judgement.hypothesis.gene_symbol, False))
    rules.label_uncoupled(judgements)


def _remark_programmes(judgements: Sequence[Judgement], programmes: pd.DataFrame, facts: ContrastFacts) -> None:
    """Say beside the calls of single genes which programmes of the population moved as well."""
    for judgement in judgements:
        called = judgement.verdict in ("confirmed", "contradicted") and not judgement.is_set
        if called and judgement.hypothesis.policy != "identity":
            gene, effect = judgement.hypothesis.gene_symbol, judgement.estimate.effect
            judgement.remarks += programme_remarks(programmes, gene, effect, facts.time_h)


def judged_genes(hypotheses: Hypotheses) -> dict[str, tuple[str, ...]]:
    """Return what the response score must leave out: each gene by itself, each set with all its members."""
    groups: dict[str, tuple[str, ...]] = {}
    for hypothesis in hypotheses.rows():
        groups[hypothesis.gene_symbol] = (hypothesis.gene_symbol,)
        if hypothesis.policy == "set_member":
            groups[hypothesis.panel] = (*groups.get(hypothesis.panel, ()), hypothesis.gene_symbol)
    return groups


def _gate_all(chosen: Sequence[Hypothesis], evidence: _Evidence) -> list[Judgement]:
    judgements: list[Judgement] = []
    sets: set[str] = set()
    for hypothesis in chosen:
        if hypothesis.policy != "set_member":
            judgements.append(_gate_gene(hypothesis, evidence))
        elif hypothesis.panel not in sets:
            sets.add(hypothesis.panel)
            members = [h for h in chosen if h.policy == "set_member" and h.panel == hypothesis.panel]
            judgements += _gate_set(members, evidence)
    return judgements


def _gate_gene(hypothesis: Hypothesis, evidence: _Evidence) -> Judgement:
    """Pass one gene through the gates; fill its p values, or settle it where there is nothing to test."""
    judgement = Judgement(hypothesis, evidence.estimates.of(hypothesis))
    if hypothesis.policy == "identity":
        _judge_identity(judgement, evidence)
        return judgement
    judgement.stop = (
        gates.replication_gate(evidence.facts, evidence.has_estimates)
        or gates.context_gate(hypothesis, evidence.facts)
        or gates.protein_gate(hypothesis)
        or _expression_gate(judgement, evidence)
        or gates.integrity_gate(evidence.problems)
    )
    if judgement.stop is None and hypothesis.policy == "report_only":
        judgement.settle("not_testable", "report_only")
    elif judgement.stop is None:
        _fill_p_values(judgement)
    return judgement


def _expression_gate(judgement: Judgement, evidence: _Evidence) -> GateStop | None:
    """Stop below the floor; also where this gene, unlike others, has no estimate."""
    estimate = judgement.estimate
    if estimate.gene_id in evidence.counts.index:
        counts = _counts_of(estimate.gene_id, evidence)
        stop = gates.floor_gate(judgement.hypothesis, counts, evidence.library_size, evidence.facts)
        if stop is not None:
            return stop
    if estimate.problem is not None:
        return GateStop("not_estimable", estimate.problem)
    return None


def _counts_of(gene_id: str | None, evidence: _Evidence) -> pd.Series:
    return cast("pd.Series", evidence.counts.loc[gene_id])


def _fill_p_values(judgement: Judgement) -> None:
    hypothesis, estimate = judgement.hypothesis, judgement.estimate
    p = p_values(estimate.effect, estimate.standard_error, hypothesis.sign, hypothesis.min_effect_log2)
    judgement.p_confirm, judgement.p_opposite, judgement.p_equivalence = p


def _judge_identity(judgement: Judgement, evidence: _Evidence) -> None:
    """Expressed if above the floor in more than half of the samples of every arm."""
    estimate, facts = judgement.estimate, evidence.facts
    judgement.stop = gates.context_gate(judgement.hypothesis, facts)
    if judgement.stop is None and estimate.gene_id not in evidence.counts.index:
        judgement.stop = GateStop("not_estimable", estimate.problem or "the gene has no counts")
    judgement.stop = judgement.stop or gates.integrity_gate(evidence.problems)
    if judgement.stop is None:
        counts = _counts_of(estimate.gene_id, evidence)
        arms = [arm for arm in (facts.reference_samples, facts.target_samples) if arm]
        found = [gates.samples_above_floor(counts, evidence.library_size, arm) for arm in arms]
        expressed = all(2 * n > len(arm) for n, arm in zip(found, arms, strict=True))
        reason = f"reaches CPM >= {gates.FLOOR_CPM:g} and >= {gates.FLOOR_COUNTS} counts in "
        reason += f"{sum(found)} of {len(facts.samples)} samples"
        verdict = ("confirmed", "expressed") if expressed else ("contradicted", "not_expressed")
        judgement.settle(*verdict, reason)


def _gate_set(members: Sequence[Hypothesis], evidence: _Evidence) -> list[Judgement]:
    """Return the judgement of the set, then those of its members where they are worth listing."""
    whole = replace(members[0], hypothesis_id=members[0].panel, gene_symbol=members[0].panel)
    whole = replace(whole, ensembl_gene_id="")
    judged = Judgement(whole, Estimate(), members_used=0, members_total=len(members))
    judged.stop = gates.replication_gate(evidence.facts, evidence.has_estimates) or gates.context_gate(
        whole, evidence.facts
    )
    if judged.stop is not None:
        return [judged]
    rows = [Judgement(member, evidence.estimates.of(member)) for member in members]
    for row in rows:
        row.stop = _expression_gate(row, evidence)
        if row.stop is None:
            row.settle("not_testable", "judged_as_set")
    used = [row for row in rows if row.stop is None]
    judged.members_used = len(used)
    judged.stop = _test_set(judged, used, evidence) or gates.integrity_gate(evidence.problems)
    return [judged, *rows]


def _test_set(judged: Judgement, used: Sequence[Judgement], evidence: _Evidence) -> GateStop | None:
    """Fill the set's mean effect and p values; stop where too few genes are left."""
    if len(used) < MINIMUM_MEMBERS:
        found = f"{len(used)} of {judged.members_total} members are expressed and estimated"
        return GateStop("below_floor", f"{found}; a set needs {MINIMUM_MEMBERS}")
    z = (evidence.deseq2["log2_fold_change"] / evidence.deseq2["standard_error"]).to_numpy(dtype=float)
    tested, z = evidence.deseq2[np.isfinite(z)], z[np.isfinite(z)]
    in_set = tested["gene_id"].isin([row.estimate.gene_id for row in used]).to_numpy(dtype=bool)
    if int((~in_set).sum()) < MINIMUM_OTHER_GENES or not in_set.any():
        reason = f"a set is compared with at least {MINIMUM_OTHER_GENES} other tested genes"
        return GateStop("not_estimable", reason)
    arms = (evidence.facts.reference_samples, evidence.facts.target_samples)
    member_counts = evidence.counts.loc[[row.estimate.gene_id for row in used]]
    correlation = inter_gene_correlation(member_counts, evidence.library_size, arms)
    effect, error = mean_effect(
        np.array([row.estimate.effect for row in used]),
        np.array([row.estimate.standard_error for row in used]),
        correlation,
    )
    edger = [row.estimate.edger_effect for row in used if not math.isnan(row.estimate.edger_effect)]
    mean_edger = float(np.mean(edger)) if edger else math.nan
    judged.estimate = Estimate(None, effect, error, "tested", mean_edger)
    p_up, p_down = competitive_rank_test(z, in_set, correlation)
    judged.p_confirm, judged.p_opposite = (p_up, p_down) if judged.hypothesis.sign > 0 else (p_down, p_up)
    judged.p_equivalence = p_values(effect, error, 0, judged.hypothesis.min_effect_log2).equivalence
    return None


def _exposure(response: pd.DataFrame | None) -> dict[str, bool]:
    if response is None or response.empty:
        return {}
    shown = response["exposure_shown"].fillna(False).astype(bool)
    return dict(zip(response["judged_gene"].astype(str), shown, strict=True))


def _row(judgement: Judgement, facts: ContrastFacts, sha256: str) -> dict[str, object]:
    hypothesis, estimate = judgement.hypothesis, judgement.estimate
    low, high = interval(estimate.effect, estimate.standard_error)
    values = (
        facts.contrast_id,
        hypothesis.hypothesis_id,
        hypothesis.gene_symbol,
        hypothesis.ensembl_gene_id or estimate.gene_id,
        hypothesis.panel,
        hypothesis.policy,
        judgement.verdict,
        judgement.sub_verdict,
        ";".join(judgement.labels) or None,
        hypothesis.expected_direction,
        hypothesis.min_effect_log2,
        estimate.effect,
        estimate.standard_error,
        low,
        high,
        judgement.p_confirm,
        judgement.q_confirm,
        judgement.p_opposite,
        judgement.q_opposite,
        judgement.p_equivalence,
        judgement.q_equivalence,
        smallest_detectable_effect(estimate.standard_error),
        facts.n_reference,
        facts.n_target,
        estimate.edger_effect,
        estimate.edger_fdr,
        estimate.engines_agree,
        explain(judgement, facts),
        sha256,
    )
    return dict(zip(VERDICT_COLUMNS, values, strict=True))
