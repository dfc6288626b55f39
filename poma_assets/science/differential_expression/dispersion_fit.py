"""Dispersions of all genes at once: moment estimates, gene-wise maximum likelihood, maximum a posteriori.

The log posterior has the Cox-Reid adjustment. The climb is that of R DESeq2 1.38, step by step: where the
posterior is flat (dispersions near 0, few samples) the estimate is where the climb stops, and trend, prior
and thereby p values depend on it. An exact maximum would be no more certain and disagree with R.
Inside, arrays are samples x genes, in blocks of genes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from poma_assets.science.differential_expression import batched_matrices
from poma_assets.science.differential_expression.dispersion import MINIMUM_DISPERSION
from poma_assets.science.differential_expression.negative_binomial import gene_blocks, linear_means, weighted_products
from poma_assets.science.differential_expression.special_functions import gamma_ratio_logs

_ITERATIONS = 100
_TOLERANCE = 1e-6
_LOWEST_LOG, _HIGHEST_LOG = -30.0, 10.0
_STOP_LOG = float(np.log(MINIMUM_DISPERSION / 10))
_SUFFICIENT_GAIN = 1e-4
_ROUNDING = 1e-10
_GRID_POINTS = 20


def largest_dispersion(samples: int) -> float:
    """Return the upper bound of dispersions for so many samples."""
    return float(max(10, samples))


@dataclass(frozen=True)
class LogPosterior:
    """Log posterior of the log dispersion of a block of genes, up to a constant.

    Parameters
    ----------
    counts, means
        Samples x genes; means positive.
    design
        Samples x coefficients.
    prior_log_mean
        One per gene, or None for no prior.
    prior_variance
        Of the log dispersion.
    """

    counts: np.ndarray
    means: np.ndarray
    design: np.ndarray
    prior_log_mean: np.ndarray | None = None
    prior_variance: float = 1.0

    def only(self, genes: np.ndarray) -> LogPosterior:
        """Return the posterior of some of the genes (flags or positions)."""
        prior = None if self.prior_log_mean is None else self.prior_log_mean[genes]
        return LogPosterior(self.counts[:, genes], self.means[:, genes], self.design, prior, self.prior_variance)

    def at(self, log_dispersion: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return value and derivative, one per gene."""
        alpha = np.exp(log_dispersion)
        value, slope = self._likelihood(alpha)
        adjustment, adjustment_slope = self._cox_reid(alpha)
        value += adjustment
        slope = alpha * (slope + adjustment_slope)
        if self.prior_log_mean is not None:
            away = log_dispersion - self.prior_log_mean
            value -= 0.5 * away**2 / self.prior_variance
            slope -= away / self.prior_variance
        return value, slope

    def _likelihood(self, alpha: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the log likelihood without terms of counts and means only, and its derivative by alpha."""
        size = 1.0 / alpha
        ratio, change = gamma_ratio_logs(size, self.counts)
        scaled = self.means * alpha
        spread = np.log1p(scaled)
        value = (ratio - (self.counts + size) * spread).sum(axis=0)
        slope = (spread - change + (self.counts - self.means) * alpha / (1.0 + scaled)).sum(axis=0)
        return value, size**2 * slope

    def _cox_reid(self, alpha: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        weights = self.means / (1.0 + self.means * alpha)
        factor = batched_matrices.cholesky(weighted_products(self.design, weights))
        change = weighted_products(self.design, -(weights**2))
        trace = np.einsum("ijg,ijg->g", batched_matrices.inverse(factor), change)
        return -0.5 * batched_matrices.log_determinant(factor), -0.5 * trace


@dataclass(frozen=True)
class Climb:
    """Where the climb of each gene ended.

    Parameters
    ----------
    log_dispersion
        End points.
    first_value, last_value
        Log posterior at the start and at the last accepted point.
    iterations
        Points tried.
    """

    log_dispersion: np.ndarray
    first_value: np.ndarray
    last_value: np.ndarray
    iterations: np.ndarray


def climb(posterior: LogPosterior, start: np.ndarray) -> Climb:
    """Climb from ``start`` along the slope with a step that adapts, until a step gains less than 1e-6.

    A step is taken if it gains 1e-4 of what the slope promises, else halved; it grows by a tenth with every
    success up to 1 and is halved at every fifth one. A climb also ends where a dispersion falls below 1e-9.

    Parameters
    ----------
    posterior
        Of a block of genes.
    start
        Log dispersions, one per gene.

    Returns
    -------
    Climb
        End points, values and numbers of iterations.
    """
    genes = len(start)
    end, iterations = start.copy(), np.full(genes, _ITERATIONS)
    value, slope = posterior.at(start)
    first, last = value.copy(), value.copy()
    active, point = np.arange(genes), start.copy()
    step, accepted = np.ones(genes), np.zeros(genes, dtype=int)
    for iteration in range(1, _ITERATIONS + 1):
        step = _within_limits(point, slope, step)
        trial = point + step * slope
        trial_value, trial_slope = posterior.at(trial)
        promised = step * slope**2
        # Below rounding errors a comparison would depend on the order of the samples.
        good = (trial_value >= value + _SUFFICIENT_GAIN * promised) | (promised < _ROUNDING)
        small = good & (trial_value - value < _TOLERANCE)
        fallen = good & ~small & (trial < _STOP_LOG)
        point = np.where(good, trial, point)
        value = np.where(good & ~fallen, trial_value, value)
        slope = np.where(good, trial_slope, slope)
        accepted += good
        step = np.where(good, np.minimum(step * 1.1, 1.0), step / 2)
        step = np.where(good & (accepted % 5 == 0), step / 2, step)
        end[active], last[active] = point, value
        done = small | fallen
        if not done.any():
            continue
        iterations[active[done]] = iteration
        go = np.flatnonzero(~done)
        if len(go) == 0:
            break
        active, posterior = active[go], posterior.only(go)
        point, value, slope, step, accepted = point[go], value[go], slope[go], step[go], accepted[go]
    return Climb(end, first, last, iterations)


def grid_maximum(posterior: LogPosterior, samples: int) -> np.ndarray:
    """Return the best log dispersion on a grid of 20 points, refined once around the best."""
    bounds = np.log(MINIMUM_DISPERSION), np.log(largest_dispersion(samples))
    coarse = np.linspace(*bounds, _GRID_POINTS)
    genes = posterior.counts.shape[1]
    best = _best_of(posterior, np.repeat(coarse[:, None], genes, axis=1))
    width = coarse[1] - coarse[0]
    return _best_of(posterior, np.linspace(best - width, best + width, _GRID_POINTS))


def linear_fit_dispersions(normalised: np.ndarray, design: np.ndarray) -> np.ndarray:
    """Return the moment estimate around a linear fit of normalised counts (genes x samples), at least 0."""
    samples, coefficients = design.shape
    fitted = np.maximum(linear_means(normalised, design, np.ones(samples)), 1.0)
    rough = (((normalised - fitted) ** 2 - fitted) / fitted**2).sum(axis=1) / (samples - coefficients)
    return np.asarray(np.maximum(rough, 0.0))


def overall_dispersions(normalised: np.ndarray, size_factors: np.ndarray) -> np.ndarray:
    """Return the moment estimate from mean and variance over all samples (genes x samples); may be negative."""
    mean = normalised.mean(axis=1)
    return np.asarray((normalised.var(axis=1, ddof=1) - (1 / size_factors).mean() * mean) / mean**2)


def bounded_dispersions(dispersions: np.ndarray, samples: int) -> np.ndarray:
    """Return dispersions within the bounds of the estimates for so many samples."""
    return np.asarray(np.clip(dispersions, MINIMUM_DISPERSION, largest_dispersion(samples)))


def genewise_dispersions(counts: np.ndarray, design: np.ndarray, means: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Estimate each gene's dispersion by maximum likelihood with the Cox-Reid adjustment.

    The start is kept where the climb gains less than a millionth. Genes whose climb did not settle, or whose
    first step was already the last, are searched on a grid.

    Parameters
    ----------
    counts, means
        Genes x samples; fitted means of at least 0.5.
    design
        Samples x coefficients.
    start
        One per gene, within the bounds: the smaller moment estimate.

    Returns
    -------
    ndarray
        One per gene.
    """
    genes, samples = counts.shape
    estimates = np.empty(genes)
    for block in gene_blocks(genes, samples):
        posterior = LogPosterior(_turned(counts[block]), _turned(means[block]), design)
        reached = climb(posterior, np.log(start[block]))
        dispersions = np.minimum(np.exp(reached.log_dispersion), largest_dispersion(samples))
        no_gain = reached.last_value < reached.first_value + np.abs(reached.first_value) / 1e6
        dispersions = np.where(no_gain, start[block], dispersions)
        unsettled = (reached.iterations >= _ITERATIONS) | (reached.iterations == 1)
        search = np.flatnonzero(unsettled & (dispersions > 10 * MINIMUM_DISPERSION))
        if len(search):
            dispersions[search] = np.exp(grid_maximum(posterior.only(search), samples))
        estimates[block] = dispersions
    return bounded_dispersions(estimates, samples)


def map_dispersions(
    counts: np.ndarray,
    design: np.ndarray,
    means: np.ndarray,
    genewise: np.ndarray,
    trend: np.ndarray,
    prior_variance: float,
) -> np.ndarray:
    """Estimate each gene's dispersion with a log-normal prior around the trend.

    Parameters
    ----------
    counts, means
        Genes x samples; fitted means of at least 0.5.
    design
        Samples x coefficients.
    genewise, trend
        Gene-wise estimates, from which the climb starts unless they are below a tenth of the trend.
    prior_variance
        Of log dispersions around the trend.

    Returns
    -------
    ndarray
        One per gene.
    """
    genes, samples = counts.shape
    start = np.log(np.where(genewise > 0.1 * trend, genewise, trend))
    estimates = np.empty(genes)
    for block in gene_blocks(genes, samples):
        prior = np.log(trend[block])
        posterior = LogPosterior(_turned(counts[block]), _turned(means[block]), design, prior, prior_variance)
        reached = climb(posterior, start[block])
        logs = reached.log_dispersion
        search = np.flatnonzero(reached.iterations >= _ITERATIONS)
        if len(search):
            logs[search] = grid_maximum(posterior.only(search), samples)
        estimates[block] = np.exp(logs)
    return bounded_dispersions(estimates, samples)


def _turned(matrix: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(np.asarray(matrix, dtype=float).T)


def _within_limits(point: np.ndarray, slope: np.ndarray, step: np.ndarray) -> np.ndarray:
    """Shorten steps that leave the range of log dispersions."""
    trial = point + step * slope
    limit = np.where(trial < _LOWEST_LOG, _LOWEST_LOG, np.where(trial > _HIGHEST_LOG, _HIGHEST_LOG, np.nan))
    safe = np.where(slope == 0, 1.0, slope)
    return np.where(np.isnan(limit), step, (limit - point) / safe)


def _best_of(posterior: LogPosterior, grid: np.ndarray) -> np.ndarray:
    values = np.array([posterior.at(row)[0] for row in grid])
    return np.asarray(np.take_along_axis(grid, values.argmax(axis=0)[None, :], axis=0)[0])
