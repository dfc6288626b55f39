from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from scipy.stats import false_discovery_control

from poma_assets.science.differential_expression.multiple_testing import (
    benjamini_hochberg,
    independent_filtering,
    lowess,
)


def test_benjamini_hochberg_by_hand_and_with_missing_values() -> None:
    adjusted = benjamini_hochberg(np.array([0.01, np.nan, 0.04, 0.03, 0.5]))
    np.testing.assert_allclose(adjusted, [0.04, np.nan, 0.16 / 3, 0.16 / 3, 0.5])
    assert np.isnan(benjamini_hochberg(np.array([np.nan]))).all()
    p_values = np.random.default_rng(0).uniform(size=500)
    np.testing.assert_allclose(benjamini_hochberg(p_values), false_discovery_control(p_values))


def test_independent_filtering_of_r_p_values_equals_r(r_table: Callable[[str], pd.DataFrame]) -> None:
    expected = r_table("deseq2")
    found = independent_filtering(expected.baseMean.to_numpy(), expected.pvalue.to_numpy(), 0.05)
    np.testing.assert_allclose(found.p_adjusted, expected.padj, rtol=1e-6)
    assert np.isnan(found.p_adjusted).sum() == expected.padj.isna().sum() > 2


def test_no_filter_where_few_genes_are_found() -> None:
    means = np.linspace(1, 100, 50)
    p_values = np.where(np.arange(50) < 5, 1e-6, 0.7)
    found = independent_filtering(means, p_values, 0.05)
    assert not np.isnan(found.p_adjusted).any()
    assert found.threshold == 1.0


def test_lowess_keeps_lines() -> None:
    x = np.linspace(0, 1, 50)
    np.testing.assert_allclose(lowess(x, 3 * x + 1, 0.2), 3 * x + 1, atol=1e-10)


def test_lowess_equals_r_with_an_outlier() -> None:
    # R 4.2.2: lowess(0:11, c(2, 3, 7, 5, 30, 8, 9, 13, 11, 12, 16, 15), f = 0.5)$y
    y = np.array([2, 3, 7, 5, 30, 8, 9, 13, 11, 12, 16, 15], dtype=float)
    expected = [
        2.07578156995,
        3.57230272448,
        4.91484206041,
        6.01687389183,
        6.89633173800,
        7.97471396724,
        9.60530931315,
        10.71228645201,
        11.93559916570,
        13.07170511906,
        14.28206388546,
        15.62912906866,
    ]
    np.testing.assert_allclose(lowess(np.arange(12.0), y, 0.5), expected, rtol=1e-9)
