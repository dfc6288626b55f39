"""Over-representation analysis: does a set hold more significant genes than chance would put there?"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pandas as pd
import scipy
from numpy.typing import NDArray

from poma_assets.science.enrichment.frames import result_frame
from poma_assets.science.enrichment.gmt import GeneSetCollection
from poma_assets.science.enrichment.tested_sets import tested_sets
from poma_assets.science.errors import InputError, NotEnoughDataError


def over_representation(
    significant: Collection[str],
    background: Collection[str],
    collection: GeneSetCollection,
    *,
    min_size: int = 10,
    max_size: int = 500,
) -> pd.DataFrame:
    """Hypergeometric test of every set, one-sided, against the tested genes as background.

    =============  ===============  =============
    genes          significant      not
    =============  ===============  =============
    in the set     a                b
    not            c                d
    =============  ===============  =============

    ``p_value = P(X >= a)`` for X hypergeometric, which is Fisher's exact test with the alternative "greater";
    ``score`` is the odds ratio with 0.5 added to each cell (Haldane 1956, Anscombe 1956; as in gseapy 1.3), and
    so finite and positive also where a cell is 0. ``expected_overlap`` is (a + b)(a + c) / (a + b + c + d).
    Unlike in gseapy, sets without a significant gene (p = 1) count as tests in the Benjamini-Hochberg
    adjustment.

    Parameters
    ----------
    significant
        Symbols of the significant genes; all of them in the background.
    background
        Symbols of all genes that were tested.
    collection
        The gene sets; genes outside the background are ignored.
    min_size, max_size
        Limits of the number of background genes in a set.

    Returns
    -------
    pandas.DataFrame
        One row per tested set, smallest p value first; columns ``RESULT_COLUMNS``. ``leading_genes`` are the
        significant genes of the set in alphabetical order; ``normalised_score`` is NaN.

    Raises
    ------
    InputError
        If a significant gene is not in the background.
    NotEnoughDataError
        If no gene is significant, fewer than 15 genes were tested or no set is within the limits.
    """
    genes = sorted(set(background))
    hits = _checked_significant(significant, set(genes))
    positions = {gene: position for position, gene in enumerate(genes)}
    tested = tested_sets(collection, positions, min_size=min_size, max_size=max_size)

    overlaps = [[genes[position] for position in t.positions if genes[position] in hits] for t in tested]
    a = np.array([len(overlap) for overlap in overlaps], dtype=np.int64)
    size = np.array([len(t.positions) for t in tested], dtype=np.int64)
    p_value = hypergeometric_p_value(a, size, n_significant=len(hits), n_background=len(genes))
    b, c = size - a, len(hits) - a
    d = len(genes) - len(hits) - b
    odds_ratio = (a + 0.5) * (d + 0.5) / ((b + 0.5) * (c + 0.5))
    return result_frame(
        {
            "collection": collection.name,
            "term_id": t.gene_set.term_id,
            "term_name": t.gene_set.term_name,
            "set_size": len(t.positions),
            "overlap": len(overlap),
            "expected_overlap": expected,
            "score": score,
            "p_value": p,
            "leading_genes": ";".join(overlap),
        }
        for t, overlap, expected, score, p in zip(
            tested, overlaps, size * (len(hits) / len(genes)), odds_ratio, p_value, strict=True
        )
    )


def _checked_significant(significant: Collection[str], background: set[str]) -> set[str]:
    """The significant genes, which must be a part of the background and not empty."""
    hits = set(significant)
    if not hits:
        raise NotEnoughDataError(
            "No gene is significant, so there is nothing to look for in the gene sets",
            fix="This is a result, not a fault; gene_set_enrichment needs no significant genes.",
        )
    outside = sorted(hits - background)
    if outside:
        raise InputError(
            "Significant genes are missing from the background",
            found=f"{len(outside)} such as {outside[0]!r}",
            expected="every significant gene among the tested genes",
        )
    return hits


def hypergeometric_p_value(
    overlap: NDArray[np.int64], set_size: NDArray[np.int64], *, n_significant: int, n_background: int
) -> NDArray[np.float64]:
    """P(X >= overlap) for sets of the given sizes; never 0 (the smallest positive double instead)."""
    pairs, inverse = np.unique(np.stack([overlap, set_size]), axis=1, return_inverse=True)
    p_value = scipy.stats.hypergeom.sf(pairs[0] - 1, n_background, pairs[1], n_significant)
    p_value = np.asarray(p_value, dtype=np.float64)[inverse]
    return np.clip(p_value, np.finfo(np.float64).tiny, 1.0)
