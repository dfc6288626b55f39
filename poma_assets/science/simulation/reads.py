"""Paired, reverse-stranded Illumina-like reads from transcripts, introns and stretches between genes.

FASTQ text as bytes; nothing is written here. The first read is antisense to the RNA, as with dUTP libraries.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from poma_assets.science.simulation.annotation import GenomeLayout, intergenic_intervals
from poma_assets.science.simulation.genome import reverse_complement, transcript_sequence

Bytes = NDArray[np.uint8]
Integers = NDArray[np.int64]

_BASES = np.frombuffer(b"ACGT", np.uint8)
_ADAPTER_1 = np.frombuffer(b"AGATCGGAAGAGCACACGTCTGAACTCCAGTCAC" + b"A" * 100, np.uint8)
_ADAPTER_2 = np.frombuffer(b"AGATCGGAAGAGCGTCGTGTAGGGAAAGAGTGT" + b"A" * 100, np.uint8)
_ERROR_PROBABILITY = (10.0 ** (-np.arange(64) / 10)).astype(np.float32)
_MAJOR_TRANSCRIPT_SHARE = 0.75
_MIN_FRAGMENT_BP = 110
_CHUNK = 25_000


@dataclass(frozen=True)
class ReadProfile:
    """How the library and the sequencer behave; lengths in bases, fractions of all read pairs."""

    read_length_bp: int = 100
    fragment_mean_bp: float = 250.0
    fragment_sd_bp: float = 60.0
    short_insert_fraction: float = 0.12
    short_insert_min_bp: int = 45
    low_quality_tail_fraction: float = 0.2
    intergenic_fraction: float = 0.06
    intronic_fraction: float = 0.04


@dataclass(frozen=True)
class Templates:
    """Stretches of one buffer from which fragments may come; one entry per stretch.

    ``gene`` is the row of the gene (-1 between genes), ``share`` the weight among the stretches of its gene,
    ``sense`` whether the buffer holds the RNA's own strand there.
    """

    start: Integers
    length: Integers
    gene: Integers
    share: NDArray[np.float64]
    sense: NDArray[np.bool_]


@dataclass(frozen=True)
class ReadLibrary:
    """All sequence that can be read: transcripts (5' to 3'), then the chromosomes, in one buffer."""

    buffer: Bytes
    transcripts: Templates
    introns: Templates
    intergenic: Templates


@dataclass(frozen=True)
class Fragments:
    """Sequenced fragments: place in the buffer, length in bases, whether the buffer is the RNA's strand."""

    start: Integers
    length: Integers
    sense: NDArray[np.bool_]


def build_read_library(genome: Mapping[str, Bytes], layout: GenomeLayout, gene_rows: Mapping[str, int]) -> ReadLibrary:
    """Collect the transcripts, introns and stretches between genes.

    Parameters
    ----------
    genome
        Chromosome name to sequence.
    layout
        The genes on it.
    gene_rows
        Gene id to row of the count matrix.
    """
    sequences: list[Bytes] = []
    transcripts, introns = [], []
    position = 0
    for gene in layout.genes:
        for number, transcript in enumerate(gene.transcripts):
            sequence = transcript_sequence(genome, gene, transcript)
            major = 1.0 if len(gene.transcripts) == 1 else _MAJOR_TRANSCRIPT_SHARE
            share = major if number == 0 else 1.0 - major
            transcripts.append((position, len(sequence), gene_rows[gene.identity.gene_id], share, True))
            sequences.append(sequence)
            position += len(sequence)
    offsets = {}
    for name, chromosome in genome.items():
        offsets[name] = position
        sequences.append(chromosome)
        position += len(chromosome)
    for gene in layout.genes:
        for start, end in gene.transcripts[0].introns:
            row = gene_rows[gene.identity.gene_id]
            introns.append((offsets[gene.chromosome] + start, end - start, row, 1.0, gene.strand == "+"))
    between = [(offsets[name] + start, end - start, -1, 1.0, True) for name, start, end in intergenic_intervals(layout)]
    return ReadLibrary(np.concatenate(sequences), _templates(transcripts), _templates(introns), _templates(between))


