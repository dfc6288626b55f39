"""Counts in comparable units: size factors, counts and transcripts per million, variance-stabilised values.

Only transformations of one count matrix belong here; tests between groups are in ``differential_expression``.
Matrices are genes x samples throughout (index ``gene_id``, columns ``sample_id``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from poma_assets.science.count_validation import validate_counts
from poma_assets.science.differential_expression.dispersion import fit_dispersion_trend
from poma_assets.science.differential_expression.pydeseq2_dataset import blind_dispersions
from poma_assets.science.errors import CountsError, NotEnoughDataError

SizeFactorMethod = Literal["ratio", "poscounts"]

TREND_GENES = 1000
"""Genes that the blind dispersion trend is fitted on, as in R's ``DESeq2::vst(nsub = 1000)``."""

TREND_MINIMUM_MEAN = 5.0
"""Mean normalised count from which a gene may enter the blind trend, as in R's ``vst``."""


@dataclass(frozen=True)
class SizeFactors:
    """DESeq2 size factors.

    Parameters
    ----------
    values
        One factor per sample, indexed by sample id.
    method
        ``ratio``, or ``poscounts`` where no gene is seen in all samples.
    """

    values: pd.Series
    method: SizeFactorMethod


def size_factors(counts: pd.DataFrame) -> SizeFactors:
    """Estimate DESeq2 size factors.

    The median over genes of the ratio of a count to the gene's geometric mean (Anders & Huber 2010,
    doi:10.1186/gb-2010-11-10-r106). Where every gene has a zero somewhere there is no such mean; then, as in
    R DESeq2 1.38 ``estimateSizeFactors(type = "poscounts")``, zeros count as 1 in the geometric mean, each
    sample uses its positive counts only, and the factors are scaled to a geometric mean of 1.

    Parameters
    ----------
    counts
        Whole counts, genes x samples.

    Returns
    -------
    SizeFactors
        One positive factor per sample.

    Raises
    ------
    CountsError
        If counts are missing, negative, not whole, or a sample has none at all.
    """
    matrix = validate_counts(counts)
    observed = matrix.to_numpy(dtype=float)
    positive = observed > 0
    logs = np.log(np.where(positive, observed, 1.0))
    everywhere = positive.all(axis=1)
    log_means = logs.mean(axis=1)
    if everywhere.any():
        factors = np.exp(np.median(logs[everywhere] - log_means[everywhere, None], axis=0))
        return SizeFactors(_by_sample(factors, matrix), "ratio")
    ratios = logs - log_means[:, None]
    medians = [np.median(ratios[positive[:, j], j]) for j in range(observed.shape[1])]
    return SizeFactors(_by_sample(np.exp(medians - np.mean(medians)), matrix), "poscounts")


def size_factors_frame(counts: pd.DataFrame, factors: SizeFactors | None = None) -> pd.DataFrame:
    """Return the rows of the table ``size_factors``: one per sample.

    Parameters
    ----------
    counts
        Whole counts, genes x samples.
    factors
        Size factors of these samples; estimated if not given.

    Returns
    -------
    DataFrame
        Columns ``sample_id, size_factor, library_size, method``.
    """
    factors = factors or size_factors(counts)
    return pd.DataFrame(
        {
            "sample_id": counts.columns.astype(str),
            "size_factor": factors.values.reindex(counts.columns).to_numpy(dtype=float),
            "library_size": counts.sum(axis=0).to_numpy(dtype=np.int64),
            "method": factors.method,
        }
    )


def counts_per_million(counts: pd.DataFrame) -> pd.DataFrame:
    """Divide by the library size in millions (all counted fragments of the sample).

    Parameters
    ----------
    counts
        Whole counts, genes x samples.

    Returns
    -------
    DataFrame
        Counts per million, genes x samples; every column sums to one million.

    Raises
    ------
    CountsError
        If counts are missing, negative, not whole, or a sample has none at all.
    """
    matrix = validate_counts(counts)
    return matrix * (1e6 / matrix.sum(axis=0))


def log2_counts_per_million(counts: pd.DataFrame) -> pd.DataFrame:
    """Return ``log2(cpm + 1)``, genes x samples: 0 for no fragment, finite everywhere."""
    return counts_per_million(counts).add(1.0).apply(np.log2)


def transcripts_per_million(counts: pd.DataFrame, length_bp: pd.Series) -> pd.DataFrame:
    """Fragments per base of the gene, scaled to one million a sample (Wagner et al. 2012).

    Parameters
    ----------
    counts
        Whole counts, genes x samples.
    length_bp
        Length of the union of the gene's exons in bases, indexed by gene id. Genes without a length get no
        value and do not enter the sum.

    Returns
    -------
    DataFrame
        Transcripts per million, genes x samples; NaN for genes without length.

    Raises
    ------
    CountsError
        If a length is not positive, or the counts are not valid.
    """
    matrix = validate_counts(counts)
    lengths = pd.to_numeric(length_bp).reindex(matrix.index).astype(float)
    wrong = lengths.index[lengths <= 0]
    if len(wrong):
        raise CountsError(
            "A gene length is not positive",
            where=f"gene {wrong[0]}",
            found=lengths[wrong[0]],
            expected="the length of the union of its exons in bases, 1 or more",
            fix="Make the gene table anew from the annotation.",
        )
    per_base = matrix.div(lengths, axis=0)
    total = per_base.sum(axis=0)
    # A sample may have fragments only in genes without a length: then its values are undefined, not infinite.
    return per_base * (1e6 / total.where(total > 0))


