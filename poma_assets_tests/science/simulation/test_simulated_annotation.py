import re

import numpy as np
import pytest

from poma_assets.science.errors import InputError
from poma_assets.science.simulation.annotation import (
    GeneIdentity,
    antisense_overlaps,
    format_gtf,
    intergenic_intervals,
    layout_genes,
)


def test_exons_are_ordered_disjoint_and_within_their_chromosome(small_genome):
    lengths = small_genome.layout.chromosome_lengths_bp
    for gene in small_genome.layout.genes:
        for transcript in gene.transcripts:
            edges = [edge for exon in transcript.exons for edge in exon]
            assert edges == sorted(set(edges))
            assert edges[0] > 0
            assert edges[-1] < lengths[gene.chromosome]


def test_introns_are_long_enough_to_be_introns(small_genome):
    introns = [i for g in small_genome.layout.genes for t in g.transcripts for i in t.introns]
    assert len(introns) > 60
    assert min(end - start for start, end in introns) >= 90


def test_both_strands_and_second_transcripts_occur(small_genome):
    genes = small_genome.layout.genes
    assert {gene.strand for gene in genes} == {"+", "-"}
    several = [gene for gene in genes if len(gene.transcripts) == 2]
    assert 0 < len(several) < len(genes)
    for gene in several:
        first, second = (set(transcript.exons) for transcript in gene.transcripts)
        assert len(first - second) == 1
        assert second < first


def test_overlapping_genes_lie_tail_to_tail_on_opposite_strands(small_genome):
    pairs = antisense_overlaps(small_genome.layout)
    assert pairs
    for left, right in pairs:
        assert (left.strand, right.strand) == ("+", "-")
        overlap = left.end - right.start
        assert 80 <= overlap < 240
        # Only last exons overlap, so that neither gene's splice sites are touched.
        assert left.terminal_exon[0] < right.start
        assert right.terminal_exon[1] > left.end


def test_genes_on_the_same_strand_never_overlap(small_genome):
    overlapping = {(a.identity.gene_id, b.identity.gene_id) for a, b in antisense_overlaps(small_genome.layout)}
    genes = small_genome.layout.genes
    for i, first in enumerate(genes):
        for second in genes[i + 1 :]:
            if first.chromosome == second.chromosome and second.start < first.end:
                assert (first.identity.gene_id, second.identity.gene_id) in overlapping


def test_intergenic_intervals_keep_their_distance_from_genes(small_genome):
    covered = {name: np.zeros(n, bool) for name, n in small_genome.layout.chromosome_lengths_bp.items()}
    for gene in small_genome.layout.genes:
        covered[gene.chromosome][gene.start : gene.end] = True
    intervals = intergenic_intervals(small_genome.layout, margin_bp=150)
    assert intervals
    assert not any(covered[name][start - 150 : end + 150].any() for name, start, end in intervals)


def test_gtf_says_where_the_exons_are(small_genome):
    text = format_gtf(small_genome.layout)
    assert "synthetic" in text.splitlines()[2]
    gene = next(g for g in small_genome.layout.genes if g.strand == "-" and len(g.transcripts) == 2)
    transcript = gene.transcripts[1]
    found = []
    for line in text.splitlines():
        columns = line.split("\t")
        if f'transcript_id "{transcript.transcript_id}"' in line and columns[2] == "exon":
            assert columns[0] == gene.chromosome
            assert columns[6] == "-"
            number = int(re.search(r'exon_number "(\d+)"', line)[1])
            found.append((number, int(columns[3]), int(columns[4])))
    # 1-based and closed; exon 1 of a gene on the minus strand is the rightmost.
    expected = [(n, s + 1, e) for n, (s, e) in enumerate(reversed(transcript.exons), start=1)]
    assert found == expected


def test_every_gene_has_one_gene_line_with_its_symbol(small_genome):
    lines = [line for line in format_gtf(small_genome.layout).splitlines() if "\tgene\t" in line]
    names = {re.search(r'gene_id "(\w+)".*gene_name "(\w+)"', line).groups() for line in lines}
    assert len(lines) == 60
    assert names == {(g.identity.gene_id, g.identity.gene_name) for g in small_genome.layout.genes}


def test_repeated_gene_id_is_refused():
    twice = [GeneIdentity("ENSG00000000001", "A"), GeneIdentity("ENSG00000000001", "B")]
    with pytest.raises(InputError, match="unique") as caught:
        layout_genes(twice, np.random.default_rng(0))
    assert "ENSG00000000001" in str(caught.value)
