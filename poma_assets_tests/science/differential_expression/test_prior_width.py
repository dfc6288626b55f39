from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import chi2, norm

from poma_assets.science.differential_expression.dispersion import prior_variance
from poma_assets.science.differential_expression.prior_draws import BIN_EDGES, VARIANCES, drawn_counts
from poma_assets.science.differential_expression.prior_width import closest_variance, smooth

LOGISTIC = np.log(np.arange(1, 500) / np.arange(499, 0, -1))


@pytest.mark.parametrize(
    ("residual_df", "spread", "in_r"),
    [
        (1, 0.6, 0.25),
        (1, 1.1, 1.93793793793794),
        (2, 0.6, 0.264264264264264),
        (2, 1.1, 2.48248248248248),
        (3, 0.6, 0.512512512512513),
        (3, 1.1, 2.83483483483483),
    ],
)
def test_prior_variance_equals_r(residual_df: int, spread: float, in_r: float) -> None:
    # DESeq2:::estimateDispersionsPriorVar of 1.38.3 for log residuals qlogis((1:499)/500) * spread - 0.3
    dispersions = np.exp(LOGISTIC * spread - 0.3)
    assert prior_variance(dispersions, np.ones(499), residual_df) == pytest.approx(in_r, rel=1e-12)


def test_draws_have_the_distribution_that_they_claim() -> None:
    counts = drawn_counts()
    assert counts.shape == (3, len(VARIANCES), len(BIN_EDGES) - 1)
    assert counts.min() >= 0
    drawn = counts.sum(axis=2)  # of 10,000, without those beyond the bins
    assert (drawn.min(), drawn.max()) == (9846, 10_000)
    centres = np.log(chi2.ppf((np.arange(500) + 0.5) / 500, 3) / 3)
    for position in (20, 100, 199):
        below = norm.cdf((BIN_EDGES[:, None] - centres) / np.sqrt(VARIANCES[position])).mean(axis=1)
        expected = np.diff(below) / (below[-1] - below[0])
        observed = counts[2, position] / counts[2, position].sum()
        assert np.abs(observed - expected).max() < 0.015


def test_smooth_equals_loess() -> None:
    x = np.linspace(0, 8, 200)
    y = (x - 1.3) ** 2 / (1 + x) + 0.01 * np.sin(37 * x * x)
    # predict(loess(y ~ x, span = .2), ...) of R 4.2.2
    in_r = [1.60480749181, 0.817330203595, 0.0586817844657, 1.81327607541, 4.89444604399, 4.9879164567]
    np.testing.assert_allclose(smooth(x, y, np.array([0, 0.3, 1.7, 4.44, 7.9, 8.0])), in_r, rtol=1e-10)


def test_no_residual_within_range_gives_the_smallest_prior() -> None:
    assert np.isnan(closest_variance(np.array([12.0]), 2))
    assert prior_variance(np.array([1e6]), np.array([1e-1]), 2) == 0.25
