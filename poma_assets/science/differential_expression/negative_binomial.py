"""Negative binomial regression of all genes at once: likelihood, coefficients, fitted means.

The rules are those of R DESeq2 1.38 (Love, Huber & Anders 2014, doi:10.1186/s13059-014-0550-8). Public arrays
are genes x samples. Inside, genes run along the contiguous axis and come in blocks, so that temporaries stay
small enough for the processor's cache.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import gammaln

from poma_assets.science.differential_expression import batched_matrices
from poma_assets.science.differential_expression.special_functions import gamma_ratio_logs

SMALLEST_MEAN = 0.5
"""Smallest fitted mean that enters weights and dispersions (R: ``minmu``)."""

RIDGE = 1e-6 / float(np.log(2.0)) ** 2
"""Ridge on coefficients in natural log units: R's 1e-6 on the log2 scale."""

_BLOCK_ELEMENTS = 2**16
_LARGEST_COEFFICIENT = 30.0
_LOG_2 = float(np.log(2.0))


@dataclass(frozen=True)
class CoefficientFit:
    """Fitted coefficients of all genes.

    Parameters
    ----------
    beta
        Genes x coefficients, natural log.
    means
        Genes x samples, fitted mean counts; not bounded below.
    hat_diagonals
        Genes x samples, leverage of each count.
    converged
        One flag per gene.
    """

    beta: np.ndarray
    means: np.ndarray
    hat_diagonals: np.ndarray
    converged: np.ndarray


