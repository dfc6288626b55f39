"""edgeR's quasi-likelihood F test by pyedger, with the options that make it equal R edgeR 3.40.

Steps as in the edgeR user's guide: filterByExpr, TMM, estimateDisp (``edger_dispersion``), glmQLFit, glmQLFTest.
One fit serves all contrasts of a design. ``results_frame`` brings the results of either engine into the form of the
table ``de_results``.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from poma_assets.science.differential_expression.edger_dispersion import estimate_trended_dispersion
from poma_assets.science.differential_expression.edger_model import (
    QuasiLikelihoodFit,
    average_log2_cpm,
    f_test,
    fit_quasi_likelihood,
)
from poma_assets.science.differential_expression.inputs import require_design, require_reduced, require_weights
from poma_assets.science.differential_expression.multiple_testing import benjamini_hochberg
from poma_assets.science.errors import DesignError, NotEnoughDataError

FEWEST_GENES = 3
"""Genes that must pass filterByExpr: with fewer there is no variance to borrow from other genes."""

_RESULT_COLUMNS = (
    "base_mean",
    "log2_fold_change",
    "standard_error",
    "test",
    "statistic",
    "p_value",
    "p_adjusted",
    "shrunken_log2_fold_change",
    "dispersion",
    "status",
    "reason",
)


@dataclass(frozen=True, eq=False)
class EdgerFit:
    """A fitted design, on which its contrasts are tested.

    Attributes
    ----------
    gene_ids, sample_ids, coefficients
        Names of all genes, of the samples and of the coefficients.
    kept, all_zero
        Per gene: passed filterByExpr; no fragment in any sample.
    base_mean
        Mean of counts per million of the TMM-normalised library, per gene.
    trended_dispersion
        Negative binomial dispersion used in the test, per gene; NaN for genes that were filtered.
    filter_reason
        What a filtered gene lacks, in words.
    model
        The quasi-likelihood fit of the kept genes.
    """

    gene_ids: tuple[str, ...]
    sample_ids: tuple[str, ...]
    coefficients: tuple[str, ...]
    kept: np.ndarray
    all_zero: np.ndarray
    base_mean: np.ndarray
    trended_dispersion: np.ndarray
    filter_reason: str
    model: QuasiLikelihoodFit


def edger_ql(
    counts: pd.DataFrame,
    design_matrix: pd.DataFrame,
    weights: np.ndarray,
    *,
    reduced_design: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Fit a design and test one contrast: `edger_fit`, then `edger_test`."""
    return edger_test(edger_fit(counts, design_matrix), weights, reduced_design=reduced_design)


def edger_fit(counts: pd.DataFrame, design_matrix: pd.DataFrame) -> EdgerFit:
    """Fit edgeR's quasi-likelihood model (Lund et al. 2012, Chen, Lun & Smyth 2016).

    Parameters
    ----------
    counts
        Whole counts, genes x samples; columns are matched to the design by name.
    design_matrix
        Samples x coefficients, index sample id.

    Returns
    -------
    EdgerFit
        The fit; it serves all contrasts of the design.

    Raises
    ------
    CountsError, DesignError
        If counts or design cannot be used.
    NotEnoughDataError
        If fewer than three genes pass edgeR's filter, or a sample has no fragment in those that do.
    """
    import pyedger

    matrix, design = require_design(counts, design_matrix)
    keep = np.asarray(pyedger.filter_by_expr(pyedger.DGEList(matrix), design=design), dtype=bool)
    _require_enough(matrix, keep)
    with _quiet_pyedger():
        listed = pyedger.calc_norm_factors(pyedger.DGEList(matrix.loc[keep]))
        sizes = np.asarray(pyedger.effective_lib_sizes(listed), dtype=float)
        kept = matrix.to_numpy()[keep]
        dispersion = estimate_trended_dispersion(kept, sizes, design.to_numpy())
        abundance = average_log2_cpm(kept, sizes, dispersion.common)
        model = fit_quasi_likelihood(kept, sizes, design.to_numpy(), dispersion.trended, abundance)
        base_mean = (matrix.to_numpy() / sizes * 1e6).mean(axis=1)
    trended = np.full(len(matrix), np.nan)
    trended[keep] = dispersion.trended
    return EdgerFit(
        gene_ids=tuple(matrix.index),
        sample_ids=tuple(matrix.columns),
        coefficients=tuple(design.columns),
        kept=keep,
        all_zero=matrix.to_numpy().sum(axis=1) == 0,
        base_mean=base_mean,
        trended_dispersion=trended,
        filter_reason=_filter_reason(matrix.to_numpy(), design.to_numpy()),
        model=model,
    )


