"""Checks on designs, differential expression, enrichment and verdicts, contrast by contrast."""

import dagster as dg
import numpy as np

from poma_assets.assets.enrichment import study_collections
from poma_assets.checks.grouping import grouped_check
from poma_assets.checks.outcome import WARN, outcome
from poma_assets.partitions import CONTRASTS
from poma_assets.resources import StudyResource
from poma_assets.science.enrichment.gseapy_scores import gseapy_scores
from poma_assets.science.enrichment.ranking import rank_genes

FEW_RESIDUAL_DF = 3
_CROSS_CHECKED_SETS = 10
_SCORE_TOLERANCE = 1e-9
VERDICTS = ("confirmed", "contradicted", "inconclusive", "not_testable")


@dg.asset_check(asset="design_fit", partitions_def=CONTRASTS, blocking=True)
def design_is_of_full_rank(context: dg.AssetCheckExecutionContext, study: StudyResource) -> dg.AssetCheckResult:
    """The design matrix is of full rank: every coefficient can be told from the others."""
    matrix = _design_matrix(study, context.partition_key)
    rank = int(np.linalg.matrix_rank(matrix)) if matrix.size else 0
    offenders = [] if rank == matrix.shape[1] else [f"rank {rank} of {matrix.shape[1]} coefficients"]
    return outcome(offenders, expected="rank = number of coefficients", checked=matrix.shape[0])


@grouped_check("design_fit")
def design_has_replicates_enough(context: dg.AssetCheckExecutionContext, study: StudyResource) -> dg.AssetCheckResult:
    """More than three residual degrees of freedom are left for the dispersions."""
    matrix = _design_matrix(study, context.partition_key)
    left = matrix.shape[0] - matrix.shape[1]
    offenders = [f"{left} left"] if left <= FEW_RESIDUAL_DF else []
    rule = f"residual degrees of freedom > {FEW_RESIDUAL_DF}"
    return outcome(offenders, severity=WARN, expected=rule, checked=matrix.shape[0])


def _design_matrix(study: StudyResource, contrast: str) -> np.ndarray:
    rows = study.warehouse.read("design_fit", {"contrast_id": contrast})
    return rows.pivot(index="sample_id", columns="coefficient", values="value").to_numpy(dtype=float)


@dg.asset_check(asset="de_results", partitions_def=CONTRASTS, blocking=True)
def p_values_lie_between_0_and_1(context: dg.AssetCheckExecutionContext, study: StudyResource) -> dg.AssetCheckResult:
    """Raw and adjusted p values are probabilities, and the adjusted one is never the smaller."""
    rows = study.warehouse.read("de_results", {"contrast_id": context.partition_key})
    tested = rows.loc[rows["p_value"].notna()]
    wrong = ~tested["p_value"].between(0, 1) | (tested["p_adjusted"] < tested["p_value"] * (1 - 1e-9))
    return outcome(tested.loc[wrong, "gene_id"], expected="0 <= p <= p_adjusted <= 1", checked=len(rows))


@grouped_check("de_results")
def every_gene_has_a_p_value_or_a_reason(
    context: dg.AssetCheckExecutionContext, study: StudyResource
) -> dg.AssetCheckResult:
    """A gene without an adjusted p value says why."""
    rows = study.warehouse.read("de_results", {"contrast_id": context.partition_key})
    silent = rows.loc[rows["p_adjusted"].isna() & rows["reason"].isna()]
    offenders = silent["engine"] + " " + silent["gene_id"]
    return outcome(offenders, expected="p_adjusted or a reason", checked=len(rows))


@grouped_check("engine_agreement")
def engines_agree_on_direction(context: dg.AssetCheckExecutionContext, study: StudyResource) -> dg.AssetCheckResult:
    """No gene is significant in opposite directions by the two engines."""
    rows = study.warehouse.read("engine_agreement", {"contrast_id": context.partition_key})
    opposite = rows.loc[rows["agreement"] == "opposite", "gene_name"]
    return outcome(opposite, severity=WARN, expected="no gene opposite", checked=len(rows))


def _enrichment_p_values(study: StudyResource, contrast: str, method: str) -> dg.AssetCheckResult:
    rows = study.warehouse.read("enrichment", {"contrast_id": contrast, "method": method})
    wrong = rows.loc[~((rows["p_value"] > 0) & (rows["p_value"] <= 1)), "term_id"]
    return outcome(wrong, expected="0 < p <= 1", sets=len(rows))


