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
import scipy

from poma_assets.science.markers.residual_correlation import PRESET_CORRELATION, arm_design, design_residuals

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
    ranks = scipy.stats.rankdata(statistics)
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
    up, down = (surplus - 0.5) / deviation, (surplus + 0.5) / deviation
    return float(scipy.stats.norm.sf(up)), float(scipy.stats.norm.cdf(down))


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
        Between `PRESET_CORRELATION` and 0.99; see `Residuals.mean_correlation`.
    """
    arm = pd.Series({sample: str(number) for number, samples in enumerate(arms) for sample in samples})
    cpm = (counts[arm.index].astype(float) + 0.5) / (library_size.loc[arm.index].astype(float) + 1) * 1e6
    residuals = design_residuals(cpm.apply(np.log2), arm_design(arm))
    correlation = residuals.mean_correlation(counts.index.astype(str), np.ones(len(counts)))
    return min(max(correlation, PRESET_CORRELATION), 0.99)
