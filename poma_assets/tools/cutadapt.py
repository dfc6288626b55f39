"""Adapter and quality trimming by cutadapt (MIT licence; Martin 2011, doi:10.14806/ej.17.1.200)."""

from __future__ import annotations

from pathlib import Path

from poma_assets.science.trimming_reports import parse_cutadapt_json
from poma_assets.storage.staging import move_into_place, work_folder
from poma_assets.tools.command import run_command
from poma_assets.tools.trimming import Trimming, check_trimmed_reads
from poma_assets.tools.versions import tool_version


def run_cutadapt(
    fastq_1: Path,
    fastq_2: Path | None,
    out_1: Path,
    out_2: Path | None,
    report_json: Path,
    *,
    threads: int,
    quality: int = 20,
    min_length_bp: int = 20,
    adapter_1: str = "AGATCGGAAGAGC",
    adapter_2: str = "AGATCGGAAGAGC",
    log_path: Path,
) -> Trimming:
    """Trim 3' adapters and low-quality 3' ends; drop pairs with a read that became too short.

    Parameters
    ----------
    fastq_1, fastq_2
        Reads; ``fastq_2`` and ``out_2`` are None for a single-end sample.
    out_1, out_2, report_json
        Trimmed reads (gzip level 1: they are read twice and rarely kept) and cutadapt's JSON report. They
        appear only when complete.
    quality
        Phred quality of the 3' trimming.
    min_length_bp
        Shortest read to keep.
    adapter_1, adapter_2
        3' adapters of first and second reads; the default is the common start of Illumina's TruSeq adapters.

    Raises
    ------
    ToolError, FastqError, NotEnoughDataError
        cutadapt failed, an output is not complete, or nothing is left.
    """
    with work_folder(out_1) as folder:
        made = {folder / target.name: target for target in (out_1, out_2, report_json) if target is not None}
        outputs = [folder / target.name for target in (out_1, out_2) if target is not None]
        report = folder / report_json.name
        argv: list[str | Path] = ["cutadapt", "-j", str(threads), "-q", str(quality)]
        argv += ["-m", str(min_length_bp), "-Z", "-a", adapter_1]
        if fastq_2 is not None:
            argv += ["-A", adapter_2, "-p", outputs[-1]]
        argv += ["-o", outputs[0], "--json", report, fastq_1]
        argv += [] if fastq_2 is None else [fastq_2]
        record = run_command(argv, log_path=log_path, tool="cutadapt", version=tool_version("cutadapt"))
        row = parse_cutadapt_json(report.read_text(), source=str(report_json))
        content = check_trimmed_reads(
            outputs,
            reported_pairs=int(row["read_pairs_out"] or 0),
            given_pairs=int(row["read_pairs_in"] or 0),
            tool="cutadapt",
            log_path=log_path,
        )
        move_into_place(made)
    return Trimming(record, content)
