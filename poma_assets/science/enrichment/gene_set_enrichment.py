"""Gene set enrichment analysis on a ranked list, with a null distribution shared by sets of equal size.

The enrichment score is that of GSEA's "preranked" mode with weight 1 (Subramanian et al. 2005,
doi:10.1073/pnas.0506580102) and equals gseapy's ``prerank``; the null is in ``permutation_null``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from poma_assets.science.enrichment.frames import result_frame
from poma_assets.science.enrichment.gmt import GeneSetCollection
from poma_assets.science.enrichment.permutation_null import PermutationPlan, permutation_test
from poma_assets.science.enrichment.ranking import rank_genes
from poma_assets.science.enrichment.running_sum import enrichment_scores
from poma_assets.science.enrichment.tested_sets import TestedSet, tested_sets
from poma_assets.science.errors import InputError

__all__ = ["gene_set_enrichment", "rank_genes"]

_Floats = NDArray[np.float64]


def gene_set_enrichment(
    ranking: pd.Series[float],
    collection: GeneSetCollection,
    *,
    min_size: int = 10,
    max_size: int = 500,
    permutations: int = 1000,
    max_permutations: int = 1_000_000,
    fdr: float = 0.05,
    seed: int,
) -> pd.DataFrame:
    """Weighted Kolmogorov-Smirnov-like test of every set against random sets of as many genes.

    Positive and negative scores are treated apart, as in GSEA. ``normalised_score`` is ES divided by the
    absolute mean of the null scores of the same sign for the set's size. ``p_value`` is (b + 1) / (n + 1),
    where n null scores have the sign of ES and b of them are at least as extreme; sets of small p value get
    more permutations in rounds (see ``permutation_null.permutation_test``). ``p_adjusted`` is
    Benjamini-Hochberg over all tested sets, not the FDR q value of GSEA.

    Parameters
    ----------
    ranking
        Statistic by gene symbol; positive is higher in the target. Genes of equal statistic keep their order,
        which ``rank_genes`` makes that of the gene id; else the order does not matter.
    collection
        The gene sets; genes which are not in the ranking are ignored.
    min_size, max_size
        Limits of the number of ranked genes in a set; a set of all ranked genes has no score and is left out.
    permutations
        Random sets of every size in the first round.
    max_permutations
        The most random sets of one size.
    fdr
        The false discovery rate at which sets will be called: permutations go where it is in doubt.
    seed
        Seed of the random sets; equal input and seed give equal results.

    Returns
    -------
    pandas.DataFrame
        One row per tested set, smallest p value first; columns ``RESULT_COLUMNS``. ``leading_genes`` are the
        genes of the leading edge, most extreme first; ``permutations`` counts the random sets of the set's size.
        Where no null score has the sign of ES, ``normalised_score`` is NaN and p is 1.

    Raises
    ------
    InputError
        If statistics are constant, missing or infinite, a gene is there twice, or
        ``1 <= permutations <= max_permutations`` does not hold.
    NotEnoughDataError
        If fewer than 15 genes are ranked, or no set is within the limits.
    """
    if not 1 <= permutations <= max_permutations:
        raise InputError(
            "The numbers of permutations are wrong",
            found=f"permutations {permutations}, max_permutations {max_permutations}",
            expected="1 <= permutations <= max_permutations",
        )
    ordered = _ordered_ranking(ranking)
    positions = {gene: position for position, gene in enumerate(ordered.index)}
    largest = max(min_size, min(max_size, len(ordered) - 1))
    tested = tested_sets(collection, positions, min_size=min_size, max_size=largest)
    weights = np.abs(ordered.to_numpy(dtype=np.float64))
    # A set of nothing but zeros would have no weight at all: its genes then count alike.
    weights = np.maximum(weights, np.finfo(np.float64).tiny)

    observed = _observed_scores(tested, weights)
    plan = PermutationPlan(permutations, max_permutations, fdr, seed)
    null = permutation_test([len(t.positions) for t in tested], observed.score, weights, plan)
    symbols = ordered.index.to_numpy()
    rows = (
        {
            "collection": collection.name,
            "term_id": t.gene_set.term_id,
            "term_name": t.gene_set.term_name,
            "set_size": len(t.positions),
            "overlap": len(edge),
            "score": score,
            "normalised_score": nes,
            "p_value": p,
            "permutations": drawn,
            "leading_genes": ";".join(symbols[edge]),
        }
        for t, score, edge, nes, p, drawn in zip(
            tested,
            observed.score,
            _leading_edges(tested, observed),
            observed.score / null.null_mean,
            null.p_value,
            null.permutations,
            strict=True,
        )
    )
    return result_frame(rows)


def _ordered_ranking(ranking: pd.Series[float]) -> pd.Series[float]:
    """The ranking, largest first, equal statistics in the order given; refused if it cannot be ranked."""
    where = "ranking of genes"
    duplicated = ranking.index[ranking.index.duplicated()]
    if len(duplicated):
        raise InputError(
            "A gene is there twice",
            where=where,
            found=f"{len(duplicated)} repeats, first {duplicated[0]!r}",
            expected="one statistic per gene symbol",
            fix="rank_genes() keeps one gene id per symbol.",
        )
    values = ranking.astype(float)
    bad = values[~np.isfinite(values)]
    if not bad.empty:
        raise InputError(
            "A statistic is missing or infinite",
            where=where,
            found=f"{bad.iloc[0]} for {bad.index[0]!r} and {len(bad) - 1} more",
            expected="finite numbers",
            fix="Leave out genes without a test.",
        )
    if len(values) > 1 and values.nunique() == 1:
        raise InputError(
            "All genes have the same statistic, so they cannot be ranked",
            where=where,
            found=values.iloc[0],
            expected="statistics that differ, such as Wald z",
        )
    values.index = values.index.astype(str)
    return values.sort_values(ascending=False, kind="stable")


@dataclass(frozen=True)
class _Scores:
    """Enrichment scores of sets, and which of a set's genes (0-based, in rank order) is at the extreme."""

    score: _Floats
    extreme: NDArray[np.intp]


def _observed_scores(tested: list[TestedSet], weights: _Floats) -> _Scores:
    """Scores of the tested sets, in their order."""
    score = np.empty(len(tested))
    extreme = np.empty(len(tested), dtype=np.intp)
    by_size: dict[int, list[int]] = {}
    for number, t in enumerate(tested):
        by_size.setdefault(len(t.positions), []).append(number)
    for numbers in by_size.values():
        positions = np.array([tested[number].positions for number in numbers])
        score[numbers], extreme[numbers] = enrichment_scores(positions, weights)
    return _Scores(score, extreme)


def _leading_edges(tested: list[TestedSet], observed: _Scores) -> Iterator[list[int]]:
    """Ranks of the genes up to the extreme of the running sum, most extreme gene first."""
    for t, score, extreme in zip(tested, observed.score, observed.extreme, strict=True):
        edge = t.positions[: extreme + 1] if score >= 0 else t.positions[extreme:][::-1]
        yield list(edge)
