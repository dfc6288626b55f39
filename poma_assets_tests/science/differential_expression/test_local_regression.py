from __future__ import annotations

import numpy as np
import pytest

from poma_assets.science.differential_expression.local_regression import fit_local_curve

# log(DESeq2:::localDispersionFit(means, disps, 1e-8)(exp(x))) of R 4.2.2, DESeq2 1.38.3, locfit 1.5-9.7 on the
# points below. The first and the last two lie outside the data.
LOCFIT = {
    -1.0: -0.65422129203,
    0.6: -1.93900899344,
    1.0: -2.20323221784,
    2.5: -2.87411271352,
    3.3: -3.01993483984,
    4.9: -2.78746618443,
    6.123: -2.18806912003,
    8.7: -0.399808106042,
    10.0: 0.528044253574,
    12.0: 2.31575462091,
}


def test_curve_equals_locfit() -> None:
    i = np.arange(40.0)
    x, y = 0.5 + 0.21 * i + 0.3 * np.sin(i * i), -3 + 0.02 * (i - 15) ** 2 / 4 + 0.5 * np.cos(3 * i)
    curve = fit_local_curve(x, y, np.exp(x))
    assert curve.at(np.array(list(LOCFIT))) == pytest.approx(np.array(list(LOCFIT.values())), abs=1e-7)


def test_points_on_a_quadratic_give_the_quadratic_everywhere() -> None:
    x = np.linspace(0, 5, 30) ** 1.3
    curve = fit_local_curve(x, 1 + 2 * x - 0.3 * x**2, np.linspace(1, 9, 30))
    at = np.linspace(-3, 12, 50)
    np.testing.assert_allclose(curve.at(at), 1 + 2 * at - 0.3 * at**2, atol=1e-9)


def test_many_equal_points_end() -> None:
    x = np.concatenate([np.zeros(90), np.arange(10.0)])
    curve = fit_local_curve(x, x + 1, np.ones(100))
    np.testing.assert_allclose(curve.at(np.array([9.0])), [10.0], atol=1e-6)
    assert len(curve.vertices) < 3000