def variance_stabilised(counts: pd.DataFrame, factors: pd.Series) -> pd.DataFrame:
    """Transform counts so that their variance hardly depends on the mean; log2 scale for large counts.

    DESeq2's variance-stabilising transformation, blind to the design (``~1``), with the dispersion trend
    fitted on at most 1,000 genes evenly spread over the mean, as R's ``vst`` does (Anders & Huber 2010). The
    gene-wise dispersions are PyDESeq2's. If the parametric trend fails, the mean dispersion is used.

    Parameters
    ----------
    counts
        Whole counts, genes x samples.
    factors
        Size factors by sample id (``SizeFactors.values``).

    Returns
    -------
    DataFrame
        Stabilised values, genes x samples.

    Raises
    ------
    NotEnoughDataError
        If there are fewer than two samples or no gene varies more than chance.
    """
    matrix = validate_counts(counts)
    if matrix.shape[1] < 2:
        raise NotEnoughDataError(
            "Variance-stabilised values need at least two samples",
            found=matrix.shape[1],
            fix="Use log2 counts per million instead.",
        )
    scale = factors.reindex(matrix.columns)
    if scale.isna().any():
        raise CountsError(
            "A sample has no size factor",
            where=f"sample {matrix.columns[scale.isna()][0]}",
            fix="Estimate the size factors on the same samples.",
        )
    normalised = matrix.to_numpy(dtype=float) / scale.to_numpy(dtype=float)
    rows = _trend_rows(normalised.mean(axis=1))
    dispersions = blind_dispersions(matrix.iloc[rows], scale)
    trend = fit_dispersion_trend(normalised.mean(axis=1)[rows], dispersions)
    stabilised = trend.stabilise(normalised, float((1 / scale).mean()))
    return pd.DataFrame(stabilised, index=matrix.index, columns=matrix.columns)


def normalised_expression_frame(
    counts: pd.DataFrame,
    length_bp: pd.Series | None,
    *,
    factors: SizeFactors | None = None,
    stabilised: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Return the rows of the table ``normalised_expression``: one per sample and gene.

    Parameters
    ----------
    counts
        Whole counts, genes x samples.
    length_bp
        Union exon length by gene id; None where the study has no annotation (``tpm`` is then NULL).
    factors, stabilised
        Size factors and variance-stabilised values, if they are there already; computed if not.

    Returns
    -------
    DataFrame
        Columns ``sample_id, gene_id, normalised_count, cpm, tpm, vst``; ``vst`` is NaN where too few data
        allow no transformation (call `variance_stabilised` for the reason).
    """
    factors = factors or size_factors(counts)
    if stabilised is None:
        try:
            stabilised = variance_stabilised(counts, factors.values)
        except NotEnoughDataError:
            stabilised = pd.DataFrame(np.nan, index=counts.index, columns=counts.columns)
    tpm = (
        transcripts_per_million(counts, length_bp)
        if length_bp is not None
        else pd.DataFrame(np.nan, index=counts.index, columns=counts.columns)
    )
    genes, samples = counts.shape
    return pd.DataFrame(
        {
            "sample_id": np.repeat(counts.columns.astype(str).to_numpy(dtype=object), genes),
            "gene_id": np.tile(counts.index.astype(str).to_numpy(dtype=object), samples),
            "normalised_count": _long(counts / factors.values.reindex(counts.columns)),
            "cpm": _long(counts_per_million(counts)),
            "tpm": _long(tpm),
            "vst": _long(stabilised.reindex(index=counts.index, columns=counts.columns)),
        }
    )


def _by_sample(factors: np.ndarray, counts: pd.DataFrame) -> pd.Series:
    return pd.Series(factors, index=counts.columns, name="size_factor")


def _long(values: pd.DataFrame) -> np.ndarray:
    return values.to_numpy(dtype=float).ravel(order="F")


def _trend_rows(means: np.ndarray) -> np.ndarray:
    """Choose at most 1,000 expressed genes, evenly over the order of their means; rows in input order."""
    expressed = np.flatnonzero(means > TREND_MINIMUM_MEAN)
    if len(expressed) < TREND_GENES:
        return np.flatnonzero(means > 0)
    by_mean = expressed[np.argsort(means[expressed], kind="stable")]
    evenly = np.round(np.linspace(0, len(by_mean) - 1, TREND_GENES)).astype(int)
    return np.sort(by_mean[evenly])
