"""Synthetic gene models: where genes, exons and transcripts lie, and the GTF that says so.

Positions and structures are invented; only gene ids and symbols are real. Sequences are made in ``genome``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from poma_assets.science.errors import InputError

SPACING_BP = 6500
"""Length of the stretch of chromosome that holds one gene."""

_MARGIN_BP = 400
_MIN_TERMINAL_EXON_BP = 400
_OVERLAP_BP = (80, 240)

Interval = tuple[int, int]
"""Start and end on a sequence, 0-based, half-open."""


@dataclass(frozen=True)
class GeneIdentity:
    """The real name of a gene: Ensembl gene id, symbol and biotype."""

    gene_id: str
    gene_name: str
    biotype: str = "protein_coding"


@dataclass(frozen=True)
class Transcript:
    """A spliced transcript; exons in genomic order."""

    transcript_id: str
    exons: tuple[Interval, ...]

    @property
    def introns(self) -> tuple[Interval, ...]:
        """Gaps between consecutive exons, in genomic order."""
        return tuple((left[1], right[0]) for left, right in zip(self.exons, self.exons[1:], strict=False))


@dataclass(frozen=True)
class Gene:
    """A gene with its place on the synthetic genome; the first transcript has every exon."""

    identity: GeneIdentity
    chromosome: str
    strand: str
    transcripts: tuple[Transcript, ...]

    @property
    def start(self) -> int:
        """First base, 0-based."""
        return self.transcripts[0].exons[0][0]

    @property
    def end(self) -> int:
        """One past the last base."""
        return self.transcripts[0].exons[-1][1]

    @property
    def terminal_exon(self) -> Interval:
        """The exon at the 3' end."""
        exons = self.transcripts[0].exons
        return exons[-1] if self.strand == "+" else exons[0]


@dataclass(frozen=True)
class GenomeLayout:
    """Lengths of the chromosomes in bases and the genes, in the order along the genome."""

    chromosome_lengths_bp: dict[str, int]
    genes: tuple[Gene, ...]


def layout_genes(
    identities: Sequence[GeneIdentity],
    rng: np.random.Generator,
    *,
    n_chromosomes: int = 3,
    overlapping_fraction: float = 0.08,
    second_transcript_fraction: float = 0.35,
) -> GenomeLayout:
    """Place genes on a synthetic genome, in random order and on both strands.

    Parameters
    ----------
    identities
        The genes, each id once.
    rng
        Source of randomness.
    n_chromosomes
        Number of chromosomes; they share the genes evenly.
    overlapping_fraction
        Share of the genes whose 3' end overlaps that of a neighbour on the opposite strand.
    second_transcript_fraction
        Share of the genes of four exons or more that have a second transcript, which skips an exon.

    Raises
    ------
    InputError
        If a gene id occurs twice.
    """
    ids = [identity.gene_id for identity in identities]
    if len(set(ids)) != len(ids):
        repeated = sorted({gene_id for gene_id in ids if ids.count(gene_id) > 1})
        raise InputError("Gene ids of a simulated genome must be unique", found=", ".join(repeated[:5]))
    order = rng.permutation(len(identities))
    genes: list[Gene] = []
    lengths: dict[str, int] = {}
    for number, slots in enumerate(np.array_split(order, n_chromosomes), start=1):
        chromosome = f"synthetic_{number}"
        lengths[chromosome] = len(slots) * SPACING_BP + 2 * _MARGIN_BP
        pair_starts = _pair_starts(len(slots), overlapping_fraction, rng)
        overlap = 0
        for slot, index in enumerate(slots):
            role = "left" if slot in pair_starts else "right" if slot - 1 in pair_starts else "single"
            strand = {"left": "+", "right": "-"}.get(role, "+-"[int(rng.integers(2))])
            exons = _exon_structure(strand, rng)
            if role == "left":
                overlap = int(rng.integers(*_OVERLAP_BP))
            start = _slot_start(slot, exons[-1][1], role, overlap, rng)
            exons = tuple((start + left, start + right) for left, right in exons)
            transcripts = _transcripts(identities[index].gene_id, exons, second_transcript_fraction, rng)
            genes.append(Gene(identities[index], chromosome, strand, transcripts))
    return GenomeLayout(lengths, tuple(genes))


def _pair_starts(n_slots: int, fraction: float, rng: np.random.Generator) -> set[int]:
    """Slots whose gene overlaps that of the next slot; pairs do not touch each other."""
    candidates = np.arange(0, n_slots - 1, 2)
    n_pairs = min(len(candidates), max(1, round(n_slots * fraction / 2)))
    return {int(slot) for slot in rng.choice(candidates, n_pairs, replace=False)} if len(candidates) else set()


