"""From alignments to gene counts and their quality, sample by sample."""

from typing import Any, Literal, cast

import dagster as dg
import pandas as pd

from poma_assets.asset_tables import preview_name, table_preview
from poma_assets.assets.accessions import sample_is_paired
from poma_assets.assets.given_counts import given_counts_path, read_given_matrix, read_given_sample
from poma_assets.assets.kept_files import bam_file
from poma_assets.assets.marker_tables import read_cell_lines, shipped_markers
from poma_assets.assets.quality_rules import read_thresholds, user_rules
from poma_assets.assets.steps import Step, finish, pipeline_asset
from poma_assets.parameters import sample_row
from poma_assets.partitions import SAMPLES
from poma_assets.resources import Files, StudyResource
from poma_assets.science.count_tables import (
    parse_featurecounts,
    parse_featurecounts_summary,
    parse_htseq_counts,
)
from poma_assets.science.quality_gates import evaluate_quality
from poma_assets.science.star_logs import parse_reads_per_gene
from poma_assets.storage.quality_metrics import sample_metrics
from poma_assets.storage.staging import staged_directory
from poma_assets.tools.featurecounts import run_featurecounts
from poma_assets.tools.htseq import run_htseq_count

CountingStrandedness = Literal["unstranded", "forward", "reverse"]


def _counts_frame(sample: str, counter: str, counts: pd.Series) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "sample_id": sample,
            "gene_id": counts.index.astype(str),
            "counter": counter,
            "count": counts.to_numpy(),
        }
    )


def _assignment_frame(sample: str, counter: str, categories: dict[str, int]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "sample_id": sample,
            "counter": counter,
            "category": list(categories),
            "fragments": list(categories.values()),
        }
    )


def used_strandedness(study: StudyResource, sample: str) -> CountingStrandedness:
    """Strandedness that the counters are given for this sample."""
    used = str(study.warehouse.read("strandedness", {"sample_id": sample})["used"].iloc[0])
    return cast(CountingStrandedness, used)


def _finish_counts(
    context: dg.AssetExecutionContext,
    study: StudyResource,
    counter: str,
    counts: pd.Series,
    categories: dict[str, int] | None = None,
    **outputs: Any,
) -> Step:
    """Store a sample's counts by one counter, beside those of the others. ``outputs``: further keywords of `finish`."""
    sample = context.partition_key
    tables = {"gene_counts": _counts_frame(sample, counter, counts)}
    if categories is not None:
        tables["count_assignment"] = _assignment_frame(sample, counter, categories)
    replaces = {table: {"counter": counter} for table in tables}
    return finish(context, study, tables=tables, replaces=replaces, content=None, **outputs)


@pipeline_asset(partitions_def=SAMPLES, kinds={"featurecounts", "duckdb"}, deps=["alignment_quality"])
def gene_counts(context: dg.AssetExecutionContext, study: StudyResource, alignments: Files, annotation: Files) -> Step:
    """Fragments per gene by featureCounts with the strandedness found; STAR's own counts or given counts if asked."""
    sample = context.partition_key
    given = given_counts_path(study, sample)
    if given is not None:
        table = read_given_sample(study, given)
        metadata = {"counted by": table.program, "notes": "; ".join(table.notes) or "none"}
        return _finish_counts(context, study, "given", table.counts, metadata=metadata)
    strandedness = used_strandedness(study, sample)
    if study.study.config.counter == "star":
        path = alignments["reads_per_gene"]
        genes = parse_reads_per_gene(path.read_text(), source=str(path)).genes.set_index("gene_id")
        return _finish_counts(context, study, "star", genes[strandedness])
    target = study.study.step_dir("gene_counts", sample)
    name = f"{sample}.featurecounts.txt"
    with staged_directory(target) as staging, bam_file(study, alignments) as bam:
        record = run_featurecounts(
            bam,
            annotation["gtf"],
            staging / name,
            strandedness=strandedness,
            paired=sample_is_paired(study, sample, tell=context.log.info),
            threads=study.tool_threads,
            log_path=study.log_path("gene_counts", sample),
        )
        counts = parse_featurecounts((staging / name).read_text(), source=name)
        summary = parse_featurecounts_summary((staging / f"{name}.summary").read_text(), source=f"{name}.summary")
    return _finish_counts(
        context,
        study,
        "featurecounts",
        counts,
        summary,
        files={"counts": target / name, "summary": target / f"{name}.summary"},
        commands=(record,),
        metadata={"assigned_fragments": int(counts.sum()), "strandedness": strandedness},
    )


@pipeline_asset(partitions_def=SAMPLES, kinds={"htseq", "duckdb"}, deps=["alignment_quality"])
def htseq_counts(context: dg.AssetExecutionContext, study: StudyResource, alignments: Files, annotation: Files) -> Step:
    """Fragments per gene by htseq-count, beside featureCounts. Slow, so outside the default job."""
    sample = context.partition_key
    target = study.study.step_dir("htseq_counts", sample)
    name = f"{sample}.htseq.txt"
    with staged_directory(target) as staging, bam_file(study, alignments) as bam:
        record = run_htseq_count(
            bam,
            annotation["gtf"],
            staging / name,
            strandedness=used_strandedness(study, sample),
            paired=sample_is_paired(study, sample, tell=context.log.info),
            log_path=study.log_path("htseq_counts", sample),
        )
        counts, summary = parse_htseq_counts((staging / name).read_text(), source=name)
    return _finish_counts(
        context,
        study,
        "htseq",
        counts,
        summary,
        files={"counts": target / name},
        commands=(record,),
        metadata={"assigned_fragments": int(counts.sum())},
    )


@pipeline_asset(
    partitions_def=SAMPLES,
    kinds={"python", "duckdb"},
    deps=[
        "read_quality",
        "trimmed_reads",
        "trimmed_read_quality",
        "alignment_quality",
        "gene_counts",
        "gene_table",
    ],
    code_version="2",
)
def sample_quality(context: dg.AssetExecutionContext, study: StudyResource) -> Step:
    """Every quality metric that the sample shows by itself: a `fail` keeps it out of the count matrix."""
    sample = context.partition_key
    matrix = read_given_matrix(study)
    given = None if matrix is None else matrix.counts[sample]
    row, lines = sample_row(study, sample), read_cell_lines(study)
    identity_genes = shipped_markers("sample_identity_genes.tsv")
    with study.warehouse.held_open():
        metrics = sample_metrics(study.warehouse, sample, row, given, lines=lines, identity_genes=identity_genes)
    frame = evaluate_quality(sample, metrics, read_thresholds(study), overrides=user_rules(study))
    worst = frame.loc[frame["status"].isin(["fail", "warn"]), ["metric", "status"]]
    summary = ", ".join(f"{metric} {status}" for metric, status in worst.itertuples(index=False))
    return finish(
        context,
        study,
        tables={"sample_quality": frame},
        replaces={"sample_quality": {"scope": "sample"}},
        metadata={
            "attention": summary or "none",
            preview_name("sample_quality"): table_preview("sample_quality", frame, rows=len(frame)),
        },
    )
