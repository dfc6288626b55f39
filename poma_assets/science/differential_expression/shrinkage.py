"""Shrunken effects with a Cauchy prior: apeglm (Zhu, Ibrahim & Love 2019, 10.1093/bioinformatics/bty895)."""

from __future__ import annotations

import numpy as np
from scipy.optimize import brentq

from poma_assets.science.differential_expression.pydeseq2_dataset import quiet_pydeseq2

_FLAT_PRIOR_SCALE = 15.0


def shrink_effects(
    counts: np.ndarray,
    design: np.ndarray,
    *,
    size_factors: np.ndarray,
    dispersions: np.ndarray,
    position: int,
    prior_scale: float,
) -> np.ndarray:
    """Return the posterior mode of one coefficient for every gene.

    Parameters
    ----------
    counts
        Genes x samples, no gene without counts.
    design
        Samples x coefficients.
    size_factors
        One per sample.
    dispersions
        One per gene.
    position
        Which coefficient gets the Cauchy prior; the others get a normal one of scale 15.
    prior_scale
        Scale of the Cauchy prior, natural log.

    Returns
    -------
    ndarray
        Shrunken coefficient per gene, natural log.
    """
    from pydeseq2.default_inference import DefaultInference

    with quiet_pydeseq2():
        modes, _, _ = DefaultInference(n_cpus=1).lfc_shrink_nbinom_glm(
            design_matrix=design,
            counts=counts.T,
            size=1.0 / dispersions,
            offset=np.log(size_factors),
            prior_no_shrink_scale=_FLAT_PRIOR_SCALE,
            prior_scale=prior_scale,
            optimizer="L-BFGS-B",
            shrink_index=position,
        )
    effects: np.ndarray = np.asarray(modes, dtype=float)[:, position]
    return effects


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
