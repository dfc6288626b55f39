"""The width of the dispersion prior when residual degrees of freedom are few, as R DESeq2 1.38 finds it."""

from __future__ import annotations

import numpy as np
from scipy.interpolate import CubicHermiteSpline

from poma_assets.science.differential_expression.local_regression import fit_at
from poma_assets.science.differential_expression.prior_draws import BIN_EDGES, VARIANCES, drawn_counts

MOST_RESIDUAL_DF = 3
"""Up to so many residual degrees of freedom the width is found here."""

_SPAN = 0.2
_LARGEST_LEAF = 8
_MARGIN = 0.005
_FINE = np.linspace(0.0, 8.0, 1000)


def closest_variance(residuals: np.ndarray, residual_df: int) -> float:
    """Return the variance whose draws are distributed most like the log residuals.

    The Kullback-Leibler divergence from the draws over bins of one half, smoothed over the variances, and where
    it is least.

    Parameters
    ----------
    residuals
        Log dispersions minus log trend.
    residual_df
        1 to 3.

    Returns
    -------
    float
        Variance of true log dispersions, 0 to 8; NaN if no residual is between -10 and 10.
    """
    within = residuals[np.abs(residuals) < BIN_EDGES[-1]]
    if len(within) == 0:
        return float("nan")
    width = BIN_EDGES[1] - BIN_EDGES[0]
    observed = np.histogram(within, bins=BIN_EDGES)[0] / (len(within) * width)
    counts = drawn_counts()[residual_df - 1]
    drawn = counts / (counts.sum(axis=1, keepdims=True) * width)
    both = np.concatenate([np.broadcast_to(observed, drawn.shape), drawn], axis=1)
    smallest = np.where(both > 0, both, np.inf).min(axis=1, keepdims=True)
    divergence = (observed * (np.log(observed + smallest) - np.log(drawn + smallest))).sum(axis=1)
    return float(_FINE[np.argmin(smooth(VARIANCES, divergence, _FINE))])


def smooth(x: np.ndarray, y: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Smooth points with increasing ``x`` by R's ``loess(span = 0.2)`` and return the curve at other places.

    Local quadratics are fitted at vertices (ends and cuts of the data into halves until no part has more than
    eight points) and joined by cubics, as R's ``surface = "interpolate"``.
    """
    margin = _MARGIN * (x[-1] - x[0])
    vertices = np.array([x[0] - margin, *x[_cuts(0, len(x) - 1)], x[-1] + margin])
    neighbours = int(len(x) * _SPAN + 1e-5)
    fits = np.array([fit_at(vertex, x, y, np.ones(len(x)), neighbours) for vertex in vertices])
    return np.asarray(CubicHermiteSpline(vertices, fits[:, 0], fits[:, 1])(at))


def _cuts(first: int, last: int) -> list[int]:
    if last - first < _LARGEST_LEAF:
        return []
    middle = (first + last) // 2
    return [*_cuts(first, middle), middle, *_cuts(middle + 1, last)]
