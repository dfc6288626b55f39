from itertools import combinations
from math import comb

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom, chisquare, kstest

from poma_assets.science.enrichment import permutation_null
from poma_assets.science.enrichment.gene_set_enrichment import gene_set_enrichment
from poma_assets.science.enrichment.gmt import GeneSet, GeneSetCollection
from poma_assets.science.enrichment.permutation_null import (
    ENOUGH_EXTREME,
    PermutationPlan,
    PermutationResult,
    _random_sets,
    _undecided,
    permutation_test,
)
from poma_assets.science.enrichment.running_sum import enrichment_scores


def plan(**changes):
    return PermutationPlan(**{"permutations": 1000, "max_permutations": 1_000_000, "fdr": 0.05, "seed": 3} | changes)


@pytest.fixture(scope="module")
def small_world():
    """All 91,390 sets of 4 of 40 genes, and the exact p value of the score of each."""
    weights = np.abs(np.linspace(3, -2, 40) + 0.2 * np.sin(np.arange(40.0)))
    every = np.array(list(combinations(range(40), 4)))
    scores = enrichment_scores(every, weights)[0]
    exact = np.empty(len(scores))
    for sign in (True, False):
        of_sign = (scores >= 0) == sign
        size = np.abs(scores[of_sign])
        exact[of_sign] = (size.size - np.searchsorted(np.sort(size), size * (1 - 1e-9))) / size.size
    return weights, scores, exact


def chosen(scores, exact, p):
    """A set whose exact p value is next to ``p``."""
    return int(np.abs(np.log(exact / p)).argmin())


def test_adaptive_p_values_equal_those_of_all_sets_within_sampling_error(small_world):
    weights, scores, exact = small_world
    # 296 dull sets make a Benjamini-Hochberg cut-off near 2e-4, so that the small p values are in doubt.
    wanted = [0.3, 0.05, 0.01, 2e-3, 8e-4, 4e-4, 2e-4, 1e-4]
    rows = [chosen(scores, exact, p) for p in [*wanted, *np.linspace(0.1, 0.95, 296)]]
    result = permutation_test([4] * len(rows), scores[rows], weights, plan(permutations=500))
    assert result.permutations[0] > 10_000
    upper = binom.sf(result.as_extreme - 1, result.same_sign, exact[rows])
    lower = binom.cdf(result.as_extreme, result.same_sign, exact[rows])
    assert min(upper.min(), lower.min()) > 1e-4  # 608 dependent comparisons
    np.testing.assert_allclose(result.p_value[:8], exact[rows[:8]], rtol=4 / np.sqrt(ENOUGH_EXTREME))
    exact_mean = np.abs(scores[(scores >= 0) == (scores[rows[0]] >= 0)]).mean()
    assert result.null_mean[0] == pytest.approx(exact_mean, rel=0.02)


def test_p_values_are_uniform_when_nothing_is_enriched():
    rng = np.random.default_rng(21)
    genes = np.array([f"G{number:04d}" for number in range(2000)])
    values = pd.Series(rng.standard_normal(2000) * rng.choice([1, 3], 2000) + 0.3, genes)
    sizes = np.exp(rng.uniform(np.log(10), np.log(150), 3000)).astype(int)
    sets = tuple(GeneSet(f"s{n}", "", tuple(rng.choice(genes, size, replace=False))) for n, size in enumerate(sizes))
    result = gene_set_enrichment(values, GeneSetCollection("c", sets, "", ""), permutations=500, seed=2)
    p = result["p_value"].to_numpy()
    assert kstest(p, "uniform").pvalue > 0.01
    for level in (0.5, 0.1, 0.01, 0.002):
        assert abs((p < level).mean() - level) < 4 * np.sqrt(level * (1 - level) / 3000)
    assert result["permutations"].iloc[0] > 5000  # the smallest p values are known beyond 1/250
    assert result["permutations"].median() <= 1000


def test_sets_in_doubt_get_more_and_dull_ones_do_not(small_world):
    weights, scores, exact = small_world
    sizes = [4] * 300 + [5] * 300
    dull_of_5 = enrichment_scores(np.array([[3, 12, 20, 27, 35]]), weights)[0].repeat(300)
    rows = [chosen(scores, exact, p) for p in [1e-4, *np.linspace(0.2, 0.9, 299)]]
    result = permutation_test(sizes, np.r_[scores[rows], dull_of_5], weights, plan())
    assert set(result.permutations[:300]) == {result.permutations[0]}
    assert result.permutations[0] > 50_000
    assert set(result.permutations[300:]) == {1000}


