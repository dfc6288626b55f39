"""The one place that runs PyDESeq2: one process, no warnings spilled.

PyDESeq2 is imported when first used: it takes two seconds and changes the process's warning filters.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from poma_assets.science.differential_expression.dispersion_fit import (
    bounded_dispersions,
    genewise_dispersions,
    linear_fit_dispersions,
    overall_dispersions,
)
from poma_assets.science.differential_expression.negative_binomial import SMALLEST_MEAN

if TYPE_CHECKING:
    from poma_assets.science.differential_expression.r_deseq_dataset import RDeseqDataSet


@contextmanager
def quiet_pydeseq2() -> Iterator[None]:
    """Silence what PyDESeq2 is known to warn of, and nothing else.

    Overflow and division in diverging iterations end in a fallback (and our ``not_converged``). BLAS gets one
    thread: the matrices are tiny, and its threads make the fits several times slower on a busy machine.
    """
    with (
        threadpool_limits(1),
        warnings.catch_warnings(),
        np.errstate(over="ignore", divide="ignore", invalid="ignore"),
    ):
        warnings.filterwarnings("ignore", category=RuntimeWarning, module=r"(pydeseq2|scipy|numpy)\b")
        warnings.filterwarnings("ignore", category=FutureWarning)
        yield


def fit_dataset(counts: pd.DataFrame, design: pd.DataFrame, factors: np.ndarray) -> RDeseqDataSet:
    """Fit a PyDESeq2 data set by R's rules.

    Parameters
    ----------
    counts
        Whole counts, genes x samples, validated.
    design
        Samples x coefficients, in the order of the columns of ``counts``.
    factors
        Size factors in the same order.

    Returns
    -------
    RDeseqDataSet
        Fitted, outliers replaced.
    """
    with quiet_pydeseq2():
        from poma_assets.science.differential_expression.r_deseq_dataset import RDeseqDataSet

        dataset = RDeseqDataSet(counts.T, design, factors)
        dataset.fit()
    return dataset


def blind_dispersions(counts: pd.DataFrame, factors: pd.Series) -> np.ndarray:
    """Estimate gene-wise dispersions, blind to any design (``~1``).

    Parameters
    ----------
    counts
        Whole counts, genes x samples.
    factors
        Size factors by sample id.

    Returns
    -------
    ndarray
        One dispersion per gene; NaN for genes without counts.
    """
    scale = factors.reindex(counts.columns).to_numpy(dtype=float)
    values = counts.to_numpy(dtype=float)
    seen = values.any(axis=1)
    normalised, design = values[seen] / scale, np.ones((len(scale), 1))
    start = np.minimum(linear_fit_dispersions(normalised, design), overall_dispersions(normalised, scale))
    means = np.maximum(normalised.mean(axis=1, keepdims=True) * scale, SMALLEST_MEAN)
    dispersions = np.full(len(values), np.nan)
    start = bounded_dispersions(start, len(scale))
    with threadpool_limits(1):
        dispersions[seen] = genewise_dispersions(values[seen], design, means, start)
    return dispersions
