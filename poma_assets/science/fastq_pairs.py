"""Pairs of FASTQ files from their names alone, for ``poma init`` and the inbox.

Only names are looked at; whether the files are sound is decided where they are read.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence
from dataclasses import dataclass

from poma_assets.science.errors import FastqError
from poma_assets.science.tables import IDENTIFIER_MAX_LENGTH, is_missing, listing, natural_key

FASTQ_SUFFIXES = (".fastq.gz", ".fq.gz", ".fastq", ".fq")

# Most telling first: `_1` is a read number only where no R1 or read1 is there.
_MATE_PATTERNS = (
    re.compile(r"[._-]R(?P<mate>[12])(?P<tail>[._-]\d{3})?$"),
    re.compile(r"[._-]read_?(?P<mate>[12])$", re.IGNORECASE),
    re.compile(r"[._-]r(?P<mate>[12])$"),
    re.compile(r"[._](?P<mate>[12])$"),
)
_LANE = re.compile(r"[._-](?P<lane>L\d{3})$")
_SAMPLE_NUMBER = re.compile(r"_S\d+$")


@dataclass(frozen=True)
class FastqPair:
    """One lane of one sample; ``fastq_2`` is None for single-end reads, ``lane`` where the name has none."""

    sample: str
    lane: str | None
    fastq_1: str
    fastq_2: str | None


@dataclass(frozen=True)
class ReadFile:
    """A file as its name tells; ``numbered`` where it has a read number, without one ``mate`` is 1."""

    name: str
    folder: str
    stem: str
    lane: str
    mate: int
    chunk: str
    numbered: bool


def is_fastq_name(name: str) -> bool:
    """Whether a file name ends like a FASTQ file: .fastq.gz, .fq.gz, .fastq or .fq."""
    return name.lower().endswith(FASTQ_SUFFIXES)


def find_fastq_pairs(file_names: Sequence[str]) -> list[FastqPair]:
    """Find samples, lanes and read pairs among file names.

    Recognised: ``_R1_001/_R2_001``, ``_R1/_R2`` and ``.R1/.R2``, ``.read1/.read2``, ``_1/_2``, with lanes as
    ``_L001`` and Illumina's sample numbers (``_S12``, dropped where the sample names stay distinct). A file
    without a read number is a single-end sample. Names that are no FASTQ names are passed over.

    Returns
    -------
    list of FastqPair
        One for each lane, in natural order of sample and lane.

    Raises
    ------
    FastqError
        A second read without its first, two files for the same read of the same lane, or a name that cannot stand
        in a table.
    """
    groups: dict[tuple[str, str, str, str], dict[int, str]] = {}
    _require_writable(file_names)
    for read in read_files(file_names):
        mates = groups.setdefault((read.stem, read.lane, read.chunk, read.folder), {})
        if read.mate in mates:
            raise FastqError(
                f"two files for read {read.mate} of the same sample and lane",
                where=read.stem,
                found=f"{mates[read.mate]} and {read.name}",
                fix="Keep one of them, or give the lanes as _L001, _L002 in the file names",
            )
        mates[read.mate] = read.name
    _require_first_reads(groups)
    samples = sample_names(sorted({key[0] for key in groups}, key=natural_key))
    pairs = [FastqPair(samples[key[0]], key[1] or None, mates[1], mates.get(2)) for key, mates in groups.items()]
    return sorted(pairs, key=lambda pair: (natural_key(pair.sample), pair.lane or "", pair.fastq_1))


def read_files(file_names: Sequence[str]) -> list[ReadFile]:
    """Say of every FASTQ file what its name tells, in natural order; other names are passed over."""
    names = [name for name in sorted(set(file_names), key=natural_key) if is_fastq_name(name)]
    replicates = _numbered_samples(names)
    return [_describe(name, replicates) for name in names]


def plain_stem(stem: str) -> str:
    """Drop Illumina's sample number."""
    return _SAMPLE_NUMBER.sub("", stem)


def sheet_from_pairs(pairs: Sequence[FastqPair], metadata: Sequence[str] = ()) -> str:
    """Write a sample sheet (TSV) for pairs of FASTQ files, with empty metadata columns to fill in."""
    header = ["sample", "fastq_1", "fastq_2", "strandedness", *metadata]
    rows = [[pair.sample, pair.fastq_1, pair.fastq_2 or "", "auto", *("" for _ in metadata)] for pair in pairs]
    return "".join("\t".join(row) + "\n" for row in [header, *rows])


def _split(name: str) -> tuple[str, str]:
    folder, base = posixpath.split(name)
    suffix = next(suffix for suffix in FASTQ_SUFFIXES if base.lower().endswith(suffix))
    return folder, base[: -len(suffix)]


def _numbered_samples(names: Sequence[str]) -> frozenset[str]:
    """Stems such as ``ctrl`` of ctrl_1, ctrl_2, ctrl_3: there the number is a replicate, not a read."""
    third = re.compile(r"^(.*)[._](?:[03-9]|[1-9]\d+)$")
    return frozenset(match[1] for name in names if (match := third.match(_split(name)[1])))


def _describe(name: str, replicates: frozenset[str]) -> ReadFile:
    folder, stem = _split(name)
    mate, chunk, numbered = 1, "", False
    for pattern in _MATE_PATTERNS:
        match = pattern.search(stem)
        if match and not (pattern is _MATE_PATTERNS[-1] and stem[: match.start()] in replicates):
            mate, numbered = int(match["mate"]), True
            chunk = match.groupdict().get("tail") or ""
            stem = stem[: match.start()]
            break
    lane = _LANE.search(stem)
    if lane:
        stem = stem[: lane.start()]
    return ReadFile(name, folder, stem, lane["lane"] if lane else "", mate, chunk, numbered)


def _require_writable(file_names: Sequence[str]) -> None:
    """Refuse names that cannot stand in a sheet: with tabs, line ends, quotes, or what cannot be decoded."""
    for name in file_names:
        if is_fastq_name(name) and (not name.isprintable() or name != name.strip() or '"' in name):
            raise FastqError(
                "the file name cannot be written into a table", found=ascii(name), fix="Rename the file, then try again"
            )


def _require_first_reads(groups: dict[tuple[str, str, str, str], dict[int, str]]) -> None:
    alone = [mates[2] for mates in groups.values() if 1 not in mates]
    if alone:
        raise FastqError(
            "second reads without their first reads",
            found=listing(alone),
            expected="for every R2 file an R1 file with otherwise the same name",
            fix="Copy the missing files or name both files of a pair alike",
        )


def sample_names(stems: Sequence[str]) -> dict[str, str]:
    """Valid, distinct sample names; Illumina's ``_S12`` is dropped unless names would collide."""
    names = {stem: _valid_name(plain_stem(stem)) for stem in stems}
    taken = [name.casefold() for name in names.values()]
    for stem, name in names.items():
        if taken.count(name.casefold()) > 1:
            names[stem] = _valid_name(stem)
    used: set[str] = set()
    for stem, name in names.items():
        candidate, number = name, 2
        while candidate.casefold() in used:
            candidate, number = f"{name}-{number}", number + 1
        used.add(candidate.casefold())
        names[stem] = candidate
    return names


def _valid_name(text: str) -> str:
    name = re.sub(r"[^A-Za-z0-9._-]+", "_", text)
    name = re.sub(r"\.{3,}", ".", name).lstrip("._-").rstrip("._-")
    name = name[: IDENTIFIER_MAX_LENGTH - 4].rstrip("._-") or "sample"
    # A sample called NA would read as "nothing recorded".
    return f"sample_{name}" if is_missing(name) else name
