"""Names that several Dagster modules share: groups, owners, kinds, tag keys. A leaf: it imports nothing of ours."""

OWNER = "team:poma-assets"

REFERENCE = "reference"
READS = "reads"
ALIGNMENT = "alignment"
QUANTIFICATION = "quantification"
DIFFERENTIAL_EXPRESSION = "differential_expression"
ENRICHMENT = "enrichment"
MARKERS = "markers"
REPORTS = "reports"

GROUPS = (
    REFERENCE,
    READS,
    ALIGNMENT,
    QUANTIFICATION,
    DIFFERENTIAL_EXPRESSION,
    ENRICHMENT,
    MARKERS,
    REPORTS,
)
"""Groups in the order of the protocol."""

RUN_ON_VARIABLE = "POMA_RUN_ON"
"""Environment variable: where runs are executed if the command does not say it; also for what the sensors start."""

HERE, CELERY, SLURM = "here", "celery", "slurm"
PLACES = (HERE, CELERY, SLURM)
"""Where runs can be executed."""

WAREHOUSE_IO = "warehouse_io"
"""Key of the IO manager that stores every asset."""

STAR_POOL = "star"
"""Dagster concurrency pool of the steps that hold a genome index in memory."""

_HIDDEN = ".dagster/poma_"
"""Dagster's page does not list tags of this beginning beside every run."""

LAUNCHER_TAG = f"{_HIDDEN}launcher"
"""Run tag: the process that launched the run, so that a killed launcher's runs can be closed."""

PROCESS_TAG = f"{_HIDDEN}process"
"""Run tag: the process that an update lives in, so that a killed one does not seem to be at work for ever."""

ONLY_STALE_TAG = f"{_HIDDEN}only_stale"
"""Run tag: steps of this run that turn out to be up to date are not computed again."""

REMADE_TAG = f"{_HIDDEN}remade"
"""Run tag: assets, separated by commas, that are computed although they are up to date: their files were dropped."""

UNCHANGED_KEY = "up to date"
"""Metadata key of a step that was not computed again."""
KEPT_FILES = "kept_files"
"""The last step of a sample: what the policy does not keep is dropped."""

SAMPLE_ASSETS = (
    "raw_reads",
    "read_quality",
    "trimmed_reads",
    "trimmed_read_quality",
    "alignments",
    "alignment_quality",
    "gene_counts",
    "htseq_counts",
    "sample_quality",
    KEPT_FILES,
)
"""Assets with one partition per sample, in the order of the protocol."""

READ_ASSETS = tuple(asset for asset in SAMPLE_ASSETS if asset not in ("gene_counts", "sample_quality"))
"""Those that only samples with reads have; a sample whose counts are given begins at ``gene_counts``."""

ASSETS_BEFORE_ALIGNMENT = ("raw_reads", "read_quality", "trimmed_reads", "trimmed_read_quality")
"""Those of a sample that need no reference."""

CONTRAST_ASSETS = (
    "design_fit",
    "de_results",
    "engine_agreement",
    "over_representation",
    "gene_set_enrichment",
    "response_score",
    "marker_verdicts",
    "verdict_history",
    "contrast_report",
)
"""Assets with one partition per contrast, in the order of the protocol."""
