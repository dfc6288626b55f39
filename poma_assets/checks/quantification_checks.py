"""Checks on gene counts, the count matrix, and the samples beside each other."""

import dagster as dg

from poma_assets.checks.grouping import grouped_check
from poma_assets.checks.outcome import WARN, outcome
from poma_assets.partitions import SAMPLES
from poma_assets.resources import StudyResource
from poma_assets.science.markers.sample_response import silent_samples
from poma_assets.science.quality_gates import REPLICATE_SPEARMAN

MAX_COUNTER_DIFFERENCE_PCT = 10.0
SIZE_FACTOR_RANGE = (0.1, 10.0)


@dg.asset_check(asset="gene_counts", partitions_def=SAMPLES, blocking=True)
def gene_counts_are_not_negative(context: dg.AssetCheckExecutionContext, study: StudyResource) -> dg.AssetCheckResult:
    """Every gene has a count of zero or more (the column is a whole number by declaration)."""
    rows = study.warehouse.read("gene_counts", {"sample_id": context.partition_key})
    wrong = rows.loc[rows["count"].isna() | (rows["count"] < 0), "gene_id"]
    return outcome(wrong, expected="count >= 0", checked=len(rows))


@grouped_check("gene_counts")
def gene_counts_cover_the_annotation(
    context: dg.AssetCheckExecutionContext, study: StudyResource
) -> dg.AssetCheckResult:
    """Every gene of the annotation has a count, and no other gene has one."""
    counted = set(study.warehouse.read("gene_counts", {"sample_id": context.partition_key})["gene_id"])
    annotated = set(study.warehouse.read("genes", columns=["gene_id"])["gene_id"])
    differing = sorted(counted ^ annotated) if annotated else []
    return outcome(differing, severity=WARN, expected="counted genes = annotated genes", checked=len(counted))


@grouped_check("gene_counts")
def featurecounts_agrees_with_star(context: dg.AssetCheckExecutionContext, study: StudyResource) -> dg.AssetCheckResult:
    """featureCounts and STAR's own gene counts assign nearly the same number of fragments."""
    where = {"sample_id": context.partition_key}
    counts = study.warehouse.read("gene_counts", {**where, "counter": "featurecounts"})
    strandedness = study.warehouse.read("strandedness", where)
    if not len(counts) or not len(strandedness):
        return outcome([], severity=WARN, expected="applies to reads counted by featureCounts")
    row = strandedness.iloc[0]
    star, ours = int(row[f"{row['used']}_fragments"]), int(counts["count"].sum())
    difference = 100 * abs(star - ours) / max(star, 1)
    offenders = [f"{difference:.1f} %"] if difference > MAX_COUNTER_DIFFERENCE_PCT else []
    rule = f"totals differ by at most {MAX_COUNTER_DIFFERENCE_PCT:g} %"
    return outcome(offenders, severity=WARN, expected=rule, star_fragments=star, featurecounts_fragments=ours)


@grouped_check("sample_quality")
def sample_passes_the_quality_gates(
    context: dg.AssetCheckExecutionContext, study: StudyResource
) -> dg.AssetCheckResult:
    """No metric of the sample is beyond its failure threshold."""
    rows = study.warehouse.read("sample_quality", {"sample_id": context.partition_key, "scope": "sample"})
    failed = rows.loc[rows["status"] == "fail"]
    return outcome(
        [f"{row.metric} = {row.value:g} (fail {row.fail})" for row in failed.itertuples()],
        severity=WARN,
        expected="no metric fails; a sample that fails stays out of the count matrix",
        checked=len(rows),
        warned=", ".join(rows.loc[rows["status"] == "warn", "metric"]) or "none",
    )


@dg.asset_check(asset="count_matrix", blocking=True)
def count_matrix_is_integer(study: StudyResource) -> dg.AssetCheckResult:
    """Counts are whole and not negative, and every gene has one for every sample."""
    frame = study.warehouse.query(
        "SELECT count(*) AS entries, count(DISTINCT sample_id) AS samples, count(DISTINCT gene_id) AS genes,"
        " count(*) FILTER (count IS NULL OR count < 0) AS wrong FROM count_matrix"
    ).iloc[0]
    incomplete = int(frame["entries"]) != int(frame["samples"]) * int(frame["genes"])
    offenders = [f"{frame['wrong']} entries"] * bool(frame["wrong"]) + ["missing entries"] * incomplete
    return outcome(offenders, expected="whole counts >= 0, no entry missing", checked=int(frame["entries"]))


