"""Sets of markers judged as one: a competitive rank test and the mean effect, both allowing for correlation.

Genes of one programme move together, so a set of m genes is worth fewer than m independent ones.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import norm, rankdata

PRESET_CORRELATION: Final = 0.01
"""Inter-gene correlation where too few samples are left to estimate it (the default of limma's camera)."""
MINIMUM_RESIDUAL_DF: Final = 2
"""Two replicates an arm: a rough estimate errs less than the preset, which ignores genes that move together
(false positives of the set test at a correlation of 0.3: 9 % instead of 16 %, docs/verdicts.md)."""
MINIMUM_MEMBERS: Final = 3
MINIMUM_OTHER_GENES: Final = 10

Floats = npt.NDArray[np.float64]


def competitive_rank_test(statistics: Floats, in_set: npt.NDArray[np.bool_], correlation: float) -> tuple[float, float]:
    """Test whether the genes of a set rank higher, or lower, than the other genes.

    Wilcoxon's rank sum with the variance widened for correlation between the genes of the set (Barry,
    Nobel and Wright 2008; the rank version of camera, Wu and Smyth 2012, Nucleic Acids Research 40:e133).

    Parameters
    ----------
    statistics
        Signed statistic (Wald z) of each tested gene; finite.
    in_set
        Whether each gene belongs to the set; both kinds must occur.
    correlation
        Mean correlation between genes of the set, at least 0.

    Returns
    -------
    p_up, p_down
        One-sided p values.
    """
    m, other = int(in_set.sum()), int((~in_set).sum())
    ranks = rankdata(statistics)
    surplus = float(ranks[in_set].sum()) - m * (m + 1) / 2 - m * other / 2
    pairs = math.asin(1) + math.asin(0.5) * (other - 1)
    shared = math.asin(correlation / 2) * (m - 1) * (other - 1) + math.asin((correlation + 1) / 2) * (m - 1)
    variance = m * other * (pairs + shared) / (2 * math.pi)
    _, ties = np.unique(ranks, return_counts=True)
    n = m + other
    variance *= 1 - float((ties.astype(float) ** 3 - ties).sum()) / (n * (n + 1) * (n - 1))
    if variance <= 0:
        return 1.0, 1.0
    deviation = math.sqrt(variance)
    return float(norm.sf((surplus - 0.5) / deviation)), float(norm.cdf((surplus + 0.5) / deviation))


def mean_effect(effects: Floats, standard_errors: Floats, correlation: float) -> tuple[float, float]:
    """Return the mean effect of the members and its standard error under equal pairwise correlation."""
    m = len(effects)
    squares = float((standard_errors**2).sum())
    variance = (1 - correlation) * squares + correlation * float(standard_errors.sum()) ** 2
    return float(effects.mean()), math.sqrt(variance) / m


def inter_gene_correlation(counts: pd.DataFrame, library_size: pd.Series, arms: Sequence[Sequence[str]]) -> float:
    """Estimate the mean correlation of genes from residuals about the arm means of log2 CPM.

    Factors other than the arms (batch, line) stay in the residuals and raise it, which is cautious.

    Parameters
    ----------
    counts
        Members x samples.
    library_size
        Assigned fragments by sample.
    arms
        Samples of each arm.

    Returns
    -------
    float
        Between `PRESET_CORRELATION` and 0.99; the preset where fewer than two residual degrees of freedom
        or two varying genes are left.
    """
    groups = [list(arm) for arm in arms if arm]
    n_samples = sum(len(group) for group in groups)
    if n_samples - len(groups) < MINIMUM_RESIDUAL_DF:
        return PRESET_CORRELATION
    residuals = []
    for group in groups:
        cpm = (counts[group].astype(float) + 0.5) / (library_size.loc[group].astype(float) + 1) * 1e6
        values = np.log2(cpm.to_numpy())
        residuals.append(values - values.mean(axis=1, keepdims=True))
    matrix = np.concatenate(residuals, axis=1)
    length = np.sqrt((matrix**2).sum(axis=1))
    varying = length > 1e-12
    m = int(varying.sum())
    if m < 2:
        return PRESET_CORRELATION
    unit = matrix[varying] / length[varying, None]
    mean = (float((unit.sum(axis=0) ** 2).sum()) - m) / (m * (m - 1))
    return min(max(mean, PRESET_CORRELATION), 0.99)
