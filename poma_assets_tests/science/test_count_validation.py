from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from poma_assets.science.count_validation import validate_counts
from poma_assets.science.errors import CountsError

COUNTS = pd.DataFrame({"b": [0, 5], "a": [2.0, 7.0], "c": [0, 0]}, index=pd.Index(["g1", "g2"], name="gene_id"))


def test_counts_are_aligned_by_name() -> None:
    aligned = validate_counts(COUNTS, ["a", "b"])
    assert aligned.to_dict("list") == {"a": [2, 7], "b": [0, 5]}
    assert set(aligned.dtypes.astype(str)) == {"int64"}


@pytest.mark.parametrize(
    ("counts", "samples", "message"),
    [
        (
            COUNTS.assign(a=[0, -3]),
            "ab",
            "sample a, gene g2: the count matrix holds negative counts (found -3",
        ),
        (
            COUNTS.assign(a=[np.nan, np.nan]),
            "ab",
            "gene g1: the count matrix holds missing or infinite counts",
        ),
        (COUNTS.assign(b=[1, np.inf]), "ab", "sample b, gene g2: the count matrix holds missing or infinite"),
        (
            COUNTS.assign(b=[1.5, 2]),
            "ab",
            "counts that are no whole numbers (found 1.5, and 0 more such values",
        ),
        (COUNTS.assign(b=["x", "y"]), "ab", "counts that are no numbers (found in sample b"),
        (COUNTS, "abc", "samples without a single count (found c; expected counts in every sample)"),
        (COUNTS, "abd", "samples of the design are not in the count matrix (found no d;"),
        (COUNTS.set_axis(["g", "g"]), "ab", "a gene is there more than once in the count matrix (found g;"),
        (COUNTS.set_axis(["a", "a", "b"], axis=1), "ab", "a sample is there more than once"),
        (COUNTS.iloc[:0], "ab", "the count matrix is empty (found 0 genes, 3 samples)"),
    ],
)
def test_bad_counts_are_refused_in_words(counts: pd.DataFrame, samples: str, message: str) -> None:
    with pytest.raises(CountsError) as caught:
        validate_counts(counts, list(samples))
    assert message in str(caught.value)
