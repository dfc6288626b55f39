from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from pydeseq2.default_inference import DefaultInference
from scipy.optimize import minimize

from poma_assets.science.differential_expression.contrast_tests import contrast_effect, shrink_deseq2, wald_test
from poma_assets.science.differential_expression.deseq2 import fit_deseq2
from poma_assets.science.differential_expression.deseq2_fit import Deseq2Fit
from poma_assets.science.differential_expression.shrinkage import cauchy_scale, shrink_effects
from poma_assets.science.errors import DesignError

DRUG = np.array([0.0, 0.0, 1.0])
TWO_GROUPS = np.column_stack([np.ones(6), np.repeat([0.0, 1.0], 3)])
BLOCKED = np.column_stack([TWO_GROUPS, [0.0, 1.0, 0.0, 1.0, 0.0, 1.0]])[:, [0, 2, 1]]


def negative_log_posterior(
    beta: np.ndarray, counts: np.ndarray, design: np.ndarray, dispersion: float, scale: float
) -> float:
    """The model of apeglm by its formula: the last coefficient has the Cauchy prior."""
    linear = design @ beta
    likelihood = (counts + 1 / dispersion) * np.log1p(dispersion * np.exp(linear)) - counts * linear
    return float(likelihood.sum() + np.log1p((beta[-1] / scale) ** 2) + (beta[:-1] ** 2).sum() / (2 * 15**2))


def highest_mode(counts: np.ndarray, design: np.ndarray, dispersion: float, scale: float) -> float:
    """Search the posterior from many effects with a general optimiser."""
    best = None
    for effect in np.linspace(-6, 6, 13):
        start = np.zeros(design.shape[1])
        start[0], start[-1] = np.log(counts.mean() + 0.1) - effect / 2, effect
        arguments = (counts, design, dispersion, scale)
        found = minimize(negative_log_posterior, start, args=arguments, method="BFGS", options={"gtol": 1e-7})
        if best is None or found.fun < best.fun - 1e-7:
            best = found
    assert best is not None
    return float(best.x[-1])


def shrink(
    counts: np.ndarray, design: np.ndarray, dispersion: float, scale: float, estimates: np.ndarray | None = None
) -> np.ndarray:
    if estimates is None:
        estimates = np.log(counts + 0.5) @ np.linalg.pinv(design).T
    return shrink_effects(
        counts,
        design,
        size_factors=np.ones(len(design)),
        dispersions=np.full(len(counts), dispersion),
        estimates=estimates,
        position=design.shape[1] - 1,
        prior_scale=scale,
    )