def _slot_start(slot: int, span: int, role: str, overlap: int, rng: np.random.Generator) -> int:
    begin = _MARGIN_BP + slot * SPACING_BP
    if role == "left":
        return begin + SPACING_BP + overlap - span
    if role == "right":
        return begin
    return begin + _MARGIN_BP + int(rng.integers(0, SPACING_BP - span - 2 * _MARGIN_BP + 1))


def _exon_structure(strand: str, rng: np.random.Generator) -> tuple[Interval, ...]:
    """Exons of one gene from position 0; the last exon in transcript order is long, as a 3' UTR is."""
    n_exons = int(np.clip(1 + rng.poisson(4.5), 1, 12))
    exon_bp = np.clip(rng.lognormal(5.1, 0.45, n_exons), 70, 600).astype(int)
    exon_bp[-1] = _MIN_TERMINAL_EXON_BP + int(rng.integers(0, 600))
    intron_bp = np.clip(rng.lognormal(5.6, 0.6, n_exons), 90, 2000).astype(int)
    while exon_bp.sum() + intron_bp[: len(exon_bp) - 1].sum() > SPACING_BP - 3 * _MARGIN_BP:
        exon_bp = exon_bp[1:]
    intron_bp = intron_bp[: len(exon_bp) - 1]
    if strand == "-":
        exon_bp, intron_bp = exon_bp[::-1], intron_bp[::-1]
    starts = np.concatenate([[0], np.cumsum(exon_bp[:-1] + intron_bp)])
    return tuple((int(start), int(start + length)) for start, length in zip(starts, exon_bp, strict=True))


def _transcripts(
    gene_id: str, exons: tuple[Interval, ...], second_fraction: float, rng: np.random.Generator
) -> tuple[Transcript, ...]:
    number = gene_id.removeprefix("ENSG")
    full = Transcript(f"SIMT{number}01", exons)
    if len(exons) < 4 or rng.random() >= second_fraction:
        return (full,)
    skipped = int(rng.integers(1, len(exons) - 1))
    return (full, Transcript(f"SIMT{number}02", exons[:skipped] + exons[skipped + 1 :]))


def antisense_overlaps(layout: GenomeLayout) -> list[tuple[Gene, Gene]]:
    """Pairs of neighbouring genes that overlap on opposite strands."""
    neighbours = zip(layout.genes, layout.genes[1:], strict=False)
    return [(a, b) for a, b in neighbours if a.chromosome == b.chromosome and b.start < a.end]


def intergenic_intervals(layout: GenomeLayout, margin_bp: int = 150) -> list[tuple[str, int, int]]:
    """Stretches between genes: chromosome, start, end (0-based, half-open).

    ``margin_bp`` bases beside every gene and chromosome end are left out.
    """
    intervals = []
    for chromosome, length in layout.chromosome_lengths_bp.items():
        position = 0
        for gene in (gene for gene in layout.genes if gene.chromosome == chromosome):
            intervals.append((chromosome, position + margin_bp, gene.start - margin_bp))
            position = max(position, gene.end)
        intervals.append((chromosome, position + margin_bp, length - margin_bp))
    return [interval for interval in intervals if interval[2] > interval[1]]


def format_gtf(layout: GenomeLayout) -> str:
    """Write the layout as GTF in Ensembl's form (gene, transcript and exon lines, 1-based closed).

    Source: Ensembl GTF, https://www.ensembl.org/info/website/upload/gff.html.
    """
    header = (
        "#!genome-build SYNTHETIC\n"
        "#!genome-version SYNTHETIC\n"
        "#!synthetic positions, exons and sequences are simulated; only gene ids and symbols are real\n"
    )
    return header + "".join(line for gene in layout.genes for line in _gene_lines(gene))


def _gene_lines(gene: Gene) -> Iterator[str]:
    identity = gene.identity
    gene_key = f'gene_id "{identity.gene_id}"; '
    names = f'gene_name "{identity.gene_name}"; gene_source "synthetic"; gene_biotype "{identity.biotype}";'

    def line(feature: str, start: int, end: int, attributes: str) -> str:
        columns = (gene.chromosome, "synthetic", feature, start + 1, end, ".", gene.strand, ".", attributes)
        return "\t".join(map(str, columns)) + "\n"

    yield line("gene", gene.start, gene.end, gene_key + names)
    for transcript in gene.transcripts:
        key = f'{gene_key}transcript_id "{transcript.transcript_id}"; '
        yield line("transcript", transcript.exons[0][0], transcript.exons[-1][1], key + names)
        exons = transcript.exons if gene.strand == "+" else transcript.exons[::-1]
        for number, (start, end) in enumerate(exons, start=1):
            yield line("exon", start, end, f'{key}exon_number "{number}"; {names}')
