from __future__ import annotations

import numpy as np
import pandas as pd
import pyedger
import pytest
from scipy.optimize import minimize
from scipy.stats import nbinom

from poma_assets.science.differential_expression.edger_dispersion import (
    estimate_trended_dispersion,
    profile_likelihood_grid,
)
from poma_assets.science.errors import NotEnoughDataError

DESIGN = np.column_stack([np.ones(6), [0, 0, 0, 1, 1, 1], [0, 1, 0, 1, 0, 1]])
OFFSETS = np.log([1e6, 2e6, 1.5e6, 1e6, 0.7e6, 1.2e6])


@pytest.mark.parametrize("counts", [[12, 40, 9, 30, 2, 55], [1, 0, 2, 4, 1, 9], [9000, 21000, 15500, 3000, 2500, 2900]])
def test_profile_likelihood_by_general_optimisation(counts: list[int]) -> None:
    """Maximise the negative binomial likelihood with scipy and subtract half the log determinant (Cox & Reid)."""
    y = np.array(counts, dtype=float)
    (grid,) = profile_likelihood_grid(y[None, :], OFFSETS, DESIGN)
    for j in (4, 10, 16):
        phi = 0.1 * 2.0 ** (j - 10)

        def mean(beta: np.ndarray) -> np.ndarray:
            return np.exp(DESIGN @ beta + OFFSETS)

        def loss(beta: np.ndarray, phi: float = phi) -> float:
            return -float(nbinom.logpmf(y, 1 / phi, 1 / (1 + phi * mean(beta))).sum())

        start = np.array([np.log(y.sum()) - OFFSETS.mean() - np.log(6), 0.0, 0.0])
        best = minimize(loss, start, method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-12, "maxiter": 5000}).x
        weights = mean(best) / (1 + phi * mean(best))
        expected = -loss(best) - np.linalg.slogdet(DESIGN.T @ (weights[:, None] * DESIGN))[1] / 2
        assert grid[j] == pytest.approx(expected, abs=1e-5)


def test_genes_at_the_border_are_fitted_as_edger_does() -> None:
    counts = np.array([[0, 0, 0, 30, 41, 28], [0, 0, 0, 30, 0, 28], [12, 40, 9, 30, 2, 55]], dtype=float)
    _, expected = pyedger.core._design_adjusted_profile_loglik_grid(
        counts, design=DESIGN, offset=OFFSETS, grid_length=21, grid_range=(-10, 10)
    )
    np.testing.assert_allclose(profile_likelihood_grid(counts, OFFSETS, DESIGN), expected, atol=2e-3)


def test_trend_equals_pyedger(reference_counts: pd.DataFrame, reference_design: pd.DataFrame) -> None:
    kept = reference_counts[np.asarray(pyedger.filter_by_expr(reference_counts, design=reference_design))]
    listed = pyedger.calc_norm_factors(pyedger.DGEList(kept))
    sizes = np.asarray(pyedger.effective_lib_sizes(listed))
    ours = estimate_trended_dispersion(kept.to_numpy(), sizes, reference_design.to_numpy())
    theirs = pyedger.estimate_disp(listed, design=reference_design, legacy_span=True)
    assert ours.common == pytest.approx(theirs.common_dispersion, rel=1e-5)
    np.testing.assert_allclose(ours.trended, theirs.trended_dispersion, rtol=2e-4)
    assert np.ptp(ours.trended) > 0.01


def test_genes_with_hardly_any_fragment_get_the_trend_at_the_lowest_mean() -> None:
    rng = np.random.default_rng(4)
    counts = rng.negative_binomial(5, 5 / (5 + rng.uniform(20, 2000, (40, 1))), (40, 6))
    rare = np.vstack([counts, [[1, 0, 2, 0, 1, 0]]])
    with_rare = estimate_trended_dispersion(rare, np.exp(OFFSETS), DESIGN)
    without = estimate_trended_dispersion(counts, np.exp(OFFSETS), DESIGN)
    np.testing.assert_allclose(with_rare.trended[:-1], without.trended, rtol=1e-12)
    lowest = np.argmin(pyedger.ave_log_cpm(counts, lib_size=np.exp(OFFSETS), dispersion=without.common))
    assert with_rare.trended[-1] == pytest.approx(without.trended[lowest])


def test_no_counts_at_all() -> None:
    with pytest.raises(NotEnoughDataError, match="no gene of 2 with 5 fragments"):
        estimate_trended_dispersion(np.zeros((2, 6)), np.exp(OFFSETS), DESIGN)
