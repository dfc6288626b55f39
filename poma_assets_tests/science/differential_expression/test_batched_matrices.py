from __future__ import annotations

import numpy as np
import pytest

from poma_assets.science.differential_expression import batched_matrices


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_factor_inverse_solution_and_determinant_equal_lapack(size: int) -> None:
    rng = np.random.default_rng(size)
    roots = rng.normal(size=(50, size, size + 2))
    systems = roots @ roots.transpose(0, 2, 1)
    right = rng.normal(size=(50, size))
    factor = batched_matrices.cholesky(np.moveaxis(systems, 0, -1))
    np.testing.assert_allclose(np.moveaxis(factor, -1, 0), np.linalg.cholesky(systems), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(batched_matrices.log_determinant(factor), np.linalg.slogdet(systems)[1], rtol=1e-9)
    inverse = np.moveaxis(batched_matrices.inverse(factor), -1, 0)
    np.testing.assert_allclose(inverse, np.linalg.inv(systems), rtol=1e-7, atol=1e-9)
    solution = batched_matrices.solve(factor, right.T).T
    np.testing.assert_allclose(solution, np.linalg.solve(systems, right[..., None])[..., 0], rtol=1e-7, atol=1e-9)


def test_indefinite_system_gives_nan_and_leaves_the_others() -> None:
    systems = np.stack([np.eye(2), np.array([[1.0, 2.0], [2.0, 1.0]])], axis=-1)
    with np.errstate(invalid="ignore"):
        factor = batched_matrices.cholesky(systems)
    np.testing.assert_array_equal(factor[..., 0], np.eye(2))
    assert np.isnan(factor[1, 1, 1])
