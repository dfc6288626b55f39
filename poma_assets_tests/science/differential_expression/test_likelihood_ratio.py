from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2, nbinom

from poma_assets.science.differential_expression.contrast_tests import wald_test
from poma_assets.science.differential_expression.deseq2 import fit_deseq2
from poma_assets.science.differential_expression.deseq2_fit import Deseq2Fit
from poma_assets.science.differential_expression.likelihood_ratio import likelihood_ratio_test
from poma_assets.science.errors import ConfigError, CountsError, DesignError, PomaError

DRUG = np.array([0.0, 0.0, 1.0])


@pytest.fixture(scope="module")
def without_drug(reference_design: pd.DataFrame) -> pd.DataFrame:
    return reference_design.drop(columns="condition_drug")


def test_statistic_is_twice_the_difference_of_log_likelihoods() -> None:
    # Two groups of equal size factors: the fitted means are the groups' means, and the mean of all.
    rng = np.random.default_rng(2)
    half = rng.negative_binomial(4, 4 / 104, (40, 3)) + 5
    counts = pd.DataFrame(
        np.hstack([half, half[:, ::-1]]), index=[f"g{i}" for i in range(40)], columns=[f"s{i}" for i in range(6)]
    )
    design = pd.DataFrame({"Intercept": 1.0, "target": np.repeat([0.0, 1.0], 3)}, index=counts.columns)
    fit = fit_deseq2(counts, design)
    even = replace(fit, size_factors=np.ones(6))
    gene = np.array([4, 10, 7, 40, 55, 25])
    counts.iloc[0] = gene
    beta = fit.beta_log2.copy()
    beta[0] = np.log2(7), np.log2(40 / 7)
    even = replace(even, beta_log2=beta, map_dispersion=np.full(40, 0.2))
    found = likelihood_ratio_test(even, counts, design[["Intercept"]], np.array([0.0, 1.0]), alpha=0.05).iloc[0]

    def log_likelihood(means: np.ndarray) -> float:
        return float(nbinom.logpmf(gene, 5, 5 / (5 + means)).sum())

    expected = 2 * (log_likelihood(np.repeat([7, 40], 3)) - log_likelihood(np.full(6, gene.mean())))
    assert found.statistic == pytest.approx(expected, rel=1e-9)
    assert found.p_value == pytest.approx(chi2.sf(expected, 1), rel=1e-9)
    assert found.log2_fold_change == pytest.approx(np.log2(40 / 7))


def test_table_is_that_of_the_wald_test_but_for_the_test(
    reference_counts: pd.DataFrame, reference_fit: Deseq2Fit, without_drug: pd.DataFrame
) -> None:
    ratio = likelihood_ratio_test(reference_fit, reference_counts, without_drug, DRUG, alpha=0.05)
    wald = wald_test(reference_fit, DRUG, alpha=0.05)
    assert list(ratio.columns) == list(wald.columns)
    same = ["base_mean", "log2_fold_change", "standard_error"]
    pd.testing.assert_frame_equal(ratio[same], wald[same])
    # With one coefficient left out and many fragments, both tests say much the same.
    many = (wald.base_mean > 50) & wald.p_value.notna() & (ratio.index != "gene017")
    np.testing.assert_allclose(ratio.statistic[many], wald.statistic[many] ** 2, rtol=0.25, atol=0.2)
    assert ratio.status["gene007"] == "all_zero"
    assert ratio.status["gene027"] == "outlier"
    assert np.isnan(ratio.p_value["gene027"])
    assert np.isnan(ratio.statistic["gene007"])


def test_weights_choose_the_effect_and_not_the_test(
    reference_counts: pd.DataFrame, reference_fit: Deseq2Fit, without_drug: pd.DataFrame
) -> None:
    one = likelihood_ratio_test(reference_fit, reference_counts, without_drug, DRUG, alpha=0.05)
    two = likelihood_ratio_test(reference_fit, reference_counts, without_drug, np.array([0, -1.0, 0]), alpha=0.05)
    pd.testing.assert_frame_equal(one[["statistic", "p_adjusted"]], two[["statistic", "p_adjusted"]])
    assert (one.log2_fold_change != two.log2_fold_change).sum() > 290


