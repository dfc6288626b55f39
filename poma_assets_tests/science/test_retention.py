from __future__ import annotations

import itertools

import pytest

from poma_assets.science.retention import decide, lost_files, needed_files

# asset, role: all, bam, counts; then the same with alignment_format: cram
TRUTH = {
    ("raw_reads", "fastq_1"): "keep drop drop keep drop drop",
    ("raw_reads", "fastq_2"): "keep drop drop keep drop drop",
    ("trimmed_reads", "fastq_1"): "keep drop drop keep drop drop",
    ("trimmed_reads", "fastq_2"): "keep drop drop keep drop drop",
    ("trimmed_reads", "report"): "keep keep keep keep keep keep",
    ("alignments", "bam"): "keep keep drop convert convert drop",
    ("alignments", "bai"): "keep keep drop convert convert drop",
    ("alignments", "cram"): "keep keep drop keep keep drop",
    ("alignments", "crai"): "keep keep drop keep keep drop",
    ("alignments", "splice_junctions"): "keep keep drop keep keep drop",
    ("alignments", "log_final"): "keep keep keep keep keep keep",
    ("alignments", "reads_per_gene"): "keep keep keep keep keep keep",
    ("read_quality", "R1 zip"): "keep keep keep keep keep keep",
    ("trimmed_read_quality", "R1 html"): "keep keep keep keep keep keep",
    ("gene_counts", "counts"): "keep keep keep keep keep keep",
    ("gene_counts", "summary"): "keep keep keep keep keep keep",
    ("genome", "fasta"): "keep keep keep keep keep keep",
    ("star_index", "parameters"): "keep keep keep keep keep keep",
    ("study_database", "database"): "keep keep keep keep keep keep",
}


@pytest.mark.parametrize(
    ("file", "expected"), TRUTH.items(), ids=lambda value: "-".join(value) if len(value) == 2 else ""
)
def test_the_decision_on_every_file(file: tuple[str, str], expected: str) -> None:
    cases = itertools.product(("bam", "cram"), ("all", "bam", "counts"))
    found = [decide(*file, policy=policy, alignment_format=form) for form, policy in cases]
    assert found == expected.split()


def test_a_stricter_policy_drops_at_least_as_much() -> None:
    for file in TRUTH:
        dropped = [decide(*file, policy=p, alignment_format="bam") == "drop" for p in ("all", "bam", "counts")]
        assert dropped == sorted(dropped)


def test_star_counts_need_no_alignments() -> None:
    assert needed_files("gene_counts", "featurecounts") == {"alignments": ("bam",)}
    assert needed_files("gene_counts", "star") == {"alignments": ("reads_per_gene",)}
    assert needed_files("sample_quality", "star") == {}


def test_a_bam_file_is_not_lost_while_its_cram_file_is_there() -> None:
    assert lost_files({"bam", "bai"}, {"cram", "log_final"}) == set()
    assert lost_files({"bam", "bai", "splice_junctions"}, {"log_final"}) == {"bam", "bai", "splice_junctions"}
    assert lost_files({"fastq_1"}, {"report"}) == {"fastq_1"}
