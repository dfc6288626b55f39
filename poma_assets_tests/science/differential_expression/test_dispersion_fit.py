from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize_scalar
from scipy.stats import nbinom

from poma_assets.science.differential_expression import dispersion_fit, negative_binomial
from poma_assets.science.differential_expression.dispersion_fit import (
    LogPosterior,
    bounded_dispersions,
    climb,
    genewise_dispersions,
    grid_maximum,
    linear_fit_dispersions,
    map_dispersions,
    overall_dispersions,
)
from poma_assets.science.differential_expression.negative_binomial import fit_coefficients, linear_means

DESIGN = np.column_stack([np.ones(8), np.repeat([0.0, 1.0], 4), np.tile([0.0, 1.0], 4)])


def draw(genes: int, dispersion: float, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Draw counts (genes x 8 samples) and their true means."""
    rng = np.random.default_rng(seed)
    means = np.repeat(np.exp(rng.uniform(2, 7, (genes, 1))), 8, axis=1)
    size = 1 / dispersion
    return rng.negative_binomial(size, size / (size + means)).astype(float), means


def plain_posterior(
    log_alpha: float, counts: np.ndarray, means: np.ndarray, prior: tuple[float, float] | None
) -> float:
    """Write the definition down gene by gene, with SciPy's distribution and NumPy's determinant."""
    alpha = np.exp(log_alpha)
    weights = np.diag(1 / (1 / means + alpha))
    value = nbinom.logpmf(counts, 1 / alpha, 1 / (1 + alpha * means)).sum()
    value -= 0.5 * np.log(np.linalg.det(DESIGN.T @ weights @ DESIGN))
    if prior is not None:
        value -= 0.5 * (log_alpha - prior[0]) ** 2 / prior[1]
    return float(value)


@pytest.mark.parametrize("prior_variance", [None, 0.7])
def test_posterior_is_its_definition_up_to_a_constant_and_so_is_its_slope(prior_variance: float | None) -> None:
    counts, means = draw(5, 0.2)
    prior = None if prior_variance is None else np.full(5, -2.0)
    posterior = LogPosterior(counts.T, means.T, DESIGN, prior, prior_variance or 1.0)
    base, _ = posterior.at(np.full(5, -1.0))
    for log_alpha in (-9.0, -4.0, 0.5, 2.0):
        value, slope = posterior.at(np.full(5, log_alpha))
        for gene in range(5):
            pair = None if prior_variance is None else (-2.0, prior_variance)
            plain = [plain_posterior(at, counts[gene], means[gene], pair) for at in (log_alpha, -1.0)]
            assert value[gene] - base[gene] == pytest.approx(plain[0] - plain[1], rel=1e-8, abs=1e-8)
        ahead, behind = (posterior.at(np.full(5, log_alpha + step))[0] for step in (1e-5, -1e-5))
        np.testing.assert_allclose(slope, (ahead - behind) / 2e-5, rtol=1e-5, atol=1e-6)


def test_climb_reaches_the_maximum_where_there_is_one() -> None:
    counts, means = draw(40, 0.5)
    prior = np.full(40, np.log(0.3))
    reached = climb(LogPosterior(counts.T, means.T, DESIGN, prior, 0.5), np.full(40, -4.0))
    assert (reached.iterations < 100).all()
    assert (reached.last_value >= reached.first_value).all()
    for gene in range(40):
        best = minimize_scalar(
            lambda x, g=gene: -plain_posterior(x, counts[g], means[g], (np.log(0.3), 0.5)),
            bounds=(-8, 3),
            method="bounded",
            options={"xatol": 1e-8},
        )
        assert reached.log_dispersion[gene] == pytest.approx(best.x, abs=3e-3)


def test_grid_maximum_is_within_a_step_of_the_maximum() -> None:
    counts, means = draw(20, 0.5)
    posterior = LogPosterior(counts.T, means.T, DESIGN, np.full(20, -1.0), 0.5)
    climbed = climb(posterior, np.full(20, -1.0)).log_dispersion
    step = 2 * np.log(10 / 1e-8) / 19 / 19
    np.testing.assert_allclose(grid_maximum(posterior, 8), climbed, atol=step)


def test_genewise_dispersions_equal_r(
    reference_counts: pd.DataFrame, reference_design: pd.DataFrame, r_table: Callable[[str], pd.DataFrame]
) -> None:
    expected = r_table("dispersions").dispGeneEst
    seen = expected.notna().to_numpy()
    counts, design = reference_counts.to_numpy(dtype=float)[seen], reference_design.to_numpy()
    factors = r_table("size_factors").iloc[:, 0].to_numpy()
    normalised = counts / factors
    start = np.minimum(linear_fit_dispersions(normalised, design), overall_dispersions(normalised, factors))
    start = bounded_dispersions(start, len(design))
    means = np.maximum(fit_coefficients(counts, design, factors, start).means, 0.5)
    ours = genewise_dispersions(counts, design, means, start)
    np.testing.assert_allclose(ours, expected[seen], rtol=1e-6, atol=1e-8)


def test_start_stays_where_the_climb_gains_nothing() -> None:
    counts = np.full((1, 8), 100.0)  # no variation: the likelihood rises towards 0 and is flat there
    start = np.array([1e-8])
    assert genewise_dispersions(counts, DESIGN, counts, start)[0] == 1e-8


def test_planted_dispersion_is_recovered_over_many_genes() -> None:
    counts, _ = draw(3000, 0.2, seed=4)
    start = bounded_dispersions(linear_fit_dispersions(counts, DESIGN), 8)
    means = np.maximum(linear_means(counts, DESIGN, np.ones(8)), 0.5)
    shrunken = map_dispersions(
        counts, DESIGN, means, genewise_dispersions(counts, DESIGN, means, start), np.full(3000, 0.2), 0.25
    )
    assert np.median(shrunken) == pytest.approx(0.2, rel=0.05)
    assert shrunken.std() < 0.15


def test_strong_prior_gives_the_trend_and_bounds_hold() -> None:
    counts, means = draw(50, 0.5)
    trend = np.full(50, 0.05)
    shrunken = map_dispersions(counts, DESIGN, means, np.full(50, 0.4), trend, 1e-6)
    np.testing.assert_allclose(shrunken, trend, rtol=1e-3)
    wild = np.array([[0.0, 0, 0, 0, 0, 0, 0, 100_000]])
    assert map_dispersions(wild, DESIGN, np.full((1, 8), 0.5), np.array([10.0]), np.array([10.0]), 100.0)[0] == 10.0
    np.testing.assert_array_equal(bounded_dispersions(np.array([-1.0, 1.0, 99.0]), 8), [1e-8, 1.0, 10.0])
    np.testing.assert_array_equal(bounded_dispersions(np.array([99.0]), 24), [24.0])


def test_moment_estimates_of_a_worked_case() -> None:
    normalised = np.array([[8.0, 12, 10, 10, 18, 22, 20, 20]])
    groups = DESIGN[:, :2]
    # Group means 10 and 20: squared residuals 4, 4, 0, 0 twice; ((r^2 - mean) / mean^2) / (8 - 2).
    rough = ((8 - 40) / 100 + (8 - 80) / 400) / 6
    assert rough < 0
    assert linear_fit_dispersions(normalised, groups)[0] == 0.0
    spread = np.var(normalised[0], ddof=1)
    assert overall_dispersions(normalised, np.full(8, 2.0))[0] == pytest.approx((spread - 0.5 * 15) / 225)


def test_blocks_and_order_of_samples_do_not_change_dispersions(monkeypatch: pytest.MonkeyPatch) -> None:
    counts, means = draw(300, 0.01)
    start = bounded_dispersions(linear_fit_dispersions(counts, DESIGN), 8)
    whole = genewise_dispersions(counts, DESIGN, means, start)
    order = np.array([3, 1, 0, 2, 7, 5, 6, 4])
    turned = genewise_dispersions(counts[:, order], DESIGN[order], means[:, order], start)
    np.testing.assert_allclose(turned, whole, rtol=1e-8)
    monkeypatch.setattr(negative_binomial, "_BLOCK_ELEMENTS", 8 * 11)
    np.testing.assert_allclose(genewise_dispersions(counts, DESIGN, means, start), whole, rtol=1e-8)
    assert dispersion_fit.largest_dispersion(8) == 10.0
