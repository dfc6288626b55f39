"""Null scores of random gene sets, one null per set size, with more permutations where the smallest p values need them.

The null score of random genes depends on the number of genes only, so it is drawn once per set size instead of
once per set. Only what p values and normalised scores need is kept of it: counts and sums.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray

from poma_assets.science.enrichment.frames import benjamini_hochberg
from poma_assets.science.enrichment.running_sum import enrichment_scores

# A p value from this many null scores as extreme has a relative standard error of 30 %: exact enough.
ENOUGH_EXTREME = 10
# A p value is sure to lie within these limits of a binomial count, but for 1 in 1,000.
_LIMIT_QUANTILES = (0.0005, 0.9995)
# Sets whose decision is settled get no more than this: their p value is then at most a few 1e-4.
_SETTLED_PERMUTATIONS = 10_000
# The extra rounds cost at most this many times the first round, and in small studies no more than 0.1 s.
_EXTRA_WORK = 4
_LEAST_EXTRA_GENES = 5_000_000
# Random genes drawn at once: the arrays stay within the processor's cache.
_CHUNK_GENES = 50_000
# Equal scores that differ in the last bits count as equal, so that p errs to the larger side.
_ROUNDING = 1e-9

_Floats = NDArray[np.float64]


@dataclass(frozen=True)
class PermutationPlan:
    """How many random sets are drawn.

    Attributes
    ----------
    permutations
        Random sets of every size in the first round.
    max_permutations
        The most random sets of one size.
    fdr
        The false discovery rate at which the sets will be judged.
    seed
        Seed of the random sets.
    """

    permutations: int
    max_permutations: int
    fdr: float
    seed: int


@dataclass(frozen=True)
class PermutationResult:
    """What the random sets say about every tested set, in the order of the sets.

    Attributes
    ----------
    permutations
        Random sets drawn of the set's size.
    same_sign
        Those of them whose score has the sign of the set's: n.
    as_extreme
        Those of them which are at least as extreme: b.
    null_mean
        Mean absolute score of the n; NaN if there is none.
    """

    permutations: NDArray[np.int64]
    same_sign: NDArray[np.int64]
    as_extreme: NDArray[np.int64]
    null_mean: _Floats

    @property
    def p_value(self) -> _Floats:
        """(b + 1) / (n + 1), never 0 (Phipson and Smyth 2010, doi:10.2202/1544-6115.1585)."""
        return np.asarray((self.as_extreme + 1) / (self.same_sign + 1), dtype=np.float64)


def permutation_test(
    sizes: Sequence[int], scores: _Floats, weights: _Floats, plan: PermutationPlan
) -> PermutationResult:
    """Compare every set's score with random sets of its size.

    After the first round a size gets more, twice as many each time, as long as one of its sets has fewer than
    10 null scores as extreme and its decision at ``fdr`` is open: the adjusted p value would be on one side of
    ``fdr`` with every p value at its lower limit, and on the other with every p value at its upper limit
    (Clopper-Pearson, 99.9 %). What is left of the work then goes to sets whose decision is settled but whose p
    value is coarse, up to 10,000. Altogether the extra rounds cost at most four times the first round.

    The stream of random sets of a size depends on the seed and the size only, so the order of the sets does not
    matter. Small p values alone ask for more, which can raise as well as lower them.

    Parameters
    ----------
    sizes
        Number of ranked genes of each tested set.
    scores
        Enrichment scores of the tested sets, same order.
    weights
        Absolute statistic of every ranked gene, by rank.
    plan
        How many random sets are drawn.
    """
    nulls = _size_nulls(sizes, scores, weights, plan)
    for null in nulls:
        null.draw(min(plan.permutations, plan.max_permutations))
    first_round = sum(null.drawn * null.size for null in nulls)
    left = max(_EXTRA_WORK * first_round, _LEAST_EXTRA_GENES)
    while left > 0:
        spent = _extra_round(nulls, _gather(nulls, len(scores)), plan, left)
        if not spent:
            break
        left -= spent
    return _gather(nulls, len(scores))


def _extra_round(nulls: list[_SizeNull], so_far: PermutationResult, plan: PermutationPlan, left: int) -> int:
    """Double the permutations of the sizes that need it most, for at most ``left`` genes; genes drawn."""
    coarse = so_far.as_extreme < ENOUGH_EXTREME
    open_decision = coarse & _undecided(so_far, plan.fdr)
    wanted: list[tuple[bool, int, int, _SizeNull]] = []
    for null in nulls:
        is_open = bool(open_decision[null.members].any())
        limit = plan.max_permutations if is_open else min(_SETTLED_PERMUTATIONS, plan.max_permutations)
        more = min(null.drawn, limit - null.drawn)
        if more > 0 and coarse[null.members].any():
            wanted.append((not is_open, null.drawn, more, null))
    any_open = any(not settled for settled, *_ in wanted)
    spent = 0
    for settled, _, more, null in sorted(wanted, key=lambda entry: (*entry[:2], entry[3].size)):
        if settled and any_open:
            break
        if spent + more * null.size <= left:
            null.draw(more)
            spent += more * null.size
    return spent


def _undecided(result: PermutationResult, fdr: float) -> NDArray[np.bool_]:
    """Sets that would be called with every p value at its lower limit, but not with all at the upper one."""
    b, n = result.as_extreme, result.same_sign
    lower = np.where(b > 0, scipy.stats.beta.ppf(_LIMIT_QUANTILES[0], np.maximum(b, 1), n - b + 1), 0.0)
    upper = np.where(b < n, scipy.stats.beta.ppf(_LIMIT_QUANTILES[1], b + 1, np.maximum(n - b, 1)), 1.0)
    return np.asarray((benjamini_hochberg(lower) < fdr) & (benjamini_hochberg(upper) >= fdr), dtype=np.bool_)


class _SizeNull:
    """The random sets of one size, counted against the tested sets of that size."""

    def __init__(self, size: int, members: NDArray[np.intp], scores: _Floats, weights: _Floats, seed: int) -> None:
        self.size = size
        self.members = members
        self._positive = scores >= 0
        self._least = np.abs(scores) * (1 - _ROUNDING)
        self._weights = weights
        self._rng = np.random.default_rng([seed, size])
        self.drawn = 0
        self._same_sign = {True: 0, False: 0}
        self._sum = {True: 0.0, False: 0.0}
        self.as_extreme = np.zeros(len(members), dtype=np.int64)

    def draw(self, count: int) -> None:
        """Draw so many random sets more."""
        self.drawn += count
        for sets in _random_sets(self.size, count, len(self._weights), self._rng):
            self._count(enrichment_scores(sets, self._weights)[0])

    def _count(self, null: _Floats) -> None:
        for positive in (True, False):
            part = np.sort(np.abs(null[(null >= 0) == positive]))
            self._same_sign[positive] += part.size
            self._sum[positive] += float(part.sum())
            alike = self._positive == positive
            self.as_extreme[alike] += part.size - np.searchsorted(part, self._least[alike])

    def same_sign(self) -> NDArray[np.int64]:
        """Null scores with the sign of each of the tested sets."""
        return np.where(self._positive, self._same_sign[True], self._same_sign[False])

    def null_mean(self) -> _Floats:
        """Mean absolute null score with the sign of each of the tested sets; NaN if there is none."""
        mean = {sign: self._sum[sign] / n if n else np.nan for sign, n in self._same_sign.items()}
        return np.where(self._positive, mean[True], mean[False])


def _size_nulls(sizes: Sequence[int], scores: _Floats, weights: _Floats, plan: PermutationPlan) -> list[_SizeNull]:
    """Empty nulls, one per size, ascending."""
    by_size = np.asarray(sizes)
    nulls = []
    for size in np.unique(by_size):
        members = np.flatnonzero(by_size == size)
        nulls.append(_SizeNull(int(size), members, scores[members], weights, plan.seed))
    return nulls


def _gather(nulls: list[_SizeNull], n_sets: int) -> PermutationResult:
    """Counts of all sizes, back in the order of the tested sets."""
    counts = {name: np.zeros(n_sets, dtype=np.int64) for name in ("permutations", "same_sign", "as_extreme")}
    null_mean = np.empty(n_sets)
    for null in nulls:
        counts["permutations"][null.members] = null.drawn
        counts["same_sign"][null.members] = null.same_sign()
        counts["as_extreme"][null.members] = null.as_extreme
        null_mean[null.members] = null.null_mean()
    return PermutationResult(**counts, null_mean=null_mean)


def _random_sets(size: int, count: int, n_genes: int, rng: np.random.Generator) -> Iterator[NDArray[np.int32]]:
    """Yield independent random sets of ranks without replacement, in chunks: one row per set, ascending."""
    if 2 * size > n_genes:
        draw, per_chunk = _shuffled_sets, max(1, _CHUNK_GENES // n_genes)
    else:
        draw, per_chunk = _redrawn_sets, max(1, _CHUNK_GENES // size)
    while count:
        taken = min(count, per_chunk)
        yield draw(size, taken, n_genes, rng)
        count -= taken


def _shuffled_sets(size: int, count: int, n_genes: int, rng: np.random.Generator) -> NDArray[np.int32]:
    """Random sets from whole shuffles, for sets of more than half of the genes."""
    ranks = np.tile(np.arange(n_genes, dtype=np.int32), (count, 1))
    return np.sort(rng.permuted(ranks, axis=1)[:, :size], axis=1)


def _redrawn_sets(size: int, count: int, n_genes: int, rng: np.random.Generator) -> NDArray[np.int32]:
    """Random sets by drawing with replacement and drawing repeated genes again, until none is repeated.

    Given their number, the distinct genes drawn so far are a uniformly random set, and so they stay with every
    further gene that is not among them.
    """
    sets = rng.integers(0, n_genes, (count, size), dtype=np.int32)
    sets.sort(axis=1)
    rows, part = np.arange(count), sets
    while True:
        repeated = np.zeros(part.shape, dtype=bool)
        np.equal(part[:, 1:], part[:, :-1], out=repeated[:, 1:])
        unfinished = repeated.any(axis=1)
        if not unfinished.any():
            return sets
        rows, part, repeated = rows[unfinished], part[unfinished], repeated[unfinished]
        part[repeated] = rng.integers(0, n_genes, np.count_nonzero(repeated), dtype=np.int32)
        part.sort(axis=1)
        sets[rows] = part
