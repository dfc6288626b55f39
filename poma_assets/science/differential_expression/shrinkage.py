"""Shrunken effects with a Cauchy prior: apeglm (Zhu, Ibrahim & Love 2019, doi:10.1093/bioinformatics/bty895).

The posterior mode of every gene by Newton's method, batched over genes. The posterior may have two modes, one
near 0 and one near the estimate, so it is searched from both and the higher one is taken.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.optimize import brentq

_FLAT_PRIOR_SCALE = 15.0
_BLOCK_SIZE = 200_000
_MAX_STEPS = 200
_MAX_HALVINGS = 40
_TOLERANCE = 1e-8
_SUFFICIENT_DECREASE = 1e-4
_LEAST_CURVATURE = 0.05


class _Genes(NamedTuple):
    """Counts (genes x samples), dispersions (genes x 1) and log size factors (samples)."""

    counts: np.ndarray
    dispersions: np.ndarray
    offset: np.ndarray

    def take(self, genes: np.ndarray) -> _Genes:
        return _Genes(self.counts[genes], self.dispersions[genes], self.offset)


class _Prior(NamedTuple):
    """Cauchy on one coefficient, normal on the others."""

    position: int
    scale: float

    def negative_log(self, beta: np.ndarray) -> np.ndarray:
        flat = np.delete(beta, self.position, axis=1) / _FLAT_PRIOR_SCALE
        cauchy = np.log1p((beta[:, self.position] / self.scale) ** 2)
        return np.asarray(cauchy + (flat**2).sum(axis=1) / 2)

    def weight(self, beta: np.ndarray) -> np.ndarray:
        """Slope divided by the coefficient: the curvature of the parabola that bounds the prior from above."""
        weight = np.full(beta.shape, 1.0 / _FLAT_PRIOR_SCALE**2)
        weight[:, self.position] = 2.0 / (self.scale**2 + beta[:, self.position] ** 2)
        return weight

    def excess(self, beta: np.ndarray) -> np.ndarray:
        """By how much that curvature exceeds the true one of the Cauchy prior, per gene."""
        squared = beta[:, self.position] ** 2
        return np.asarray(4.0 * squared / (self.scale**2 + squared) ** 2)


def shrink_effects(
    counts: np.ndarray,
    design: np.ndarray,
    *,
    size_factors: np.ndarray,
    dispersions: np.ndarray,
    estimates: np.ndarray,
    position: int,
    prior_scale: float,
) -> np.ndarray:
    """Return the posterior mode of one coefficient for every gene.

    Parameters
    ----------
    counts
        Genes x samples.
    design
        Samples x coefficients.
    size_factors
        One per sample.
    dispersions
        One per gene.
    estimates
        Maximum likelihood coefficients, genes x coefficients, natural log: where the search starts.
    position
        Which coefficient gets the Cauchy prior; the others get a normal one of scale 15.
    prior_scale
        Scale of the Cauchy prior, natural log.

    Returns
    -------
    ndarray
        Shrunken coefficient per gene, natural log.
    """
    prior = _Prior(position, prior_scale)
    offset = np.log(size_factors)
    effects = np.empty(len(counts))
    genes_a_block = max(1, _BLOCK_SIZE // design.shape[0])
    for first in range(0, len(counts), genes_a_block):
        block = slice(first, first + genes_a_block)
        genes = _Genes(counts[block].astype(float), dispersions[block][:, None], offset)
        near = _mode(genes, design, prior, estimates[block])
        unchanged = estimates[block].copy()
        unchanged[:, position] = 0.0
        far = _mode(genes, design, prior, unchanged)
        # Rounding must not choose between two ways to the same mode.
        better = far.value < near.value - 1e-9 * (1 + np.abs(near.value))
        effects[block] = np.where(better, far.beta[:, position], near.beta[:, position])
    return effects


class _Mode(NamedTuple):
    beta: np.ndarray
    value: np.ndarray


def _mode(genes: _Genes, design: np.ndarray, prior: _Prior, start: np.ndarray) -> _Mode:
    """Descend the negative log posterior of every gene from ``start`` to a minimum."""
    beta = start.astype(float)
    value = _negative_log_posterior(genes, design, prior, beta)
    active = np.arange(len(beta))
    remaining = genes
    for _ in range(_MAX_STEPS):
        step, slope, newton = _descent_step(remaining, design, prior, beta[active])
        moved, reached = _line_search(remaining, design, prior, _Mode(beta[active], value[active]), step, slope)
        small = np.abs(step).max(axis=1) <= _TOLERANCE * (1 + np.abs(beta[active]).max(axis=1))
        beta[active], value[active] = moved, reached
        moving = ~(small & newton)
        if not moving.any():
            break
        active, remaining = active[moving], remaining.take(moving)
    return _Mode(beta, value)


def _negative_log_posterior(genes: _Genes, design: np.ndarray, prior: _Prior, beta: np.ndarray) -> np.ndarray:
    """Return the negative log posterior per gene, but for a constant; infinite where means overflow."""
    linear = beta @ design.T + genes.offset
    with np.errstate(over="ignore", invalid="ignore"):
        spread = np.log1p(genes.dispersions * np.exp(linear))
        likelihood = ((genes.counts + 1 / genes.dispersions) * spread - genes.counts * linear).sum(axis=1)
    posterior: np.ndarray = np.where(np.isfinite(likelihood), likelihood, np.inf) + prior.negative_log(beta)
    return posterior


def _descent_step(
    genes: _Genes, design: np.ndarray, prior: _Prior, beta: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return a step that descends, the slope along it, and whether it is Newton's.

    Where the Cauchy prior makes the posterior concave, its curvature is replaced by that of the parabola that
    touches and bounds it, which is always positive.
    """
    means = np.exp(np.minimum(beta @ design.T + genes.offset, 700.0))
    shrunk = 1 + genes.dispersions * means
    bounding = prior.weight(beta)
    gradient = ((means - genes.counts) / shrunk) @ design + bounding * beta
    information = means / shrunk * ((1 + genes.dispersions * genes.counts) / shrunk)
    coefficients = design.shape[1]
    products = (design[:, :, None] * design[:, None, :]).reshape(len(design), -1)
    curvature = (information @ products).reshape(-1, coefficients, coefficients)
    diagonal = np.arange(coefficients)
    curvature[:, diagonal, diagonal] += bounding
    unit = np.zeros_like(gradient)
    unit[:, prior.position] = 1.0
    solved = np.linalg.solve(curvature, np.stack([gradient, unit], axis=2))
    bounded, direction = solved[:, :, 0], solved[:, :, 1]
    # The true curvature differs in one element only (Sherman & Morrison 1950).
    excess = prior.excess(beta)
    left = 1 - excess * direction[:, prior.position]
    newton = left > _LEAST_CURVATURE
    correction = np.where(newton, excess * bounded[:, prior.position] / np.where(newton, left, 1.0), 0.0)
    step = -(bounded + correction[:, None] * direction)
    return step, np.einsum("gi,gi->g", step, gradient), newton


