"""What the wrappers of both trimmers share: counting their output against their report."""

from __future__ import annotations

from pathlib import Path

from poma_assets.science.errors import NotEnoughDataError, ToolError
from poma_assets.tools.fastq_files import count_fastq_reads


def check_trimmed_reads(
    outputs: list[Path], *, reported_pairs: int, given_pairs: int, tool: str, log_path: Path
) -> None:
    """Read the trimmed files to their end and compare their reads with the trimmer's report.

    Raises
    ------
    FastqError
        A file is truncated or damaged.
    ToolError
        A file holds another number of reads than reported.
    NotEnoughDataError
        No read is left.
    """
    for output in outputs:
        reads = count_fastq_reads(output)
        if reads != reported_pairs:
            raise ToolError(
                f"{tool} wrote another number of reads than it reports",
                where=str(output),
                found=f"{reads} reads",
                expected=f"{reported_pairs}",
                fix=f"See {log_path}; the disk may be full.",
            )
    if reported_pairs == 0:
        raise NotEnoughDataError(
            f"no read is left after trimming by {tool}",
            where=str(log_path),
            found=f"0 of {given_pairs} read pairs",
            fix="Look at the adapters and at min_length_bp in poma.yaml: is it longer than the reads?",
        )
