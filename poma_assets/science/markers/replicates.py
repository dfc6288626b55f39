"""Which samples are replicates of one arm, and how well they correlate."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import pandas as pd

from poma_assets.science import exploration
from poma_assets.science.markers.identity import IDENTITY_COLUMNS
from poma_assets.science.quality_gates import read_rule

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


def replicate_correlation(
    counts: pd.DataFrame, samples: pd.DataFrame, rules: tuple[str | None, str | None]
) -> pd.DataFrame:
    """Compare each sample's median correlation with the replicates of its arm with the thresholds of the study.

    Parameters
    ----------
    counts, samples
        Counts, genes x samples; rows of the table ``samples``, of which those without counts are left out.
    rules
        Warning and failure rule of the metric ``replicate_spearman``, from `quality_gates.rules_in_force`.

    Returns
    -------
    pandas.DataFrame
        Rows of the table ``sample_identity``, one per sample, rule ``replicate_spearman``: ``warn``, ``mismatch``
        where the failure rule holds (then verdicts are blocked), ``match``, or ``not_assessed`` without
        replicates or rules.
    """
    warns, fails = (
        read_rule(rule, where=f"{which} rule of replicate_spearman")
        for which, rule in zip(("warn", "fail"), rules, strict=True)
    )
    present = samples[samples["sample_id"].isin(list(counts.columns))]
    ids = [str(name) for name in present["sample_id"]]
    arms = replicate_groups(present)
    similar = spearman(counts[ids])
    expected = " and ".join(f"not {rule}" for rule in rules if rule) or "no rule"
    rows = []
    for sample in ids:
        others = [name for name in ids if name != sample and arms[name] == arms[sample]]
        figures = similar.loc[sample, others].to_numpy(dtype=float)
        median = float(np.median(figures)) if others else float("nan")
        status = "match" if warns or fails else "not_assessed"
        if np.isnan(median):
            status = "not_assessed"
        elif fails and fails(median):
            status = "mismatch"
        elif warns and warns(median):
            status = "warn"
        detail = ", ".join(f"{name} {value:.3f}" for name, value in zip(others, figures, strict=True))
        observed = "no replicates" if np.isnan(median) else f"{median:.3f}"
        rows.append(
            (sample, "replicate_spearman", expected, observed, status, None, detail or f"alone in {arms[sample]}")
        )
    return pd.DataFrame(rows, columns=list(IDENTITY_COLUMNS))