def _templates(rows: list[tuple[int, int, int, float, bool]]) -> Templates:
    rows = [row for row in rows if row[1] >= _MIN_FRAGMENT_BP]
    columns = list(zip(*rows, strict=True)) if rows else [(), (), (), (), ()]
    start, length, gene = (np.array(column, np.int64) for column in columns[:3])
    return Templates(start, length, gene, np.array(columns[3], np.float64), np.array(columns[4], np.bool_))


def draw_fragments(library: ReadLibrary, counts: Integers, profile: ReadProfile, rng: np.random.Generator) -> Fragments:
    """Draw the fragments of one sample, in random order.

    Parameters
    ----------
    library
        Where fragments come from.
    counts
        Exonic fragments per gene, exactly as many as are drawn.
    profile
        Shares of intronic and intergenic fragments, and lengths.
    rng
        Source of randomness.
    """
    n_exonic = int(counts.sum())
    n_all = n_exonic / (1.0 - profile.intergenic_fraction - profile.intronic_fraction)
    transcripts, introns, between = library.transcripts, library.introns, library.intergenic
    weight = ((counts[introns.gene] + 0.1) * introns.length).astype(np.float64)
    parts = [
        _fragments(transcripts, _choose_transcripts(transcripts, counts, rng), profile, rng),
        _fragments(introns, _choose(weight, round(n_all * profile.intronic_fraction), rng), profile, rng),
        _fragments(
            between,
            _choose(between.length.astype(np.float64), round(n_all * profile.intergenic_fraction), rng),
            profile,
            rng,
        ),
    ]
    # Stretches between genes belong to no strand.
    parts[2] = Fragments(parts[2].start, parts[2].length, rng.random(len(parts[2].start)) < 0.5)
    order = rng.permutation(sum(len(part.start) for part in parts))
    return Fragments(
        np.concatenate([part.start for part in parts])[order],
        np.concatenate([part.length for part in parts])[order],
        np.concatenate([part.sense for part in parts])[order],
    )


def _choose(weight: NDArray[np.float64], size: int, rng: np.random.Generator) -> Integers:
    if not len(weight):
        return np.zeros(0, np.int64)
    return rng.choice(len(weight), size, p=weight / weight.sum()).astype(np.int64)


def _choose_transcripts(templates: Templates, counts: Integers, rng: np.random.Generator) -> Integers:
    """One template per fragment; a gene's fragments are split binomially between its transcripts."""
    first = np.flatnonzero(templates.share >= 0.5)
    n_first = rng.binomial(counts[templates.gene[first]], templates.share[first])
    n_fragments = counts[templates.gene].copy()
    n_fragments[first] = n_first
    minor = np.flatnonzero(templates.share < 0.5)
    taken = np.zeros(len(counts), np.int64)
    taken[templates.gene[first]] = n_first
    n_fragments[minor] -= taken[templates.gene[minor]]
    return np.repeat(np.arange(len(n_fragments)), n_fragments)


def _fragments(templates: Templates, chosen: Integers, profile: ReadProfile, rng: np.random.Generator) -> Fragments:
    drawn = rng.normal(profile.fragment_mean_bp, profile.fragment_sd_bp, len(chosen))
    length = np.maximum(drawn.astype(np.int64), _MIN_FRAGMENT_BP)
    short = rng.random(len(chosen)) < profile.short_insert_fraction
    length[short] = rng.integers(profile.short_insert_min_bp, profile.read_length_bp, int(short.sum()))
    length = np.minimum(length, templates.length[chosen])
    room = templates.length[chosen] - length + 1
    start = templates.start[chosen] + (rng.random(len(chosen)) * room).astype(np.int64)
    return Fragments(start, length, templates.sense[chosen])


