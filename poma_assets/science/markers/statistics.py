"""The numbers behind a verdict: three p values, their adjustment, interval and power.

All from an estimate and its standard error on the log2 scale, under the normal law; no thresholds on
verdicts belong here.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

ONE_SIDED_5_PCT: Final = 1.645
"""Normal quantile of a one-sided 5 % test, rounded as in the rules."""
TWO_SIDED_5_PCT: Final = 1.959963984540054


class PValues(NamedTuple):
    """The p values of one hypothesis."""

    confirm: float
    opposite: float
    equivalence: float


def p_values(effect: float, standard_error: float, sign: int, min_effect: float) -> PValues:
    """Return p for the expected direction, for the opposite one, and for equivalence.

    ``p_confirm = 1 - Phi(e b/s)``, ``p_opposite = Phi(e b/s)``,
    ``p_equivalence = max(Phi((b - delta)/s), 1 - Phi((b + delta)/s))`` (two one-sided tests,
    Schuirmann 1987).

    Parameters
    ----------
    effect, standard_error
        Estimate b and standard error s, log2.
    sign
        e: +1 or -1, the expected direction; 0 where no change is expected. Then there is no p for a
        direction: `confirm` is NaN and `opposite` is the two-sided p of a change.
    min_effect
        delta, the smallest effect of interest, log2; positive.
    """
    if not (math.isfinite(effect) and math.isfinite(standard_error) and standard_error > 0):
        return PValues(math.nan, math.nan, math.nan)
    equivalence = max(
        float(ndtr((effect - min_effect) / standard_error)),
        float(ndtr(-(effect + min_effect) / standard_error)),
    )
    if sign == 0:
        return PValues(math.nan, 2 * float(ndtr(-abs(effect) / standard_error)), equivalence)
    z = sign * effect / standard_error
    return PValues(float(ndtr(-z)), float(ndtr(z)), equivalence)


def benjamini_hochberg(p: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Adjust p values for the false discovery rate (Benjamini and Hochberg 1995).

    NaN stays NaN and does not count as a test. One value per hypothesis, order kept.
    """
    values = np.asarray(p, dtype=np.float64)
    adjusted = np.full(values.shape, np.nan)
    tested = np.flatnonzero(~np.isnan(values))
    if tested.size == 0:
        return adjusted
    order = tested[np.argsort(values[tested], kind="stable")]
    scaled = values[order] * tested.size / np.arange(1, tested.size + 1)
    adjusted[order] = np.minimum(np.minimum.accumulate(scaled[::-1])[::-1], 1.0)
    return adjusted


def interval(effect: float, standard_error: float) -> tuple[float, float]:
    """Return the 95 % confidence interval."""
    half = TWO_SIDED_5_PCT * standard_error
    return effect - half, effect + half


def smallest_detectable_effect(standard_error: float) -> float:
    """Return the effect (log2) whose one-sided 5 % test would just be significant: 1.645 standard errors."""
    return ONE_SIDED_5_PCT * standard_error


def replicates_needed(standard_error: float, min_effect: float, n_reference: int, n_target: int) -> int | None:
    """Return the replicates an arm which bring the smallest detectable effect below `min_effect`.

    The squared standard error falls with ``1/n_reference + 1/n_target`` for given counts and dispersion;
    equal arms are assumed for the answer. None if it cannot be said.
    """
    if not (math.isfinite(standard_error) and min_effect > 0 and n_reference > 0 and n_target > 0):
        return None
    equal_arm = 2 / (1 / n_reference + 1 / n_target)
    ratio = smallest_detectable_effect(standard_error) / min_effect
    return max(2, math.floor(equal_arm * ratio**2) + 1)
