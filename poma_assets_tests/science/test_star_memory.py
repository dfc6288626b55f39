"""The size of STAR's index, and the choice of how sparse it is."""

from __future__ import annotations

import pytest

from poma_assets.science.errors import NotEnoughMemoryError
from poma_assets.science.star_memory import choose_sparse_d, index_memory_bytes

GRCH38_BP = 3_099_750_718  # the primary assembly
GB = 10**9


def test_sizes_are_those_of_real_indices():
    # STAR 2.7: 20 Mb in four sequences, genomeSAindexNbases 11: SA 165,000,003 and 82,500,003 bytes, SAindex
    # 24,466,875 bytes, Genome 20,971,520 bytes (padded).
    assert index_memory_bytes(20_000_000, 11, 1) == pytest.approx(165_000_003 + 24_466_875 + 20_000_000, rel=1e-4)
    assert index_memory_bytes(20_000_000, 11, 2) == pytest.approx(82_500_003 + 24_466_875 + 20_000_000, rel=1e-4)


def test_a_human_genome_needs_30_gb_dense_and_half_of_it_sparse():
    sizes_gb = [round(index_memory_bytes(GRCH38_BP, 14, d) / GB) for d in (1, 2, 3, 4)]
    assert sizes_gb == [30, 17, 13, 11]


@pytest.mark.parametrize(
    ("machine_gb", "sparse_d"), [(1000, 1), (64, 1), (33, 2), (32, 2), (24, 2), (20, 3), (16, 4), (12, 4)]
)
def test_the_densest_index_that_fits_with_headroom_is_chosen(machine_gb, sparse_d):
    assert choose_sparse_d(GRCH38_BP, 14, machine_gb * GB).sparse_d == sparse_d


def test_the_reason_names_both_numbers():
    reason = choose_sparse_d(GRCH38_BP, 14, 24 * GB).reason
    assert reason == "genomeSAsparseD 2: the index needs about 30 GB at 1 and 17 GB at 2, this machine has 24 GB"
    dense = choose_sparse_d(GRCH38_BP, 14, 128 * GB).reason
    assert dense == "genomeSAsparseD 1: the index needs about 30 GB at 1, this machine has 128 GB"
    assert choose_sparse_d(GRCH38_BP, 14, 12 * GB).reason.endswith("this machine has 12 GB: nearly too little")


def test_a_genome_that_fits_at_no_price_is_refused_with_numbers():
    with pytest.raises(NotEnoughMemoryError) as caught:
        choose_sparse_d(GRCH38_BP, 14, 8 * GB)
    assert "this machine has 8 GB; expected about 11 GB at genomeSAsparseD 4" in str(caught.value)
    assert "star_sparse_d" in str(caught.value)


def test_what_is_asked_for_is_taken_if_it_can_fit():
    assert choose_sparse_d(GRCH38_BP, 14, 32 * GB, asked=1).sparse_d == 1
    assert "as poma.yaml says" in choose_sparse_d(GRCH38_BP, 14, 32 * GB, asked=1).reason
    assert choose_sparse_d(GRCH38_BP, 14, 8 * GB, asked=8).sparse_d == 8
    with pytest.raises(NotEnoughMemoryError, match="about 30 GB at genomeSAsparseD 1"):
        choose_sparse_d(GRCH38_BP, 14, 24 * GB, asked=1)


@pytest.mark.parametrize("length_bp", [1, 1000, 60_000])
def test_a_tiny_genome_is_dense_on_any_machine(length_bp):
    assert choose_sparse_d(length_bp, 4, 3 * GB).sparse_d == 1
    assert choose_sparse_d(length_bp, 4, GB).sparse_d == 4
