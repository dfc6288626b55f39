"""From the sample sheet to trimmed reads, with the quality of both."""

from collections.abc import Sequence
from pathlib import Path

import dagster as dg
import pandas as pd

from poma_assets.assets.accessions import sample_lanes
from poma_assets.assets.steps import Step, finish, pipeline_asset
from poma_assets.partitions import SAMPLES
from poma_assets.reports.design_figure import design_figure
from poma_assets.reports.figures import markdown_image
from poma_assets.resources import Files, StudyResource
from poma_assets.science.contrasts import contrasts_frame
from poma_assets.science.design_doctor import DesignReport, examine_design
from poma_assets.science.errors import FastqError
from poma_assets.science.fastqc_report import parse_fastqc_data
from poma_assets.science.trimming_reports import parse_cutadapt_json, parse_fastp_json
from poma_assets.storage.hashing import file_identity
from poma_assets.storage.staging import staged_directory
from poma_assets.tools.cutadapt import run_cutadapt
from poma_assets.tools.fastp import run_fastp
from poma_assets.tools.fastq_files import FastqPairSummary, check_fastq_pair, merge_fastq
from poma_assets.tools.fastqc import fastqc_outputs, read_fastqc_data, run_fastqc
from poma_assets.tools.trimming import Trimming

READS = ("R1", "R2")


@pipeline_asset(kinds={"csv", "duckdb"})
def sample_sheet(context: dg.AssetExecutionContext, study: StudyResource) -> Step:
    """The sample sheet, validated: one row per sample with its metadata, one row per sequencing unit (lane)."""
    sheet = study.sheet
    return finish(
        context,
        study,
        tables={"samples": sheet.samples, "sequencing_units": sheet.units},
        metadata={"samples": len(sheet.samples), "sequencing_units": len(sheet.units)},
    )


def examine_designs(study: StudyResource) -> list[DesignReport]:
    """What the design doctor says of every contrast as declared, before any sample is measured."""
    table, vehicle = study.design_table, study.study.config.vehicle
    return [examine_design(contrast, table, vehicle=vehicle) for contrast in study.contrasts.values()]


@pipeline_asset(kinds={"csv", "duckdb"}, deps=["sample_sheet"], code_version="2")
def contrast_sheet(context: dg.AssetExecutionContext, study: StudyResource) -> Step:
    """The declared contrasts with the design doctor's findings. Positive fold change is higher in the target."""
    frame = contrasts_frame(list(study.contrasts.values()), study.sheet, study.study.config.vehicle)
    reports = examine_designs(study)
    frame["effect"] = ["slope" if report.effect_is_slope else "difference" for report in reports]
    findings = [
        (report.contrast_id, finding.severity, finding.code, finding.sentence)
        for report in reports
        for finding in report.findings
    ]
    columns = ["contrast_id", "severity", "code", "sentence"]
    metadata: dict[str, object] = {"contrasts": len(frame)}
    if reports:
        figure = design_figure(reports, study.design_table)
        metadata["designs"] = dg.MetadataValue.md(markdown_image(figure, "samples of every contrast"))
    tables = {"contrasts": frame, "design_findings": pd.DataFrame(findings, columns=columns, dtype=object)}
    return finish(context, study, tables=tables, metadata=metadata)


@pipeline_asset(partitions_def=SAMPLES, kinds={"fastq"})
def raw_reads(context: dg.AssetExecutionContext, study: StudyResource) -> Step:
    """The sample's reads as sequenced, fetched if need be: lanes merged, files read through, pairs of equal length."""
    sample = context.partition_key
    pairs = sample_lanes(study, sample, tell=context.log.info)
    # The user's own files are checked, so that a message names them and not the merged copy.
    summaries = [_read_pair(study, pair, sample) for pair in pairs]
    target = study.study.step_dir("raw_reads", sample)
    files: dict[str, Path] = {}
    with staged_directory(target) as staging:
        for read, parts in zip(READS, zip(*pairs, strict=True), strict=False):
            name = f"{sample}_raw_{read}.fastq" + (".gz" if parts[0].suffix == ".gz" else "")
            merge_fastq(parts, staging / name)
            files[f"fastq_{read[1]}"] = target / name
    metadata = {
        "read_pairs": sum(summary.read_pairs for summary in summaries),
        "read_length_bp": max(summary.read_length_max for summary in summaries),
        "lanes": len(pairs),
    }
    content = [(summary.sha256_1, summary.sha256_2) for summary in summaries]
    return finish(context, study, files=files, metadata=metadata, content=content)


