"""How samples lie to each other: principal components and distances of expression values.

Only descriptions of samples belong here, no tests. Matrices are genes x samples.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import scipy

from poma_assets.science.errors import CountsError, NotEnoughDataError


def principal_components(values: pd.DataFrame, n_top: int = 500, n_components: int = 5) -> pd.DataFrame:
    """Return the rows of the table ``sample_pca``: one per sample and component.

    The ``n_top`` genes of largest variance, centred and not scaled, as R's ``DESeq2::plotPCA`` takes them.
    The sign, which is arbitrary, is fixed: the gene of the largest absolute loading loads positively.

    Parameters
    ----------
    values
        Variance-stabilised or log2 CPM values, genes x samples.
    n_top
        Number of genes.
    n_components
        Largest number of components; there are never more than samples - 1 or genes.

    Returns
    -------
    DataFrame
        Columns ``sample_id, component, score, explained_variance_pct`` (of the variance of the chosen genes).

    Raises
    ------
    NotEnoughDataError
        If there are fewer than two samples, or all samples are alike.
    """
    matrix = _finite(values)
    if matrix.shape[1] < 2:
        raise NotEnoughDataError("Principal components need at least two samples", found=matrix.shape[1])
    variances = matrix.var(axis=1, ddof=1)
    chosen = np.sort(np.argsort(-variances, kind="stable")[:n_top])
    centred = (matrix[chosen] - matrix[chosen].mean(axis=1, keepdims=True)).T
    total = float((centred**2).sum())
    if total <= 1e-12 * max(1.0, float((matrix**2).sum())):
        raise NotEnoughDataError("Principal components need samples that differ", found="equal values in all")
    left, singular, loadings = np.linalg.svd(centred, full_matrices=False)
    keep = min(n_components, matrix.shape[1] - 1, len(chosen))
    scores = left[:, :keep] * singular[:keep] * _signs(loadings[:keep])
    explained = 100.0 * singular[:keep] ** 2 / total
    return _components(values.columns.astype(str).to_numpy(dtype=object), scores, explained)


def components_or_reason(values: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """Return `principal_components`, or no rows and why there are none: one sample alone, or samples all alike.

    Parameters
    ----------
    values
        As for `principal_components`.
    """
    try:
        return principal_components(values), ""
    except NotEnoughDataError as error:
        return _components(np.empty(0, dtype=object), np.empty((0, 0)), np.empty(0)), str(error)


def _components(samples: np.ndarray, scores: np.ndarray, explained: np.ndarray) -> pd.DataFrame:
    n_components = scores.shape[1]
    return pd.DataFrame(
        {
            "sample_id": np.tile(samples, n_components),
            "component": np.repeat(np.arange(1, n_components + 1), len(samples)),
            "score": scores.ravel(order="F"),
            "explained_variance_pct": np.repeat(explained, len(samples)),
        }
    )


def sample_distances(values: pd.DataFrame, log_cpm: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the table ``sample_distances``: one per ordered pair of samples, with itself too.

    Parameters
    ----------
    values
        Variance-stabilised (or log2 CPM) values, genes x samples: Euclidean distance over all genes.
    log_cpm
        log2 CPM, genes x the same samples: Spearman correlation over genes seen in at least one sample.

    Returns
    -------
    DataFrame
        Columns ``sample_id, other_sample_id, euclidean_distance, spearman``; ``spearman`` is NaN where a
        sample has the same value in all genes.

    Raises
    ------
    CountsError
        If the two matrices have different samples, or a value is missing or infinite.
    """
    if set(values.columns) != set(log_cpm.columns):
        different = sorted(set(map(str, values.columns)) ^ set(map(str, log_cpm.columns)))
        raise CountsError("The two matrices have different samples", found=", ".join(different))
    matrix = _finite(values)
    squares = (matrix**2).sum(axis=0)
    gram = matrix.T @ matrix
    distances = np.sqrt(np.maximum(squares[:, None] + squares[None, :] - 2 * gram, 0.0))
    # The formula above cancels for near-equal samples; a pair this close is worth the direct sum.
    close = distances < 1e-4 * np.sqrt(np.maximum(squares[:, None], 1e-300))
    for i, j in zip(*np.nonzero(close), strict=True):
        distances[i, j] = np.linalg.norm(matrix[:, i] - matrix[:, j])
    samples = values.columns.astype(str).to_numpy(dtype=object)
    return pd.DataFrame(
        {
            "sample_id": np.repeat(samples, len(samples)),
            "other_sample_id": np.tile(samples, len(samples)),
            "euclidean_distance": distances.ravel(),
            "spearman": spearman(_finite(log_cpm[values.columns])).ravel(),
        }
    )


def spearman(matrix: np.ndarray) -> np.ndarray:
    """Return Spearman's correlation of all pairs of columns (samples) over the genes seen in any; NaN if flat."""
    seen = matrix[(matrix != 0).any(axis=1)]
    ranks = scipy.stats.rankdata(seen, axis=0)
    centred = ranks - ranks.mean(axis=0)
    norms = np.sqrt((centred**2).sum(axis=0))
    scale = np.where(norms > 0, norms, np.nan)
    correlation = (centred / scale).T @ (centred / scale)
    return np.asarray(np.clip(correlation, -1.0, 1.0), dtype=float)


def _signs(loadings: np.ndarray) -> np.ndarray:
    """Return +1 or -1 per component; near-ties of the largest loading are broken by the gene's order."""
    sizes = np.abs(loadings)
    first = np.argmax(sizes >= sizes.max(axis=1, keepdims=True) * (1 - 1e-6), axis=1)
    return np.where(loadings[np.arange(len(loadings)), first] < 0, -1.0, 1.0)


def _finite(values: pd.DataFrame) -> np.ndarray:
    matrix = values.to_numpy(dtype=float)
    wrong = np.argwhere(~np.isfinite(matrix))
    if len(wrong):
        gene, sample = wrong[0]
        raise CountsError(
            "An expression value is missing or infinite",
            where=f"gene {values.index[gene]}, sample {values.columns[sample]}",
            found=matrix[gene, sample],
        )
    return matrix
