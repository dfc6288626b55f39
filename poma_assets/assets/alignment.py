"""Splice-aware alignment by STAR, its quality, and the strandedness of the library."""

from pathlib import Path

import dagster as dg
import pandas as pd

from poma_assets.assets.kept_files import bam_file
from poma_assets.assets.steps import Step, finish, pipeline_asset
from poma_assets.parameters import sample_row
from poma_assets.partitions import SAMPLES
from poma_assets.resources import Files, StudyResource
from poma_assets.science.star_logs import parse_reads_per_gene, parse_star_log_final
from poma_assets.science.strandedness import infer_strandedness
from poma_assets.storage.hashing import file_sha256
from poma_assets.tools.bam import alignments_sha256, check_bam
from poma_assets.tools.cram import drop_cram_of
from poma_assets.tools.star import align_with_star
from poma_assets.vocabulary import STAR_POOL


@pipeline_asset(partitions_def=SAMPLES, kinds={"star", "bam"}, pool=STAR_POOL)
def alignments(
    context: dg.AssetExecutionContext, study: StudyResource, trimmed_reads: Files, star_index: Files
) -> Step:
    """Trimmed reads aligned to the genome: coordinate-sorted, indexed BAM, and STAR's own gene counts."""
    target = study.study.step_dir("alignments", context.partition_key)
    outputs = align_with_star(
        trimmed_reads["fastq_1"],
        trimmed_reads.get("fastq_2"),
        star_index["parameters"].parent,
        target,
        threads=study.tool_threads,
        log_path=study.log_path("alignments", context.partition_key),
    )
    drop_cram_of(outputs.bam)
    files: dict[str, Path] = {
        "bam": outputs.bam,
        "bai": outputs.bam.with_suffix(".bam.bai"),
        "log_final": outputs.log_final,
        "reads_per_gene": outputs.reads_per_gene,
        "splice_junctions": outputs.splice_junctions,
    }
    log = parse_star_log_final(outputs.log_final.read_text(), source=str(outputs.log_final))
    content = [alignments_sha256(outputs.bam), log]
    content += [file_sha256(path) for path in (outputs.reads_per_gene, outputs.splice_junctions)]
    return finish(context, study, files=files, commands=(outputs.record,), content=content)


@pipeline_asset(partitions_def=SAMPLES, kinds={"python", "duckdb"})
def alignment_quality(context: dg.AssetExecutionContext, study: StudyResource, alignments: Files) -> Step:
    """Mapping rates from STAR's log, and the library's strandedness inferred from its gene counts."""
    sample = context.partition_key
    log, counts = alignments["log_final"], alignments["reads_per_gene"]
    row = parse_star_log_final(log.read_text(), source=str(log))
    genes = parse_reads_per_gene(counts.read_text(), source=str(counts)).genes
    strandedness = infer_strandedness(
        int(genes["unstranded"].sum()),
        int(genes["forward"].sum()),
        int(genes["reverse"].sum()),
        declared=str(sample_row(study, sample)["strandedness"]),
    )
    with bam_file(study, alignments) as bam:
        quality = {"sample_id": sample, **row, "bam_records": check_bam(bam)}
    return finish(
        context,
        study,
        tables={
            "alignment_quality": pd.DataFrame([quality]),
            "strandedness": pd.DataFrame([{"sample_id": sample, **vars(strandedness)}]),
        },
        metadata={"uniquely_mapped_pct": row["uniquely_mapped_pct"], "strandedness": strandedness.used},
    )
