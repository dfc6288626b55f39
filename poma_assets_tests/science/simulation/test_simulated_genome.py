import numpy as np
import pytest

from poma_assets.science.simulation.annotation import GeneIdentity, layout_genes
from poma_assets.science.simulation.genome import (
    build_genome,
    format_fasta,
    reverse_complement,
    transcript_sequence,
)


def as_text(sequence):
    return sequence.tobytes().decode()


def test_reverse_complement_by_hand():
    sequence = np.frombuffer(b"AACGT", np.uint8)
    assert as_text(reverse_complement(sequence)) == "ACGTT"


def test_every_intron_begins_with_gt_and_ends_with_ag_on_its_strand(small_genome):
    checked = {"+": 0, "-": 0}
    for gene in small_genome.layout.genes:
        for transcript in gene.transcripts:
            for start, end in transcript.introns:
                intron = small_genome.sequences[gene.chromosome][start:end]
                if gene.strand == "-":
                    intron = reverse_complement(intron)
                text = as_text(intron)
                assert (text[:2], text[-2:]) == ("GT", "AG")
                checked[gene.strand] += 1
    assert min(checked.values()) > 20


def test_transcript_of_a_minus_gene_is_the_reverse_complement_of_its_exons(small_genome):
    gene = next(g for g in small_genome.layout.genes if g.strand == "-" and len(g.transcripts[0].exons) > 2)
    chromosome = as_text(small_genome.sequences[gene.chromosome])
    spliced = "".join(chromosome[start:end] for start, end in gene.transcripts[0].exons)
    expected = spliced[::-1].translate(str.maketrans("ACGT", "TGCA"))
    assert as_text(transcript_sequence(small_genome.sequences, gene, gene.transcripts[0])) == expected


def test_gc_content_is_human_like(small_genome):
    bases = np.concatenate(list(small_genome.sequences.values()))
    assert np.isin(bases, list(b"GC")).mean() == pytest.approx(0.42, abs=0.01)


def test_fasta_gives_the_sequences_back(small_genome):
    records = format_fasta(small_genome.sequences).decode().split(">")[1:]
    read = {}
    for record in records:
        header, *lines = record.splitlines()
        assert "synthetic" in header.split(maxsplit=1)[1]
        assert {len(line) for line in lines[:-1]} == {60}
        read[header.split()[0]] = "".join(lines)
    assert read == {name: as_text(sequence) for name, sequence in small_genome.sequences.items()}


def test_fasta_of_whole_lines_has_no_empty_line():
    assert format_fasta({"a": np.full(120, ord("A"), np.uint8)}).decode().splitlines()[1:] == ["A" * 60] * 2


def test_genome_has_repeats(small_genome):
    seen, repeated = set(), 0
    for sequence in small_genome.sequences.values():
        text = as_text(sequence)
        for start in range(len(text) - 40):
            word = text[start : start + 40]
            repeated += word in seen
            seen.add(word)
    # Four copies of two elements of 900 bases: two of them are second copies.
    assert repeated > 1000


def test_paralogues_share_300_bases_and_only_candidates_do(small_genome):
    layout = small_genome.layout
    ids = [gene.identity.gene_id for gene in layout.genes]
    candidates = set(ids[:40])
    genome = build_genome(layout, np.random.default_rng(9), paralogue_candidates=candidates, n_paralogue_pairs=3)
    plain = build_genome(layout, np.random.default_rng(9))
    changed = {
        gene.identity.gene_id
        for gene in layout.genes
        if not np.array_equal(
            genome[gene.chromosome][slice(*gene.terminal_exon)],
            plain[gene.chromosome][slice(*gene.terminal_exon)],
        )
    }
    assert len(changed) == 3
    assert changed <= candidates
    ends = {
        gene.identity.gene_id: as_text(transcript_sequence(genome, gene, gene.transcripts[0])) for gene in layout.genes
    }
    for gene_id in changed:
        gene = next(g for g in layout.genes if g.identity.gene_id == gene_id)
        offset = 50 if gene.strand == "+" else gene.terminal_exon[1] - gene.terminal_exon[0] - 350
        exon_start = len(ends[gene_id]) - (gene.terminal_exon[1] - gene.terminal_exon[0])
        shared = ends[gene_id][exon_start + offset : exon_start + offset + 300]
        assert sum(shared in sequence for sequence in ends.values()) == 2


def test_same_seed_same_genome(small_genome):
    again = build_genome(small_genome.layout, np.random.default_rng(4))
    other = build_genome(small_genome.layout, np.random.default_rng(5))
    assert all(np.array_equal(again[name], small_genome.sequences[name]) for name in again)
    assert not any(np.array_equal(again[name], other[name]) for name in again)


def test_layout_of_one_gene_works():
    layout = layout_genes([GeneIdentity("ENSG00000000001", "A")], np.random.default_rng(0), n_chromosomes=1)
    assert len(build_genome(layout, np.random.default_rng(0))["synthetic_1"]) == 7300
