"""DESeq2: one negative binomial fit per design (Love, Huber & Anders 2014, 10.1186/s13059-014-0550-8).

PyDESeq2's data set leads the fit and computes Cook's distances; size factors, dispersions, trend, prior and
coefficients are our own and follow R. The fit is plain arrays: it can be stored, and contrasts are tested on it
in ``contrast_tests``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
import scipy

from poma_assets.science.differential_expression.deseq2_fit import Deseq2Fit
from poma_assets.science.differential_expression.dispersion import DispersionTrend
from poma_assets.science.differential_expression.inputs import require_design
from poma_assets.science.differential_expression.negative_binomial import wald_covariances
from poma_assets.science.differential_expression.pydeseq2_dataset import fit_dataset
from poma_assets.science.normalisation import size_factors

if TYPE_CHECKING:
    from poma_assets.science.differential_expression.r_deseq_dataset import RDeseqDataSet

_LOG_2 = float(np.log(2.0))


class _CooksOutliers(NamedTuple):
    outlier: np.ndarray
    largest: np.ndarray
    sample: np.ndarray
    cutoff: float


def fit_deseq2(counts: pd.DataFrame, design_matrix: pd.DataFrame) -> Deseq2Fit:
    """Fit a negative binomial model with shrunken dispersions to every gene.

    Parameters
    ----------
    counts
        Whole counts, genes x samples; columns are matched to the design by name.
    design_matrix
        Samples x coefficients, index sample id.

    Returns
    -------
    Deseq2Fit
        Coefficients, covariances, dispersions and flags.

    Raises
    ------
    CountsError, DesignError
        If counts or design cannot be fitted; PyDESeq2 would hang or crash on them.
    NotEnoughDataError
        If no gene varies more than chance.
    """
    matrix, design = require_design(counts, design_matrix)
    factors = size_factors(matrix)
    scale = factors.values.to_numpy(dtype=float)
    dataset = fit_dataset(matrix, design, scale)
    return _collect(dataset, matrix, design, factors.method)


def _collect(dataset: RDeseqDataSet, counts: pd.DataFrame, design: pd.DataFrame, method: str) -> Deseq2Fit:
    matrix, trend = design.to_numpy(), dataset.trend
    scale = dataset.obs["size_factors"].to_numpy()
    beta = np.array(dataset.varm["LFC"], dtype=float)
    dispersion = np.array(dataset.var["dispersions"], dtype=float)
    all_zero = counts.to_numpy().sum(axis=1) == 0
    replaced = np.array(dataset.var["replaced"], dtype=bool)
    emptied = replaced & ~np.array(dataset.var["refitted"], dtype=bool)
    covariance = wald_covariances(beta, matrix, scale, dispersion)
    covariance[emptied] = 0.0
    cooks = _cooks_outliers(dataset, counts.to_numpy(), design)
    return Deseq2Fit(
        gene_ids=tuple(counts.index),
        sample_ids=tuple(counts.columns),
        coefficients=tuple(design.columns),
        design_matrix=matrix,
        size_factors=scale,
        size_factor_method=method,
        base_mean=np.array(dataset.var["_normed_means"], dtype=float),
        genewise_dispersion=np.array(dataset.var["genewise_dispersions"], dtype=float),
        trend_dispersion=np.where(all_zero, np.nan, np.array(dataset.var["fitted_dispersions"], dtype=float)),
        map_dispersion=dispersion,
        beta_log2=beta / _LOG_2,
        covariance_log2=covariance / _LOG_2**2,
        outlier=cooks.outlier & ~emptied,
        max_cooks=cooks.largest,
        max_cooks_sample=cooks.sample,
        cooks_cutoff=cooks.cutoff,
        replaced=replaced,
        replaced_counts=_replaced_counts(dataset, replaced & ~emptied)[replaced],
        observed=counts.to_numpy() > 0,
        all_zero=all_zero,
        emptied=emptied,
        converged=dataset.var["_LFC_converged"].fillna(True).to_numpy(dtype=bool),
        trend_kind=trend.kind,
        trend_coefficients=np.array([trend.asymptote, trend.extra]),
        prior_variance=float(dataset.uns["prior_disp_var"]),
        notes=_notes(method, trend, int((~all_zero).sum())),
    )


def _replaced_counts(dataset: RDeseqDataSet, refitted: np.ndarray) -> np.ndarray:
    """Return genes x samples counts with those of refitted genes filled in; 0 in all others."""
    replaced = np.zeros((dataset.n_vars, dataset.n_obs), dtype=np.int64)
    if refitted.any():
        replaced[refitted] = np.asarray(dataset.counts_to_refit.X).T
    return replaced


def _cooks_outliers(dataset: RDeseqDataSet, counts: np.ndarray, design: pd.DataFrame) -> _CooksOutliers:
    """Flag genes with a Cook's distance above the 99 % quantile of F, as R DESeq2's ``results``.

    Samples of groups with three or more replicates count; in a two-group design a gene is not flagged if
    three samples have larger counts than the most distant one. (PyDESeq2 excepts them in every design.)
    """
    samples, coefficients = design.shape
    cutoff = float(scipy.stats.f.ppf(0.99, coefficients, samples - coefficients))
    groups = design.groupby(list(design.columns)).ngroup().to_numpy()
    judged = np.bincount(groups)[groups] >= 3
    distances = np.array(dataset.layers["cooks"], dtype=float)
    final = np.array(dataset.layers["replace_cooks"]) if "replace_cooks" in dataset.layers else distances
    outlier: np.ndarray = np.any(final[judged] > cutoff, axis=0)
    flagged = np.flatnonzero(outlier)
    if coefficients == 2 and len(np.unique(groups)) == 2 and len(flagged):
        most_distant = np.nanargmax(distances[:, flagged], axis=0)
        larger = (counts[flagged] > counts[flagged, most_distant][:, None]).sum(axis=1)
        outlier[flagged[larger >= 3]] = False
    return _CooksOutliers(outlier, *_largest(final, judged), cutoff)


def _largest(distances: np.ndarray, judged: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the largest Cook's distance over the judged samples per gene, and which sample it is."""
    usable = np.where(np.isfinite(distances) & judged[:, None], distances, -np.inf)
    sample = usable.argmax(axis=0)
    largest = usable.max(axis=0)
    missing = ~np.isfinite(largest)
    return np.where(missing, np.nan, largest), np.where(missing, -1, sample)


def _notes(method: str, trend: DispersionTrend, expressed: int) -> tuple[str, ...]:
    notes = []
    if method == "poscounts":
        notes.append("No gene is seen in all samples: size factors are from the positive counts only.")
    if trend.kind == "local":
        notes.append(
            "The dispersion trend asymptote + extra / mean could not be fitted: "
            "a local regression is used instead, as R DESeq2 does."
        )
    if trend.kind == "mean":
        notes.append(
            f"The dispersion trend could not be fitted to {expressed} expressed genes: "
            "their mean dispersion is used instead."
        )
    return tuple(notes)
