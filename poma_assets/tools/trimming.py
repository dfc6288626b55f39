"""What the wrappers of both trimmers share: their result, and counting their output against their report."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from poma_assets.science.errors import NotEnoughDataError, ToolError
from poma_assets.tools.command import CommandRecord
from poma_assets.tools.fastq_files import read_through


@dataclass(frozen=True)
class Trimming:
    """A finished trimming: the program that ran, and the SHA-256 of the reads in each file, uncompressed."""

    record: CommandRecord
    content_sha256: tuple[str, ...]


def check_trimmed_reads(
    outputs: list[Path], *, reported_pairs: int, given_pairs: int, tool: str, log_path: Path
) -> tuple[str, ...]:
    """Read the trimmed files to their end and compare their reads with the trimmer's report.

    Returns
    -------
    tuple of str
        SHA-256 of the text of each file.

    Raises
    ------
    FastqError
        A file is truncated or damaged.
    ToolError
        A file holds another number of reads than reported.
    NotEnoughDataError
        No read is left.
    """
    contents = {output: read_through(output) for output in outputs}
    for output, content in contents.items():
        if content.reads != reported_pairs:
            raise ToolError(
                f"{tool} wrote another number of reads than it reports",
                where=str(output),
                found=f"{content.reads} reads",
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
    return tuple(content.sha256 for content in contents.values())
