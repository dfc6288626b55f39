"""Tests of contrasts on a stored DESeq2 fit: Wald tests and shrunken effects, without PyDESeq2's fitting.

Effects are log2; positive is higher where the weights point.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.stats import norm

from poma_assets.science.differential_expression.deseq2_fit import Deseq2Fit
from poma_assets.science.differential_expression.inputs import require_design, require_weights
from poma_assets.science.differential_expression.multiple_testing import independent_filtering
from poma_assets.science.differential_expression.shrinkage import cauchy_scale, shrink_effects
from poma_assets.science.errors import ConfigError, DesignError, NotEnoughDataError

_LOG_2 = float(np.log(2.0))


def wald_test(fit: Deseq2Fit, weights: np.ndarray, *, alpha: float) -> pd.DataFrame:
    """Test a contrast of the coefficients in every gene.

    Parameters
    ----------
    fit
        The fitted design.
    weights
        One weight per coefficient.
    alpha
        False discovery rate that independent filtering is tuned for.

    Returns
    -------
    DataFrame
        Index ``gene_id``, columns ``base_mean, log2_fold_change, standard_error, statistic, p_value,
        p_adjusted, status, reason``; NaN where there is no value. Genes without an adjusted p value by
        independent filtering are ``low_count`` and keep their p value.

    Raises
    ------
    DesignError
        If the weights do not fit the design.
    ConfigError
        If ``alpha`` is not between 0 and 1.
    """
    vector = require_weights(weights, fit.coefficients)
    if not 0 < alpha < 1:
        raise ConfigError("The false discovery rate is not between 0 and 1", found=alpha)
    effect = fit.beta_log2 @ vector
    error = np.sqrt(np.einsum("i,gij,j->g", vector, fit.covariance_log2, vector))
    with np.errstate(invalid="ignore", divide="ignore"):
        statistic = effect / error
    statistic[fit.emptied] = 0.0
    p_value = 2 * norm.sf(np.abs(statistic))
    p_value[fit.outlier] = np.nan
    adjustment = independent_filtering(fit.base_mean, p_value, alpha)
    results = pd.DataFrame(
        {
            "base_mean": fit.base_mean,
            "log2_fold_change": effect,
            "standard_error": error,
            "statistic": statistic,
            "p_value": p_value,
            "p_adjusted": adjustment.p_adjusted,
        },
        index=pd.Index(fit.gene_ids, name="gene_id"),
    )
    return _with_status(results, fit, adjustment.threshold)


def shrink_deseq2(
    counts: pd.DataFrame, design_matrix: pd.DataFrame, fit: Deseq2Fit, coefficient: str | np.ndarray
) -> pd.Series:
    """Shrink an effect towards 0 with a Cauchy prior (apeglm; Zhu, Ibrahim & Love 2019).

    The prior's scale is estimated from all genes. A contrast of several coefficients is shrunk by writing
    the same model with the contrast as one of its coefficients.

    Parameters
    ----------
    counts, design_matrix
        What the fit was made from.
    fit
        The fitted design.
    coefficient
        Name of a coefficient, or the weights of a contrast.

    Returns
    -------
    Series
        ``shrunken_log2_fold_change`` by gene id; NaN for genes without counts and where the shrunken effect
        came out with the other sign than the estimate (a known failure of the optimiser).

    Raises
    ------
    DesignError
        If coefficient, counts or design are not those of the fit.
    """
    matrix, design = require_design(counts, design_matrix)
    if tuple(matrix.index) != fit.gene_ids or tuple(design.columns) != fit.coefficients:
        raise DesignError("Counts and design are not those that the fit was made from")
    weights = _contrast_weights(fit, coefficient)
    position = int(np.argmax(np.abs(weights)))
    change = np.eye(len(weights))
    change[position] = weights
    rewritten = fit.design_matrix @ np.linalg.inv(change)
    estimate = fit.beta_log2 @ weights * _LOG_2
    variance = np.einsum("i,gij,j->g", weights, fit.covariance_log2, weights) * _LOG_2**2
    usable = np.flatnonzero(~fit.all_zero & ~fit.emptied & np.isfinite(estimate) & np.isfinite(variance))
    if len(usable) == 0:
        raise NotEnoughDataError("No gene has an effect that could be shrunk")
    shrunken = np.full(len(estimate), np.nan)
    shrunken[usable] = shrink_effects(
        matrix.to_numpy()[usable],
        rewritten,
        size_factors=fit.size_factors,
        dispersions=fit.map_dispersion[usable],
        position=position,
        prior_scale=cauchy_scale(estimate[usable], variance[usable]),
    )
    flipped = (np.sign(shrunken) == -np.sign(estimate)) & (np.abs(shrunken) > 1e-3)
    shrunken[flipped] = np.nan
    index = pd.Index(fit.gene_ids, name="gene_id")
    return pd.Series(shrunken / _LOG_2, index=index, name="shrunken_log2_fold_change")


def _with_status(results: pd.DataFrame, fit: Deseq2Fit, threshold: float) -> pd.DataFrame:
    unadjusted = results["p_adjusted"].isna().to_numpy()
    cases = [
        (fit.all_zero, "all_zero", "no fragment in any sample of the contrast"),
        (fit.outlier, "outlier", "an extreme count in one sample (Cook's distance above its cut-off)"),
        (fit.emptied, "low_count", "no fragment left once an extreme count was replaced"),
        (~fit.converged, "not_converged", "the coefficients did not converge; read the p value with care"),
        (
            unadjusted,
            "low_count",
            f"mean normalised count below {threshold:.3g}, the threshold of independent filtering: no adjusted p value",
        ),
    ]
    conditions = [case[0] for case in cases]
    results["status"] = np.select(conditions, [case[1] for case in cases], "tested").astype(object)
    reasons = pd.Series(np.select(conditions, [case[2] for case in cases], ""), index=results.index)
    results["reason"] = reasons.astype(object).where(reasons != "", None)
    return results


def _contrast_weights(fit: Deseq2Fit, coefficient: str | np.ndarray) -> np.ndarray:
    if not isinstance(coefficient, str):
        return require_weights(coefficient, fit.coefficients)
    if coefficient not in fit.coefficients:
        raise DesignError("The design has no such coefficient", found=coefficient, expected=", ".join(fit.coefficients))
    return np.array([float(name == coefficient) for name in fit.coefficients])
