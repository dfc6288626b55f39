"""Counting by htseq-count (GPL-3; Putri 2022, doi:10.1093/bioinformatics/btac166)."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from poma_assets.science.count_tables import parse_htseq_counts
from poma_assets.storage.staging import move_into_place, work_folder
from poma_assets.tools.command import CommandRecord, run_command
from poma_assets.tools.versions import tool_version

_STRANDED = {"unstranded": "no", "forward": "yes", "reverse": "reverse"}


def run_htseq_count(
    bam: Path,
    annotation: Path,
    output: Path,
    *,
    strandedness: Literal["unstranded", "forward", "reverse"],
    paired: bool,
    log_path: Path,
) -> CommandRecord:
    """Count fragments per gene over exons, in HTSeq's mode ``union``, unique alignments only.

    Parameters
    ----------
    bam
        Coordinate-sorted alignments; htseq-count sees by itself whether they are ``paired``.
    annotation
        GTF, plain or .gz.
    output
        Two columns without header: gene id and count, then five special counters.

    Raises
    ------
    ToolError, CountsError
        htseq-count failed or its output is not complete.
    """
    del paired
    with work_folder(output) as folder:
        made = folder / output.name
        argv = ["htseq-count", "-q", "-f", "bam", "-r", "pos", "-s", _STRANDED[strandedness]]
        record = run_command(
            [*argv, "-t", "exon", "-i", "gene_id", bam, annotation],
            log_path=log_path,
            tool="htseq-count",
            version=tool_version("htseq-count"),
            stdout_path=made,
        )
        parse_htseq_counts(made.read_text(), source=str(output))
        move_into_place({made: output})
    return record
