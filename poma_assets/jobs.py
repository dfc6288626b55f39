"""The jobs, one per unit of work: the reference, a sample, the cohort, a contrast, the reports."""

import dagster as dg

from poma_assets.vocabulary import ASSETS_BEFORE_ALIGNMENT, CONTRAST_ASSETS, SAMPLE_ASSETS

REFERENCE_ASSETS = ("sample_sheet", "contrast_sheet", "genome", "annotation", "gene_table", "star_index")
COHORT_ASSETS = ("count_matrix", "normalised_expression", "sample_exploration", "sample_identity")
REPORT_ASSETS = ("multiqc_report", "study_report", "study_database")
DEFAULT_SAMPLE_ASSETS = tuple(asset for asset in SAMPLE_ASSETS if asset != "htseq_counts")

prepare_reference = dg.define_asset_job(
    "prepare_reference",
    selection=dg.AssetSelection.assets(*REFERENCE_ASSETS),
    description="Read the sheets, check genome and annotation against each other, build the STAR index.",
)
process_sample = dg.define_asset_job(
    "process_sample",
    selection=dg.AssetSelection.assets(*DEFAULT_SAMPLE_ASSETS),
    description="From one sample's reads to its gene counts and quality.",
)
prepare_reads = dg.define_asset_job(
    "prepare_reads",
    selection=dg.AssetSelection.assets(*ASSETS_BEFORE_ALIGNMENT),
    description="The steps of one sample before its alignment; `poma run` does them while the genome index is made.",
)
count_sample_with_htseq = dg.define_asset_job(
    "count_sample_with_htseq",
    selection=dg.AssetSelection.assets(*SAMPLE_ASSETS),
    description="From one sample's reads to its gene counts, by htseq-count too, and quality.",
)
analyse_cohort = dg.define_asset_job(
    "analyse_cohort",
    selection=dg.AssetSelection.assets(*COHORT_ASSETS),
    description="Count matrix of the samples that passed, normalisation, exploration, identity.",
)
analyse_contrast = dg.define_asset_job(
    "analyse_contrast",
    selection=dg.AssetSelection.assets(*CONTRAST_ASSETS),
    description="Differential expression, enrichment, verdicts and report of one contrast.",
)
publish_reports = dg.define_asset_job(
    "publish_reports",
    selection=dg.AssetSelection.assets(*REPORT_ASSETS),
    description="MultiQC, the study report and the published database.",
)
JOBS = (
    prepare_reference,
    prepare_reads,
    process_sample,
    count_sample_with_htseq,
    analyse_cohort,
    analyse_contrast,
    publish_reports,
)
