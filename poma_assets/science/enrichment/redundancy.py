"""Groups significant sets that say the same thing, each under the most significant of them.

GO holds a term's genes in all its ancestors, so one programme makes dozens of significant sets.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import numpy as np
import pandas as pd

from poma_assets.science.enrichment.frames import strongest_first
from poma_assets.science.errors import InputError

SHARED_GENES = 0.5
"""A set joins another if at least this part of its genes are genes of the other."""

_WITHIN = ["contrast_id", "method", "direction", "collection"]


def group_redundant_sets(enrichment: pd.DataFrame, *, fdr: float, shared: float = SHARED_GENES) -> pd.DataFrame:
    """Say for every significant set which set stands for it: ``group_term_id``.

    From the smallest p value on, a set joins the first set standing for a group that holds at least ``shared``
    of its genes; if there is none, it stands for a group of its own. The genes are those which make the set
    significant (``leading_genes``: the leading edge of gsea, the significant genes of ora), for sets that share
    only silent genes say different things. The part is of the joining set's genes, not of the smaller
    set's: a small term inside a large one that is more significant adds nothing, but a large term is not hidden
    behind a small one which explains a few of its genes. Sets of opposite enrichment scores are never together.

    Parameters
    ----------
    enrichment
        Rows of the table ``enrichment``; contrasts, methods, directions and collections are grouped apart.
    fdr
        Sets with ``p_adjusted`` below it are significant; the others have no group.
    shared
        Least part of a set's genes, above 0 and at most 1.

    Returns
    -------
    pandas.DataFrame
        The same rows in the same order; ``group_term_id`` is the ``term_id`` of the set that stands for the
        group (its own for that set), None where the set is not significant.

    Raises
    ------
    InputError
        If ``shared`` is not above 0 and at most 1.
    """
    if not 0 < shared <= 1:
        raise InputError("The least part of shared genes is wrong", found=shared, expected="above 0 and at most 1")
    group = np.full(len(enrichment), None, dtype=object)
    rows = enrichment.reset_index(drop=True)
    rows = rows[rows["p_adjusted"].astype(float) < fdr]
    sign = np.where(rows["method"].eq("gsea"), np.sign(rows["score"].astype(float)), 0.0)
    for _, together in rows.assign(_row=rows.index).groupby([*_WITHIN, sign], sort=False):
        ordered = strongest_first(together)
        genes = [text.split(";") if text else [] for text in ordered["leading_genes"]]
        terms = ordered["term_id"].to_numpy(dtype=object)
        group[ordered["_row"]] = terms[_representatives(genes, shared)]
    return enrichment.assign(group_term_id=group)


def _representatives(genes: Iterable[list[str]], shared: float) -> list[int]:
    """Position of the set that stands for each set; the sets are given strongest first."""
    holders: defaultdict[str, list[int]] = defaultdict(list)
    representatives = []
    for position, members in enumerate(genes):
        held = [holder for gene in members for holder in holders[gene]]
        common = np.bincount(held, minlength=1) if held else np.zeros(1, dtype=np.int64)
        # 1e-9: half of 6 genes is 3, whatever the last bit of the product says.
        alike = np.flatnonzero((common > 0) & (common >= shared * len(members) - 1e-9))
        representatives.append(int(alike[0]) if alike.size else position)
        if not alike.size:
            for gene in members:
                holders[gene].append(position)
    return representatives
