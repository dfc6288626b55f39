from __future__ import annotations

import numpy as np
from scipy.special import gammaln, psi

from poma_assets.science.differential_expression.special_functions import gamma_ratio_logs


def test_ratios_equal_scipy_where_scipy_keeps_its_digits() -> None:
    x, y = np.geomspace(0.05, 1e3, 200)[:, None], np.concatenate([[0.0, 0.5], np.arange(1.0, 300), [1e4, 1e6]])
    value, change = gamma_ratio_logs(x, y)
    np.testing.assert_allclose(value, gammaln(x + y) - gammaln(x) - y * np.log(x), rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(change, psi(x + y) - psi(x), rtol=1e-10, atol=1e-12)


def test_ratios_of_whole_numbers_are_sums_also_where_a_dispersion_is_near_zero() -> None:
    for x in (0.1, 0.5, 3.0, 77.0, 1e4, 1e8, 1e13):
        for y in (0, 1, 2, 17, 1000):
            terms = np.arange(y)
            value, change = gamma_ratio_logs(np.array([x]), np.array([float(y)]))
            np.testing.assert_allclose(value, np.log1p(terms / x).sum(), rtol=1e-11, atol=1e-12 * max(y, 1))
            np.testing.assert_allclose(change, (1 / (x + terms)).sum(), rtol=1e-10, atol=1e-20)