@grouped_check("over_representation")
def over_representation_p_values_are_never_zero(
    context: dg.AssetCheckExecutionContext, study: StudyResource
) -> dg.AssetCheckResult:
    """No gene set is reported with a p value of zero."""
    return _enrichment_p_values(study, context.partition_key, "ora")


@grouped_check("gene_set_enrichment")
def gene_set_enrichment_p_values_are_never_zero(
    context: dg.AssetCheckExecutionContext, study: StudyResource
) -> dg.AssetCheckResult:
    """No gene set is reported with a p value of zero: permutations cannot show one."""
    return _enrichment_p_values(study, context.partition_key, "gsea")


@grouped_check("gene_set_enrichment")
def enrichment_scores_equal_those_of_gseapy(
    context: dg.AssetCheckExecutionContext, study: StudyResource
) -> dg.AssetCheckResult:
    """The enrichment scores of the first sets, computed again by gseapy, are the same."""
    where = {"contrast_id": context.partition_key}
    rows = study.warehouse.read("enrichment", {**where, "method": "gsea"})
    chosen = rows.sort_values(["p_value", "term_id"]).drop_duplicates("term_id").head(_CROSS_CHECKED_SETS)
    if chosen.empty:
        return outcome([], expected="applies where gene sets were tested")
    ranking = rank_genes(study.warehouse.read("de_results", {**where, "engine": "deseq2"})).statistic
    ours = chosen.set_index("term_id")["score"]
    theirs = gseapy_scores(
        ranking,
        {
            gene_set.term_id: sorted(gene_set.genes)
            for mapped in study_collections(study)
            for gene_set in mapped.collection.sets
            if gene_set.term_id in ours.index
        },
    )
    differing = [term for term, score in theirs.items() if abs(score - ours[term]) > _SCORE_TOLERANCE]
    return outcome(differing, expected=f"scores equal to {_SCORE_TOLERANCE:g}", checked=len(theirs))


@grouped_check("response_score")
def response_score_covers_the_signature(
    context: dg.AssetCheckExecutionContext, study: StudyResource
) -> dg.AssetCheckResult:
    """At least three genes of the response signature could be tested."""
    rows = study.warehouse.read("response_score", {"contrast_id": context.partition_key})
    few = rows.loc[~(rows["n_genes"] >= 3), "judged_gene"]
    return outcome(few, severity=WARN, expected="n_genes >= 3", judged_genes=len(rows))


@dg.asset_check(asset="marker_verdicts", partitions_def=CONTRASTS, blocking=True)
def every_verdict_is_explained(context: dg.AssetCheckExecutionContext, study: StudyResource) -> dg.AssetCheckResult:
    """Every verdict is one of the four and has its sentence."""
    rows = study.warehouse.read("marker_verdicts", {"contrast_id": context.partition_key})
    wrong = ~rows["verdict"].isin(VERDICTS) | (rows["sentence"].fillna("").str.len() < 10)
    return outcome(
        rows.loc[wrong, "hypothesis_id"],
        expected="a verdict of the four, with its reason",
        verdicts=len(rows),
    )


@grouped_check("marker_verdicts")
def engines_agree_on_the_markers(context: dg.AssetCheckExecutionContext, study: StudyResource) -> dg.AssetCheckResult:
    """Confirmed and contradicted markers point the same way in both engines."""
    rows = study.warehouse.read("marker_verdicts", {"contrast_id": context.partition_key})
    decided = rows.loc[rows["verdict"].isin(["confirmed", "contradicted"])]
    differing = decided.loc[decided["engines_agree"].eq(False), "hypothesis_id"]
    return outcome(differing, severity=WARN, expected="same direction in DESeq2 and edgeR", decided=len(decided))


CHECKS = [
    design_is_of_full_rank,
    p_values_lie_between_0_and_1,
    every_verdict_is_explained,
]
CONTRAST_CHECKS = [
    design_has_replicates_enough,
    every_gene_has_a_p_value_or_a_reason,
    engines_agree_on_direction,
    over_representation_p_values_are_never_zero,
    gene_set_enrichment_p_values_are_never_zero,
    enrichment_scores_equal_those_of_gseapy,
    response_score_covers_the_signature,
    engines_agree_on_the_markers,
]
