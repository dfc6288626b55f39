"""A genome of one sequence and alignments to it, made with pysam: for tests that need no aligner."""

from __future__ import annotations

import random
from pathlib import Path

import pysam

GENOME = "".join(random.Random(3).choices("ACGT", k=1200))
READ_BP = 50


def write_genome(path: Path, sequence: str = GENOME) -> Path:
    """A FASTA with lines of 60 bases."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [sequence[start : start + 60] for start in range(0, len(sequence), 60)]
    path.write_text("\n".join([">chr1 made up", *lines]) + "\n")
    return path


def write_bam_file(path: Path, pairs: int = 20) -> Path:
    """A sorted, indexed BAM file of so many pairs, some with a mismatch or a splice, and one unmapped read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    header = {"HD": {"VN": "1.6", "SO": "coordinate"}, "SQ": [{"SN": "chr1", "LN": len(GENOME)}]}
    records = []
    for number in range(pairs):
        first, second = number * 40, number * 40 + 200
        records.append(_record(number, first, second, is_first=True))
        records.append(_record(number, second, first, is_first=False))
    with pysam.AlignmentFile(str(path), "wb", header=header) as bam:
        for record in sorted(records, key=lambda record: record.reference_start):
            bam.write(record)
        unmapped = pysam.AlignedSegment()
        unmapped.query_name, unmapped.flag = "unmapped", 4
        unmapped.query_sequence = "A" * READ_BP
        unmapped.query_qualities = pysam.qualitystring_to_array("#" * READ_BP)
        bam.write(unmapped)
    pysam.index(str(path))
    return path


def _record(number: int, start: int, mate: int, *, is_first: bool) -> pysam.AlignedSegment:
    record = pysam.AlignedSegment()
    spliced = number % 5 == 0
    sequence = GENOME[start : start + 20] + GENOME[start + 30 : start + 60] if spliced else GENOME[start : start + 50]
    if number % 3 == 0:
        sequence = ("A" if sequence[0] != "A" else "C") + sequence[1:]
    record.query_name, record.query_sequence = f"read{number}", sequence
    record.flag = 99 if is_first else 147
    record.reference_id, record.reference_start, record.mapping_quality = 0, start, 255
    record.cigarstring = "20M10N30M" if spliced else "50M"
    record.next_reference_id, record.next_reference_start = 0, mate
    record.template_length = mate - start
    record.query_qualities = pysam.qualitystring_to_array("".join(chr(33 + (number + i) % 40) for i in range(READ_BP)))
    record.set_tags([("NH", 1), ("HI", 1), ("AS", 98), ("nM", 1 if number % 3 == 0 else 0)])
    return record


def records_of(path: Path) -> list[tuple[object, ...]]:
    """What counters read of every record; tags without MD and NM, which CRAM makes anew."""
    with pysam.AlignmentFile(str(path), check_sq=False) as bam:
        return [
            (
                record.query_name,
                record.flag,
                record.reference_start,
                record.mapping_quality,
                record.cigarstring,
                record.next_reference_start,
                record.template_length,
                record.query_sequence,
                tuple(record.query_qualities or ()),
                tuple(sorted((name, value) for name, value in record.tags if name not in ("MD", "NM"))),
            )
            for record in bam.fetch(until_eof=True)
        ]
