"""Tests of contrasts on a stored DESeq2 fit: effects, Wald tests and shrunken effects; the table of all tests.

Effects are log2; positive is higher where the weights point.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

import numpy as np
import pandas as pd
import scipy

from poma_assets.science.differential_expression.deseq2_fit import Deseq2Fit
from poma_assets.science.differential_expression.inputs import require_design, require_weights
from poma_assets.science.differential_expression.multiple_testing import independent_filtering
from poma_assets.science.differential_expression.shrinkage import cauchy_scale, shrink_effects
from poma_assets.science.errors import ConfigError, DesignError, NotEnoughDataError

_LOG_2 = float(np.log(2.0))


class ContrastEffect(NamedTuple):
    """The estimate of a contrast per gene.

    Parameters
    ----------
    log2_fold_change, standard_error
        Estimate and standard error, log2; NaN for genes without counts.
    unobserved
        The gene has counts, but none in the compared samples: its effect is 0.
    """

    log2_fold_change: np.ndarray
    standard_error: np.ndarray
    unobserved: np.ndarray


def wald_test(
    fit: Deseq2Fit, weights: np.ndarray, *, alpha: float, compared_samples: Collection[str] = ()
) -> pd.DataFrame:
    """Test a contrast of the coefficients in every gene.

    Parameters
    ----------
    fit
        The fitted design.
    weights
        One weight per coefficient.
    alpha
        False discovery rate that independent filtering is tuned for.
    compared_samples
        See `contrast_effect`.

    Returns
    -------
    DataFrame
        Index ``gene_id``, columns ``base_mean, log2_fold_change, standard_error, statistic, p_value,
        p_adjusted, status, reason``; NaN where there is no value. Genes without an adjusted p value by
        independent filtering are ``low_count`` and keep their p value. Genes without a fragment in the
        compared samples have effect and statistic 0 and p value 1.

    Raises
    ------
    DesignError
        If weights or compared samples do not fit the design.
    ConfigError
        If ``alpha`` is not between 0 and 1.
    """
    effect = contrast_effect(fit, weights, compared_samples)
    with np.errstate(invalid="ignore", divide="ignore"):
        statistic = effect.log2_fold_change / effect.standard_error
    statistic[fit.emptied | effect.unobserved] = 0.0
    p_value = 2 * scipy.stats.norm.sf(np.abs(statistic))
    return results_table(fit, effect, statistic, p_value, alpha=alpha, converged=fit.converged)


def shrink_deseq2(
    counts: pd.DataFrame,
    design_matrix: pd.DataFrame,
    fit: Deseq2Fit,
    coefficient: str | np.ndarray,
    *,
    compared_samples: Collection[str] = (),
) -> pd.Series:
    """Shrink an effect towards 0 with a Cauchy prior (apeglm; Zhu, Ibrahim & Love 2019).

    The prior's scale is estimated from all genes. A contrast of several coefficients is shrunk by writing
    the same model with the contrast as one of its coefficients. Two rules differ from R's ``lfcShrink``, so
    that effect and shrunken effect never contradict each other: where outliers were replaced, the replaced
    counts are used, as in the estimate (R takes the original ones); and a shrunken effect is 0 where it
    would have the other sign than the estimate (the priors of other coefficients can do that to effects
    close to 0).

    Parameters
    ----------
    counts, design_matrix
        What the fit was made from.
    fit
        The fitted design.
    coefficient
        Name of a coefficient, or the weights of a contrast.
    compared_samples
        See `contrast_effect`.

    Returns
    -------
    Series
        ``shrunken_log2_fold_change`` by gene id; NaN for genes without counts, 0 where the effect is 0.

    Raises
    ------
    DesignError
        If coefficient, counts or design are not those of the fit.
    NotEnoughDataError
        If no gene has an effect.
    """
    matrix, design = require_design(counts, design_matrix)
    if tuple(matrix.index) != fit.gene_ids or tuple(design.columns) != fit.coefficients:
        raise DesignError("Counts and design are not those that the fit was made from")
    weights = _contrast_weights(fit, coefficient)
    estimate, error, _ = contrast_effect(fit, weights, compared_samples)
    usable = np.flatnonzero(np.isfinite(estimate) & np.isfinite(error) & ~fit.emptied)
    if len(usable) == 0:
        raise NotEnoughDataError("No gene has an effect that could be shrunk")
    position = int(np.argmax(np.abs(weights)))
    change = np.eye(len(weights))
    change[position] = weights
    modes = shrink_effects(
        counts_of_fit(fit, matrix)[usable],
        fit.design_matrix @ np.linalg.inv(change),
        size_factors=fit.size_factors,
        dispersions=fit.map_dispersion[usable],
        estimates=fit.beta_log2[usable] @ change.T * _LOG_2,
        position=position,
        prior_scale=cauchy_scale(estimate[usable] * _LOG_2, (error[usable] * _LOG_2) ** 2),
    )
    shrunken = np.where(np.isfinite(estimate), 0.0, np.nan)
    shrunken[usable] = np.where(modes * estimate[usable] > 0, modes / _LOG_2, 0.0)
    return pd.Series(shrunken, index=pd.Index(fit.gene_ids, name="gene_id"), name="shrunken_log2_fold_change")


def contrast_effect(fit: Deseq2Fit, weights: np.ndarray, compared_samples: Collection[str] = ()) -> ContrastEffect:
    """Estimate a contrast of the coefficients in every gene.

    A gene without a fragment in the compared samples has the effect 0, as in R DESeq2's ``results``; its
    estimate would be the difference of two logarithms of nothing.

    Parameters
    ----------
    fit
        The fitted design.
    weights
        One weight per coefficient.
    compared_samples
        For a contrast of two levels, the samples of both (R's rule for ``c(factor, target, reference)``).
        Without them, R's rule for numeric contrasts: if weights have both signs, the samples in which a
        weighted coefficient takes part; else none.

    Returns
    -------
    ContrastEffect
        Estimate, standard error and unobserved genes.

    Raises
    ------
    DesignError
        If weights or compared samples do not fit the design.
    """
    vector = require_weights(weights, fit.coefficients)
    effect = fit.beta_log2 @ vector
    error = np.sqrt(np.einsum("i,gij,j->g", vector, fit.covariance_log2, vector))
    compared = _compared(fit, vector, compared_samples)
    unobserved = ~fit.observed[:, compared].any(axis=1) & ~fit.all_zero & compared.any()
    effect[unobserved] = 0.0
    return ContrastEffect(effect, error, unobserved)


def counts_of_fit(fit: Deseq2Fit, counts: pd.DataFrame) -> np.ndarray:
    """Return the counts (genes x samples) with outliers replaced as in the final fit."""
    used = np.array(counts, dtype=np.int64)
    used[fit.replaced] = fit.replaced_counts
    return used


def results_table(
    fit: Deseq2Fit,
    effect: ContrastEffect,
    statistic: np.ndarray,
    p_value: np.ndarray,
    *,
    alpha: float,
    converged: np.ndarray,
) -> pd.DataFrame:
    """Adjust the p values of a test and say of every gene without one why there is none.

    Parameters
    ----------
    fit
        The fitted design.
    effect
        The estimates of the contrast.
    statistic, p_value
        One per gene; p values of outliers are removed here.
    alpha
        False discovery rate that independent filtering is tuned for.
    converged
        Whether the fits that the test needs converged, per gene.

    Returns
    -------
    DataFrame
        As from `wald_test`.

    Raises
    ------
    ConfigError
        If ``alpha`` is not between 0 and 1.
    """
    if not 0 < alpha < 1:
        raise ConfigError("The false discovery rate is not between 0 and 1", found=alpha)
    p_value = np.where(fit.outlier, np.nan, p_value)
    adjustment = independent_filtering(fit.base_mean, p_value, alpha)
    results = pd.DataFrame(
        {
            "base_mean": fit.base_mean,
            "log2_fold_change": effect.log2_fold_change,
            "standard_error": effect.standard_error,
            "statistic": statistic,
            "p_value": p_value,
            "p_adjusted": adjustment.p_adjusted,
        },
        index=pd.Index(fit.gene_ids, name="gene_id"),
    )
    return _with_status(results, fit, adjustment.threshold, converged)


def _compared(fit: Deseq2Fit, vector: np.ndarray, compared_samples: Collection[str]) -> np.ndarray:
    unknown = set(compared_samples) - set(fit.sample_ids)
    if unknown:
        raise DesignError(
            "A compared sample is not in the design", found=min(unknown), expected=", ".join(fit.sample_ids)
        )
    if compared_samples:
        return np.isin(fit.sample_ids, list(compared_samples))
    if (vector >= 0).all() or (vector <= 0).all():
        return np.zeros(len(fit.sample_ids), dtype=bool)
    return np.asarray(fit.design_matrix @ (vector != 0) != 0)


def _with_status(results: pd.DataFrame, fit: Deseq2Fit, threshold: float, converged: np.ndarray) -> pd.DataFrame:
    untested = results["p_value"].isna().to_numpy()
    unadjusted = results["p_adjusted"].isna().to_numpy()
    cases = [
        (fit.all_zero, "all_zero"),
        (fit.outlier, "outlier"),
        (fit.emptied, "low_count"),
        (~converged | untested, "not_converged"),
        (unadjusted, "low_count"),
    ]
    status = np.select([case for case, _ in cases], [name for _, name in cases], "tested").astype(object)
    reason = np.full(len(status), None, dtype=object)
    for gene in np.flatnonzero(status != "tested"):
        filtered = unadjusted[gene] and not untested[gene]
        reason[gene] = _reason(fit, int(gene), str(status[gene]), threshold if filtered else None)
    results["status"], results["reason"] = status, reason
    return results


def _reason(fit: Deseq2Fit, gene: int, status: str, threshold: float | None) -> str:
    """Say in words why a gene has no p value or no adjusted one; ``threshold`` if it was filtered."""
    filtered = ""
    if threshold is not None:
        filtered = (
            f"mean normalised count {fit.base_mean[gene]:.3g} is below {threshold:.3g}, "
            "the threshold of independent filtering: no adjusted p value"
        )
    if status == "all_zero":
        return f"no fragment in any of the {len(fit.sample_ids)} samples of the contrast"
    if status == "outlier":
        return (
            f"extreme count in sample {fit.sample_ids[fit.max_cooks_sample[gene]]} "
            f"(Cook's distance {fit.max_cooks[gene]:.3g}, cut-off {fit.cooks_cutoff:.3g}): no p value"
        )
    if fit.emptied[gene]:
        emptied = f"no fragment left once an extreme count was replaced (Cook's distance above {fit.cooks_cutoff:.3g})"
        return f"{emptied}; {filtered}" if filtered else emptied
    if status == "not_converged":
        unsure = "the coefficients did not converge; read the p value with care"
        return f"{unsure}; {filtered}" if filtered else unsure
    return filtered


def _contrast_weights(fit: Deseq2Fit, coefficient: str | np.ndarray) -> np.ndarray:
    if not isinstance(coefficient, str):
        return require_weights(coefficient, fit.coefficients)
    if coefficient not in fit.coefficients:
        raise DesignError("The design has no such coefficient", found=coefficient, expected=", ".join(fit.coefficients))
    return np.array([float(name == coefficient) for name in fit.coefficients])