def test_settled_sets_stop_at_ten_thousand(small_world):
    weights, scores, exact = small_world
    rows = [chosen(scores, exact, 2e-5)] * 3
    result = permutation_test([4] * 3, scores[rows], weights, plan())
    assert list(result.permutations) == [10_000] * 3
    assert (result.as_extreme < ENOUGH_EXTREME).all()


def test_permutations_never_exceed_the_largest_number(small_world):
    weights, scores, exact = small_world
    rows = [chosen(scores, exact, p) for p in [1e-4, *np.linspace(0.2, 0.9, 299)]]
    result = permutation_test([4] * 300, scores[rows], weights, plan(max_permutations=3000))
    assert set(result.permutations) == {3000}


def test_extra_rounds_cost_at_most_four_times_the_first(monkeypatch, small_world):
    weights, scores, exact = small_world
    monkeypatch.setattr(permutation_null, "_LEAST_EXTRA_GENES", 0)
    row = chosen(scores, exact, 1e-5)
    sizes = list(range(4, 20))
    result = permutation_test(sizes, np.full(16, scores[row]), weights, plan(permutations=100))
    extra = ((result.permutations - 100) * sizes).sum()
    assert 200 * sum(sizes) < extra <= 4 * 100 * sum(sizes)


def test_the_order_of_the_sets_does_not_matter(small_world):
    weights, scores, _ = small_world
    rng = np.random.default_rng(0)
    sizes = rng.integers(4, 8, 50)
    observed = rng.choice(scores, 50)
    forward = permutation_test(sizes, observed, weights, plan(permutations=200))
    order = rng.permutation(50)
    shuffled = permutation_test(sizes[order], observed[order], weights, plan(permutations=200))
    np.testing.assert_array_equal(shuffled.p_value, forward.p_value[order])
    np.testing.assert_array_equal(shuffled.null_mean, forward.null_mean[order])
    other_seed = permutation_test(sizes, observed, weights, plan(permutations=200, seed=4))
    assert not np.array_equal(other_seed.p_value, forward.p_value)


def test_the_null_of_a_size_does_not_depend_on_the_other_sizes(small_world):
    weights, scores, exact = small_world
    row = chosen(scores, exact, 0.4)
    alone = permutation_test([4], scores[[row]], weights, plan())
    among = permutation_test([3, 4, 9], np.r_[0.5, scores[row], -0.5], weights, plan(max_permutations=1000))
    assert among.p_value[1] == alone.p_value[0]


def test_undecided_by_hand():
    # Alone, p = (b + 1) / (n + 1); below 0.05 called. 0 of 500: surely. 20 of 500: in doubt. 250 of 500: surely not.
    for b, n, expected in [(0, 500, False), (20, 500, True), (250, 500, False), (0, 0, True), (0, 20, True)]:
        counts = np.array([b]), np.array([n])
        result = PermutationResult(np.array([1000]), counts[1], counts[0], np.array([0.3]))
        assert _undecided(result, 0.05).tolist() == [expected], (b, n)


def test_undecided_looks_at_all_sets_together():
    # 0 of 2,000 (p surely below 0.0038) is enough for one set of ten, not for one of a thousand.
    def counted(n_sets):
        b = np.r_[0, np.full(n_sets - 1, 1000)]
        return PermutationResult(np.full(n_sets, 4000), np.full(n_sets, 2000), b, np.full(n_sets, 0.3))

    assert not _undecided(counted(10), 0.05).any()
    assert _undecided(counted(1000), 0.05).tolist() == [True] + [False] * 999


@pytest.mark.parametrize(("size", "n_genes"), [(3, 6), (2, 7), (4, 6), (6, 7)])
def test_random_sets_are_uniform(size, n_genes):
    sets = np.concatenate(list(_random_sets(size, 20_000, n_genes, np.random.default_rng(5))))
    assert sets.shape == (20_000, size)
    assert (np.diff(sets, axis=1) > 0).all()
    counts = pd.Series(map(tuple, sets)).value_counts()
    assert len(counts) == comb(n_genes, size)
    assert chisquare(counts).pvalue > 0.01
