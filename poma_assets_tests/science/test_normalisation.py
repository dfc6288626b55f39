from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from poma_assets.science.errors import CountsError, NotEnoughDataError
from poma_assets.science.normalisation import (
    counts_per_million,
    normalised_expression_frame,
    size_factors,
    size_factors_frame,
    transcripts_per_million,
    variance_stabilised,
)
from poma_assets.storage.schema import TABLES

FOLDER = Path(__file__).parents[1] / "reference" / "count_statistics"
COUNTS = pd.DataFrame({"s1": [10, 20, 0, 70], "s2": [20, 40, 5, 135]}, index=["a", "b", "c", "d"])


def _r_table(name: str) -> pd.DataFrame:
    return pd.read_csv(FOLDER / f"{name}.tsv", sep="\t", index_col=0)


def test_size_factors_equal_r() -> None:
    factors = size_factors(_r_table("counts"))
    assert factors.method == "ratio"
    np.testing.assert_allclose(factors.values, _r_table("size_factors").size_factor, rtol=1e-8)


def test_size_factors_by_hand() -> None:
    factors = size_factors(COUNTS).values
    # Ratios of genes a and b are 1 : 2, of d 70 : 135; the median is 1 : 2.
    np.testing.assert_allclose(factors, [2**-0.5, 2**0.5])


def test_poscounts_where_no_gene_is_seen_everywhere() -> None:
    holed = pd.DataFrame({"s1": [8, 0, 16], "s2": [0, 8, 16], "s3": [8, 8, 0]}, index=list("abc"))
    factors = size_factors(holed)
    assert factors.method == "poscounts"
    # Log2 geometric means over three samples: 2, 2, 8/3. Log2 ratios: s1 {1, 4/3}, s2 {1, 4/3}, s3 {1, 1}.
    medians = np.array([7 / 6, 7 / 6, 1.0])
    np.testing.assert_allclose(factors.values, 2 ** (medians - medians.mean()))


def test_cpm_and_tpm_by_hand() -> None:
    np.testing.assert_allclose(counts_per_million(COUNTS).s1, [1e5, 2e5, 0, 7e5])
    tpm = transcripts_per_million(COUNTS, pd.Series({"a": 1000, "b": 500, "c": 10, "d": 700}))
    np.testing.assert_allclose(tpm.s1, np.array([10, 40, 0, 100]) / 150 * 1e6)
    np.testing.assert_allclose(tpm.sum(), 1e6)


def test_tpm_without_some_lengths() -> None:
    tpm = transcripts_per_million(COUNTS, pd.Series({"a": 1000, "b": 1000, "d": 1000}))
    assert tpm.loc["c"].isna().all()
    np.testing.assert_allclose(tpm.sum(), 1e6)
    with pytest.raises(CountsError, match="gene b"):
        transcripts_per_million(COUNTS, pd.Series({"a": 1000, "b": 0}))


def test_vst_agrees_with_r() -> None:
    counts = _r_table("counts")
    ours = variance_stabilised(counts, size_factors(counts).values)
    expected = _r_table("vst")
    difference = (ours - expected[ours.columns]).abs().to_numpy()
    assert difference.max() < 0.1
    assert difference[counts.mean(axis=1) > 20].max() < 0.03


def test_vst_of_too_few_data_says_so() -> None:
    with pytest.raises(NotEnoughDataError, match="two samples"):
        variance_stabilised(COUNTS[["s1"]], size_factors(COUNTS).values)
    flat = pd.DataFrame(50, index=list("abc"), columns=["s1", "s2"])
    with pytest.raises(NotEnoughDataError, match="chance"):
        variance_stabilised(flat, size_factors(flat).values)
    frame = normalised_expression_frame(flat, None)
    assert frame.vst.isna().all()
    assert frame.tpm.isna().all()


def test_vst_refuses_a_sample_without_size_factor() -> None:
    with pytest.raises(CountsError, match="sample s2"):
        variance_stabilised(COUNTS, pd.Series({"s1": 1.0}))


def test_frames_have_the_declared_columns_and_values() -> None:
    lengths = pd.Series(1000, index=COUNTS.index)
    stabilised = COUNTS.astype(float)
    frame = normalised_expression_frame(COUNTS, lengths, stabilised=stabilised)
    assert tuple(frame.columns) == tuple(column.name for column in TABLES["normalised_expression"].columns)
    row = frame.set_index(["sample_id", "gene_id"]).loc[("s2", "d")]
    assert row.normalised_count == pytest.approx(135 / 2**0.5)
    assert row.cpm == pytest.approx(135 / 200 * 1e6)
    assert row.tpm == pytest.approx(row.cpm)
    assert row.vst == 135
    factors = size_factors_frame(COUNTS)
    assert tuple(factors.columns) == tuple(column.name for column in TABLES["size_factors"].columns)
    assert list(factors.library_size) == [100, 200]


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        (COUNTS.assign(s1=0), "sample s1"),
        (COUNTS.assign(s1=0.5), "gene a, sample s1"),
        (COUNTS.assign(s1=["1", "x", "2", "3"]), "gene b, sample s1"),
        (COUNTS.assign(s1=[1, np.nan, 2, 3]), "gene b, sample s1"),
        (COUNTS.iloc[:0], "empty"),
        (pd.concat([COUNTS, COUNTS]), "twice"),
    ],
)
def test_bad_counts_are_refused(counts: pd.DataFrame, words: str) -> None:
    with pytest.raises(CountsError, match=words):
        size_factors(counts)
