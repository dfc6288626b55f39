"""BAM files: completeness, number of records, index (by pysam, that is htslib), and what the records are."""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import pysam
from pysam.utils import SamtoolsError

from poma_assets.science.errors import ToolError

_EOF_BLOCK = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")
"""The empty BGZF block that ends a complete BAM file (SAM specification, section 4.1.2)."""


_INT32 = struct.Struct("<i")
_BGZF_HEADER = struct.Struct("<4s6xH4xH")
_BGZF_MAGIC, _BGZF_EXTRA_BYTES = b"\x1f\x8b\x08\x04", 6
_BGZF_TRAILER_BYTES = 8


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


def alignments_sha256(path: Path) -> str:
    """SHA-256 that stands for the alignments of a BAM file, whatever its header says of commands and paths.

    It is taken over the check sums (CRC-32) and sizes of the BGZF blocks behind the header, which costs no
    decompression: equal files have equal values, and a changed record changes the check sum of its block. Equal records
    in other blocks look like a change.

    Raises
    ------
    ToolError
        The file is not a complete BAM file.
    """
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            blocks = _bgzf_blocks(file)
            digest.update(_behind_header(blocks))
            for block in blocks:
                digest.update(block[-_BGZF_TRAILER_BYTES:])
    except (OSError, ValueError, struct.error, zlib.error) as error:
        raise _broken(path, str(error)) from error
    return digest.hexdigest()


def _bgzf_blocks(file: BinaryIO) -> Iterator[bytes]:
    """The blocks of a BGZF file; the size of each stands in its gzip header (SAM specification, section 4.1)."""
    while start := file.read(_BGZF_HEADER.size):
        magic, extra_bytes, size = _BGZF_HEADER.unpack(start)
        if magic != _BGZF_MAGIC or extra_bytes != _BGZF_EXTRA_BYTES:
            raise ValueError("a block is not BGZF")
        yield start + file.read(size + 1 - len(start))


def _behind_header(blocks: Iterator[bytes]) -> bytes:
    """Take the blocks that hold the BAM header, and return what of their text lies behind it."""
    text = b""
    for block in blocks:
        text += zlib.decompress(block[_BGZF_HEADER.size : -_BGZF_TRAILER_BYTES], wbits=-zlib.MAX_WBITS)
        end = _header_end(text)
        if end is not None:
            return text[end:]
    raise ValueError("it ends within its header")


def _header_end(text: bytes) -> int | None:
    """Where the alignments begin in the text of a BAM file; None if the text ends before that."""
    try:
        position = 8 + _INT32.unpack_from(text, 4)[0]
        (n_references,) = _INT32.unpack_from(text, position)
        position += 4
        for _ in range(n_references):
            position += 8 + _INT32.unpack_from(text, position)[0]
    except struct.error:
        return None
    return position if position <= len(text) else None


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