def edger_test(fit: EdgerFit, weights: np.ndarray, *, reduced_design: pd.DataFrame | None = None) -> pd.DataFrame:
    """Test a contrast by edgeR's quasi-likelihood F test.

    Parameters
    ----------
    fit
        The fitted design.
    weights
        One weight per coefficient: the effect that is reported, and tested unless there is a reduced design.
    reduced_design
        Samples x fewer coefficients, within the space of the design: all that it lacks is tested together
        (as ``glmQLFTest`` with several coefficients).

    Returns
    -------
    DataFrame
        Index ``gene_id``, columns ``base_mean, log2_fold_change, standard_error, test, statistic, p_value,
        p_adjusted, dispersion, status, reason``: ``base_mean`` is the mean of counts per million of the
        TMM-normalised library, ``standard_error`` NaN, ``test`` ``ql_f``, ``statistic`` F, ``dispersion`` the
        trended one, ``status`` ``tested``, ``filtered`` or ``all_zero``.

    Raises
    ------
    DesignError
        If the weights do not fit the design, or the reduced design is not within it.
    """
    vector = require_weights(weights, fit.coefficients)
    if reduced_design is None:
        null = _without_contrast(fit, vector)
    else:
        full = pd.DataFrame(fit.model.design, index=fit.sample_ids, columns=fit.coefficients)
        null = require_reduced(full, reduced_design)
    with _quiet_pyedger():
        statistic, p_value = f_test(fit.model, null)
    results = pd.DataFrame(index=pd.Index(fit.gene_ids, name="gene_id"))
    results["base_mean"] = fit.base_mean
    results["log2_fold_change"] = _of_all(fit, fit.model.effects @ vector / np.log(2.0))
    results["standard_error"] = np.nan
    results["test"] = "ql_f"
    results["statistic"] = _of_all(fit, statistic)
    results["p_value"] = _of_all(fit, p_value)
    results["p_adjusted"] = benjamini_hochberg(results["p_value"].to_numpy())
    results["dispersion"] = fit.trended_dispersion
    return _with_status(results, fit)


def results_frame(
    contrast_id: str,
    engine: Literal["deseq2", "edger"],
    results: pd.DataFrame,
    gene_names: Mapping[str, str] | pd.Series,
) -> pd.DataFrame:
    """Return the rows of the table ``de_results`` for one contrast and engine.

    Parameters
    ----------
    contrast_id
        The contrast.
    engine
        ``deseq2`` or ``edger``.
    results
        Index ``gene_id``; columns of the table, of which ``standard_error`` and
        ``shrunken_log2_fold_change`` may be absent.
    gene_names
        Symbol by gene id; the id stands in where there is none.

    Returns
    -------
    DataFrame
        The declared columns in the declared order.
    """
    genes = results.index.astype(str)
    frame = pd.DataFrame({"contrast_id": contrast_id, "engine": engine, "gene_id": genes})
    frame["gene_name"] = symbols(genes, gene_names)
    for column in _RESULT_COLUMNS:
        frame[column] = results[column].to_numpy() if column in results else np.nan
    return frame


def symbols(genes: pd.Index, gene_names: Mapping[str, str] | pd.Series) -> np.ndarray:
    """Return the symbol of each gene id, or the id where there is none (or an empty one)."""
    ids = genes.astype(str).to_series()
    names = ids.map(dict(gene_names))
    return np.asarray(names.where(names.notna() & (names != ""), ids), dtype=object)


@contextmanager
def _quiet_pyedger() -> Iterator[None]:
    """Silence its floating point warnings; one BLAS thread, because the matrices are tiny."""
    with (
        threadpool_limits(1),
        warnings.catch_warnings(),
        np.errstate(divide="ignore", invalid="ignore", over="ignore"),
    ):
        warnings.filterwarnings("ignore", category=RuntimeWarning, module=r"(pyedger|scipy|numpy)\b")
        warnings.filterwarnings("ignore", message="More than half of residual variances are exactly zero")
        yield


def _require_enough(matrix: pd.DataFrame, keep: np.ndarray) -> None:
    if keep.sum() < FEWEST_GENES:
        raise NotEnoughDataError(
            "Too few genes have enough counts for edgeR",
            found=f"{int(keep.sum())} of {len(matrix)} genes pass its filter (filterByExpr)",
            expected=f"{FEWEST_GENES} at least",
            fix="Rely on DESeq2's results of this contrast, if it has any",
        )
    empty = matrix.columns[matrix.loc[keep].sum(axis=0) == 0]
    if len(empty):
        raise NotEnoughDataError(
            "A sample has no fragment in the genes that pass edgeR's filter",
            where=f"sample {empty[0]}",
            found=f"{int(keep.sum())} of {len(matrix)} genes pass filterByExpr",
            fix="Leave the sample out: it has hardly any fragments in common with the others",
        )


def _filter_reason(counts: np.ndarray, design: np.ndarray) -> str:
    """What filterByExpr asks for: 10 fragments at the median library size in as many samples as the smallest group."""
    leverage = np.sum(design * (design @ np.linalg.pinv(design.T @ design)), axis=1)
    samples = 1.0 / leverage.max()
    samples = 10 + (samples - 10) * 0.7 if samples > 10 else samples
    lowest = 10.0 / np.median(counts.sum(axis=0)) * 1e6
    return f"fewer than {np.ceil(samples - 1e-9):.0f} samples with {lowest:.3g} CPM (edgeR's filterByExpr)"


def _without_contrast(fit: EdgerFit, weights: np.ndarray) -> np.ndarray:
    """The design under the hypothesis that the contrast is 0."""
    if len(weights) < 2:
        raise DesignError(
            "edgeR cannot test the only coefficient of a design",
            found=", ".join(fit.coefficients),
            expected="an intercept or a second coefficient",
        )
    _, _, basis = np.linalg.svd(weights[None, :], full_matrices=True)
    return np.asarray(fit.model.design @ basis[1:].T)


def _of_all(fit: EdgerFit, values: np.ndarray) -> np.ndarray:
    """Values of the kept genes at their places among all; NaN elsewhere."""
    everything = np.full(len(fit.gene_ids), np.nan)
    everything[fit.kept] = values
    return everything


def _with_status(results: pd.DataFrame, fit: EdgerFit) -> pd.DataFrame:
    conditions = [fit.all_zero, ~fit.kept]
    results["status"] = np.select(conditions, ["all_zero", "filtered"], "tested").astype(object)
    reasons = np.select(conditions, ["no fragment in any sample of the contrast", fit.filter_reason], "")
    results["reason"] = pd.Series(reasons, index=results.index).astype(object).where(reasons != "", None)
    return results
