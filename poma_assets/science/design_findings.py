"""What the design doctor says of a design: findings, and those that every fit of the design must tell too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from poma_assets.science.tables import listing

FEW_RESIDUAL_DF = 3
_REPLICATE_WITHIN = ("cell_line", "sensitivity", "treatment", "dose_um", "time_h", "batch", "donor")

Severity = Literal["error", "warning", "note"]


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with a design (error), weakens it (warning) or is worth knowing (note).

    ``code`` is a short stable name for programs; ``sentence`` says what, which samples and what to do.
    """

    severity: Severity
    code: str
    sentence: str


def size_findings(
    matrix: pd.DataFrame, arms: tuple[tuple[str, ...], tuple[str, ...]], replicates: tuple[int, int]
) -> list[Finding]:
    """Few residual degrees of freedom, arms with one or two replicates.

    Parameters
    ----------
    matrix
        Samples x coefficients.
    arms
        Samples of reference and target.
    replicates
        Replicates of reference and target, in their smallest cell.
    """
    findings = []
    residual_df = matrix.shape[0] - matrix.shape[1]
    if residual_df <= FEW_RESIDUAL_DF:
        sentence = (
            f"only {residual_df} residual degree{'s' if residual_df != 1 else ''} of freedom "
            f"({matrix.shape[0]} samples, {matrix.shape[1]} coefficients): dispersions are uncertain"
        )
        findings.append(Finding("warning", "few_residual_df", sentence))
    for name, arm, n in zip(("reference", "target"), arms, replicates, strict=True):
        if len(arm) == 1:
            sentence = f"the {name} arm has one sample only ({arm[0]}), so no marker can be judged"
            findings.append(Finding("warning", "no_replicates", sentence))
        elif n == 1:
            sentence = f"a group of the {name} arm has one sample only ({listing(arm)}), so no marker can be judged"
            findings.append(Finding("warning", "no_replicates", sentence))
        elif n == 2:
            sentence = (
                f"the {name} arm has two replicates in a group ({listing(arm)}): large effects only are found, "
                "and no marker can be called absent; three or more are better"
            )
            findings.append(Finding("note", "few_replicates", sentence))
    return findings


def repeated_replicates(rows: pd.DataFrame, factors: Sequence[str]) -> list[Finding]:
    """A replicate number repeated within one condition, batch and donor hints at technical replicates."""
    if "replicate" not in rows.columns:
        return []
    repeated = [
        " and ".join(samples)
        for samples in same_condition(rows.dropna(subset=["replicate"]), ["replicate", *factors])
        if len(samples) > 1
    ]
    if not repeated:
        return []
    sentence = (
        f"samples with the same replicate number in one condition: {listing(repeated)}. "
        "If these are technical replicates, give them one sample name, so that they are merged; "
        "counted as biological replicates they make the results look surer than they are"
    )
    return [Finding("warning", "pseudo_replication", sentence)]


def same_condition(
    rows: pd.DataFrame, further: Sequence[str] = (), *, without: Sequence[str] = ()
) -> list[tuple[str, ...]]:
    """Samples grouped by condition: the standard columns that say what was done, and further ones."""
    columns = [
        name for name in dict.fromkeys([*_REPLICATE_WITHIN, *further]) if name in rows.columns and name not in without
    ]
    if not columns:
        return [tuple(map(str, rows.index))]
    keys = rows[columns].astype(object).where(rows[columns].notna(), "")
    groups = keys.groupby(columns, sort=False).groups.values()
    return [tuple(map(str, samples)) for samples in groups]
