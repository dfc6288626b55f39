from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import nbinom

from poma_assets.science.differential_expression import negative_binomial
from poma_assets.science.differential_expression.negative_binomial import (
    RIDGE,
    fit_coefficients,
    linear_means,
    log_likelihood,
    wald_covariances,
)

FACTORS = np.array([0.7, 1.1, 1.3, 0.9, 1.0, 1.2, 0.8, 1.05])
TWO_GROUPS = np.column_stack([np.ones(8), np.repeat([0.0, 1.0], 4)])
BLOCKED = np.column_stack([TWO_GROUPS, np.tile([0.0, 1.0], 4)])


def draw(genes: int, seed: int = 1, mean: float = 100.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    alpha = rng.uniform(0.02, 0.5, genes)
    means = mean * rng.uniform(0.3, 3, (genes, 1)) * FACTORS
    size = 1 / alpha[:, None]
    counts = rng.negative_binomial(size, size / (size + means)).astype(float)
    counts[counts.sum(axis=1) == 0, 0] = 1
    return counts, alpha


def penalised(beta: np.ndarray, counts: np.ndarray, design: np.ndarray, alpha: float) -> float:
    means = FACTORS * np.exp(design @ beta)
    likelihood = nbinom.logpmf(counts, 1 / alpha, 1 / (1 + alpha * means)).sum()
    return float(-likelihood + 0.5 * RIDGE * beta @ beta)


def test_log_likelihood_equals_scipy() -> None:
    counts, alpha = draw(300)
    means = np.random.default_rng(2).uniform(0.01, 500, counts.shape)
    expected = nbinom.logpmf(counts, 1 / alpha[:, None], 1 / (1 + alpha[:, None] * means)).sum(axis=1)
    np.testing.assert_allclose(log_likelihood(counts, means, alpha), expected, rtol=1e-10)


def test_log_likelihood_of_tiny_dispersion_is_poisson_and_of_certain_zero_is_zero() -> None:
    assert log_likelihood(np.array([[3.0]]), np.array([[2.0]]), np.array([1e-8]))[0] == pytest.approx(
        3 * np.log(2) - 2 - np.log(6), abs=1e-6
    )
    assert log_likelihood(np.array([[0.0, 0.0]]), np.zeros((1, 2)), np.array([0.1]))[0] == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("design", [TWO_GROUPS, BLOCKED])
def test_coefficients_are_the_optimum(design: np.ndarray) -> None:
    counts, alpha = draw(30)
    fit = fit_coefficients(counts, design, FACTORS, alpha, tolerance=1e-14)
    assert fit.converged.all()
    for gene in range(30):
        start = np.zeros(design.shape[1])
        start[0] = np.log(counts[gene].mean() + 0.1)
        best = minimize(penalised, start, (counts[gene], design, alpha[gene]), method="BFGS", tol=1e-8)
        np.testing.assert_allclose(fit.beta[gene], best.x, atol=1e-5)
        reached = penalised(fit.beta[gene], counts[gene], design, alpha[gene])
        assert reached == pytest.approx(best.fun, abs=1e-7)
    np.testing.assert_allclose(fit.means, FACTORS * np.exp(fit.beta @ design.T))
    usual = fit_coefficients(counts, design, FACTORS, alpha)  # stops where R stops
    np.testing.assert_allclose(usual.beta, fit.beta, atol=1e-3)


def test_two_groups_of_equal_size_factors_give_the_ratio_of_means() -> None:
    counts = np.array([[10.0, 20, 30, 20, 40, 40, 40, 40]])
    fit = fit_coefficients(counts, TWO_GROUPS, np.ones(8), np.array([0.1]))
    np.testing.assert_allclose(fit.beta, [[np.log(20), np.log(2)]], rtol=1e-6)
    # Each of four equal samples has a quarter of the leverage of its group's mean.
    np.testing.assert_allclose(fit.hat_diagonals, np.full((1, 8), 0.25), rtol=1e-5)
    weight = np.array([20 / 3, 40 / 5]) * 4  # four samples of mean / (1 + mean * dispersion)
    covariance = wald_covariances(fit.beta, TWO_GROUPS, np.ones(8), np.array([0.1]))[0]
    expected = [[1 / weight[0], -1 / weight[0]], [-1 / weight[0], 1 / weight[0] + 1 / weight[1]]]
    np.testing.assert_allclose(covariance, expected, rtol=1e-5)


def test_intercept_only_is_the_mean_normalised_count() -> None:
    counts, alpha = draw(5)
    fit = fit_coefficients(counts, np.ones((8, 1)), FACTORS, alpha)
    np.testing.assert_allclose(fit.beta[:, 0], np.log((counts / FACTORS).mean(axis=1)))
    np.testing.assert_allclose(fit.hat_diagonals.sum(axis=1), 1.0)


def test_empty_group_stays_finite() -> None:
    counts = np.array([[0.0, 0, 0, 0, 50, 70, 60, 55], [0, 0, 0, 0, 0, 0, 0, 1]])
    fit = fit_coefficients(counts, TWO_GROUPS, FACTORS, np.array([0.1, 2.0]))
    assert np.isfinite(fit.beta).all()
    assert np.isfinite(fit.hat_diagonals).all()
    assert (np.abs(fit.beta) <= 30).all()
    assert fit.beta[0, 1] > 5


def test_gene_that_does_not_settle_is_optimised_instead() -> None:
    counts, alpha = draw(6)
    hurried = fit_coefficients(counts, BLOCKED, FACTORS, alpha, iterations=1)
    patient = fit_coefficients(counts, BLOCKED, FACTORS, alpha)
    assert hurried.converged.all()
    np.testing.assert_allclose(hurried.beta, patient.beta, atol=1e-3)


def test_covariate_in_large_units_diverges_into_the_optimiser_without_warnings() -> None:
    rng = np.random.default_rng(3)
    dose = np.repeat([0.0, 1.0, 10.0, 10_000.0], 2)
    counts = rng.poisson(np.where(dose > 0, 500, 2), (20, 8)).astype(float)
    counts[:, 0] += 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit = fit_coefficients(counts, np.column_stack([np.ones(8), dose]), FACTORS, np.full(20, 0.1))
    assert np.isfinite(fit.beta).all()


def test_blocks_do_not_change_the_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    counts, alpha = draw(50)
    whole = fit_coefficients(counts, BLOCKED, FACTORS, alpha)
    monkeypatch.setattr(negative_binomial, "_BLOCK_ELEMENTS", 8 * 7)
    cut = fit_coefficients(counts, BLOCKED, FACTORS, alpha)
    np.testing.assert_allclose(cut.beta, whole.beta, rtol=1e-12)
    np.testing.assert_allclose(cut.hat_diagonals, whole.hat_diagonals, rtol=1e-12)
    np.testing.assert_allclose(
        log_likelihood(counts, cut.means, alpha), log_likelihood(counts, whole.means, alpha), rtol=1e-12
    )


def test_linear_means_are_group_means() -> None:
    counts, _ = draw(4)
    normalised = counts / FACTORS
    expected = np.repeat([normalised[:, :4].mean(axis=1), normalised[:, 4:].mean(axis=1)], 4, axis=0).T * FACTORS
    np.testing.assert_allclose(linear_means(counts, TWO_GROUPS, FACTORS), expected)
