"""Checks on the alignments and on the library's strandedness."""

import dagster as dg

from poma_assets.checks.grouping import grouped_check
from poma_assets.checks.outcome import WARN, outcome
from poma_assets.partitions import SAMPLES
from poma_assets.resources import StudyResource
from poma_assets.tools.bam import check_bam

MIN_UNIQUELY_MAPPED_PCT = 50.0


@dg.asset_check(asset="alignments", partitions_def=SAMPLES, blocking=True)
def bam_file_is_complete(context: dg.AssetCheckExecutionContext, study: StudyResource) -> dg.AssetCheckResult:
    """The BAM file ends with its end-of-file block, opens, is indexed and holds records."""
    bam = study.files("alignments", context.partition_key).get("bam")
    if bam is None:
        return outcome([], expected="a complete BAM with records; it was whole when it was dropped or became CRAM")
    records = check_bam(bam)
    return outcome([] if records else [bam.name], expected="a complete BAM with records", records=records)


@grouped_check("alignment_quality")
def most_reads_map_uniquely(context: dg.AssetCheckExecutionContext, study: StudyResource) -> dg.AssetCheckResult:
    """Most read pairs map to one place of the genome."""
    rows = study.warehouse.read("alignment_quality", {"sample_id": context.partition_key})
    low = rows.loc[~(rows["uniquely_mapped_pct"] >= MIN_UNIQUELY_MAPPED_PCT)]
    return outcome(
        [f"{row.sample_id} ({row.uniquely_mapped_pct:.1f} %)" for row in low.itertuples()],
        severity=WARN,
        expected=f"uniquely_mapped_pct >= {MIN_UNIQUELY_MAPPED_PCT:g}",
        checked=len(rows),
    )


@grouped_check("alignment_quality")
def strandedness_agrees_with_the_sheet(
    context: dg.AssetCheckExecutionContext, study: StudyResource
) -> dg.AssetCheckResult:
    """The strandedness seen in the counts is the one declared (auto agrees with whatever is found)."""
    rows = study.warehouse.read("strandedness", {"sample_id": context.partition_key})
    other = rows.loc[~rows["agrees"].astype(bool)]
    return outcome(
        [f"{row.sample_id}: declared {row.declared}, found {row.inferred}" for row in other.itertuples()],
        severity=WARN,
        expected="declared and inferred strandedness agree; the inferred one is used",
        checked=len(rows),
    )


@grouped_check("alignment_quality")
def strandedness_is_determined(context: dg.AssetCheckExecutionContext, study: StudyResource) -> dg.AssetCheckResult:
    """The counts tell the strandedness of the library."""
    rows = study.warehouse.read("strandedness", {"sample_id": context.partition_key})
    open_cases = rows.loc[rows["inferred"] == "undetermined"]
    return outcome(
        [f"{row.sample_id}: reverse fraction {row.reverse_fraction}" for row in open_cases.itertuples()],
        severity=WARN,
        expected="reverse, forward or unstranded",
        checked=len(rows),
    )


CHECKS = [
    bam_file_is_complete,
]
SAMPLE_CHECKS = [
    most_reads_map_uniquely,
    strandedness_agrees_with_the_sheet,
    strandedness_is_determined,
]
