"""Strandedness: thresholds, fallbacks and agreement."""

from __future__ import annotations

import pytest

from poma_assets.science.strandedness import infer_strandedness


@pytest.mark.parametrize(
    ("forward", "reverse", "inferred"),
    [
        (0, 1000, "reverse"),
        (200, 800, "reverse"),
        (201, 799, "undetermined"),
        (399, 601, "undetermined"),
        (400, 600, "unstranded"),
        (500, 500, "unstranded"),
        (600, 400, "unstranded"),
        (601, 399, "undetermined"),
        (799, 201, "undetermined"),
        (800, 200, "forward"),
        (1000, 0, "forward"),
        (0, 99, "undetermined"),
        (0, 100, "reverse"),
        (0, 0, "undetermined"),
    ],
)
def test_thresholds(forward, reverse, inferred):
    assert infer_strandedness(forward + reverse, forward, reverse, declared="auto").inferred == inferred


def test_values_are_the_columns_of_the_table():
    found = infer_strandedness(425, 14, 433, declared="auto")
    assert vars(found) == {
        "declared": "auto",
        "inferred": "reverse",
        "used": "reverse",
        "forward_fragments": 14,
        "reverse_fragments": 433,
        "unstranded_fragments": 425,
        "reverse_fraction": 433 / 447,
        "agrees": True,
    }


@pytest.mark.parametrize(
    ("counts", "declared", "used", "agrees"),
    [
        ((10, 990), "forward", "reverse", False),
        ((10, 990), "reverse", "reverse", True),
        ((500, 500), "reverse", "unstranded", False),
        ((300, 700), "reverse", "reverse", False),
        ((300, 700), "auto", "unstranded", True),
        ((1, 9), "forward", "forward", True),
        ((0, 0), "auto", "unstranded", True),
    ],
)
def test_what_is_used_and_whether_it_agrees(counts, declared, used, agrees):
    found = infer_strandedness(sum(counts), *counts, declared=declared)
    assert (found.used, found.agrees) == (used, agrees)


def test_no_fragments_have_no_fraction():
    assert infer_strandedness(0, 0, 0, declared="auto").reverse_fraction is None


def test_wrong_arguments():
    with pytest.raises(ValueError, match="not 'yes'"):
        infer_strandedness(1, 1, 1, declared="yes")
    with pytest.raises(ValueError, match="negative"):
        infer_strandedness(1, -1, 1, declared="auto")
