"""The one place that makes PyDESeq2 objects: our size factors and trend, one process, no warnings spilled.

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

from poma_assets.science.differential_expression.dispersion import DispersionTrend

if TYPE_CHECKING:
    from pydeseq2.dds import DeseqDataSet


@contextmanager
def quiet_pydeseq2() -> Iterator[None]:
    """Silence what PyDESeq2 is known to warn of, and nothing else.

    Overflow and division in diverging iterations end in its own fallback (and our ``not_converged``); the
    small number of residual degrees of freedom is handled by our prior. BLAS gets one thread: the matrices
    are tiny, and its threads make the fits several times slower on a busy machine.
    """
    with (
        threadpool_limits(1),
        warnings.catch_warnings(),
        np.errstate(over="ignore", divide="ignore", invalid="ignore"),
    ):
        warnings.filterwarnings("ignore", category=RuntimeWarning, module=r"(pydeseq2|scipy|numpy)\b")
        warnings.filterwarnings("ignore", category=FutureWarning)
        warnings.filterwarnings("ignore", message="As the residual degrees of freedom")
        yield


def make_dataset(counts: pd.DataFrame, design: pd.DataFrame, factors: np.ndarray) -> DeseqDataSet:
    """Make a PyDESeq2 data set with given size factors.

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
    DeseqDataSet
        With size factors and normalised counts set, nothing fitted yet.
    """
    from pydeseq2.dds import DeseqDataSet

    from poma_assets.science.differential_expression.pydeseq2_inference import BoundedMeanInference

    dataset = DeseqDataSet(
        counts=counts.T,
        metadata=pd.DataFrame(index=counts.columns),
        design=design,
        refit_cooks=True,
        inference=BoundedMeanInference(),
        quiet=True,
    )
    dataset.obs["size_factors"] = factors
    dataset.layers["normed_counts"] = dataset.X / factors[:, None]
    dataset.var["_normed_means"] = dataset.layers["normed_counts"].mean(axis=0)
    return dataset


def set_trend(dataset: DeseqDataSet, trend: DispersionTrend, residual_variance: float, prior: float) -> None:
    """Put trend and prior where PyDESeq2 expects its own, for the shrinkage and for refitted genes."""
    if trend.kind == "parametric":
        dataset.uns["disp_function_type"] = "parametric"
        dataset.uns["trend_coeffs"] = pd.Series([trend.asymptote, trend.extra], index=["a0", "a1"])
    else:
        dataset.uns["disp_function_type"] = "mean"
        dataset.uns["mean_disp"] = trend.asymptote
    dataset.var["fitted_dispersions"] = trend.at(dataset.var["_normed_means"].to_numpy())
    dataset.uns["_squared_logres"] = np.float64(residual_variance)
    dataset.uns["prior_disp_var"] = np.float64(prior)


def blind_dispersions(counts: pd.DataFrame, factors: pd.Series) -> np.ndarray:
    """Estimate gene-wise dispersions with PyDESeq2, blind to any design (``~1``).

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
    design = pd.DataFrame({"Intercept": 1.0}, index=counts.columns)
    with quiet_pydeseq2():
        dataset = make_dataset(counts, design, factors.reindex(counts.columns).to_numpy(dtype=float))
        dataset.fit_genewise_dispersions()
    return np.asarray(dataset.var["genewise_dispersions"], dtype=float)
