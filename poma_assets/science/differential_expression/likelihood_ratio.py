"""Likelihood-ratio tests on a stored DESeq2 fit: several coefficients at once, as for time courses.

As R DESeq2 1.38 ``nbinomLRT`` (Love, Huber & Anders 2014, doi:10.1186/s13059-014-0550-8): both models have the
dispersions of the full one.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pandas as pd
import scipy

from poma_assets.science.count_validation import validate_counts
from poma_assets.science.differential_expression.contrast_tests import (
    contrast_effect,
    counts_of_fit,
    results_table,
)
from poma_assets.science.differential_expression.deseq2_fit import Deseq2Fit
from poma_assets.science.differential_expression.inputs import require_reduced
from poma_assets.science.differential_expression.negative_binomial import fit_coefficients, log_likelihood
from poma_assets.science.errors import CountsError


def likelihood_ratio_test(
    fit: Deseq2Fit,
    counts: pd.DataFrame,
    reduced_design: pd.DataFrame,
    weights: np.ndarray,
    *,
    alpha: float,
    compared_samples: Collection[str] = (),
) -> pd.DataFrame:
    """Test in every gene whether the full model explains its counts better than a smaller one.

    Parameters
    ----------
    fit
        The fitted full design.
    counts
        What the fit was made from, genes x samples; columns are matched by name.
    reduced_design
        Samples x coefficients, index sample id (matched by name); the full design without the tested part.
    weights
        The contrast of the full model that is reported as effect, one weight per coefficient. The test does
        not depend on it.
    alpha
        False discovery rate that independent filtering is tuned for.
    compared_samples
        See `contrast_effect`; for the effect only.

    Returns
    -------
    DataFrame
        As from `wald_test`; ``statistic`` is twice the difference of the log likelihoods, ``p_value`` its
        upper tail of chi-square with as many degrees of freedom as coefficients were left out.

    Raises
    ------
    DesignError
        If the reduced design is not the full one with coefficients left out, or has other samples.
    CountsError
        If genes or samples of the counts are not those of the fit.
    ConfigError
        If ``alpha`` is not between 0 and 1.
    """
    full = pd.DataFrame(fit.design_matrix, index=fit.sample_ids, columns=fit.coefficients)
    reduced = require_reduced(full, reduced_design)
    used = counts_of_fit(fit, _require_counts_of_fit(fit, counts))
    effect = contrast_effect(fit, weights, compared_samples)
    tested = np.flatnonzero(~fit.all_zero & ~fit.emptied)
    dispersions = fit.map_dispersion[tested]
    full_means = fit.size_factors * 2.0 ** (fit.beta_log2[tested] @ fit.design_matrix.T)
    smaller = fit_coefficients(used[tested], reduced, fit.size_factors, dispersions)
    statistic = np.where(fit.all_zero, np.nan, 0.0)
    statistic[tested] = 2 * (
        log_likelihood(used[tested], full_means, dispersions) - log_likelihood(used[tested], smaller.means, dispersions)
    )
    converged = fit.converged.copy()
    converged[tested] &= smaller.converged
    p_value = scipy.stats.chi2.sf(statistic, len(fit.coefficients) - reduced.shape[1])
    return results_table(fit, effect, statistic, p_value, alpha=alpha, converged=converged)


def _require_counts_of_fit(fit: Deseq2Fit, counts: pd.DataFrame) -> pd.DataFrame:
    named = counts.rename(columns=str)
    missing = [sample for sample in fit.sample_ids if sample not in named.columns]
    if missing:
        raise CountsError("A sample of the fitted design has no counts", where=f"sample {missing[0]}")
    matrix = validate_counts(named[list(fit.sample_ids)])
    if tuple(matrix.index) != fit.gene_ids:
        raise CountsError(
            "The counts have other genes, or another order of genes, than those that the fit was made from",
            found=f"{len(matrix)} genes",
            expected=f"the {len(fit.gene_ids)} genes of the fit",
        )
    return matrix
