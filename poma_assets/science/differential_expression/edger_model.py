"""edgeR's quasi-likelihood model and F test, by pyedger, in blocks of genes so that memory stays bounded.

As ``glmQLFit`` and ``glmQLFTest`` of edgeR 3.40 (pyedger's ``legacy`` form). Which genes and which dispersions go
in is decided in ``edger``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import scipy

_PRIOR_COUNT = 0.125
"""Added to the counts where effects are reported, so that they stay finite (edgeR's default)."""
_ZERO = 1e-4
_BLOCK_VALUES = 131_072


@dataclass(frozen=True, eq=False)
class QuasiLikelihoodFit:
    """A negative binomial regression with quasi-dispersions.

    Attributes
    ----------
    counts
        Genes x samples.
    offsets
        Natural log of the effective library sizes.
    design
        Samples x coefficients.
    dispersion
        Negative binomial dispersion per gene.
    effects
        Genes x coefficients, natural log, from counts with a small prior.
    deviance, smallest_mean
        Per gene.
    residual_df
        Degrees of freedom per gene, without samples whose fitted mean is 0.
    prior_df
        Prior degrees of freedom: one, or one per gene.
    quasi_dispersion
        Moderated quasi-likelihood dispersion per gene.
    """

    counts: np.ndarray
    offsets: np.ndarray
    design: np.ndarray
    dispersion: np.ndarray
    effects: np.ndarray
    deviance: np.ndarray
    smallest_mean: np.ndarray
    residual_df: np.ndarray
    prior_df: np.ndarray
    quasi_dispersion: np.ndarray


def fit_quasi_likelihood(
    counts: np.ndarray, library_sizes: np.ndarray, design: np.ndarray, dispersion: np.ndarray, abundance: np.ndarray
) -> QuasiLikelihoodFit:
    """Fit every gene and moderate the quasi-dispersions over the abundance.

    Parameters
    ----------
    counts
        Genes x samples.
    library_sizes
        Effective library sizes.
    design
        Samples x coefficients.
    dispersion
        Trended dispersion per gene.
    abundance
        Average log2 CPM per gene.
    """
    import pyedger
    from pyedger._glm_batch import resid_df
    from pyedger._limma import squeeze_var

    offsets = np.log(library_sizes)
    effects = np.empty((len(counts), design.shape[1]))
    deviance, smallest_mean, residual_df = (np.empty(len(counts)) for _ in range(3))
    for block in gene_blocks(counts):
        fit = pyedger.glm_fit(
            counts[block], design=design, dispersion=dispersion[block], offset=offsets, prior_count=_PRIOR_COUNT
        )
        effects[block], deviance[block] = fit.coefficients, np.maximum(fit.deviance, 0.0)
        smallest_mean[block] = fit.fitted_values.min(axis=1)
        residual_df[block] = resid_df((fit.fitted_values < _ZERO) & (counts[block] < _ZERO), design)
    variance = np.where(residual_df == 0, 0.0, deviance / np.where(residual_df == 0, 1.0, residual_df))
    prior_df, _, moderated = squeeze_var(variance, residual_df, covariate=abundance, legacy=True)
    return QuasiLikelihoodFit(
        counts=counts,
        offsets=offsets,
        design=design,
        dispersion=dispersion,
        effects=effects,
        deviance=deviance,
        smallest_mean=smallest_mean,
        residual_df=residual_df,
        prior_df=np.asarray(prior_df, dtype=float),
        quasi_dispersion=np.asarray(moderated, dtype=float),
    )


def f_test(fit: QuasiLikelihoodFit, null_design: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return F and p value per gene of what a smaller design lacks.

    A gene is never more significant than by the Poisson model where its variance comes out below Poisson.
    """
    tested = fit.design.shape[1] - null_design.shape[1]
    everything = np.arange(len(fit.counts))
    ratio = _deviance(fit, null_design, fit.dispersion, everything) - fit.deviance
    statistic = ratio / tested / fit.quasi_dispersion
    most = len(fit.counts) * (len(fit.design) - fit.design.shape[1])
    p_value = scipy.stats.f.sf(statistic, tested, np.minimum(fit.prior_df + fit.residual_df, most))
    below = np.flatnonzero((fit.smallest_mean * fit.dispersion + 1) * fit.quasi_dispersion < 1)
    if len(below):
        none = np.zeros(len(fit.counts))
        poisson = _deviance(fit, null_design, none, below) - _deviance(fit, fit.design, none, below)
        p_value[below] = np.maximum(p_value[below], scipy.stats.chi2.sf(poisson, tested))
    return statistic, np.asarray(p_value, dtype=float)


def average_log2_cpm(counts: np.ndarray, library_sizes: np.ndarray, dispersion: float) -> np.ndarray:
    """Return edgeR's average log2 CPM per gene (``aveLogCPM``)."""
    import pyedger

    blocks = gene_blocks(counts)
    parts = [pyedger.ave_log_cpm(counts[block], lib_size=library_sizes, dispersion=dispersion) for block in blocks]
    return np.concatenate([np.asarray(part, dtype=float) for part in parts])


def gene_blocks(counts: np.ndarray, number: int | None = None) -> Iterator[slice]:
    """Slices of all genes, or of a number of them, with a bounded number of values each."""
    genes = max(1, _BLOCK_VALUES // counts.shape[1])
    return (slice(start, start + genes) for start in range(0, len(counts) if number is None else number, genes))


def _deviance(fit: QuasiLikelihoodFit, design: np.ndarray, dispersion: np.ndarray, genes: np.ndarray) -> np.ndarray:
    import pyedger

    deviance = np.empty(len(genes))
    for block in gene_blocks(fit.counts, len(genes)):
        chosen = genes[block]
        deviance[block] = pyedger.glm_fit(
            fit.counts[chosen], design=design, dispersion=dispersion[chosen], offset=fit.offsets, prior_count=0
        ).deviance
    return deviance
