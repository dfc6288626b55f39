"""GSEA's running sum: the enrichment scores of sets of one size, all at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_Floats = NDArray[np.float64]


def enrichment_scores(positions: NDArray[np.integer], weights: _Floats) -> tuple[_Floats, NDArray[np.intp]]:
    """Enrichment scores of sets of one size, with weight 1 (Subramanian et al. 2005, doi:10.1073/pnas.0506580102).

    Between two genes of a set the running sum only falls, so its extremes are at the set's genes: the maximum
    just after one, the minimum just before one.

    Parameters
    ----------
    positions
        Ranks of the sets' genes, 0-based and ascending; one row per set, one column per gene.
    weights
        Absolute statistic of every ranked gene, by rank.

    Returns
    -------
    score, extreme
        Per set: the largest deviation from 0 (the negative one if both are equal, as in gseapy), and the
        column of ``positions`` where it is reached.
    """
    n_sets, size = positions.shape
    hit = weights[positions]
    hit /= hit.sum(axis=1, keepdims=True)
    running = np.cumsum(hit, axis=1)
    running -= (positions - np.arange(size, dtype=positions.dtype)) * (1.0 / (len(weights) - size))
    rows = np.arange(n_sets)
    top = running.argmax(axis=1)
    maximum = running[rows, top]
    running -= hit
    bottom = running.argmin(axis=1)
    minimum = running[rows, bottom]
    positive = np.abs(maximum) > np.abs(minimum)
    return np.where(positive, maximum, minimum), np.where(positive, top, bottom)


def running_sum(positions: NDArray[np.integer], weights: _Floats) -> tuple[NDArray[np.integer], _Floats]:
    """The running sum of one set along the ranking, as the corners of a line.

    Parameters
    ----------
    positions
        Ranks of the set's genes, 0-based and ascending.
    weights
        Absolute statistic of every ranked gene, by rank.

    Returns
    -------
    rank, value
        Two corners per gene of the set, just before and just after it, between a first corner at rank 0 and a last
        one at the number of genes, both of value 0. The value furthest from 0 is the enrichment score.
    """
    size, total = len(positions), len(weights)
    hit = weights[positions]
    hit = hit / hit.sum()
    after = np.cumsum(hit) - (positions - np.arange(size)) / (total - size)
    rank = np.concatenate([[0], np.repeat(positions, 2), [total]])
    rank[2:-1:2] += 1
    value = np.concatenate([[0.0], np.column_stack([after - hit, after]).ravel(), [0.0]])
    return rank, value
