"""edgeR's common and trended dispersion, batched over genes: the part of ``estimateDisp`` that the QL test needs.

The Cox-Reid adjusted profile likelihood on edgeR's grid of dispersions (McCarthy, Chen & Smyth 2012,
doi:10.1093/nar/gks042) is computed here, because it is most of edgeR's work; smoothing and maximising are
pyedger's, as are genes whose fitted values reach 0, which edgeR treats apart. The tagwise dispersions and the
prior degrees of freedom of ``estimateDisp`` play no role in the quasi-likelihood test and are left out.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import gammaln

from poma_assets.science.differential_expression.edger_model import average_log2_cpm
from poma_assets.science.errors import NotEnoughDataError

_GRID = np.linspace(-10.0, 10.0, 21)
"""edgeR's grid: log2 of the dispersion over 0.1."""
_BASE_DISPERSION = 0.1
_START_DISPERSION = 0.05
_NEARLY_ZERO = 1e-2
_FEWEST_FRAGMENTS = 5
_TOLERANCE = 1e-6
_MOST_STEPS = 20
_BLOCK_VALUES = 16_384
"""Values of a block of genes x samples: its arrays stay in the processor's cache."""


class TrendedDispersion(NamedTuple):
    """The dispersion of all genes together, and the trend over the abundance at each gene."""

    common: float
    trended: np.ndarray


def estimate_trended_dispersion(counts: np.ndarray, library_sizes: np.ndarray, design: np.ndarray) -> TrendedDispersion:
    """Estimate common and trended dispersions as edgeR 3.40's ``estimateDisp(y, design)``.

    Parameters
    ----------
    counts
        Genes x samples, filtered.
    library_sizes
        Effective library sizes (times the TMM factor), one per sample.
    design
        Samples x coefficients, full rank.

    Returns
    -------
    TrendedDispersion
        As pyedger's ``estimate_disp(legacy_span=True)``, but for the tolerance of the fits: edgeR stops before
        the maximum where the dispersion is very small or large, which moves the trend by up to 2e-4 of itself.
    """
    from pyedger.core import _choose_lowess_span, _locfit_by_col, _maximize_interpolant

    used = counts.sum(axis=1) >= _FEWEST_FRAGMENTS
    if not used.any():
        raise NotEnoughDataError(
            "Too few genes have enough counts for edgeR",
            found=f"no gene of {len(counts)} with {_FEWEST_FRAGMENTS} fragments in all samples together",
        )
    likelihood = profile_likelihood_grid(counts[used].astype(float), np.log(library_sizes), design)
    common = _dispersion(_maximize_interpolant(_GRID, likelihood.sum(axis=0)[None, :]))[0]
    abundance = average_log2_cpm(counts, library_sizes, float(common))[used]
    span = _choose_lowess_span(int(used.sum()), small_n=50, min_span=0.25, power=0.5)
    trend = _dispersion(_maximize_interpolant(_GRID, _locfit_by_col(likelihood, abundance, span=span, degree=0)))
    trended = np.full(len(counts), trend[np.argmin(abundance)])
    trended[used] = trend
    return TrendedDispersion(float(common), trended)