def gene_blocks(genes: int, samples: int) -> Iterator[slice]:
    """Cut genes into blocks whose genes x samples temporaries take half a megabyte each."""
    size = max(1, _BLOCK_ELEMENTS // max(samples, 1))
    for start in range(0, genes, size):
        yield slice(start, min(start + size, genes))


def log_likelihood(counts: np.ndarray, means: np.ndarray, dispersions: np.ndarray) -> np.ndarray:
    """Return the log likelihood of each gene, summed over samples.

    Parameters
    ----------
    counts, means
        Genes x samples.
    dispersions
        One per gene.

    Returns
    -------
    ndarray
        One number per gene.
    """
    genes, samples = np.shape(counts)
    result = np.empty(genes)
    for block in gene_blocks(genes, samples):
        y = _samples_by_genes(counts[block])
        alpha = np.asarray(dispersions[block], dtype=float)
        result[block] = _count_terms(y, alpha) + _mean_terms(y, _samples_by_genes(means[block]), alpha)
    return result


def linear_means(counts: np.ndarray, design: np.ndarray, size_factors: np.ndarray) -> np.ndarray:
    """Return fitted means of a linear regression of normalised counts.

    Exact for designs that are groups; the means are not bounded below.

    Parameters
    ----------
    counts
        Genes x samples.
    design
        Samples x coefficients, of full rank.
    size_factors
        One per sample.

    Returns
    -------
    ndarray
        Genes x samples, in counts.
    """
    basis, _ = np.linalg.qr(design)
    return np.asarray(((counts / size_factors) @ basis) @ basis.T * size_factors)


@np.errstate(over="ignore", divide="ignore", invalid="ignore")  # diverging genes are caught and optimised
def fit_coefficients(
    counts: np.ndarray,
    design: np.ndarray,
    size_factors: np.ndarray,
    dispersions: np.ndarray,
    *,
    tolerance: float = 1e-8,
    iterations: int = 100,
) -> CoefficientFit:
    """Fit ``log(mean) = log(size factor) + design @ beta`` to every gene, with dispersions given.

    Iteratively reweighted least squares with a slight ridge (`RIDGE`), until the deviance changes by less than
    ``tolerance`` of itself. Weights use means of at least `SMALLEST_MEAN`. Genes that do not settle, or whose
    coefficient leaves (-30, 30), are fitted by L-BFGS-B within these bounds (on the log2 scale). A design of
    one intercept is fitted by the mean normalised count.

    Parameters
    ----------
    counts
        Genes x samples, no gene without counts.
    design
        Samples x coefficients, of full rank.
    size_factors
        One per sample.
    dispersions
        One per gene.
    tolerance, iterations
        When to stop.

    Returns
    -------
    CoefficientFit
        Coefficients (natural log), means, leverages, flags.
    """
    genes, samples = np.shape(counts)
    scale = np.asarray(size_factors, dtype=float)[:, None]
    beta = np.empty((genes, design.shape[1]))
    means, hats = np.empty((genes, samples)), np.empty((genes, samples))
    converged = np.ones(genes, dtype=bool)
    only_intercept = design.shape[1] == 1 and bool((design == 1).all())
    for block in gene_blocks(genes, samples):
        y = _samples_by_genes(counts[block])
        alpha = np.asarray(dispersions[block], dtype=float)
        if only_intercept:
            coefficients, weights, penalty = _fit_intercept(y, scale, alpha)
        else:
            coefficients, weights, settled = _reweighted_least_squares(y, design, scale, alpha, tolerance, iterations)
            converged[block] = settled
            penalty = RIDGE
        beta[block] = coefficients.T
        hats[block] = _leverages(design, weights, penalty).T
        means[block] = (scale * np.exp(design @ coefficients)).T
    return CoefficientFit(beta, means, hats, converged)


def wald_covariances(beta: np.ndarray, design: np.ndarray, size_factors: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Return the sandwich covariance of the ridge fit.

    Parameters
    ----------
    beta
        Genes x coefficients, natural log.
    design
        Samples x coefficients.
    size_factors
        One per sample.
    alpha
        One dispersion per gene.

    Returns
    -------
    ndarray
        Genes x coefficients x coefficients, natural log; NaN where ``beta`` is.
    """
    genes, coefficients = beta.shape
    covariance = np.empty((genes, coefficients, coefficients))
    for block in gene_blocks(genes, len(design)):
        means = np.maximum(size_factors[:, None] * np.exp(design @ beta[block].T), SMALLEST_MEAN)
        information = weighted_products(design, means / (1 + means * alpha[block]))
        inverse = batched_matrices.inverse(_ridged_factor(information))
        inner = np.einsum("ijg,jkg->ikg", information, inverse)
        covariance[block] = np.einsum("ijg,jkg->gik", inverse, inner)
    return covariance


def weighted_products(design: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return ``design' W design`` per gene (coefficients x coefficients x genes; weights samples x genes)."""
    size = design.shape[1]
    rows, columns = np.tril_indices(size)
    lower = (design[:, rows] * design[:, columns]).T @ weights
    products = np.empty((size, size, weights.shape[1]))
    products[rows, columns] = lower
    products[columns, rows] = lower
    return products


def _samples_by_genes(matrix: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(np.asarray(matrix, dtype=float).T)


def _count_terms(y: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Return what of the log likelihood does not depend on the means."""
    ratio, _ = gamma_ratio_logs(1.0 / alpha, y)
    return np.asarray((ratio - gammaln(y + 1)).sum(axis=0))


def _mean_terms(y: np.ndarray, means: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    # A mean of 0 with a count of 0 is certain; the bound keeps 0 log 0 from being NaN.
    logs = np.log(np.maximum(means, 1e-300))
    return np.asarray((y * logs - (y + 1.0 / alpha) * np.log1p(means * alpha)).sum(axis=0))


def _fit_intercept(y: np.ndarray, scale: np.ndarray, alpha: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    mean = (y / scale).mean(axis=0, keepdims=True)
    fitted = scale * mean
    return np.log(mean), fitted / (1 + fitted * alpha), 0.0


def _reweighted_least_squares(
    y: np.ndarray, design: np.ndarray, scale: np.ndarray, alpha: np.ndarray, tolerance: float, iterations: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return coefficients (coefficients x genes), last weights (samples x genes) and which genes settled."""
    start = np.linalg.pinv(design) @ np.log(y / scale + 0.1)
    beta = start.copy()
    means = np.maximum(scale * np.exp(design @ beta), SMALLEST_MEAN)
    constant = _count_terms(y, alpha)
    deviance = np.full(len(alpha), np.nan)
    settled = np.zeros(len(alpha), dtype=bool)
    active = np.arange(len(alpha))
    for _ in range(iterations):
        counts, last, spread = y[:, active], means[:, active], alpha[active]
        new = _weighted_step(counts, last, design, scale, spread)
        beta[:, active] = new
        inside = (np.abs(new) <= _LARGEST_COEFFICIENT).all(axis=0)
        fitted = np.maximum(scale * np.exp(design @ np.where(inside, new, 0.0)), SMALLEST_MEAN)
        means[:, active] = np.where(inside, fitted, last)
        now = -2 * (constant[active] + _mean_terms(counts, fitted, spread))
        near = np.abs(now - deviance[active]) / (np.abs(now) + 0.1) < tolerance
        deviance[active] = now
        settled[active] = near & inside
        active = active[inside & ~near & np.isfinite(now)]
        if len(active) == 0:
            break
    weights = means / (1 + means * alpha)
    for gene in np.flatnonzero(~settled):
        usable = (np.abs(beta[:, gene]) < _LARGEST_COEFFICIENT * _LOG_2).all()
        first = beta[:, gene] if usable else start[:, gene]
        beta[:, gene], settled[gene] = _optimise(y[:, gene], design, scale[:, 0], alpha[gene], first)
    return beta, weights, settled


def _weighted_step(
    y: np.ndarray, means: np.ndarray, design: np.ndarray, scale: np.ndarray, alpha: np.ndarray
) -> np.ndarray:
    weights = means / (1 + means * alpha)
    working = np.log(means / scale) + (y - means) / means
    factor = _ridged_factor(weighted_products(design, weights))
    return batched_matrices.solve(factor, design.T @ (weights * working))


def _ridged_factor(information: np.ndarray, penalty: float = RIDGE) -> np.ndarray:
    ridged = information.copy()
    diagonal = np.arange(len(ridged))
    ridged[diagonal, diagonal] += penalty
    return batched_matrices.cholesky(ridged)


def _leverages(design: np.ndarray, weights: np.ndarray, penalty: float) -> np.ndarray:
    inverse = batched_matrices.inverse(_ridged_factor(weighted_products(design, weights), penalty))
    outer = (design[:, :, None] * design[:, None, :]).reshape(len(design), -1)
    return np.asarray(weights * (outer @ inverse.reshape(-1, weights.shape[1])))


def _optimise(
    y: np.ndarray, design: np.ndarray, scale: np.ndarray, alpha: float, start: np.ndarray
) -> tuple[np.ndarray, bool]:
    """Fit one gene by a bounded quasi-Newton method; return its coefficients and whether it converged."""

    def objective(beta: np.ndarray) -> tuple[float, np.ndarray]:
        means = scale * np.exp(design @ beta)
        spread = np.log1p(means * alpha)
        value = (y + 1 / alpha) @ spread - y @ (design @ beta) + 0.5 * RIDGE * beta @ beta
        slope = design.T @ ((means - y) / (1 + means * alpha)) + RIDGE * beta
        return float(value), slope

    bound = _LARGEST_COEFFICIENT * _LOG_2
    limits = [(-bound, bound)] * len(start)
    # The value lacks its constants, so that the usual relative tolerance would stop far from the optimum.
    result = minimize(
        objective,
        np.clip(start, -bound, bound),
        jac=True,
        method="L-BFGS-B",
        bounds=limits,
        options={"ftol": 1e-12, "gtol": 1e-7},
    )
    return np.asarray(result.x, dtype=float), bool(result.success)
