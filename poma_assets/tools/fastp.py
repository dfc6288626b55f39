"""Adapter and quality trimming by fastp (MIT licence; Chen 2018, doi:10.1093/bioinformatics/bty560)."""

from __future__ import annotations

from pathlib import Path

from poma_assets.science.trimming_reports import parse_fastp_json
from poma_assets.storage.staging import move_into_place, work_folder
from poma_assets.tools.command import run_command
from poma_assets.tools.trimming import Trimming, check_trimmed_reads
from poma_assets.tools.versions import tool_version

_MOST_THREADS = 16


def run_fastp(
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
    """Trim adapters and low-quality 3' ends; drop short pairs and pairs of low quality.

    Same parameters as :func:`poma_assets.tools.cutadapt.run_cutadapt`; ``quality`` is the mean quality that
    fastp's window asks for at the 3' end. fastp's own filter (at most 40 % of bases below quality 15) stays
    on. Its HTML report goes beside ``report_json``.

    Raises
    ------
    ToolError, FastqError, NotEnoughDataError
        fastp failed, an output is not complete, or nothing is left.
    """
    html = report_json.with_suffix(".html")
    with work_folder(out_1) as folder:
        targets = (out_1, out_2, html, report_json)
        made = {folder / target.name: target for target in targets if target is not None}
        outputs = [folder / target.name for target in (out_1, out_2) if target is not None]
        report = folder / report_json.name
        argv: list[str | Path] = ["fastp", "-i", fastq_1, "-o", outputs[0], "--adapter_sequence", adapter_1]
        if fastq_2 is not None:
            argv += ["-I", fastq_2, "-O", outputs[-1], "--adapter_sequence_r2", adapter_2]
        argv += ["--cut_tail", "--cut_tail_mean_quality", str(quality), "-l", str(min_length_bp)]
        argv += ["-w", str(min(threads, _MOST_THREADS)), "-z", "1", "-j", report, "-h", folder / html.name]
        record = run_command(argv, log_path=log_path, tool="fastp", version=tool_version("fastp"))
        row = parse_fastp_json(report.read_text(), source=str(report_json))
        content = check_trimmed_reads(
            outputs,
            reported_pairs=int(row["read_pairs_out"] or 0),
            given_pairs=int(row["read_pairs_in"] or 0),
            tool="fastp",
            log_path=log_path,
        )
        move_into_place(made)
    return Trimming(record, content)