def render_pairs(
    buffer: Bytes,
    fragments: Fragments,
    sample_id: str,
    profile: ReadProfile,
    rng: np.random.Generator,
) -> Iterator[tuple[bytes, bytes]]:
    """Yield the FASTQ text of first and second reads, some thousand pairs at a time.

    Read names are ``SIM:<sample>:<number>``: they say that the reads are simulated.
    """
    for begin in range(0, len(fragments.start), _CHUNK):
        part = slice(begin, begin + _CHUNK)
        head, tail = _both_ends(buffer, fragments.start[part], fragments.length[part], profile)
        sense = fragments.sense[part][:, None]
        # Reverse-stranded: the first read is the reverse complement of the 3' end of the RNA fragment.
        first, second = np.where(sense, tail, head), np.where(sense, head, tail)
        length = fragments.length[part]
        yield (
            _fastq(_with_adapter(first, length, _ADAPTER_1), sample_id, begin, 1, profile, rng),
            _fastq(_with_adapter(second, length, _ADAPTER_2), sample_id, begin, 2, profile, rng),
        )


def _both_ends(buffer: Bytes, start: Integers, length: Integers, profile: ReadProfile) -> tuple[Bytes, Bytes]:
    """Read each fragment from its left end, and from its right end on the other strand."""
    columns = np.arange(profile.read_length_bp)
    head = buffer[np.minimum(start[:, None] + columns, len(buffer) - 1)]
    right = (start + length - profile.read_length_bp)[:, None] + columns
    return head, reverse_complement(buffer[np.maximum(right, 0)])


def _with_adapter(reads: Bytes, length: Integers, adapter: Bytes) -> Bytes:
    short = np.flatnonzero(length < reads.shape[1])
    beyond = np.arange(reads.shape[1]) - length[short, None]
    reads[short] = np.where(beyond >= 0, adapter[np.maximum(beyond, 0)], reads[short])
    return reads


def _qualities(n_reads: int, profile: ReadProfile, rng: np.random.Generator) -> Bytes:
    """Phred qualities, reads x cycles: mostly 37, some lower, and bad tails on a share of the reads."""
    n_cycles = profile.read_length_bp
    cycle = np.arange(n_cycles)
    draw = rng.random((n_reads, n_cycles), dtype=np.float32)
    quality = np.where(draw < 0.08, 25, 37).astype(np.uint8)
    quality[(draw > 0.85) & (cycle > 0.7 * n_cycles)] = 32
    bad = np.flatnonzero(rng.random(n_reads) < profile.low_quality_tail_fraction)
    tail_start = n_cycles - rng.integers(5, n_cycles * 9 // 20, len(bad))
    values = rng.integers(2, 12, (len(bad), n_cycles), dtype=np.uint8)
    quality[bad] = np.where(cycle >= tail_start[:, None], values, quality[bad])
    return quality


def _fastq(
    reads: Bytes, sample_id: str, first_number: int, mate: int, profile: ReadProfile, rng: np.random.Generator
) -> bytes:
    """Add qualities and sequencing errors, and lay the records out as one block of text."""
    n_reads = len(reads)
    quality = _qualities(n_reads, profile, rng)
    wrong = np.nonzero(rng.random(reads.shape, dtype=np.float32) < _ERROR_PROBABILITY[quality])
    reads[wrong] = _BASES[rng.integers(0, 4, len(wrong[0]))]
    name = np.frombuffer(f"@SIM:{sample_id}:".encode(), np.uint8)
    numbers = first_number + np.arange(1, n_reads + 1)
    digits = numbers[:, None] // 10 ** np.arange(8, -1, -1) % 10 + ord("0")
    fixed = np.frombuffer(f" {mate}:N:0:SIMULATED\n".encode(), np.uint8)
    plus = np.frombuffer(b"\n+\n", np.uint8)
    blocks = (
        np.broadcast_to(name, (n_reads, len(name))),
        digits.astype(np.uint8),
        np.broadcast_to(fixed, (n_reads, len(fixed))),
        reads,
        np.broadcast_to(plus, (n_reads, 3)),
        quality + np.uint8(33),
        np.full((n_reads, 1), ord("\n"), np.uint8),
    )
    return np.concatenate(blocks, axis=1).tobytes()
