"""A genome of 60 kb with six genes and 500 read pairs whose genes are known; made once, aligned once."""

from __future__ import annotations

import gzip
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from poma_assets.tools.star import StarOutputs, align_with_star, build_star_index

READ_BP, FRAGMENT_BP, PAIRS = 75, 220, 500
_COMPLEMENT = str.maketrans("ACGT", "TGCA")
# Gene: (sequence, strand, exons as 1-based inclusive intervals). G5 and G6 overlap on opposite strands.
GENES = {
    "G1": ("s1", "+", [(1001, 1400), (2001, 2300), (4001, 4500)]),
    "G2": ("s1", "-", [(8001, 8500), (9501, 9900)]),
    "G3": ("s1", "+", [(15001, 16000)]),
    "G4": ("s2", "-", [(2001, 2250), (3001, 3250), (5001, 5500)]),
    "G5": ("s2", "+", [(10001, 11000)]),
    "G6": ("s2", "-", [(10501, 11500)]),
}
SEQUENCES_BP = {"s1": 40_000, "s2": 20_000}


def reverse_complement(bases: str) -> str:
    return bases.translate(_COMPLEMENT)[::-1]


@dataclass(frozen=True)
class TinyGenome:
    """Files of the genome and of one sample, and the true fragments per gene."""

    folder: Path
    fasta: Path
    gtf: Path
    fastq_1: Path
    fastq_2: Path
    truth: dict[str, int]
    overlapping: Counter[str]


def _write_reference(folder: Path, rng: np.random.Generator) -> tuple[Path, Path, dict[str, str]]:
    sequences = {name: "".join(rng.choice(list("ACGT"), n)) for name, n in SEQUENCES_BP.items()}
    fasta, gtf = folder / "genome.fa", folder / "annotation.gtf.gz"
    fasta.write_text("".join(f">{name} synthetic\n{bases}\n" for name, bases in sequences.items()))
    # As in FlyBase's files: exon lines only, gene_symbol instead of gene_name.
    lines = [
        f'{seq}\ttest\texon\t{begin}\t{end}\t.\t{strand}\t.\tgene_id "{gene}"; gene_symbol "n{gene}"; '
        f'transcript_id "{gene}.t1";\n'
        for gene, (seq, strand, exons) in GENES.items()
        for begin, end in exons
    ]
    gtf.write_bytes(gzip.compress("".join(lines).encode()))
    return fasta, gtf, sequences


def _fragment(gene: str, sequences: dict[str, str], rng: np.random.Generator) -> tuple[str, bool]:
    """A fragment of the RNA, 5' to 3', and whether all of it lies in the overlap of G5 and G6."""
    name, strand, exons = GENES[gene]
    rna = "".join(sequences[name][begin - 1 : end] for begin, end in exons)
    offset = int(rng.integers(0, len(rna) - FRAGMENT_BP + 1))
    begin = exons[0][0] + offset
    shared = gene in ("G5", "G6") and begin >= 10501 and begin + FRAGMENT_BP - 1 <= 11000
    piece = rna[offset : offset + FRAGMENT_BP]
    return (piece if strand == "+" else reverse_complement(piece)), shared


@pytest.fixture(scope="session")
def tiny_genome(tmp_path_factory: pytest.TempPathFactory) -> TinyGenome:
    """Reverse-stranded (dUTP) pairs: the second read has the sequence of the RNA. Its path has a space."""
    rng = np.random.default_rng(20260101)
    folder = tmp_path_factory.mktemp("tiny") / "my study"
    folder.mkdir()
    fasta, gtf, sequences = _write_reference(folder, rng)
    genes = [str(gene) for gene in rng.choice(list(GENES), PAIRS, p=[0.3, 0.2, 0.2, 0.1, 0.1, 0.1])]
    overlapping: Counter[str] = Counter()
    first, second = [], []
    for i, gene in enumerate(genes):
        rna, shared = _fragment(gene, sequences, rng)
        overlapping[gene] += shared
        for reads, bases in ((first, reverse_complement(rna)), (second, rna)):
            reads.append(f"@pair{i}\n{bases[:READ_BP]}\n+\n{'F' * READ_BP}\n")
    paths = [folder / f"S1_R{mate}.fastq.gz" for mate in (1, 2)]
    for path, reads in zip(paths, (first, second), strict=True):
        path.write_bytes(gzip.compress("".join(reads).encode()))
    counts = Counter(genes)
    return TinyGenome(folder, fasta, gtf, *paths, {g: counts[g] for g in GENES}, overlapping)


@pytest.fixture(scope="session")
def tiny_index(tiny_genome: TinyGenome) -> Path:
    index = tiny_genome.folder / "index"
    build_star_index(
        tiny_genome.fasta,
        tiny_genome.gtf,
        index,
        genome_length_bp=sum(SEQUENCES_BP.values()),
        n_contigs=len(SEQUENCES_BP),
        read_length_bp=READ_BP,
        threads=1,
        log_path=tiny_genome.folder / "logs" / "index.log",
    )
    return index


@pytest.fixture(scope="session")
def tiny_alignment(tiny_genome: TinyGenome, tiny_index: Path) -> StarOutputs:
    return align_with_star(
        tiny_genome.fastq_1,
        tiny_genome.fastq_2,
        tiny_index,
        tiny_genome.folder / "alignments" / "S1",
        threads=1,
        log_path=tiny_genome.folder / "logs" / "S1.star.log",
    )
