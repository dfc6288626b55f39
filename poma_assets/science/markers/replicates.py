"""Which samples are replicates of one arm, and how well they correlate."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import pandas as pd

from poma_assets.science import exploration
from poma_assets.science.quality_gates import NOT_ASSESSED, Metric

GROUP_COLUMNS: Final = ("cell_line", "cell_context", "treatment", "dose_um", "time_h")
"""Samples that agree in these are replicates of one arm."""


def replicate_groups(samples: pd.DataFrame) -> pd.Series:
    """Name the arm of each sample: what of line, context, treatment, dose and time differs within the study.

    Parameters
    ----------
    samples
        Rows of the table ``samples``.

    Returns
    -------
    pandas.Series
        Names such as ``MM.1S, pomalidomide, 1 uM, 24 h`` by sample id.
    """
    words: dict[str, Callable[[object], str]] = {"dose_um": lambda v: f"{v:g} uM", "time_h": lambda v: f"{v:g} h"}
    varying = [c for c in GROUP_COLUMNS if samples[c].nunique(dropna=False) > 1] or ["treatment"]
    names = [
        [words.get(column, str)(value) for column, value in zip(varying, row, strict=True) if pd.notna(value)]
        for row in samples[varying].itertuples(index=False)
    ]
    return pd.Series(
        [", ".join(dict.fromkeys(parts)) or "not recorded" for parts in names],
        index=list(samples["sample_id"]),
        dtype=object,
    )


def spearman(counts: pd.DataFrame) -> pd.DataFrame:
    """Return Spearman's correlation of all pairs of samples, named by sample; NaN for a flat one."""
    correlation = exploration.spearman(counts.to_numpy(dtype=float))
    return pd.DataFrame(correlation, index=counts.columns, columns=counts.columns)


def replicate_spearman(distances: pd.DataFrame, samples: pd.DataFrame) -> dict[str, Metric]:
    """Measure how well each sample agrees with the replicates of its arm.

    Parameters
    ----------
    distances
        Rows of the table ``sample_distances``: all pairs of samples of the count matrix.
    samples
        Rows of the table ``samples``.

    Returns
    -------
    dict
        Sample -> the metric ``replicate_spearman``: the median of its Spearman correlations with the other samples of
        its arm, and its source in words. `NOT_ASSESSED` for a sample alone in its arm, one without any correlation
        (flat counts), and one that is not in the matrix.
    """
    similar = distances.pivot(index="other_sample_id", columns="sample_id", values="spearman")
    metrics: dict[str, Metric] = {str(name): (NOT_ASSESSED, "not in the count matrix") for name in samples["sample_id"]}
    arms = replicate_groups(samples[samples["sample_id"].isin(list(similar.index))])
    for sample, arm in arms.items():
        others = [name for name in arms.index[arms == arm] if name != sample]
        figures = similar[sample].loc[others].dropna().sort_values()
        words = f"sample_distances: median with {len(figures)} of {arm}"
        if figures.empty:
            metrics[str(sample)] = (NOT_ASSESSED, f"alone in {arm}" if not others else f"no correlation within {arm}")
        else:
            worst = f"lowest {figures.index[0]} {figures.iloc[0]:.3f}"
            metrics[str(sample)] = (float(figures.median()), f"{words}, {worst}")
    return metrics
