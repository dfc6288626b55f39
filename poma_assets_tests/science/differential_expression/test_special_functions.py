from __future__ import annotations

import numpy as np
import pytest
from scipy.special import gammaln, psi

from poma_assets.science.differential_expression.special_functions import log_gamma_and_digamma


def test_both_equal_scipy_over_the_range_of_counts_and_dispersions() -> None:
    x = np.concatenate([np.geomspace(1e-3, 1e13, 4001), np.arange(1.0, 3000.0), [0.1, 0.5, 1.4616321449683623]])
    log_gamma, digamma = log_gamma_and_digamma(x)
    np.testing.assert_allclose(log_gamma, gammaln(x), rtol=2e-13, atol=1e-13)
    np.testing.assert_allclose(digamma, psi(x), rtol=2e-13, atol=1e-13)


def test_known_values() -> None:
    log_gamma, digamma = log_gamma_and_digamma(np.array([[1.0, 0.5], [5.0, 2.0]]))
    assert log_gamma == pytest.approx(np.array([[0.0, np.log(np.pi) / 2], [np.log(24.0), 0.0]]), abs=1e-13)
    euler = 0.5772156649015329
    expected = np.array([[-euler, -euler - 2 * np.log(2)], [25 / 12 - euler, 1 - euler]])
    assert digamma == pytest.approx(expected, abs=1e-13)
