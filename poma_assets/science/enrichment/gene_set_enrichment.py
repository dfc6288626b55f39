"""Gene set enrichment analysis on a ranked list, with a null distribution shared by sets of equal size.

The enrichment score is that of GSEA's "preranked" mode with weight 1 (Subramanian et al. 2005,
doi:10.1073/pnas.0506580102) and equals gseapy's ``prerank``. The null score of random genes depends on
the number of genes only, so it is drawn once per set size instead of once per set.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from poma_assets.science.enrichment.frames import result_frame
from poma_assets.science.enrichment.gmt import GeneSetCollection
from poma_assets.science.enrichment.ranking import rank_genes
from poma_assets.science.enrichment.tested_sets import TestedSet, tested_sets
from poma_assets.science.errors import InputError

__all__ = ["enrichment_scores", "gene_set_enrichment", "rank_genes"]

# Sets below this size get as many more permutations as cost the same: a set of 50 genes ten times as many.
_EQUAL_WORK_SIZE = 500
_ROWS_SHUFFLED = 1000
_CHUNK_ELEMENTS = 1_000_000
# Null scores of sizes within 10 % count together, once divided by their own size's mean: finer p values.
_NEIGHBOURING_SIZES = 0.1
# Equal scores that differ in the last bits count as equal, so that p errs to the larger side.
_ROUNDING = 1e-9

_Floats = NDArray[np.float64]


def gene_set_enrichment(
    ranking: pd.Series[float],
    collection: GeneSetCollection,
    *,
    min_size: int = 10,
    max_size: int = 500,
    permutations: int = 1000,
    seed: int,
) -> pd.DataFrame:
    """Weighted Kolmogorov-Smirnov-like test of every set against random genes.

    Positive and negative scores are treated apart, as in GSEA. ``normalised_score`` is ES divided by the
    absolute mean of the null scores of the same sign for the set's size. ``p_value`` is (b + 1) / (n + 1),
    where n null scores have the sign of ES and b of them are at least as extreme; for small p values the
    null scores of all tested sizes within 10 % of the set's size count together, as normalised scores.
    ``p_adjusted`` is Benjamini-Hochberg over all tested sets.

    Parameters
    ----------
    ranking
        Statistic by gene symbol, in any order; positive is higher in the target. Equal statistics are ordered
        by symbol.
    collection
        The gene sets; genes which are not in the ranking are ignored.
    min_size, max_size
        Limits of the number of ranked genes in a set; a set of all ranked genes has no score and is left out.
    permutations
        Least number of random sets per size; smaller sizes get more for the same time.
    seed
        Seed of the random sets; equal input and seed give equal results.

    Returns
    -------
    pandas.DataFrame
        One row per tested set, smallest p value first; columns ``RESULT_COLUMNS``. ``leading_genes`` are the
        genes of the leading edge, most extreme first. Where no null score has the sign of ES,
        ``normalised_score`` is NaN and p is 1.

    Raises
    ------
    InputError
        If statistics are constant, missing or infinite, a gene is there twice, or ``permutations`` < 1.
    NotEnoughDataError
        If fewer than 15 genes are ranked, or no set is within the limits.
    """
    if permutations < 1:
        raise InputError("permutations must be at least 1", found=permutations)
    ordered = _ordered_ranking(ranking)
    positions = {gene: position for position, gene in enumerate(ordered.index)}
    largest = max(min_size, min(max_size, len(ordered) - 1))
    tested = tested_sets(collection, positions, min_size=min_size, max_size=largest)
    weights = np.abs(ordered.to_numpy(dtype=np.float64))
    # A set of nothing but zeros would have no weight at all: its genes then count alike.
    weights = np.maximum(weights, np.finfo(np.float64).tiny)

    observed = _observed_scores(tested, weights)
    sizes = sorted({len(t.positions) for t in tested})
    nulls = _null_distributions(sizes, weights, permutations, np.random.default_rng(seed))
    normalised, p_value = _significance(tested, observed, nulls)
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
            "leading_genes": ";".join(symbols[edge]),
        }
        for t, score, edge, nes, p in zip(
            tested, observed.score, _leading_edges(tested, observed), normalised, p_value, strict=True
        )
    )
    return result_frame(rows)


def _ordered_ranking(ranking: pd.Series[float]) -> pd.Series[float]:
    """The ranking, largest first, equal statistics by symbol; refused if it cannot be ranked."""
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
    frame = pd.DataFrame({"statistic": values.to_numpy(), "gene": values.index.astype(str)})
    frame = frame.sort_values(["statistic", "gene"], ascending=[False, True])
    return pd.Series(frame["statistic"].to_numpy(), index=pd.Index(frame["gene"].to_numpy()))


@dataclass(frozen=True)
class _Scores:
    """Enrichment scores of sets, and which of a set's genes (0-based, in rank order) is at the extreme."""

    score: _Floats
    extreme: NDArray[np.intp]


