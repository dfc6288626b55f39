"""What the design doctor says of a design: findings, and those that every fit of the design must tell too."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pandas as pd

from poma_assets.science.tables import listing

FEW_RESIDUAL_DF = 3

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
