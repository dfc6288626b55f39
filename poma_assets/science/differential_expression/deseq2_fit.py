"""The fitted DESeq2 model of one design, as plain arrays that can be stored."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Deseq2Fit:
    """A fitted design: everything that Wald tests and shrinkage need, as arrays.

    Parameters
    ----------
    gene_ids, sample_ids, coefficients
        Names along the axes.
    design_matrix
        Samples x coefficients.
    size_factors
        One per sample.
    size_factor_method
        ``ratio`` or ``poscounts``.
    base_mean
        Mean normalised count per gene, after replacement of outliers.
    genewise_dispersion, trend_dispersion, map_dispersion
        Per gene; ``map_dispersion`` is used in the test. NaN for genes without counts.
    beta_log2
        Genes x coefficients, log2.
    covariance_log2
        Genes x coefficients x coefficients, log2 scale squared.
    outlier
        A count of the gene has a Cook's distance above the cut-off: no p value.
    max_cooks, max_cooks_sample
        Per gene the largest Cook's distance over samples in groups of three or more, and the position of that
        sample; NaN and -1 where there is none.
    cooks_cutoff
        Cook's distance above which a count is an outlier.
    replaced
        Outlying counts of the gene were replaced before the final fit (only with 7 or more replicates).
    replaced_counts
        Counts that the final fit used for the genes of ``replaced``, in their order: replaced genes x samples.
    observed
        Genes x samples: at least one fragment was counted, before any replacement.
    all_zero
        No fragment in any sample.
    emptied
        No fragment left once outliers were replaced.
    converged
        The coefficients converged.
    trend_kind
        ``parametric``, ``local`` or ``mean``.
    trend_coefficients
        Asymptote and extra-Poisson coefficient (0 for ``mean``); NaN for ``local``.
    prior_variance
        Variance of log dispersions around the trend.
    notes
        Plain sentences about fall-backs that were needed.
    """

    gene_ids: tuple[str, ...]
    sample_ids: tuple[str, ...]
    coefficients: tuple[str, ...]
    design_matrix: np.ndarray
    size_factors: np.ndarray
    size_factor_method: str
    base_mean: np.ndarray
    genewise_dispersion: np.ndarray
    trend_dispersion: np.ndarray
    map_dispersion: np.ndarray
    beta_log2: np.ndarray
    covariance_log2: np.ndarray
    outlier: np.ndarray
    max_cooks: np.ndarray
    max_cooks_sample: np.ndarray
    cooks_cutoff: float
    replaced: np.ndarray
    replaced_counts: np.ndarray
    observed: np.ndarray
    all_zero: np.ndarray
    emptied: np.ndarray
    converged: np.ndarray
    trend_kind: str
    trend_coefficients: np.ndarray
    prior_variance: float
    notes: tuple[str, ...]

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return all fields as arrays without Python objects, fit for ``numpy.savez``."""
        arrays = {}
        for field in fields(self):
            value = getattr(self, field.name)
            arrays[field.name] = np.array(value, dtype=str) if isinstance(value, tuple) else np.asarray(value)
        return arrays

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> Deseq2Fit:
        """Return the fit that `to_arrays` described."""
        values: dict[str, Any] = {}
        for field in fields(cls):
            array = np.asarray(arrays[field.name])
            if field.type == "tuple[str, ...]":
                values[field.name] = tuple(str(item) for item in array)
            elif field.type == "str":
                values[field.name] = str(array)
            else:
                values[field.name] = float(array) if field.type == "float" else array
        return cls(**values)
