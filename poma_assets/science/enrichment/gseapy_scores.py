"""Enrichment scores by gseapy: the library that ours are checked against, in every run and in the tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

_LEAST_PERMUTATIONS = 1


def gseapy_scores(ranking: pd.Series[float], sets: Mapping[str, Sequence[str]]) -> dict[str, float]:
    """Enrichment scores of gene sets by ``gseapy.prerank`` (gseapy 1.3; doi:10.1093/bioinformatics/btac757).

    Parameters
    ----------
    ranking
        Statistic by gene symbol, unique symbols; genes of equal statistic keep their order.
    sets
        Set -> gene symbols.

    Returns
    -------
    dict
        Set -> enrichment score; sets that share no gene with the ranking are absent.
    """
    import gseapy

    result = gseapy.prerank(
        rnk=ranking.sort_values(ascending=False, kind="stable"),
        ascending=None,  # gseapy would sort again and leave the order of ties open
        gene_sets={name: list(genes) for name, genes in sets.items()},
        min_size=1,
        max_size=len(ranking),
        permutation_num=_LEAST_PERMUTATIONS,
        seed=1,
        threads=1,
        outdir=None,
        no_plot=True,
        verbose=False,
    )
    return {str(row["Term"]): float(row["ES"]) for row in result.res2d.to_dict("records")}
