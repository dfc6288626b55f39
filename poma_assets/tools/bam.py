"""BAM files: completeness, number of records, index (by pysam, that is htslib)."""

from __future__ import annotations

from pathlib import Path

import pysam
from pysam.utils import SamtoolsError

from poma_assets.science.errors import ToolError

_EOF_BLOCK = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")
"""The empty BGZF block that ends a complete BAM file (SAM specification, section 4.1.2)."""


def check_bam(path: Path) -> int:
    """Check that a sorted BAM file is complete and count its records.

    Returns
    -------
    int
        Records, mapped and unmapped, as in the index (which is made if it is missing or older than the BAM).

    Raises
    ------
    ToolError
        The file is missing, has no end-of-file block, or no readable header.
    """
    _check_end(path)
    index = _index_path(path)
    try:
        if not index.is_file() or index.stat().st_mtime < path.stat().st_mtime:
            index_bam(path)
        with pysam.AlignmentFile(str(path), "rb", index_filename=str(index)) as bam:
            return int(bam.mapped) + int(bam.unmapped)
    except (OSError, ValueError) as error:
        raise _broken(path, str(error)) from error


def index_bam(path: Path) -> Path:
    """Write the index ``*.bam.bai`` of a coordinate-sorted BAM file and return its path.

    A CSI index is not made: no human chromosome is longer than BAI's 512 Mb.

    Raises
    ------
    ToolError
        The file is not sorted or not a BAM file.
    """
    try:
        pysam.index(str(path), str(_index_path(path)))
    except SamtoolsError as error:
        raise _broken(path, str(error).strip()) from error
    return _index_path(path)


def _index_path(path: Path) -> Path:
    return path.with_name(path.name + ".bai")


def _check_end(path: Path) -> None:
    try:
        with path.open("rb") as file:
            file.seek(0, 2)
            size = file.tell()
            file.seek(max(0, size - len(_EOF_BLOCK)))
            end = file.read()
    except OSError as error:
        raise ToolError(
            f"the BAM file cannot be read: {error.strerror}", where=str(path), fix="Align the sample again."
        ) from error
    if end != _EOF_BLOCK:
        raise _broken(path, "no end-of-file block: the file is truncated")


def _broken(path: Path, found: str) -> ToolError:
    return ToolError("the BAM file is not complete", where=str(path), found=found, fix="Align the sample again.")
