"""Many small symmetric positive definite systems at once: the last axis counts the systems (genes).

Plain loops over the few rows and columns, each step one operation on all systems: for matrices of the size of
a design many times faster than LAPACK called once per system.
"""

from __future__ import annotations

import numpy as np


def cholesky(matrices: np.ndarray) -> np.ndarray:
    """Return lower triangular factors.

    Parameters
    ----------
    matrices
        Rows x columns x systems. NaN come out where one is not positive definite.

    Returns
    -------
    ndarray
        Rows x columns x systems, zero above the diagonal.
    """
    size = len(matrices)
    factor = np.zeros_like(matrices)
    for j in range(size):
        column = matrices[j:, j].copy()
        for k in range(j):
            column -= factor[j:, k] * factor[j, k]
        factor[j:, j] = column / np.sqrt(column[0])
    return factor


def log_determinant(factor: np.ndarray) -> np.ndarray:
    """Return the log determinants of the systems with these Cholesky factors."""
    diagonal = np.arange(len(factor))
    return np.asarray(2 * np.log(factor[diagonal, diagonal]).sum(axis=0))


def solve(factor: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Solve the systems with these Cholesky factors for ``right`` (rows x systems)."""
    solution = right.copy()
    size = len(factor)
    for i in range(size):
        for k in range(i):
            solution[i] -= factor[i, k] * solution[k]
        solution[i] /= factor[i, i]
    for i in reversed(range(size)):
        for k in range(i + 1, size):
            solution[i] -= factor[k, i] * solution[k]
        solution[i] /= factor[i, i]
    return solution


def inverse(factor: np.ndarray) -> np.ndarray:
    """Return the inverses (rows x columns x systems) of the systems with these Cholesky factors."""
    size = len(factor)
    lower = np.zeros_like(factor)
    for i in range(size):
        lower[i, i] = 1.0 / factor[i, i]
        for k in range(i):
            lower[i, : k + 1] -= factor[i, k] * lower[k, : k + 1]
        lower[i, :i] *= lower[i, i]
    product = np.zeros_like(factor)
    for k in range(size):
        for i in range(k + 1):
            product[i, : k + 1] += lower[k, i] * lower[k, : k + 1]
    return product
