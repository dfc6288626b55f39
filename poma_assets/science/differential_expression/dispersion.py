"""The dispersion trend over the mean and the width of the prior around it, as R DESeq2 1.38 fits them.

PyDESeq2's own trend differs from R's (its optimiser stops early), which changes the set of significant genes.
Love, Huber & Anders 2014,
doi:10.1186/s13059-014-0550-8.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import scipy
from scipy.interpolate import CubicSpline
from scipy.special import polygamma

from poma_assets.science.differential_expression.local_regression import LocalCurve, fit_local_curve
from poma_assets.science.differential_expression.prior_width import MOST_RESIDUAL_DF, closest_variance
from poma_assets.science.errors import NotEnoughDataError

MINIMUM_DISPERSION = 1e-8
"""Smallest dispersion that the engines estimate."""

TrendKind = Literal["parametric", "local", "mean"]

_USED_FOR_TREND = 100 * MINIMUM_DISPERSION
_OUTLYING_RATIO = (1e-4, 15.0)
_SMALLEST_PRIOR_VARIANCE = 0.25
_FEWEST_FOR_LOCAL = 10
_GRID_POINTS = 1000
_MAD_TO_SD = 1.4826  # as R's mad() rounds it


@dataclass(frozen=True)
class DispersionTrend:
    """Dispersion as a function of the mean normalised count.

    Parameters
    ----------
    kind
        ``parametric``: ``asymptote + extra / mean``; ``local``: ``curve``; ``mean``: ``asymptote`` everywhere.
    asymptote, extra
        The coefficients; ``extra`` is 0 for ``mean``, both are NaN for ``local``.
    curve
        Log dispersion over log mean, for ``local`` only.
    """

    kind: TrendKind
    asymptote: float
    extra: float
    curve: LocalCurve | None = None

    def at(self, means: np.ndarray) -> np.ndarray:
        """Return the trend at these means; NaN where a mean is 0."""
        means = np.asarray(means, dtype=float)
        positive = means > 0
        safe = np.where(positive, means, 1.0)
        trend = self.asymptote + self.extra / safe if self.curve is None else np.exp(self.curve.at(np.log(safe)))
        return np.asarray(np.where(positive, trend, np.nan), dtype=float)

    def stabilise(self, normalised: np.ndarray, mean_inverse_factor: float = 1.0) -> np.ndarray:
        """Transform normalised counts to constant variance under this trend (log2 for large counts).

        Parameters
        ----------
        normalised
            Genes x samples.
        mean_inverse_factor
            Mean of 1 / size factor over samples, which scales the shot noise; used for ``local`` only.

        Returns
        -------
        ndarray
            In the shape of ``normalised``.
        """
        if self.curve is not None:
            return self._stabilise_numerically(np.asarray(normalised, dtype=float), mean_inverse_factor)
        a, b, q = self.asymptote, self.extra, np.asarray(normalised, dtype=float)
        if self.kind == "parametric":
            scaled = (1 + b + 2 * a * q + 2 * np.sqrt(a * q * (1 + b + a * q))) / (4 * a)
            return np.asarray(np.log2(scaled), dtype=float)
        stabilised = 2 * np.arcsinh(np.sqrt(a * q)) - np.log(a) - np.log(4.0)
        return np.asarray(stabilised / np.log(2.0), dtype=float)

    def _stabilise_numerically(self, normalised: np.ndarray, mean_inverse_factor: float) -> np.ndarray:
        """Integrate 1 / standard deviation over the mean, and scale it to log2 of highly expressed genes."""
        grid = np.sinh(np.linspace(0.0, np.arcsinh(normalised.max()), _GRID_POINTS))[1:]
        density = 1 / np.sqrt(self.at(grid) * grid**2 + mean_inverse_factor * grid)
        area = np.cumsum(np.diff(grid) * (density[1:] + density[:-1]) / 2)
        integral = CubicSpline(np.arcsinh((grid[1:] + grid[:-1]) / 2), area)
        low, high = np.quantile(normalised.mean(axis=1), [0.95, 0.999])
        high = max(high, 1.01 * low)
        scale = np.log2(high / low) / (integral(np.arcsinh(high)) - integral(np.arcsinh(low)))
        return np.asarray(np.log2(low) + scale * (integral(np.arcsinh(normalised)) - integral(np.arcsinh(low))))


def fit_dispersion_trend(means: np.ndarray, dispersions: np.ndarray) -> DispersionTrend:
    """Fit ``asymptote + extra / mean`` to gene-wise dispersions; a local regression if that fails, as in R.

    A gamma regression with identity link, repeated without genes whose ratio to the last curve is outside
    (1e-4, 15) until the squared log changes of the coefficients sum to less than 1e-6. Genes with a
    dispersion of 1e-6 or less are not used. The local regression is of log dispersion on log mean, weighted by
    the mean; below 10 genes, where it has nothing to go by, the mean dispersion is taken instead.

    Parameters
    ----------
    means
        Mean normalised counts, one per gene.
    dispersions
        Gene-wise estimates; NaN for genes without counts.

    Returns
    -------
    DispersionTrend
        The fitted trend.

    Raises
    ------
    NotEnoughDataError
        If no gene varies more than chance, so that there is no dispersion to describe.
    """
    used = np.isfinite(dispersions) & (means > 0)
    used[used] = dispersions[used] > _USED_FOR_TREND
    if not used.any():
        raise NotEnoughDataError(
            "No gene varies more between samples than chance alone, so no dispersion trend can be fitted",
            found=f"{int(np.isfinite(dispersions).sum())} genes with counts",
        )
    coefficients = _fit_parametric(means[used], dispersions[used])
    if coefficients is not None:
        return DispersionTrend("parametric", float(coefficients[0]), float(coefficients[1]))
    logs = np.log(means[used])
    if len(np.unique(logs)) >= _FEWEST_FOR_LOCAL:
        curve = fit_local_curve(logs, np.log(dispersions[used]), means[used])
        return DispersionTrend("local", np.nan, np.nan, curve)
    return DispersionTrend("mean", float(scipy.stats.trim_mean(dispersions[used], proportiontocut=0.001)), 0.0)


def log_residual_variance(dispersions: np.ndarray, trend: np.ndarray) -> float:
    """Return the squared scaled MAD of log dispersions around the trend, over genes above 1e-6."""
    residuals = _log_residuals(dispersions, trend)
    return float((_MAD_TO_SD * np.median(np.abs(residuals - np.median(residuals)))) ** 2)


def prior_variance(dispersions: np.ndarray, trend: np.ndarray, residual_df: int) -> float:
    """Estimate the variance of true log dispersions around the trend.

    Above three residual degrees of freedom, the observed variance minus the sampling variance of a log
    chi-square, ``trigamma(df / 2)``. Up to three that is poorly estimated; then the variance is taken whose
    distribution (log chi-square plus normal), as R draws it, is closest to the residuals.

    Parameters
    ----------
    dispersions, trend
        Gene-wise estimates and the trend at the genes' means.
    residual_df
        Samples minus coefficients.

    Returns
    -------
    float
        The prior variance, at least 0.25.
    """
    if residual_df > MOST_RESIDUAL_DF:
        variance = log_residual_variance(dispersions, trend) - float(polygamma(1, residual_df / 2))
    else:
        variance = closest_variance(_log_residuals(dispersions, trend), residual_df)
    return float(np.fmax(variance, _SMALLEST_PRIOR_VARIANCE))


def _log_residuals(dispersions: np.ndarray, trend: np.ndarray) -> np.ndarray:
    used = np.isfinite(dispersions) & np.isfinite(trend)
    used[used] = dispersions[used] >= _USED_FOR_TREND
    return np.asarray(np.log(dispersions[used]) - np.log(trend[used]), dtype=float)


def _fit_parametric(means: np.ndarray, dispersions: np.ndarray) -> np.ndarray | None:
    coefficients = np.array([0.1, 1.0])
    for _ in range(11):
        ratios = dispersions / (coefficients[0] + coefficients[1] / means)
        good = (ratios > _OUTLYING_RATIO[0]) & (ratios < _OUTLYING_RATIO[1])
        if good.sum() < 2:
            return None
        fitted, converged = _gamma_regression(1.0 / means[good], dispersions[good], coefficients)
        if not np.isfinite(fitted).all() or (fitted <= 0).any():
            return None
        moved = float((np.log(fitted / coefficients) ** 2).sum())
        coefficients = fitted
        if moved < 1e-6 and converged:
            return coefficients
    return None


def _gamma_regression(x: np.ndarray, y: np.ndarray, start: np.ndarray) -> tuple[np.ndarray, bool]:
    """Fit ``y ~ b0 + b1 x`` with gamma errors by reweighted least squares, all fitted means kept positive."""
    predictors = np.column_stack([np.ones_like(x), x])
    coefficients = start.astype(float)
    fitted = predictors @ coefficients
    deviance = _gamma_deviance(y, fitted)
    for _ in range(25):
        weights = 1.0 / fitted
        new, *_ = np.linalg.lstsq(predictors * weights[:, None], y * weights, rcond=None)
        for _ in range(25):
            if (predictors @ new > 0).all():
                break
            new = (new + coefficients) / 2
        else:
            return coefficients, False
        coefficients, fitted = new, predictors @ new
        last, deviance = deviance, _gamma_deviance(y, fitted)
        if abs(deviance - last) / (abs(deviance) + 0.1) < 1e-8:
            return coefficients, True
    return coefficients, False


def _gamma_deviance(y: np.ndarray, fitted: np.ndarray) -> float:
    return float(-2 * (np.log(y / fitted) - (y - fitted) / fitted).sum())