def _read_pair(study: StudyResource, pair: Sequence[Path], sample: str) -> FastqPairSummary:
    """Read a lane through once; the hashes found on the way are kept, so that the files are not read again for them."""
    identities = [file_identity(path) for path in pair]
    summary = check_fastq_pair(pair[0], pair[1] if len(pair) > 1 else None, sample=sample)
    for path, identity, sha256 in zip(pair, identities, (summary.sha256_1, summary.sha256_2), strict=False):
        if file_identity(path) != identity:
            raise FastqError(
                "the file changed while it was read",
                where=f"sample {sample}, {path}",
                fix="Wait until it is copied completely, and run again.",
            )
        study.hashes.remember(path, identity, str(sha256))
    return summary


def _fastqc(
    context: dg.AssetExecutionContext, study: StudyResource, asset: str, stage: str, fastqs: Sequence[Path]
) -> Step:
    sample = context.partition_key
    target = study.study.step_dir(asset, sample)
    rows, files = [], {}
    with staged_directory(target) as staging:
        record = run_fastqc(fastqs, staging, threads=study.tool_threads, log_path=study.log_path(asset, sample))
        for read, (html, archive) in zip(READS, fastqc_outputs(staging, fastqs).values(), strict=False):
            report = parse_fastqc_data(read_fastqc_data(archive), source=archive.name)
            rows.append({"sample_id": sample, "stage": stage, "read": read, **report})
            files[f"{read} html"], files[f"{read} zip"] = target / html.name, target / archive.name
    return finish(
        context,
        study,
        tables={"read_quality": pd.DataFrame(rows)},
        files=files,
        commands=(record,),
        replaces={"read_quality": {"stage": stage}},
        content=None,
        metadata={f"q30_pct {row['read']}": row["q30_pct"] for row in rows},
    )


def _fastqs(reads: Files) -> list[Path]:
    return [reads["fastq_1"], *([reads["fastq_2"]] if "fastq_2" in reads else [])]


@pipeline_asset(partitions_def=SAMPLES, kinds={"fastqc", "duckdb"})
def read_quality(context: dg.AssetExecutionContext, study: StudyResource, raw_reads: Files) -> Step:
    """Quality of the reads as sequenced, by FastQC: base qualities, GC content, duplicates, adapters."""
    return _fastqc(context, study, "read_quality", "raw", _fastqs(raw_reads))


@pipeline_asset(partitions_def=SAMPLES, kinds={"cutadapt", "fastq"})
def trimmed_reads(context: dg.AssetExecutionContext, study: StudyResource, raw_reads: Files) -> Step:
    """Reads after adapter and quality trimming (cutadapt, or fastp if poma.yaml says so)."""
    sample = context.partition_key
    target = study.study.step_dir("trimmed_reads", sample)
    with staged_directory(target) as staging:
        trimming, names = _trim(study, raw_reads, staging, sample)
        report = (staging / names["report"]).read_text()
        parse = parse_cutadapt_json if study.study.config.trimmer == "cutadapt" else parse_fastp_json
        row = parse(report, source=names["report"])
    table = pd.DataFrame([{"sample_id": sample, **row}])
    return finish(
        context,
        study,
        tables={"trimming": table},
        files={role: target / name for role, name in names.items()},
        commands=(trimming.record,),
        content=trimming.content_sha256,
        metadata={"pass_filter_pct": row["pass_filter_pct"]},
    )


def _trim(study: StudyResource, raw: Files, staging: Path, sample: str) -> tuple[Trimming, dict[str, str]]:
    trimmer, options = study.study.config.trimmer, study.study.config.trimming
    names = {f"fastq_{read[1]}": f"{sample}_trimmed_{read}.fastq.gz" for read in READS if f"fastq_{read[1]}" in raw}
    names["report"] = f"{sample}.{trimmer}.json"
    run = run_cutadapt if trimmer == "cutadapt" else run_fastp
    trimming = run(
        raw["fastq_1"],
        raw.get("fastq_2"),
        staging / names["fastq_1"],
        staging / names["fastq_2"] if "fastq_2" in names else None,
        staging / names["report"],
        threads=study.tool_threads,
        quality=options.quality,
        min_length_bp=options.min_length_bp,
        adapter_1=options.adapter_1,
        adapter_2=options.adapter_2,
        log_path=study.log_path("trimmed_reads", sample),
    )
    return trimming, names


@pipeline_asset(partitions_def=SAMPLES, kinds={"fastqc", "duckdb"})
def trimmed_read_quality(context: dg.AssetExecutionContext, study: StudyResource, trimmed_reads: Files) -> Step:
    """Quality of the reads after trimming, by FastQC: next to no adapter should be left."""
    return _fastqc(context, study, "trimmed_read_quality", "trimmed", _fastqs(trimmed_reads))
