"""PyDESeq2's numerical kernels, batched over genes and by R's rules. Imports PyDESeq2: load when needed."""

from __future__ import annotations

from typing import Any

import numpy as np
from pydeseq2.default_inference import DefaultInference

from poma_assets.science.differential_expression.dispersion_fit import (
    genewise_dispersions,
    linear_fit_dispersions,
    map_dispersions,
    overall_dispersions,
)
from poma_assets.science.differential_expression.negative_binomial import (
    SMALLEST_MEAN,
    fit_coefficients,
    linear_means,
)


class BatchedInference(DefaultInference):  # type: ignore[misc]
    """Everything that a fit needs; tests and shrinkage are our own modules and not called here.

    Matrices are samples x genes, as PyDESeq2 passes them. One process.
    """

    def __init__(self) -> None:
        super().__init__(n_cpus=1)

    def lin_reg_mu(
        self, counts: np.ndarray, size_factors: np.ndarray, design_matrix: np.ndarray, min_mu: float
    ) -> np.ndarray:
        """Fit means by linear regression, at least ``min_mu``."""
        means = np.maximum(linear_means(counts.T, design_matrix, np.asarray(size_factors)), min_mu)
        return np.asarray(means).T

    def irls(
        self,
        counts: np.ndarray,
        size_factors: np.ndarray,
        design_matrix: np.ndarray,
        disp: np.ndarray,
        min_mu: float,
        beta_tol: float,
        *_: Any,
        **__: Any,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Fit coefficients; return them (genes x coefficients), means, leverages and convergence."""
        fit = fit_coefficients(counts.T, design_matrix, np.asarray(size_factors), np.asarray(disp), tolerance=beta_tol)
        return fit.beta, fit.means.T, fit.hat_diagonals.T, fit.converged

    def alpha_mle(
        self,
        counts: np.ndarray,
        design_matrix: np.ndarray,
        mu: np.ndarray,
        alpha_hat: np.ndarray,
        min_disp: float,
        max_disp: float,
        prior_disp_var: float | None = None,
        cr_reg: bool = True,
        prior_reg: bool = False,
        *_: Any,
        **__: Any,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Fit dispersions from ``alpha_hat``, which is also the centre of the prior if there is one.

        Bounds and Cox-Reid adjustment are always R's. PyDESeq2 bounds the means only where it fits them by
        linear regression; R does everywhere.
        """
        means = np.maximum(mu, SMALLEST_MEAN).T
        start = np.asarray(alpha_hat)
        if prior_reg and prior_disp_var is not None:
            estimates = map_dispersions(counts.T, design_matrix, means, start, start, prior_disp_var)
        else:
            estimates = genewise_dispersions(counts.T, design_matrix, means, start)
        return estimates, np.ones(len(estimates), dtype=bool)

    def fit_rough_dispersions(self, normed_counts: np.ndarray, design_matrix: np.ndarray) -> np.ndarray:
        """Estimate dispersions around a linear fit."""
        return linear_fit_dispersions(normed_counts.T, np.asarray(design_matrix))

    def fit_moments_dispersions(self, normed_counts: np.ndarray, size_factors: np.ndarray) -> np.ndarray:
        """Estimate dispersions from mean and variance over all samples."""
        return overall_dispersions(normed_counts.T, np.asarray(size_factors))