@pytest.mark.parametrize("design", [TWO_GROUPS, BLOCKED], ids=["two groups", "blocked"])
@pytest.mark.parametrize("scale", [0.05, 0.5])
def test_shrunken_effects_are_the_highest_mode(design: np.ndarray, scale: float) -> None:
    rng = np.random.default_rng(1)
    means = np.exp(rng.normal(3.5, 1.5, (12, 1)) + np.outer(rng.normal(0, 1.5, 12), design[:, -1]))
    counts = rng.negative_binomial(5, 5 / (5 + means)).astype(float)
    counts[0] = [40, 55, 60, 0, 0, 0]
    counts[1] = [0, 0, 1, 0, 0, 0]
    expected = [highest_mode(gene, design, 0.2, scale) for gene in counts]
    np.testing.assert_allclose(shrink(counts, design, 0.2, scale), expected, rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize(("raised", "lowest", "highest"), [(32, 0.0, 0.01), (40, 1.2, np.log(4))])
def test_of_two_modes_the_higher_one_is_taken(raised: float, lowest: float, highest: float) -> None:
    design, scale = TWO_GROUPS, 0.01
    counts = np.array([[10.0, 10, 10, raised, raised, raised]])
    profile = [
        min(negative_log_posterior(np.array([a, b]), counts[0], design, 0.05, scale) for a in np.linspace(1.8, 3, 121))
        for b in np.linspace(0.1, 1.5, 15)
    ]
    # A second mode away from 0: the profile has a hill, then a valley.
    assert any(profile[i] < min(profile[i - 1], profile[i + 1]) for i in range(1, 14))
    estimate = np.log([[10.0, raised / 10]])
    found = [shrink(counts, design, 0.05, scale, start)[0] for start in (estimate, 0.7 * estimate, 2 * estimate)]
    np.testing.assert_allclose(found, found[0], rtol=1e-9)
    assert lowest < found[0] < highest


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("dispersion", [1e-8, 0.03, 30.0])
def test_extreme_counts_give_finite_effects_between_zero_and_the_estimate(dispersion: float) -> None:
    low, high = np.repeat([[1.0, 0.0]], 3), np.repeat([[0.0, 1.0]], 3)
    rows = [1e8 * low + 3e7 * high, 1e8 * low, 1 * high, 407_000 * low + 241_500 * high, 1 * low + 1e9 * high]
    counts = np.array(rows)
    estimates = np.log(counts[:, [0, 3]] + 1e-13) @ np.array([[1.0, -1.0], [0.0, 1.0]])
    shrunken = shrink(counts, TWO_GROUPS, dispersion, 0.3, estimates)
    assert np.isfinite(shrunken).all()
    assert (np.sign(shrunken) == np.sign(estimates[:, 1])).all()
    assert (np.abs(shrunken) <= np.abs(estimates[:, 1])).all()
    if dispersion <= 0.03:  # three large counts on either side tell the effect
        np.testing.assert_allclose(shrunken[[0, 3]], estimates[[0, 3], 1], rtol=0.2)


def test_prior_scale_by_hand() -> None:
    estimates = np.array([0.5, -0.7, 0.1, 0.9])
    # With equal errors the estimate is the mean square minus the squared error: 1.56 / 4 - 0.04.
    assert cauchy_scale(estimates, np.full(4, 0.04)) == pytest.approx(np.sqrt(0.35))
    assert cauchy_scale(estimates / 100, np.full(4, 0.04)) == pytest.approx(1e-3)
    assert cauchy_scale(estimates * 10, np.full(4, 0.04)) == 1.0


def test_posterior_is_nowhere_lower_than_by_pydeseq2(
    reference_counts: pd.DataFrame, reference_design: pd.DataFrame, reference_fit: Deseq2Fit
) -> None:
    estimate, error, _ = contrast_effect(reference_fit, DRUG)
    known = np.isfinite(estimate)
    scale = cauchy_scale(estimate[known] * np.log(2), (error[known] * np.log(2)) ** 2)
    ours = shrink_deseq2(reference_counts, reference_design, reference_fit, "condition_drug")[known]
    theirs, _, _ = DefaultInference(n_cpus=1).lfc_shrink_nbinom_glm(
        design_matrix=reference_design.to_numpy(),
        counts=reference_counts.to_numpy()[known].T,
        size=1 / reference_fit.map_dispersion[known],
        offset=np.log(reference_fit.size_factors),
        prior_no_shrink_scale=15,
        prior_scale=scale,
        optimizer="L-BFGS-B",
        shrink_index=2,
    )
    effects = np.asarray(theirs)[:, 2] / np.log(2)
    np.testing.assert_allclose(ours, effects, atol=0.01)
    assert np.abs(ours - effects).median() < 1e-4


def test_shrinkage_goes_towards_zero_and_keeps_the_sign(
    reference_counts: pd.DataFrame, reference_design: pd.DataFrame, reference_fit: Deseq2Fit
) -> None:
    shrunken = shrink_deseq2(reference_counts, reference_design, reference_fit, "condition_drug")
    estimate = wald_test(reference_fit, DRUG, alpha=0.05).log2_fold_change
    assert list(shrunken.index[shrunken.isna()]) == ["gene007"]  # no fragment
    assert (shrunken * estimate >= 0)[shrunken.notna()].all()
    sure = estimate.abs() > 0.05
    np.testing.assert_array_equal(np.sign(shrunken[sure]), np.sign(estimate[sure]))
    bounded = shrunken.notna() & (shrunken.index != "gene017")  # an empty group: the estimate has no bound
    assert (shrunken.abs() <= estimate.abs() + 0.01)[bounded].all()


@pytest.mark.parametrize("weights", [[0, 0, 1], [0, 1, 0], [0, 0.5, 1], [0, -1, 1]])
def test_shrinkage_of_a_reversed_contrast_is_the_negative(
    reference_counts: pd.DataFrame, reference_design: pd.DataFrame, reference_fit: Deseq2Fit, weights: list[float]
) -> None:
    vector = np.array(weights, dtype=float)
    forward = shrink_deseq2(reference_counts, reference_design, reference_fit, vector)
    backward = shrink_deseq2(reference_counts, reference_design, reference_fit, -vector)
    np.testing.assert_allclose(backward, -forward, rtol=1e-9, atol=1e-12)


def test_sign_of_pydeseq2_issue_121() -> None:
    # https://github.com/scverse/PyDESeq2/issues/121: G1 is higher in healthy, G3 in disease; signs came out swapped.
    counts = pd.DataFrame(
        {"S1": [16, 7, 12], "S2": [22, 6, 1], "S3": [10, 8, 30], "S4": [3, 6, 20], "S5": [1, 5, 17]},
        index=["G1", "G2", "G3"],
    )
    for base in ("healthy", "disease"):
        disease = pd.Series([0.0, 0, 1, 1, 1], index=counts.columns)
        other = disease if base == "healthy" else 1 - disease
        design = pd.DataFrame({"Intercept": 1.0, "other": other})
        shrunken = shrink_deseq2(counts, design, fit_deseq2(counts, design), "other")
        direction = 1 if base == "healthy" else -1
        assert direction * shrunken["G1"] < 0 < direction * shrunken["G3"], base


def test_sign_of_pydeseq2_issue_347() -> None:
    # https://github.com/scverse/PyDESeq2/issues/347: mean 407,277, effect -0.75, "shrunken" to +1.84.
    rng = np.random.default_rng(347)
    means = np.exp(rng.normal(5, 1.5, (60, 1))) * np.ones(8)
    means[0] = np.repeat([510_000, 510_000 * 2**-0.753], 4)
    counts = pd.DataFrame(
        rng.negative_binomial(20, 20 / (20 + means)),
        index=[f"g{i}" for i in range(60)],
        columns=[f"s{i}" for i in range(8)],
    )
    design = pd.DataFrame({"Intercept": 1.0, "b": np.repeat([0.0, 1.0], 4)}, index=counts.columns)
    fit = fit_deseq2(counts, design)
    estimate = wald_test(fit, np.array([0.0, 1.0]), alpha=0.05).log2_fold_change["g0"]
    shrunken = shrink_deseq2(counts, design, fit, "b")["g0"]
    assert estimate < -0.3
    assert estimate < shrunken < 0


def test_replaced_outliers_do_not_turn_the_sign() -> None:
    rng = np.random.default_rng(4)
    counts = pd.DataFrame(
        rng.negative_binomial(10, 10 / (10 + 200 * np.ones((60, 14)))),
        index=[f"g{i}" for i in range(60)],
        columns=[f"s{i}" for i in range(14)],
    )
    counts.iloc[4, :7] //= 2
    counts.iloc[4, 2] = 1_000_000
    design = pd.DataFrame({"Intercept": 1.0, "b": np.repeat([0.0, 1.0], 7)}, index=counts.columns)
    fit = fit_deseq2(counts, design)
    assert fit.replaced[4]
    assert wald_test(fit, np.array([0.0, 1.0]), alpha=0.05).log2_fold_change["g4"] > 0.5
    assert shrink_deseq2(counts, design, fit, "b")["g4"] > 0
    # The original counts, which R takes here, point the other way.
    original = replace(fit, replaced_counts=counts.to_numpy()[fit.replaced])
    assert shrink_deseq2(counts, design, original, "b")["g4"] == 0


def test_effects_that_are_zero_stay_zero(
    reference_counts: pd.DataFrame, reference_design: pd.DataFrame, reference_fit: Deseq2Fit
) -> None:
    treated = reference_design.index[reference_design.condition_drug == 1]
    shrunken = shrink_deseq2(reference_counts, reference_design, reference_fit, DRUG, compared_samples=list(treated))
    assert shrunken["gene017"] == 0  # no fragment in the treated samples, named here as the compared ones


def test_what_is_not_of_the_fit_is_refused(
    reference_counts: pd.DataFrame,
    reference_design: pd.DataFrame,
    reference_fit: Deseq2Fit,
    r_table: Callable[[str], pd.DataFrame],
) -> None:
    with pytest.raises(DesignError, match="no such coefficient"):
        shrink_deseq2(reference_counts, reference_design, reference_fit, "condition_other")
    with pytest.raises(DesignError, match="not those"):
        shrink_deseq2(reference_counts.iloc[1:], reference_design, reference_fit, "condition_drug")
    with pytest.raises(DesignError, match="compared sample"):
        wald_test(reference_fit, DRUG, alpha=0.05, compared_samples=["nobody"])