def test_counts_and_reduced_design_are_aligned_by_name(
    reference_counts: pd.DataFrame, reference_fit: Deseq2Fit, without_drug: pd.DataFrame
) -> None:
    straight = likelihood_ratio_test(reference_fit, reference_counts, without_drug, DRUG, alpha=0.05)
    shuffled = reference_counts[reference_counts.columns[::-1]].assign(extra=5)
    turned = likelihood_ratio_test(reference_fit, shuffled, without_drug.iloc[::-1], DRUG, alpha=0.05)
    pd.testing.assert_frame_equal(turned, straight)


def test_reduced_design_may_be_written_with_other_coefficients(
    reference_counts: pd.DataFrame, reference_fit: Deseq2Fit, without_drug: pd.DataFrame
) -> None:
    straight = likelihood_ratio_test(reference_fit, reference_counts, without_drug, DRUG, alpha=0.05)
    groups = pd.DataFrame({"b1": 1 - without_drug.batch_b2, "b2": without_drug.batch_b2})
    other = likelihood_ratio_test(reference_fit, reference_counts, groups, DRUG, alpha=0.05)
    np.testing.assert_allclose(other.statistic, straight.statistic, rtol=1e-5, atol=1e-5)


def test_reduced_fits_that_do_not_converge_are_marked(
    reference_counts: pd.DataFrame, reference_fit: Deseq2Fit, without_drug: pd.DataFrame
) -> None:
    converged = reference_fit.converged.copy()
    converged[3] = False
    unsure = replace(reference_fit, converged=converged)
    found = likelihood_ratio_test(unsure, reference_counts, without_drug, DRUG, alpha=0.05)
    assert found.status["gene003"] == "not_converged"
    assert np.isfinite(found.p_value["gene003"])


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (lambda c, d: (c, d.assign(other=np.arange(12.0) % 5)), DesignError, "not part of the full design.*other"),
        (lambda c, d: (c, d.assign(x=[0.0] * 6 + [1.0] * 6)), DesignError, "leaves no coefficient out"),
        (lambda c, d: (c, d.assign(copy=d.batch_b2)), DesignError, "depend on each other"),
        (lambda c, d: (c, d[[]]), DesignError, "there is none"),
        (lambda c, d: (c, d.iloc[1:]), DesignError, "control_b1_1"),
        (lambda c, d: (c, d.rename(index={"control_b1_1": "nobody"})), DesignError, "samples of the full design"),
        (lambda c, d: (c, d.assign(batch_b2=np.nan)), DesignError, "missing"),
        (lambda c, d: (c.drop(columns="control_b1_1"), d), CountsError, "control_b1_1"),
        (lambda c, d: (c.iloc[1:], d), CountsError, "299 genes"),
        (lambda c, d: (c.iloc[::-1], d), CountsError, "order of genes"),
    ],
)
def test_what_cannot_be_tested_is_refused_in_words(
    reference_counts: pd.DataFrame,
    reference_fit: Deseq2Fit,
    without_drug: pd.DataFrame,
    change: Callable[[pd.DataFrame, pd.DataFrame], tuple[pd.DataFrame, pd.DataFrame]],
    error: type[PomaError],
    words: str,
) -> None:
    counts, reduced = change(reference_counts, without_drug)
    with pytest.raises(error) as caught:
        likelihood_ratio_test(reference_fit, counts, reduced, DRUG, alpha=0.05)
    assert pd.Series([str(caught.value)]).str.contains(words).all(), str(caught.value)


def test_wrong_alpha_is_refused(
    reference_counts: pd.DataFrame, reference_fit: Deseq2Fit, without_drug: pd.DataFrame
) -> None:
    with pytest.raises(ConfigError, match="false discovery"):
        likelihood_ratio_test(reference_fit, reference_counts, without_drug, DRUG, alpha=0.0)
