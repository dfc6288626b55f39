"""The file report of the European Nucleotide Archive (ENA): which FASTQ files belong to an accession.

ENA mirrors the reads of SRA and DDBJ, so that one report answers for all three. Its FASTQ files of a run are
``RUN.fastq.gz`` (single-end), or ``RUN_1.fastq.gz`` and ``RUN_2.fastq.gz``, with a third file ``RUN.fastq.gz`` where
some reads have lost their mate (https://ena-docs.readthedocs.io/en/latest/faq/archive-generated-files.html).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from poma_assets.science.accessions import is_run
from poma_assets.science.errors import AccessionError
from poma_assets.science.tables import listing, natural_key

REPORT_FIELDS = ("run_accession", "fastq_ftp", "fastq_md5", "fastq_bytes", "library_layout")
"""Fields that are asked for, which are the columns of the answer."""

_MD5 = re.compile(r"[0-9a-f]{32}")
_SIZE = re.compile(r"[0-9]{1,15}")
_SCHEME = re.compile(r"[a-z]+://", re.IGNORECASE)


@dataclass(frozen=True)
class ArchiveFile:
    """A FASTQ file of the archive.

    Attributes
    ----------
    path
        Host and path, without scheme.
    md5
        Checksum in hexadecimal.
    size_bytes
        Size.
    """

    path: str
    md5: str
    size_bytes: int

    @property
    def name(self) -> str:
        """The file's own name."""
        return self.path.rpartition("/")[2]


@dataclass(frozen=True)
class ArchiveRun:
    """A sequencing run with its reads: one file, or first and second reads."""

    run_accession: str
    files: tuple[ArchiveFile, ...]

    @property
    def is_paired(self) -> bool:
        """Whether there are second reads."""
        return len(self.files) == 2


def parse_file_report(text: str, *, accession: str, source: str) -> list[ArchiveRun]:
    """Read ENA's file report for one accession (tab-separated, fields as `REPORT_FIELDS`).

    Parameters
    ----------
    text
        The answer; empty, or a header alone, where ENA does not know the accession.
    accession
        The one that was asked for.
    source
        The address, for messages.

    Returns
    -------
    list of ArchiveRun
        Its runs in natural order; unpaired reads beside a pair are left out.

    Raises
    ------
    AccessionError
        ENA does not know it, or has no FASTQ files of one of its runs, or the answer is no such report.
    """
    lines = [line.split("\t") for line in text.splitlines() if line.strip()]
    if len(lines) > 1 or (lines and "run_accession" not in lines[0]):
        _check_header(lines[0], source)
    rows = [dict(zip(lines[0], cells, strict=False)) for cells in lines[1:]]
    if not rows:
        raise unknown_accession(accession, source)
    runs = {row.get("run_accession", ""): _run(row, source) for row in rows}
    return [runs[run] for run in sorted(runs, key=natural_key)]


def unknown_accession(accession: str, source: str) -> AccessionError:
    """The error for an accession of which the archive has no reads."""
    return AccessionError(
        f"the archive knows no reads of {accession}",
        where=source,
        expected="an accession that is public in ENA, SRA or DDBJ",
        fix="Check its digits. Reads that were released lately, or are not public, may not be at ENA: download them "
        "with the SRA toolkit and name the files in fastq_1 and fastq_2.",
    )


def _check_header(header: list[str], source: str) -> None:
    missing = [name for name in REPORT_FIELDS if name not in header]
    if missing:
        raise AccessionError(
            "the answer is no file report of ENA",
            where=source,
            found=listing(header)[:200],
            expected=f"the columns {', '.join(REPORT_FIELDS)}",
            fix="Is the address in POMA_ENA_URL right? Otherwise try again later.",
        )


def _run(row: Mapping[str, str], source: str) -> ArchiveRun:
    run = row.get("run_accession", "")
    if not is_run(run):
        raise _damaged(source, f"run accession {run!r}")
    files = _files(row, run, source)
    if not files:
        raise AccessionError(
            f"there are no FASTQ files of run {run}",
            where=source,
            found="a run without FASTQ files: not released yet, or kept as submitted only (BAM, 10x, long reads)",
            fix=f"Look at {run} in the ENA browser; download what there is, turn it into FASTQ and name it in fastq_1.",
        )
    return ArchiveRun(run, _reads(files, run, row.get("library_layout", "").strip().upper(), source))


def _files(row: Mapping[str, str], run: str, source: str) -> list[ArchiveFile]:
    paths, sums, sizes = (_listed(row.get(name, "")) for name in ("fastq_ftp", "fastq_md5", "fastq_bytes"))
    if not len(paths) == len(sums) == len(sizes):
        raise _damaged(source, f"{len(paths)} files, {len(sums)} checksums and {len(sizes)} sizes of run {run}")
    files = []
    for path, md5, size in zip(paths, sums, sizes, strict=True):
        if not _MD5.fullmatch(md5.lower()) or not _SIZE.fullmatch(size):
            raise _damaged(source, f"checksum {md5!r} and size {size!r} of run {run}")
        files.append(ArchiveFile(_SCHEME.sub("", path, count=1), md5.lower(), int(size)))
    return files


def _listed(cell: str) -> list[str]:
    return [part.strip() for part in cell.split(";") if part.strip()]


def _reads(files: list[ArchiveFile], run: str, layout: str, source: str) -> tuple[ArchiveFile, ...]:
    """The one file, or the pair, among the files of a run."""
    by_name = {file.name: file for file in files}
    numbered = sorted(name for name in by_name if re.fullmatch(rf"{run}_\d+\.fastq\.gz", name))
    first, second, single = f"{run}_1.fastq.gz", f"{run}_2.fastq.gz", f"{run}.fastq.gz"
    if numbered == [first, second]:
        return by_name[first], by_name[second]
    if len(by_name) == 1 and layout != "PAIRED" and (numbered == [first] or single in by_name):
        return (files[0],)
    paired_but_one = len(by_name) == 1 and layout == "PAIRED"
    raise AccessionError(
        f"which files of run {run} are its reads cannot be told",
        where=source,
        found=f"{listing(by_name)} (library layout {layout or 'not given'})",
        expected=f"{first} and {second}" if paired_but_one else f"{single}, or {first} and {second}",
        fix="Download what you want to use, and name it in fastq_1 (and fastq_2).",
    )


def _damaged(source: str, found: str) -> AccessionError:
    return AccessionError("the answer of ENA is damaged", where=source, found=found, fix="Try again later.")
