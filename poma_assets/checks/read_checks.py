"""Checks on the sheet, the reads and their trimming."""

import dagster as dg

from poma_assets.checks.grouping import grouped_check
from poma_assets.checks.kept_files_checks import misplaced_files
from poma_assets.checks.outcome import WARN, outcome
from poma_assets.partitions import SAMPLES
from poma_assets.resources import StudyResource

MIN_PASS_FILTER_PCT = 60.0
MIN_Q30_PCT = 70.0
MAX_ADAPTER_PCT = 1.0


@dg.asset_check(asset="sample_sheet")
def rna_quality_is_recorded(study: StudyResource) -> dg.AssetCheckResult:
    """RIN and A260/280 stand in the sheet for every sample."""
    samples = study.warehouse.read("samples")
    missing = samples.loc[samples["rin"].isna() | samples["a260_a280"].isna(), "sample_id"]
    return outcome(missing, severity=WARN, expected="rin and a260_a280 are recorded", checked=len(samples))


@dg.asset_check(asset="contrast_sheet")
def contrasts_are_declared(study: StudyResource) -> dg.AssetCheckResult:
    """At least one contrast is declared; without one there is nothing to test."""
    contrasts = study.warehouse.read("contrasts")
    return outcome([], severity=WARN, expected="at least one contrast", checked=len(contrasts))


def _findings(study: StudyResource, severity: str) -> list[str]:
    rows = study.warehouse.read("design_findings")
    chosen = rows.loc[rows["severity"] == severity]
    return [f"{row.contrast_id}: {row.sentence}" for row in chosen.itertuples()]


@dg.asset_check(asset="contrast_sheet")
def designs_can_be_estimated(study: StudyResource) -> dg.AssetCheckResult:
    """Every declared contrast can be told from its blocking factors, with replicates left to measure the variation."""
    contrasts = len(study.warehouse.read("contrasts"))
    rule = "full rank and residual degrees of freedom, known before anything is aligned"
    return outcome(_findings(study, "error"), expected=rule, contrasts=contrasts)


@dg.asset_check(asset="contrast_sheet")
def designs_are_sound(study: StudyResource) -> dg.AssetCheckResult:
    """No design is weak: replicates enough, arms comparable, vehicle time-matched, no technical repeats."""
    contrasts = len(study.warehouse.read("contrasts"))
    rule = "no warning of the design doctor"
    return outcome(_findings(study, "warning"), severity=WARN, expected=rule, contrasts=contrasts)


@dg.asset_check(asset="raw_reads", partitions_def=SAMPLES, blocking=True)
def raw_read_files_are_in_place(context: dg.AssetCheckExecutionContext, study: StudyResource) -> dg.AssetCheckResult:
    """Every read file of the sample is where its record says, with the recorded size."""
    files, wrong = misplaced_files(study, context.partition_key, ["raw_reads"])
    return outcome(wrong, expected="files exist with their recorded size", checked=files)


@grouped_check("trimmed_reads")
def most_read_pairs_survive_trimming(
    context: dg.AssetCheckExecutionContext, study: StudyResource
) -> dg.AssetCheckResult:
    """Trimming keeps most of the read pairs."""
    rows = study.warehouse.read("trimming", {"sample_id": context.partition_key})
    low = rows.loc[~(rows["pass_filter_pct"] >= MIN_PASS_FILTER_PCT), ["sample_id", "pass_filter_pct"]]
    return outcome(
        [f"{row.sample_id} ({row.pass_filter_pct:.1f} %)" for row in low.itertuples()],
        severity=WARN,
        expected=f"pass_filter_pct >= {MIN_PASS_FILTER_PCT:g}",
        checked=len(rows),
    )


def _by_stage(study: StudyResource, sample: str, stage: str, rule: str, column: str) -> dg.AssetCheckResult:
    rows = study.warehouse.read("read_quality", {"sample_id": sample, "stage": stage})
    low = rows[column] < MIN_Q30_PCT if column == "q30_pct" else rows[column] > MAX_ADAPTER_PCT
    offenders = [f"{read} ({value:.1f} %)" for read, value in rows.loc[low, ["read", column]].itertuples(index=False)]
    return outcome(offenders, severity=WARN, expected=rule, checked=len(rows))


@grouped_check("read_quality")
def most_raw_reads_are_above_q30(context: dg.AssetCheckExecutionContext, study: StudyResource) -> dg.AssetCheckResult:
    """Most reads have a mean quality of 30 or more as sequenced."""
    return _by_stage(study, context.partition_key, "raw", f"q30_pct >= {MIN_Q30_PCT:g}", "q30_pct")


@grouped_check("trimmed_read_quality")
def adapters_are_removed(context: dg.AssetCheckExecutionContext, study: StudyResource) -> dg.AssetCheckResult:
    """After trimming, next to no adapter is left at any position."""
    return _by_stage(study, context.partition_key, "trimmed", f"adapter_pct <= {MAX_ADAPTER_PCT:g}", "adapter_pct")


CHECKS = [
    rna_quality_is_recorded,
    contrasts_are_declared,
    designs_can_be_estimated,
    designs_are_sound,
    raw_read_files_are_in_place,
]
SAMPLE_CHECKS = [
    most_read_pairs_survive_trimming,
    most_raw_reads_are_above_q30,
    adapters_are_removed,
]
