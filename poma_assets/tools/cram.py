"""CRAM files: alignments as differences from the genome, several times smaller than BAM (by pysam, that is htslib).

A CRAM file is read only with the genome that it was written against; htslib compares checksums of the sequences.
"""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Callable
from pathlib import Path

import pysam
from pysam.utils import SamtoolsError

from poma_assets.science.errors import ToolError
from poma_assets.storage.lock import exclusive_lock
from poma_assets.storage.staging import make_folder, move_into_place, staged_directory, work_folder
from poma_assets.tools.bam import check_bam

_LONGEST_MAKING_S = 3600.0
_BLOCK_BYTES = 8 * 1024**2
_FLAG_ONLY = "required_fields=0x2"
"""Of every record only its flag is decoded: enough to count."""


def cram_of(bam: Path) -> Path:
    """Path of the CRAM file that stands for a BAM file."""
    return bam.with_suffix(".cram")


def crai_of(cram: Path) -> Path:
    """Path of a CRAM file's index."""
    return cram.with_name(cram.name + ".crai")


def drop_cram_of(bam: Path) -> None:
    """Delete the CRAM file that an earlier alignment left beside a new BAM file."""
    for path in (cram_of(bam), crai_of(cram_of(bam))):
        path.unlink(missing_ok=True)


def cram_reference(genome: Path, cache: Path, sha256: Callable[[Path], str]) -> Path:
    """The genome as htslib can read it: not compressed, with an index beside it.

    A plain FASTA is linked, a compressed one is unpacked, into a folder of ``cache`` named by the content; nothing is
    written beside the user's file.

    Parameters
    ----------
    genome
        FASTA, plain or .gz.
    sha256
        Hashes a file.

    Raises
    ------
    ToolError
        If its sequences cannot be indexed.
    """
    key = sha256(genome)
    folder = cache / key[:24]
    fasta = folder / "genome.fa"
    make_folder(cache)
    with exclusive_lock(
        cache / f"{key[:24]}.lock", timeout_s=_LONGEST_MAKING_S, describe="indexing a genome for CRAM files"
    ):
        # A link may point to where the genome of another study was.
        if not fasta.is_file() or (fasta.is_symlink() and sha256(fasta.resolve()) != key):
            with staged_directory(folder) as staging:
                _write_reference(genome, staging / fasta.name)
    return fasta


def write_cram(bam: Path, reference: Path, *, threads: int) -> Path:
    """Write a BAM file as CRAM, with its index, beside it; complete files only, with as many records.

    Records come back as they were, with the tags MD and NM made anew.

    Parameters
    ----------
    bam
        Coordinate-sorted.
    reference
        From :func:`cram_reference`.

    Raises
    ------
    ToolError
        If either file is not complete, or the CRAM file lacks records.
    """
    cram, expected = cram_of(bam), check_bam(bam)
    with work_folder(cram) as folder:
        made = folder / cram.name
        _samtools(bam, "-C", "-T", str(reference), "-@", str(threads - 1), "-o", str(made), str(bam))
        _index(made, cram)
        found = count_records(made, reference, threads=threads)
        if found != expected:
            raise ToolError(
                "the CRAM file does not hold all records of the BAM file",
                where=str(cram),
                found=f"{found} records",
                expected=f"{expected}",
                fix="Nothing was dropped. Set `alignment_format: bam` in poma.yaml, and report this.",
            )
        move_into_place({crai_of(made): crai_of(cram), made: cram})
    return cram


def write_bam(cram: Path, bam: Path, reference: Path, *, threads: int) -> None:
    """Write a CRAM file as BAM to ``bam``, which a program can read that knows no CRAM.

    Raises
    ------
    ToolError
        If the CRAM file is not complete or was written against another genome.
    """
    _samtools(cram, "-b", "-T", str(reference), "-@", str(threads - 1), "-o", str(bam), str(cram))


def count_records(cram: Path, reference: Path, *, threads: int = 1) -> int:
    """Read a CRAM file to its end and count its records, mapped and unmapped.

    Raises
    ------
    ToolError
        If it is not complete.
    """
    options = ("-c", "-T", str(reference), "-@", str(threads - 1), "--input-fmt-option", _FLAG_ONLY)
    return int(_samtools(cram, *options, str(cram)))


def _samtools(path: Path, *arguments: str) -> str:
    try:
        return str(pysam.view(*arguments, catch_stdout="-c" in arguments))
    except SamtoolsError as error:
        raise ToolError(
            "the alignments cannot be read or written",
            where=str(path),
            found=str(error).strip(),
            fix="Align the sample again, or set `alignment_format: bam` in poma.yaml.",
        ) from error


def _index(made: Path, cram: Path) -> None:
    try:
        pysam.index(str(made))
    except SamtoolsError as error:
        raise ToolError("the CRAM file cannot be indexed", where=str(cram), found=str(error).strip()) from error


def _write_reference(genome: Path, fasta: Path) -> None:
    if genome.suffix == ".gz":
        with gzip.open(genome, "rb") as packed, fasta.open("wb") as unpacked:
            shutil.copyfileobj(packed, unpacked, _BLOCK_BYTES)
    else:
        fasta.symlink_to(genome.resolve())
    try:
        pysam.faidx(str(fasta))
    except SamtoolsError as error:
        raise ToolError(
            "the genome cannot be indexed, so no CRAM file can be written",
            where=str(genome),
            found=str(error).strip(),
            expected="FASTA whose lines of a sequence are equally long, the last excepted",
            fix="Set `alignment_format: bam` in poma.yaml, or write the FASTA with lines of one length.",
        ) from error
