"""Ratios of gamma functions and their derivative, fast and exact on whole matrices.

SciPy evaluates number by number; here both functions share their logarithms and are a few array operations.
The difference of two of SciPy's log gammas loses all digits where a dispersion is near 0 (``x`` near 1e8).
"""

from __future__ import annotations

import numpy as np

_SHIFT = 8
_LOG_GAMMA_SERIES = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360)
_DIGAMMA_SERIES = (1 / 12, -1 / 120, 1 / 252, -1 / 240, 1 / 132, -691 / 32760)


def gamma_ratio_logs(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return ``log(gamma(x + y) / gamma(x)) - y log(x)`` and ``digamma(x + y) - digamma(x)``.

    For whole ``y`` these are the sums of ``log(1 + k / x)`` and of ``1 / (x + k)`` over ``k < y``. Computed by
    Stirling's series at ``x + 8`` (Abramowitz & Stegun 6.1.41, 6.3.18), brought back by the recurrence
    ``gamma(x + 1) = x gamma(x)``.

    Parameters
    ----------
    x
        Positive numbers up to 1e30.
    y
        Numbers of 0 or more; shapes are broadcast.

    Returns
    -------
    tuple of ndarray
        Both functions, relative error about 1e-12.
    """
    base, top = x + _SHIFT, (x + y) + _SHIFT
    growth = np.log1p(y / base)
    product, slope = _rising_product(x)
    top_product, top_slope = _rising_product(x + y)
    series, derivative = _stirling(base)
    top_series, top_derivative = _stirling(top)
    value = y * np.log1p(_SHIFT / x) + (top - 0.5) * growth - y + (top_series - series)
    value -= np.log(top_product / product)
    change = growth - (top_derivative - derivative) - (top_slope / top_product - slope / product)
    return value, change


def _stirling(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return what Stirling's formula adds to log gamma and takes from digamma, without the logarithms."""
    inverse = 1.0 / x
    square = inverse * inverse
    return inverse * _horner(square, _LOG_GAMMA_SERIES), 0.5 * inverse + square * _horner(square, _DIGAMMA_SERIES)


def _horner(x: np.ndarray, coefficients: tuple[float, ...]) -> np.ndarray:
    total = np.full_like(x, coefficients[-1])
    for coefficient in coefficients[-2::-1]:
        total *= x
        total += coefficient
    return total


def _rising_product(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return ``x (x + 1) ... (x + 7)`` and its derivative."""
    # Pairs (x + k)(x + 7 - k) are u + k (7 - k) with u = x (x + 7): a product of four terms in u.
    u = x * (x + (_SHIFT - 1))
    first, second = u * (u + 6.0), (u + 10.0) * (u + 12.0)
    derivative = (2 * u + 6.0) * second + first * (2 * u + 22.0)
    return first * second, derivative * (2 * x + (_SHIFT - 1))
