"""Local quadratic regression on one variable, with the defaults of R's locfit 1.5-9 (Loader 1999)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import CubicHermiteSpline

_NEAREST = 0.7
_CUT = 0.8
_DEEPEST = 10


@dataclass(frozen=True)
class LocalCurve:
    """A fitted curve: a quadratic over all points plus a local correction between vertices.

    Parameters
    ----------
    quadratic
        Coefficients from the highest power, in ``x - centre``.
    centre
        Where the quadratic is centred.
    vertices, corrections, slopes
        Where local fits were made, and value and slope of their difference from the quadratic.
    """

    quadratic: np.ndarray
    centre: float
    vertices: np.ndarray
    corrections: np.ndarray
    slopes: np.ndarray

    def at(self, x: np.ndarray) -> np.ndarray:
        """Return the curve: cubic between vertices, the correction straight beyond them; NaN where ``x`` is."""
        inside = np.clip(x, self.vertices[0], self.vertices[-1])
        correction = CubicHermiteSpline(self.vertices, self.corrections, self.slopes)(inside)
        correction += np.where(x < inside, self.slopes[0], self.slopes[-1]) * (x - inside)
        return np.asarray(np.polyval(self.quadratic, x - self.centre) + correction)


def fit_local_curve(x: np.ndarray, y: np.ndarray, weights: np.ndarray) -> LocalCurve:
    """Fit a smooth curve through points.

    At each vertex a quadratic is fitted to the nearest 70 % of the points, which count by ``weights`` and by
    the tricube of their distance. Vertices are the ends of the data and, between them, the middles of cells
    longer than 0.8 of the narrower bandwidth at their ends.

    Parameters
    ----------
    x, y
        The points; four different ``x`` at least.
    weights
        Prior weight of each point, positive.

    Returns
    -------
    LocalCurve
        The curve.
    """
    centre = float(x.mean())
    quadratic = np.polyfit(x - centre, y, 2, w=np.sqrt(weights))
    vertices, fits = _grow(x, y, weights)
    corrections = fits[:, 0] - np.polyval(quadratic, vertices - centre)
    slopes = fits[:, 1] - np.polyval(np.polyder(quadratic), vertices - centre)
    return LocalCurve(quadratic, centre, vertices, corrections, slopes)


def _grow(x: np.ndarray, y: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return vertices in order, and value, slope and bandwidth of the local fit at each."""
    vertices = [float(x.min()), float(x.max())]
    neighbours = int(len(x) * _NEAREST)
    fits = [fit_at(vertex, x, y, weights, neighbours) for vertex in vertices]
    for _ in range(_DEEPEST):
        cells = range(len(vertices) - 1)
        long = [i for i in cells if vertices[i + 1] - vertices[i] > _CUT * min(fits[i][2], fits[i + 1][2])]
        if not long:
            break
        for i in reversed(long):
            middle = (vertices[i] + vertices[i + 1]) / 2
            vertices.insert(i + 1, middle)
            fits.insert(i + 1, fit_at(middle, x, y, weights, neighbours))
    return np.array(vertices), np.array(fits)


def fit_at(
    vertex: float, x: np.ndarray, y: np.ndarray, weights: np.ndarray, neighbours: int
) -> tuple[float, float, float]:
    """Fit a quadratic to the nearest points by tricube weights; return value, slope and bandwidth there."""
    away = x - vertex
    distance = np.abs(away)
    bandwidth = float(np.sort(distance)[max(neighbours, 1) - 1])
    near = np.clip(distance / max(bandwidth, 1e-12), 0.0, 1.0)
    root = np.sqrt(weights * (1 - near**3) ** 3)
    predictors = np.column_stack([root, root * away, root * away**2])
    coefficients, *_ = np.linalg.lstsq(predictors, root * y, rcond=None)
    return float(coefficients[0]), float(coefficients[1]), bandwidth