def enrichment_scores(positions: NDArray[np.integer], weights: _Floats) -> tuple[_Floats, NDArray[np.intp]]:
    """Enrichment scores of sets of one size.

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
    running -= (positions - np.arange(size)) * (1.0 / (len(weights) - size))
    rows = np.arange(n_sets)
    top = running.argmax(axis=1)
    maximum = running[rows, top]
    running -= hit
    bottom = running.argmin(axis=1)
    minimum = running[rows, bottom]
    positive = np.abs(maximum) > np.abs(minimum)
    return np.where(positive, maximum, minimum), np.where(positive, top, bottom)


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


class _RandomSets:
    """Random sets of genes without replacement: disjoint slices of shuffled ranks."""

    def __init__(self, n_genes: int, rows: int, rng: np.random.Generator) -> None:
        self._ranks = np.tile(np.arange(n_genes, dtype=np.int32), (rows, 1))
        self._rng = rng
        self._next = n_genes  # used up: shuffle before the first draw

    def draw(self, size: int, at_least: int) -> Iterator[NDArray[np.int32]]:
        """Yield chunks of sets (one row per set, ranks ascending), ``at_least`` so many sets in all."""
        rows, n_genes = self._ranks.shape
        slices = -(-at_least // rows)
        per_chunk = max(1, _CHUNK_ELEMENTS // (rows * size))
        while slices:
            if self._next + size > n_genes:
                self._rng.permuted(self._ranks, axis=1, out=self._ranks)
                self._next = 0
            taken = min(slices, per_chunk, (n_genes - self._next) // size)
            stop = self._next + taken * size
            yield np.sort(self._ranks[:, self._next : stop].reshape(-1, size), axis=1)
            self._next = stop
            slices -= taken


@dataclass(frozen=True)
class _Null:
    """Null scores of one set size, by sign: mean absolute value (NaN if none), and sorted values over it."""

    mean: dict[bool, float]
    normalised: dict[bool, _Floats]


def _null_distributions(
    sizes: list[int], weights: _Floats, permutations: int, rng: np.random.Generator
) -> dict[int, _Null]:
    """Null distribution of every set size, by size."""
    random_sets = _RandomSets(len(weights), min(permutations, _ROWS_SHUFFLED), rng)
    nulls = {}
    for size in sizes:
        wanted = permutations * max(1, _EQUAL_WORK_SIZE // size)
        chunks = [enrichment_scores(sets, weights)[0] for sets in random_sets.draw(size, wanted)]
        scores = np.concatenate(chunks)
        by_sign = {True: scores[scores >= 0], False: -scores[scores < 0]}
        mean = {sign: float(part.mean()) if part.size else float("nan") for sign, part in by_sign.items()}
        nulls[size] = _Null(mean, {sign: np.sort(part / mean[sign]) for sign, part in by_sign.items()})
    return nulls


def _significance(tested: list[TestedSet], observed: _Scores, nulls: Mapping[int, _Null]) -> tuple[_Floats, _Floats]:
    """Normalised scores and p values of the tested sets."""
    normalised = np.empty(len(tested))
    p_value = np.empty(len(tested))
    for number, (t, score) in enumerate(zip(tested, observed.score, strict=True)):
        size, sign = len(t.positions), bool(score >= 0)
        mean = nulls[size].mean[sign]
        strength = abs(score) / mean
        normalised[number] = strength if sign else -strength
        if np.isnan(mean):
            p_value[number] = 1.0
            continue
        total = as_extreme = 0
        for other, null in nulls.items():
            if abs(other - size) <= _NEIGHBOURING_SIZES * size:
                scores = null.normalised[sign]
                total += scores.size
                as_extreme += scores.size - int(np.searchsorted(scores, strength * (1 - _ROUNDING)))
        p_value[number] = (as_extreme + 1) / (total + 1)
    return normalised, p_value