@dg.asset_check(asset="count_matrix", blocking=True)
def no_sample_is_empty(study: StudyResource) -> dg.AssetCheckResult:
    """Every sample of the count matrix has assigned fragments."""
    totals = study.warehouse.query("SELECT sample_id, sum(count) AS total FROM count_matrix GROUP BY sample_id")
    return outcome(
        totals.loc[totals["total"] == 0, "sample_id"], expected="assigned fragments > 0", checked=len(totals)
    )


@dg.asset_check(asset="count_matrix")
def every_sample_entered_the_count_matrix(study: StudyResource) -> dg.AssetCheckResult:
    """No sample of the sheet was left out."""
    rows = study.warehouse.read("sample_inclusion")
    out = rows.loc[~rows["included"].astype(bool)]
    return outcome(
        [f"{row.sample_id}: {row.reason}" for row in out.itertuples()],
        severity=WARN,
        expected="all samples passed the gates",
        checked=len(rows),
    )


@dg.asset_check(asset="normalised_expression")
def size_factors_are_moderate(study: StudyResource) -> dg.AssetCheckResult:
    """No library is so small or large that normalisation carries the comparison."""
    low, high = SIZE_FACTOR_RANGE
    rows = study.warehouse.read("size_factors")
    odd = rows.loc[~rows["size_factor"].between(low, high)]
    return outcome(
        [f"{row.sample_id} ({row.size_factor:.2f})" for row in odd.itertuples()],
        severity=WARN,
        expected=f"size factors between {low:g} and {high:g}",
        checked=len(rows),
    )


@dg.asset_check(asset="sample_exploration")
def treated_samples_respond_alike(study: StudyResource) -> dg.AssetCheckResult:
    """No treated sample lacks the drug's response where the other samples of its arm show it."""
    response = study.warehouse.read("sample_response")
    silent = silent_samples(response, study.warehouse.read("samples"), study.study.config.vehicle)
    rule = "a response in every sample of an arm, or in none"
    return outcome(silent.values(), severity=WARN, expected=rule, samples=len(response))


@dg.asset_check(asset="sample_exploration")
def replicates_correlate(study: StudyResource) -> dg.AssetCheckResult:
    """Replicates of one line, treatment, dose and time are alike (Spearman, threshold of the study)."""
    rows = study.warehouse.read("sample_quality", {"metric": REPLICATE_SPEARMAN, "scope": "cohort"})
    unlike = rows.loc[rows["status"] == "warn"]
    return outcome(
        [f"{row.sample_id}: {row.value:.3f} (warn {row.warn}); {row.source}" for row in unlike.itertuples()],
        severity=WARN,
        expected="the threshold of replicate_spearman",
        samples=len(rows),
    )


@dg.asset_check(asset="sample_identity")
def samples_are_what_the_sheet_says(study: StudyResource) -> dg.AssetCheckResult:
    """No sample looks like another line, arm or sample than the sheet says."""
    rows = study.warehouse.read("sample_identity")
    wrong = rows.loc[rows["status"].isin(["mismatch", "warn"])]
    words = [f"{row.sample_id}, {row.rule}: {row.observed}, expected {row.expected}" for row in wrong.itertuples()]
    return outcome(words, severity=WARN, expected="no identity rule is broken", checked=len(rows))


CHECKS = [
    gene_counts_are_not_negative,
    count_matrix_is_integer,
    no_sample_is_empty,
    every_sample_entered_the_count_matrix,
    size_factors_are_moderate,
    treated_samples_respond_alike,
    replicates_correlate,
    samples_are_what_the_sheet_says,
]
SAMPLE_CHECKS = [
    gene_counts_cover_the_annotation,
    featurecounts_agrees_with_star,
    sample_passes_the_quality_gates,
]
