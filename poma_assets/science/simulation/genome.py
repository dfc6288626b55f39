"""Synthetic chromosome sequences for a layout of genes, and their FASTA.

Sequences are arrays of ASCII bytes (``uint8``). Introns have canonical GT..AG splice sites; repeats between
genes and shared stretches of paralogues give reads that map to several places.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
from numpy.typing import NDArray

from poma_assets.science.simulation.annotation import (
    Gene,
    GenomeLayout,
    Transcript,
    antisense_overlaps,
    intergenic_intervals,
)

Sequence = NDArray[np.uint8]

_BASES = np.frombuffer(b"ACGT", np.uint8)
_BASE_OF_BYTE = np.repeat(_BASES, (74, 54, 54, 74))
"""A random byte to a base: 42 % G+C, as in the human genome."""
_COMPLEMENT = np.arange(256, dtype=np.uint8)
_COMPLEMENT[list(b"ACGT")] = list(b"TGCA")

_REPEAT_BP = 900
_REPEAT_DIVERGENCE = 0.003
_BASES_PER_REPEAT_BP = 60_000
_PARALOGUE_BP = 300
_PARALOGUE_OFFSET_BP = 50
_FASTA_WIDTH = 60


def reverse_complement(sequence: Sequence) -> Sequence:
    """Return the other strand, 5' to 3'; works on the last axis."""
    return _COMPLEMENT[sequence][..., ::-1]


def build_genome(
    layout: GenomeLayout,
    rng: np.random.Generator,
    *,
    paralogue_candidates: Collection[str] = (),
    n_paralogue_pairs: int = 0,
) -> dict[str, Sequence]:
    """Make the sequences of all chromosomes.

    Parameters
    ----------
    layout
        Chromosome lengths and genes.
    rng
        Source of randomness.
    paralogue_candidates
        Ids of genes that may share 300 bases of their last exon with another; overlapping genes never do.
    n_paralogue_pairs
        How many such pairs to make, at most half the candidates.

    Returns
    -------
    dict
        Chromosome name to sequence, in the order of the layout.
    """
    genome = {
        name: _BASE_OF_BYTE[rng.integers(0, 256, length, dtype=np.uint8)]
        for name, length in layout.chromosome_lengths_bp.items()
    }
    _insert_repeats(genome, layout, rng)
    _share_paralogues(genome, layout, paralogue_candidates, n_paralogue_pairs, rng)
    for gene in layout.genes:
        _write_splice_sites(genome[gene.chromosome], gene)
    return genome


def _insert_repeats(genome: dict[str, Sequence], layout: GenomeLayout, rng: np.random.Generator) -> None:
    """Copy two elements with few differences into places between genes."""
    places = [place for place in intergenic_intervals(layout) if place[2] - place[1] >= _REPEAT_BP]
    n_copies = min(len(places), max(4, sum(map(len, genome.values())) // _BASES_PER_REPEAT_BP))
    elements = _BASES[rng.integers(0, 4, (2, _REPEAT_BP))]
    for number, chosen in enumerate(rng.choice(len(places), n_copies, replace=False)):
        chromosome, start, end = places[chosen]
        copy = elements[number % 2].copy()
        changed = rng.random(_REPEAT_BP) < _REPEAT_DIVERGENCE
        copy[changed] = _BASES[rng.integers(0, 4, int(changed.sum()))]
        position = int(rng.integers(start, end - _REPEAT_BP + 1))
        genome[chromosome][position : position + _REPEAT_BP] = copy


def _share_paralogues(
    genome: dict[str, Sequence],
    layout: GenomeLayout,
    candidates: Collection[str],
    n_pairs: int,
    rng: np.random.Generator,
) -> None:
    allowed = set(candidates) - {gene.identity.gene_id for pair in antisense_overlaps(layout) for gene in pair}
    genes = [gene for gene in layout.genes if gene.identity.gene_id in allowed]
    chosen = rng.permutation(len(genes))[: 2 * min(n_pairs, len(genes) // 2)]
    for first, second in zip(chosen[0::2], chosen[1::2], strict=True):
        source, target = genes[first], genes[second]
        copied = _terminal_stretch(genome, source).copy()
        same_strand = source.strand == target.strand
        _terminal_stretch(genome, target)[:] = copied if same_strand else reverse_complement(copied)


def _terminal_stretch(genome: Mapping[str, Sequence], gene: Gene) -> Sequence:
    start = gene.terminal_exon[0] + _PARALOGUE_OFFSET_BP
    return genome[gene.chromosome][start : start + _PARALOGUE_BP]


def _write_splice_sites(chromosome: Sequence, gene: Gene) -> None:
    left_site, right_site = (b"GT", b"AG") if gene.strand == "+" else (b"CT", b"AC")
    for left, right in gene.transcripts[0].introns:
        chromosome[left : left + 2] = list(left_site)
        chromosome[right - 2 : right] = list(right_site)


def transcript_sequence(genome: Mapping[str, Sequence], gene: Gene, transcript: Transcript) -> Sequence:
    """Return the spliced RNA sequence (as DNA letters), 5' to 3'."""
    chromosome = genome[gene.chromosome]
    spliced = np.concatenate([chromosome[start:end] for start, end in transcript.exons])
    return reverse_complement(spliced) if gene.strand == "-" else spliced


def format_fasta(genome: Mapping[str, Sequence]) -> bytes:
    """Write sequences as FASTA, 60 bases a line; every header says that the sequence is synthetic."""
    parts = []
    for name, sequence in genome.items():
        parts.append(f">{name} synthetic chromosome of {len(sequence)} bases, simulated\n".encode())
        whole = len(sequence) // _FASTA_WIDTH * _FASTA_WIDTH
        rows = np.full((whole // _FASTA_WIDTH, _FASTA_WIDTH + 1), ord("\n"), np.uint8)
        rows[:, :-1] = sequence[:whole].reshape(-1, _FASTA_WIDTH)
        parts.append(rows.tobytes())
        if whole < len(sequence):
            parts.append(sequence[whole:].tobytes() + b"\n")
    return b"".join(parts)
