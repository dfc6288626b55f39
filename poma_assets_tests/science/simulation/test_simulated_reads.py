import numpy as np
import pytest

from poma_assets.science.simulation.genome import transcript_sequence
from poma_assets.science.simulation.reads import (
    ReadProfile,
    build_read_library,
    draw_fragments,
    render_pairs,
)

EXONIC_ONLY = ReadProfile(intergenic_fraction=0.0, intronic_fraction=0.0)
COMPLEMENT = str.maketrans("ACGT", "TGCA")


def reverse_complement(text):
    return text[::-1].translate(COMPLEMENT)


@pytest.fixture(scope="module")
def rows(small_genome):
    return {gene.identity.gene_id: row for row, gene in enumerate(small_genome.layout.genes)}


@pytest.fixture(scope="module")
def library(small_genome, rows):
    return build_read_library(small_genome.sequences, small_genome.layout, rows)


@pytest.fixture(scope="module")
def transcripts(small_genome):
    """Row of the gene -> its transcript sequences, 5' to 3'."""
    return [
        [transcript_sequence(small_genome.sequences, gene, t).tobytes().decode() for t in gene.transcripts]
        for gene in small_genome.layout.genes
    ]


def render(library, counts, profile, seed=1):
    rng = np.random.default_rng(seed)
    fragments = draw_fragments(library, counts, profile, rng)
    parts = list(render_pairs(library.buffer, fragments, "S1", profile, rng))
    texts = [b"".join(part[mate] for part in parts).decode() for mate in (0, 1)]
    return fragments, *([r.split("\n") for r in text[1:].rstrip("\n").split("\n@")] for text in texts)


def test_as_many_fragments_of_each_gene_as_asked_for(library):
    counts = np.arange(60, dtype=np.int64) * 3
    fragments = draw_fragments(library, counts, EXONIC_ONLY, np.random.default_rng(1))
    transcript = np.searchsorted(library.transcripts.start, fragments.start, side="right") - 1
    inside = fragments.start + fragments.length
    assert (inside <= library.transcripts.start[transcript] + library.transcripts.length[transcript]).all()
    assert np.bincount(library.transcripts.gene[transcript], minlength=60).tolist() == counts.tolist()


def test_minor_transcripts_get_a_quarter(library):
    counts = np.full(60, 2000, np.int64)
    fragments = draw_fragments(library, counts, EXONIC_ONLY, np.random.default_rng(2))
    transcript = np.searchsorted(library.transcripts.start, fragments.start, side="right") - 1
    minor = library.transcripts.share == 0.25
    per_transcript = np.bincount(transcript, minlength=len(minor))
    assert minor.any()
    assert per_transcript[minor].mean() == pytest.approx(500, rel=0.05)


def test_shares_of_intronic_and_intergenic_fragments(library):
    fragments = draw_fragments(library, np.full(60, 300, np.int64), ReadProfile(), np.random.default_rng(3))
    n_all = len(fragments.start)
    assert n_all == 20_000
    between = library.intergenic
    place = np.searchsorted(between.start, fragments.start, side="right") - 1
    is_between = (place >= 0) & (fragments.start + fragments.length <= between.start[place] + between.length[place])
    assert is_between.sum() == round(n_all * 0.06)
    is_exonic = fragments.start < library.transcripts.start[-1] + library.transcripts.length[-1]
    assert (~is_exonic & ~is_between).sum() == round(n_all * 0.04)


def test_reads_are_reverse_stranded_and_come_from_their_transcript(library, transcripts):
    """The first read is antisense: its reverse complement, like the second read, lies in the transcript."""
    for row in (5, 6):
        counts = np.zeros(60, np.int64)
        counts[row] = 300
        profile = ReadProfile(
            intergenic_fraction=0, intronic_fraction=0, short_insert_fraction=0, low_quality_tail_fraction=0
        )
        _, first, second = render(library, counts, profile)
        antisense = sum(any(reverse_complement(r[1]) in t for t in transcripts[row]) for r in first)
        sense = sum(any(r[1] in t for t in transcripts[row]) for r in second)
        wrong = sum(any(r[1] in t for t in transcripts[row]) for r in first)
        # The rest has a sequencing error.
        assert antisense > 250
        assert sense > 250
        assert wrong == 0


def test_short_inserts_read_into_the_adapters(library, transcripts):
    profile = ReadProfile(
        intergenic_fraction=0, intronic_fraction=0, short_insert_fraction=1, low_quality_tail_fraction=0
    )
    fragments, first, second = render(library, np.full(60, 10, np.int64), profile)
    assert (fragments.length < 100).all()
    adapters = ("AGATCGGAAGAGCACACGTCTGAACTCCAGTCAC", "AGATCGGAAGAGCGTCGTGTAGGGAAAGAGTGT")
    exact = [0, 0]
    for length, *pair in zip(fragments.length, first, second, strict=True):
        for mate in (0, 1):
            rest = pair[mate][1][length:]
            exact[mate] += (adapters[mate] + "A" * 100).startswith(rest)
    assert min(exact) > 500


def test_share_of_short_inserts_and_their_overlap(library):
    fragments = draw_fragments(library, np.full(60, 200, np.int64), EXONIC_ONLY, np.random.default_rng(4))
    assert (fragments.length < 100).mean() == pytest.approx(0.12, abs=0.01)
    assert np.median(fragments.length[fragments.length >= 100]) == pytest.approx(250, abs=5)


def test_records_are_complete_and_named_as_simulated(library):
    _, first, second = render(library, np.full(60, 5, np.int64), ReadProfile())
    for mate, records in ((1, first), (2, second)):
        for number, (name, bases, plus, quality) in enumerate(records, start=1):
            assert name == f"SIM:S1:{number:09d} {mate}:N:0:SIMULATED"
            assert plus == "+"
            assert len(bases) == len(quality) == 100
            assert set(bases) <= set("ACGT")
            assert all(2 <= ord(letter) - 33 <= 37 for letter in quality)


def test_low_quality_tails_are_as_frequent_as_asked(library):
    _, first, _ = render(library, np.full(60, 50, np.int64), ReadProfile())
    bad_ends = np.mean([ord(record[3][-1]) - 33 < 12 for record in first])
    assert bad_ends == pytest.approx(0.2, abs=0.025)


def test_errors_follow_the_qualities(library, transcripts):
    """Bases of quality below 12 are often wrong, those of 37 hardly ever."""
    counts = np.zeros(60, np.int64)
    row = next(i for i, sequences in enumerate(transcripts) if len(sequences) == 1)
    counts[row] = 1500
    profile = ReadProfile(
        intergenic_fraction=0, intronic_fraction=0, short_insert_fraction=0, low_quality_tail_fraction=1
    )
    fragments, _, second = render(library, counts, profile)
    origin = next(i for i, gene in enumerate(library.transcripts.gene) if gene == row)
    offsets = fragments.start - library.transcripts.start[origin]
    wrong, total = {True: 0, False: 0}, {True: 0, False: 0}
    for offset, (_, bases, _, quality) in zip(offsets, second, strict=True):
        for base, letter, truth in zip(bases, quality, transcripts[row][0][offset:], strict=False):
            low = ord(letter) - 33 < 12
            if low or letter == "F":
                total[low] += 1
                wrong[low] += base != truth
    # Uniform over 2..11: mean error probability 0.26, of which three in four change the base.
    assert wrong[True] / total[True] == pytest.approx(0.75 * np.mean(10 ** (-np.arange(2, 12) / 10)), rel=0.05)
    assert wrong[False] / total[False] < 0.0006
