"""edgeR's quasi-likelihood F test by pyedger, with the options that make it equal R edgeR 3.40.

Steps as in the edgeR user's guide: filterByExpr, TMM, estimateDisp, glmQLFit, glmQLFTest.
``results_frame`` brings the results of either engine into the form of the table ``de_results``.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Literal

import numpy as np
import pandas as pd

from poma_assets.science.differential_expression.inputs import require_design, require_weights
from poma_assets.science.differential_expression.multiple_testing import benjamini_hochberg
from poma_assets.science.errors import NotEnoughDataError

FEWEST_GENES = 3
"""Genes that must pass filterByExpr: with fewer there is no variance to borrow from other genes."""

_RESULT_COLUMNS = (
    "base_mean",
    "log2_fold_change",
    "standard_error",
    "statistic",
    "p_value",
    "p_adjusted",
    "shrunken_log2_fold_change",
    "status",
    "reason",
)


def edger_ql(counts: pd.DataFrame, design_matrix: pd.DataFrame, weights: np.ndarray) -> pd.DataFrame:
    """Test a contrast by edgeR's quasi-likelihood F test (Lund et al. 2012, Chen, Lun & Smyth 2016).

    Parameters
    ----------
    counts
        Whole counts, genes x samples; columns are matched to the design by name.
    design_matrix
        Samples x coefficients, index sample id.
    weights
        One weight per coefficient.

    Returns
    -------
    DataFrame
        Index ``gene_id``, columns ``base_mean, log2_fold_change, standard_error, statistic, p_value,
        p_adjusted, status, reason``: ``base_mean`` is the mean of counts per million of the TMM-normalised
        library, ``standard_error`` NaN, ``statistic`` F, ``status`` ``tested``, ``filtered`` or ``all_zero``.

    Raises
    ------
    CountsError, DesignError
        If counts, design or weights cannot be used.
    NotEnoughDataError
        If fewer than three genes pass edgeR's filter.
    """
    import pyedger

    matrix, design = require_design(counts, design_matrix)
    vector = require_weights(weights, tuple(design.columns))
    full = pyedger.DGEList(matrix)
    keep = np.asarray(pyedger.filter_by_expr(full, design=design), dtype=bool)
    if keep.sum() < FEWEST_GENES:
        raise NotEnoughDataError(
            "Too few genes have enough counts for edgeR",
            found=f"{int(keep.sum())} of {len(matrix)} genes pass its filter (filterByExpr)",
            expected=f"{FEWEST_GENES} at least",
            fix="Rely on DESeq2 for this contrast.",
        )
    with warnings.catch_warnings(), np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        warnings.filterwarnings("ignore", category=RuntimeWarning, module=r"(pyedger|scipy|numpy)\b")
        listed = pyedger.calc_norm_factors(pyedger.DGEList(matrix.loc[keep]))
        listed = pyedger.estimate_disp(listed, design=design, legacy_span=True)
        fit = pyedger.glm_ql_fit(listed, design=design, legacy=True)
        table = pyedger.glm_qlf_test(fit, contrast=vector).table
        mean_cpm = (matrix / pyedger.effective_lib_sizes(listed) * 1e6).mean(axis=1)
    results = pd.DataFrame(index=pd.Index(matrix.index, name="gene_id"))
    results["base_mean"] = mean_cpm.to_numpy(dtype=float)
    results["log2_fold_change"] = table["logFC"].reindex(matrix.index).to_numpy(dtype=float)
    results["standard_error"] = np.nan
    results["statistic"] = table["F"].reindex(matrix.index).to_numpy(dtype=float)
    results["p_value"] = table["PValue"].reindex(matrix.index).to_numpy(dtype=float)
    results["p_adjusted"] = benjamini_hochberg(results["p_value"].to_numpy())
    return _with_status(results, keep, matrix.to_numpy().sum(axis=1) == 0)


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


def _with_status(results: pd.DataFrame, keep: np.ndarray, all_zero: np.ndarray) -> pd.DataFrame:
    results["status"] = np.select([all_zero, ~keep], ["all_zero", "filtered"], "tested").astype(object)
    reasons = {
        "all_zero": "no fragment in any sample of the contrast",
        "filtered": "too few fragments in too many samples (edgeR's filterByExpr)",
        "tested": None,
    }
    results["reason"] = pd.Series([reasons[status] for status in results["status"]], index=results.index, dtype=object)
    return results
