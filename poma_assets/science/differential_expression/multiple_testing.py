"""Adjusted p values: Benjamini-Hochberg, and DESeq2's independent filtering by the mean count."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

_FILTER_STEPS = 50


class FilteredAdjustment(NamedTuple):
    """Adjusted p values (NaN for filtered genes) and the mean count from which genes were kept."""

    p_adjusted: np.ndarray
    threshold: float


def benjamini_hochberg(p_values: np.ndarray) -> np.ndarray:
    """Adjust p values by Benjamini & Hochberg (1995); NaN stays NaN and is not counted as a test."""
    p_values = np.asarray(p_values, dtype=float)
    adjusted = np.full(p_values.shape, np.nan)
    tested = np.flatnonzero(~np.isnan(p_values))
    if len(tested) == 0:
        return adjusted
    descending = tested[np.argsort(-p_values[tested], kind="stable")]
    ranks = np.arange(len(tested), 0, -1)
    adjusted[descending] = np.minimum(1.0, np.minimum.accumulate(p_values[descending] * len(tested) / ranks))
    return adjusted


def independent_filtering(means: np.ndarray, p_values: np.ndarray, alpha: float) -> FilteredAdjustment:
    """Drop genes of low mean count before the adjustment, at the threshold that finds most genes.

    As R DESeq2 1.38 ``results(independentFiltering = TRUE)``: 50 quantiles of the mean, the numbers of genes
    below ``alpha`` smoothed by lowess, and the first quantile that comes within one root mean square residual
    of the maximum; no filter where 10 genes or fewer are found at most.

    Parameters
    ----------
    means
        Mean normalised count per gene, genes without counts included.
    p_values
        p value per gene, NaN where there is none.
    alpha
        False discovery rate that the filter is tuned for.

    Returns
    -------
    FilteredAdjustment
        Adjusted p values and the threshold on the mean.
    """
    lowest = float(np.mean(means == 0))
    quantiles = np.linspace(lowest, 0.95 if lowest < 0.95 else 1.0, _FILTER_STEPS)
    thresholds = np.quantile(means, quantiles)
    found = np.array([np.sum(benjamini_hochberg(p_values[means >= threshold]) < alpha) for threshold in thresholds])
    chosen = 0
    if found.max() > 10:
        smooth = lowess(quantiles, found.astype(float), 0.2)
        residuals = (found - smooth)[found > 0]
        enough = np.flatnonzero(found > smooth.max() - np.sqrt(np.mean(residuals**2)))
        chosen = int(enough[0]) if len(enough) else 0
    threshold = float(thresholds[chosen])
    adjusted = benjamini_hochberg(np.where(means >= threshold, p_values, np.nan))
    return FilteredAdjustment(adjusted, threshold)


def lowess(x: np.ndarray, y: np.ndarray, fraction: float, iterations: int = 3) -> np.ndarray:
    """Smooth by robust local lines (Cleveland 1979, doi:10.1080/01621459.1979.10481038).

    Parameters
    ----------
    x, y
        Points, ``x`` ascending.
    fraction
        Share of the points that each line is fitted to.
    iterations
        Number of times that points far from the curve are weighted down.

    Returns
    -------
    ndarray
        Smoothed ``y`` at every ``x``.
    """
    n = len(x)
    neighbours = max(min(int(fraction * n + 1e-7), n), 2)
    distances = np.abs(x[:, None] - x[None, :])
    span = np.sort(distances, axis=1)[:, neighbours - 1]
    scaled = np.divide(distances, span[:, None], out=np.zeros_like(distances), where=span[:, None] > 0)
    tricube = np.where(scaled <= 0.999, (1 - np.minimum(scaled, 1.0) ** 3) ** 3, 0.0)
    robustness = np.ones(n)
    smooth = y.astype(float)
    for iteration in range(iterations + 1):
        smooth = np.array([_local_line(x, y, tricube[i] * robustness, x[i]) for i in range(n)])
        residuals = np.abs(y - smooth)
        scale = 6 * np.median(residuals)
        if iteration == iterations or scale < 1e-7 * residuals.mean() or scale == 0:
            break
        robustness = np.where(residuals < 0.999 * scale, (1 - (residuals / scale) ** 2) ** 2, 0.0)
        robustness[residuals <= 0.001 * scale] = 1.0
    return smooth


def _local_line(x: np.ndarray, y: np.ndarray, weights: np.ndarray, at: float) -> float:
    total = weights.sum()
    if total <= 0:
        return float(y[np.argmin(np.abs(x - at))])
    weights = weights / total
    centre = float(weights @ x)
    spread = float(weights @ (x - centre) ** 2)
    if np.sqrt(spread) > 0.001 * float(x[-1] - x[0]):
        weights = weights * (1 + (at - centre) * (x - centre) / spread)
    return float(weights @ y)