def profile_likelihood_grid(counts: np.ndarray, offsets: np.ndarray, design: np.ndarray) -> np.ndarray:
    """Return the adjusted profile log likelihood of every gene at every dispersion of the grid.

    Parameters
    ----------
    counts
        Genes x samples, floats.
    offsets
        Natural log of the effective library sizes.
    design
        Samples x coefficients.

    Returns
    -------
    ndarray
        Genes x 21.
    """
    from pyedger.core import _design_adjusted_profile_loglik_grid

    grid = np.full((len(counts), len(_GRID)), np.nan)
    genes = max(1, _BLOCK_VALUES // counts.shape[1])
    fitter = _BlockFitter(counts, offsets, design)
    for start in range(0, len(counts), genes):
        grid[start : start + genes] = fitter.grid(slice(start, start + genes))
    left = np.flatnonzero(np.isnan(grid).any(axis=1))
    if len(left):
        _, grid[left] = _design_adjusted_profile_loglik_grid(
            counts[left], design=design, offset=offsets, grid_length=len(_GRID), grid_range=(_GRID[0], _GRID[-1])
        )
    return grid


def _dispersion(theta: np.ndarray) -> np.ndarray:
    return np.asarray(_BASE_DISPERSION * 2.0**theta, dtype=float)


class _BlockFitter:
    """Newton steps for blocks of genes; with a given dispersion the likelihood is concave in the coefficients."""

    def __init__(self, counts: np.ndarray, offsets: np.ndarray, design: np.ndarray) -> None:
        self.counts, self.offsets, self.design = counts, offsets, design
        coefficients = design.shape[1]
        self.products = (design[:, :, None] * design[:, None, :]).reshape(len(design), coefficients**2)
        self.projection = np.linalg.pinv(design).T
        # Counts repeat: the gamma function is evaluated once for each distinct one.
        self.distinct = np.unique(counts)
        self.log_factorial = gammaln(self.distinct + 1)
        self.log_gamma = [gammaln(self.distinct + 1 / phi) - gammaln(1 / phi) for phi in _dispersion(_GRID)]

    def grid(self, block: slice) -> np.ndarray:
        """The profile likelihoods of a block; NaN for genes that pyedger must fit."""
        counts = self.counts[block]
        start = (np.log(np.maximum(counts, 0.5)) - self.offsets) @ self.projection
        beta, good = self._fit(counts, _START_DISPERSION, start)
        with np.errstate(over="ignore"):
            good &= (np.exp(beta @ self.design.T + self.offsets) > _NEARLY_ZERO).all(axis=1)
        result = np.full((len(counts), len(_GRID)), np.nan)
        genes = np.flatnonzero(good)
        if not len(genes):
            return result
        counts = counts[genes]
        positions = np.searchsorted(self.distinct, counts)
        factorials = self.log_factorial[positions].sum(axis=1)
        converged = np.ones(len(genes), dtype=bool)
        likelihoods = np.empty((len(genes), len(_GRID)))
        middle = int(np.argmin(np.abs(_dispersion(_GRID) - _START_DISPERSION)))
        for path in (range(middle, len(_GRID)), range(middle - 1, -1, -1)):
            last = beta[genes]
            for j in path:
                last, fine = self._fit(counts, float(_dispersion(_GRID)[j]), last)
                converged &= fine
                likelihoods[:, j] = self._likelihood(j, counts, positions, last) - factorials
        likelihoods[~converged] = np.nan
        result[genes] = likelihoods
        return result

    def _fit(self, counts: np.ndarray, phi: float, start: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Coefficients at a dispersion, and which genes converged."""
        beta = start.copy()
        converged = np.zeros(len(counts), dtype=bool)
        active = np.arange(len(counts))
        y = counts
        for _ in range(_MOST_STEPS):
            mean = np.exp(beta[active] @ self.design.T + self.offsets)
            spread = 1 + phi * mean
            score = ((y - mean) / spread) @ self.design
            information = self._information(mean * (1 + phi * y) / spread**2)
            step, solvable = _solve(information, score)
            beta[active] += step
            done = solvable & (np.abs((step * score).sum(axis=1)) < _TOLERANCE)
            converged[active[done]] = True
            stay = solvable & ~done
            if not stay.any():
                break
            active, y = active[stay], y[stay]
        return beta, converged

    def _likelihood(self, j: int, counts: np.ndarray, positions: np.ndarray, beta: np.ndarray) -> np.ndarray:
        phi = float(_dispersion(_GRID)[j])
        size = 1 / phi
        log_mean = beta @ self.design.T + self.offsets
        mean = np.exp(log_mean)
        fit = (counts * log_mean - (counts + size) * np.log(mean + size)).sum(axis=1)
        fit += self.log_gamma[j][positions].sum(axis=1) + counts.shape[1] * size * np.log(size)
        _, determinant = np.linalg.slogdet(self._information(mean / (1 + phi * mean)))
        return np.asarray(fit - determinant / 2, dtype=float)

    def _information(self, weights: np.ndarray) -> np.ndarray:
        coefficients = self.design.shape[1]
        return np.asarray((weights @ self.products).reshape(-1, coefficients, coefficients))


def _solve(information: np.ndarray, score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Newton steps, and which genes have one."""
    usable = np.isfinite(information).all(axis=(1, 2)) & (np.linalg.det(information) > 0)
    step = np.zeros_like(score)
    if usable.any():
        step[usable] = np.linalg.solve(information[usable], score[usable][..., None])[..., 0]
    usable &= (np.abs(step) < 50).all(axis=1)
    step[~usable] = 0.0
    return step, usable