def _line_search(
    genes: _Genes, design: np.ndarray, prior: _Prior, current: _Mode, step: np.ndarray, slope: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Halve the step of every gene until the posterior rises enough; stay where it never does."""
    moved, reached = current.beta.copy(), current.value.copy()
    noise = 1e-13 * (1 + np.abs(current.value))
    waiting = np.arange(len(step))
    length = 1.0
    for _ in range(_MAX_HALVINGS):
        tried = current.beta[waiting] + length * step[waiting]
        value = _negative_log_posterior(
            genes.take(waiting) if len(waiting) < len(step) else genes, design, prior, tried
        )
        enough = value <= (current.value + _SUFFICIENT_DECREASE * length * slope + noise)[waiting]
        moved[waiting[enough]], reached[waiting[enough]] = tried[enough], value[enough]
        waiting = waiting[~enough]
        if len(waiting) == 0:
            break
        length /= 2
    return moved, reached


def cauchy_scale(estimates: np.ndarray, variances: np.ndarray) -> float:
    """Estimate the scale of the prior from all genes: the spread of effects beyond their errors, at most 1.

    Parameters
    ----------
    estimates, variances
        Estimated effects and their squared standard errors, natural log, finite.
    """
    return min(float(np.sqrt(_effect_variance(estimates, variances))), 1.0)


def _effect_variance(estimate: np.ndarray, variance: np.ndarray) -> float:
    """Estimate the variance of true effects, weighting genes by their precision (natural log scale)."""

    def excess(candidate: float) -> float:
        weights = 1 / (2 * (candidate + variance) ** 2)
        return float(((estimate**2 - variance) * weights).sum() / weights.sum() - candidate)

    lowest, highest = 1e-6, 400.0
    if excess(lowest) < 0:
        return lowest
    return float(brentq(excess, lowest, highest)) if excess(highest) < 0 else highest
