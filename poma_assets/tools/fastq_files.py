"""FASTQ files: reading them through once (integrity, form, pairs, hash), and merging lanes.

Every record is looked at, in blocks by numpy; a pair of files costs about as much as decompressing it.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import os
import shutil
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import BinaryIO

import numpy as np

from poma_assets.science.errors import FastqError
from poma_assets.storage.staging import move_into_place, storage_error, work_folder
from poma_assets.storage.text_files import refuse_special_file


def _fast_zlib() -> ModuleType:
    # cutadapt brings isal on x86-64 and 64-bit ARM: twice as fast as zlib, with the same interface.
    with contextlib.suppress(ImportError):
        return importlib.import_module("isal.isal_zlib")
    return zlib


_ZLIB = _fast_zlib()
_GZIP_MAGIC = b"\x1f\x8b"
_GZIP_WINDOW_BITS = 31
# Small, because each member of a block-gzipped file copies what is left of the block.
_BLOCK_BYTES = 256 * 1024
_LONGEST_RECORD_BYTES = 16 * 1024**2
"""Longer than any read: the longest that was ever sequenced has 4 million bases."""

_MOST_UNPACKED_BYTES = 4 * 1024**2
_NEWLINE, _CARRIAGE_RETURN, _AT, _PLUS = b"\n"[0], b"\r"[0], b"@"[0], b"+"[0]


@dataclass(frozen=True)
class FastqPairSummary:
    """What was found in one FASTQ file or a pair of them.

    Attributes
    ----------
    read_pairs
        Pairs, or reads of a single-end sample.
    read_length_max
        Longest read of both files, in bases.
    sha256_1, sha256_2
        SHA-256 of the files as they are (compressed); None for a missing second file.
    bytes_1, bytes_2
        Sizes of the files.
    """

    read_pairs: int
    read_length_max: int
    sha256_1: str
    sha256_2: str | None
    bytes_1: int
    bytes_2: int | None


@dataclass(frozen=True)
class ReadContent:
    """How many reads a FASTQ file holds, and the SHA-256 of its text: the same however it is compressed."""

    reads: int
    sha256: str


@dataclass
class _FastqScan:
    """State of reading one file: everything seen so far."""

    path: Path
    where: str
    sha256: str = ""
    size_bytes: int = 0
    reads: int = 0
    read_length_max: int = 0
    first_name: str = ""
    last_name: str = ""
    _carriage_return: int = field(default=0, repr=False)

    def add_records(self, data: bytes) -> bytes:
        """Check all whole records of ``data`` and return the rest."""
        text = np.frombuffer(data, dtype=np.uint8)
        line_ends = np.flatnonzero(text == _NEWLINE)
        n = len(line_ends) // 4
        if n == 0:
            return data
        ends = line_ends[: 4 * n].reshape(n, 4)
        starts = np.concatenate(([0], ends[:-1, 3] + 1))
        if self.reads == 0:
            self._carriage_return = int(text[max(ends[0, 0] - 1, 0)] == _CARRIAGE_RETURN)
            self.first_name = _read_name(data[: ends[0, 0]])
        lengths = ends[:, 1] - ends[:, 0] - 1
        self._check_records(text, starts, ends, lengths)
        self.reads += n
        self.read_length_max = max(self.read_length_max, int(lengths.max()) - self._carriage_return)
        self.last_name = _read_name(data[starts[-1] : ends[-1, 0]])
        return data[ends[-1, 3] + 1 :]

    def _check_records(
        self,
        text: np.ndarray[tuple[int], np.dtype[np.uint8]],
        starts: np.ndarray[tuple[int], np.dtype[np.int64]],
        ends: np.ndarray[tuple[int, int], np.dtype[np.int64]],
        lengths: np.ndarray[tuple[int], np.dtype[np.int64]],
    ) -> None:
        checks = (
            (text[starts] == _AT, 0, "a line that begins with @"),
            (text[ends[:, 1] + 1] == _PLUS, 2, "a line that begins with +"),
            (ends[:, 3] - ends[:, 2] - 1 == lengths, 3, "as many qualities as bases"),
        )
        faults = [(int(np.argmin(good)), offset, expected) for good, offset, expected in checks if not good.all()]
        if not faults:
            return
        record, offset, expected = min(faults)
        begin = int(starts[record] if offset == 0 else ends[record, offset - 1] + 1)
        line = text[begin : int(ends[record, offset])].tobytes().decode(errors="replace")
        raise FastqError(
            f"line {4 * (self.reads + record) + offset + 1} is not FASTQ",
            where=self.where,
            found=f"{line[:60]!r}" + (f" ({len(line)} characters)" if offset == 3 else ""),
            expected=expected,
            fix="The file is damaged or not FASTQ: fetch it again from where it came.",
        )


def check_fastq_pair(fastq_1: Path, fastq_2: Path | None, *, sample: str) -> FastqPairSummary:
    """Read a FASTQ file, or a pair of them, to the end and check it.

    Plain and gzip-compressed files are read; several gzip members in one file (merged lanes) are legal.

    Parameters
    ----------
    fastq_1, fastq_2
        First and second reads; None if the sample is single-end.
    sample
        Sample, for messages.

    Raises
    ------
    FastqError
        A file is missing, empty, not gzip though named .gz (or the reverse), truncated or damaged, not in
        records of four lines, or the two differ in number of reads or in the names of the first or last pair.
    """
    first = _scan(fastq_1, sample)
    if fastq_2 is None:
        return FastqPairSummary(first.reads, first.read_length_max, first.sha256, None, first.size_bytes, None)
    if fastq_2.exists() and fastq_1.exists() and os.path.samefile(fastq_1, fastq_2):
        raise FastqError(
            "first and second reads are the same file",
            where=f"sample {sample}, {fastq_2}",
            fix="Name the file of the second reads in the column fastq_2 of the sample sheet.",
        )
    second = _scan(fastq_2, sample)
    _check_pair(first, second, sample)
    longest = max(first.read_length_max, second.read_length_max)
    return FastqPairSummary(first.reads, longest, first.sha256, second.sha256, first.size_bytes, second.size_bytes)


def read_through(path: Path) -> ReadContent:
    """Read a FASTQ file to its end: how many reads by its lines, and what they are; records are not looked at.

    Raises
    ------
    FastqError
        The file is missing, truncated, damaged, or its lines are not a multiple of 4.
    """
    digest, lines = hashlib.sha256(), 0
    if path.is_file() and path.stat().st_size == 0:
        return ReadContent(0, digest.hexdigest())
    where = str(path)
    for block in _content(path, where, compressed=_is_gzip(path, where)):
        digest.update(block)
        lines += block.count(b"\n")
    if lines % 4:
        raise FastqError(
            "the file ends in the middle of a record",
            where=where,
            found=f"{lines} lines",
            expected="4 a read",
        )
    return ReadContent(lines // 4, digest.hexdigest())


def has_reads(path: Path) -> bool:
    """Whether a FASTQ file holds anything; only its beginning is read.

    Raises
    ------
    FastqError
        The file is missing or damaged.
    """
    if path.is_file() and path.stat().st_size == 0:
        return False
    where = str(path)
    return any(_content(path, where, compressed=_is_gzip(path, where)))


def merge_fastq(parts: Sequence[Path], target: Path) -> None:
    """Merge the lanes of a sample into one file, in the given order.

    Gzip files are joined member by member without compressing again (legal gzip, read by all tools here). One
    part alone is not copied: ``target`` becomes a symbolic link to it.

    Raises
    ------
    FastqError
        No part, a missing or empty part, or compressed and plain parts mixed.
    """
    if not parts:
        raise FastqError("there is no file to merge", where=str(target))
    compressed = [_is_gzip(part, str(part)) for part in parts]
    if len(set(compressed)) > 1:
        raise FastqError(
            "some lanes are gzip-compressed and some are not",
            where=", ".join(str(part) for part in parts),
            fix="Compress all of them, for example with 'gzip FILE'.",
        )
    with work_folder(target) as folder:
        made = folder / target.name
        try:
            if len(parts) == 1:
                made.symlink_to(parts[0].resolve())
            else:
                _join(parts, made, plain=not compressed[0])
        except OSError as error:
            raise storage_error(error, target) from error
        move_into_place({made: target})


def _join(parts: Sequence[Path], made: Path, *, plain: bool) -> None:
    with made.open("wb") as merged:
        for part in parts:
            with part.open("rb") as lane:
                shutil.copyfileobj(lane, merged, 1024 * 1024)
                if plain:
                    lane.seek(-1, os.SEEK_END)
                    if lane.read(1) != b"\n":
                        merged.write(b"\n")


def _scan(path: Path, sample: str) -> _FastqScan:
    where = f"sample {sample}, {path}"
    compressed = _is_gzip(path, where)
    scan = _FastqScan(path, where)
    digest = hashlib.sha256()
    rest = b""
    for block in _content(path, where, compressed=compressed, digest=digest):
        rest = scan.add_records(rest + block)
        if len(rest) > _LONGEST_RECORD_BYTES:
            raise _too_long(where)
    if rest and not rest.endswith(b"\n"):
        rest = scan.add_records(rest + b"\n")
    if rest:
        lines = 4 * scan.reads + rest.count(b"\n")
        raise FastqError(
            f"the file ends in the middle of a record, at line {lines}",
            where=where,
            found=f"{lines} lines",
            expected="a multiple of 4",
            fix="The file is incomplete: copy or download it again.",
        )
    if scan.reads == 0:
        raise FastqError("the file holds no reads", where=where, fix="Remove the sample or give its reads.")
    scan.sha256 = digest.hexdigest()
    scan.size_bytes = path.stat().st_size
    return scan


def _too_long(where: str) -> FastqError:
    return FastqError(
        "a record is longer than any read",
        where=where,
        found=f"more than {_LONGEST_RECORD_BYTES:,} bytes in four lines",
        fix="The file is damaged, not FASTQ, or was made to do harm: fetch it again from where it came.",
    )


def _is_gzip(path: Path, where: str) -> bool:
    refuse_special_file(path, where=where, what="the FASTQ file", error=FastqError)
    try:
        with path.open("rb") as file:
            magic = file.read(2)
    except FileNotFoundError:
        fix = "Correct the path in the sample sheet; relative paths start at the sheet's folder."
        raise FastqError("the FASTQ file does not exist", where=where, fix=fix) from None
    except OSError as error:
        fix = "Name a readable FASTQ file in the sample sheet."
        raise FastqError(f"the FASTQ file cannot be read: {error.strerror}", where=where, fix=fix) from error
    if not magic:
        raise FastqError("the FASTQ file is empty", where=where, found="0 bytes", fix="Copy it again.")
    compressed = magic == _GZIP_MAGIC
    if compressed != (path.suffix == ".gz"):
        raise FastqError(
            "the file's name does not fit its content",
            where=where,
            found="gzip-compressed content" if compressed else "content that is not gzip-compressed",
            expected="a name ending in .gz for gzip-compressed files, and only for these",
            fix="Rename it (FastQC and the trimmers go by the name), or fetch it again if it is damaged.",
        )
    return compressed


def _content(path: Path, where: str, *, compressed: bool, digest: hashlib._Hash | None = None) -> Iterator[bytes]:
    """The text of a file in blocks; ``digest`` is fed with the bytes of the file as they are."""
    try:
        with path.open("rb") as file:
            blocks = _blocks(file, digest)
            yield from _decompressed(blocks, where) if compressed else blocks
    except OSError as error:
        raise FastqError(f"the file cannot be read: {error.strerror}", where=where) from error


def _blocks(file: BinaryIO, digest: hashlib._Hash | None) -> Iterator[bytes]:
    while block := file.read(_BLOCK_BYTES):
        if digest is not None:
            digest.update(block)
        yield block


def _decompressed(blocks: Iterator[bytes], where: str) -> Iterator[bytes]:
    member = _ZLIB.decompressobj(wbits=_GZIP_WINDOW_BITS)
    at_start = True
    for block in blocks:
        data = block
        while data:
            if member.eof:
                # Zero bytes may pad the space between members (gzip manual, tape blocks).
                data = data.lstrip(b"\0")
                if not data:
                    break
                member, at_start = _ZLIB.decompressobj(wbits=_GZIP_WINDOW_BITS), True
            try:
                # A bound: 256 kB of a file made for it unpack to 256 MB.
                yield member.decompress(data, _MOST_UNPACKED_BYTES)
            except _ZLIB.error as error:
                fix = "Copy or download it again and compare its checksum."
                raise FastqError(f"the gzip file is damaged: {error}", where=where, fix=fix) from error
            at_start = False
            data = member.unused_data if member.eof else member.unconsumed_tail
    if at_start or not member.eof:
        raise FastqError(
            "the gzip file is truncated: it ends before the end of its compressed data",
            where=where,
            fix="The download or copy was not complete; fetch it again.",
        )


def _read_name(header: bytes) -> str:
    words = header[1:].split(maxsplit=1)
    return words[0].decode(errors="replace") if words else ""


def _same_fragment(name_1: str, name_2: str) -> bool:
    """Whether two read names are those of a pair: equal, but for a last 1 and 2 (after / or .)."""
    if name_1 == name_2:
        return True
    return name_1[:-1] == name_2[:-1] and name_1[-1:] == "1" and name_2[-1:] == "2"


def _check_pair(first: _FastqScan, second: _FastqScan, sample: str) -> None:
    where = f"sample {sample}, {first.path} and {second.path}"
    if first.reads != second.reads:
        raise FastqError(
            "first and second reads are not equally many",
            where=where,
            found=f"{first.reads} and {second.reads} reads",
            fix="One file is incomplete, or the two belong to different runs.",
        )
    for place, name_1, name_2 in (
        ("first", first.first_name, second.first_name),
        ("last", first.last_name, second.last_name),
    ):
        if not _same_fragment(name_1, name_2):
            raise FastqError(
                f"the names of the {place} pair of reads differ",
                where=where,
                found=f"{name_1!r} and {name_2!r}",
                expected="the same name, but for /1 and /2",
                fix="The files do not belong together, or their reads are in different orders.",
            )
