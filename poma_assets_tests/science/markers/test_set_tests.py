import itertools
import math

import numpy as np
import pandas as pd
import pytest
from scipy.stats import mannwhitneyu

from poma_assets.science.markers.residual_correlation import PRESET_CORRELATION
from poma_assets.science.markers.set_tests import (
    competitive_rank_test,
    inter_gene_correlation,
    mean_effect,
)

INTERFERON = ["IFIT1", "IFIT2", "IFIT3", "IFI27", "IFI44L", "ISG15", "MX1", "OAS1", "IRF7", "IRF9", "STAT1"]


def test_without_correlation_it_is_the_rank_sum_test():
    rng = np.random.default_rng(1)
    z = np.round(rng.normal(size=60), 1)  # with ties
    in_set = np.zeros(60, dtype=bool)
    in_set[:9] = True
    up, down = competitive_rank_test(z, in_set, 0.0)
    for p, side in ((up, "greater"), (down, "less")):
        expected = mannwhitneyu(z[in_set], z[~in_set], alternative=side, method="asymptotic").pvalue
        assert p == pytest.approx(expected, rel=1e-9)


def test_correlation_makes_it_cautious_and_the_direction_counts():
    z = np.concatenate([np.full(8, 2.0) + np.arange(8), np.linspace(-2, 2, 100)])
    in_set = np.arange(108) < 8
    independent, _ = competitive_rank_test(z, in_set, 0.0)
    correlated, down = competitive_rank_test(z, in_set, 0.2)
    assert independent < 1e-5 < correlated < 0.05
    assert down > 0.99
    assert competitive_rank_test(-z, in_set, 0.2) == pytest.approx((down, correlated), abs=1e-9)


def test_the_variance_is_that_of_correlated_normal_ranks():
    """Rank sums of simulated correlated genes vary as the formula says."""
    rng = np.random.default_rng(3)
    m, other, rho, repeats = 10, 40, 0.3, 4000
    shared = rng.normal(size=(repeats, 1)) * math.sqrt(rho)
    members = shared + rng.normal(size=(repeats, m)) * math.sqrt(1 - rho)
    z = np.concatenate([members, rng.normal(size=(repeats, other))], axis=1)
    in_set = np.arange(m + other) < m
    p_up = np.array([competitive_rank_test(row, in_set, rho)[0] for row in z])
    assert (p_up < 0.05).mean() == pytest.approx(0.05, abs=0.015)
    ignoring = np.array([competitive_rank_test(row, in_set, 0.0)[0] for row in z[:1000]])
    assert (ignoring < 0.05).mean() > 0.12


def test_the_variance_is_the_sum_over_all_pairs_of_comparisons():
    """Cov(x_i > y_j, x_k > y_l) = asin(r) / 2 pi, with r the correlation of the two differences."""
    m, other, rho = 4, 12, 0.2
    comparisons = list(itertools.product(range(m), range(other)))
    variance = sum(
        math.asin(((1 if i == k else rho) + (1 if j == o else 0)) / 2) / (2 * math.pi)
        for (i, j), (k, o) in itertools.product(comparisons, repeat=2)
    )
    z = np.concatenate([[5.0, 9.5, 2.5, 7.5], np.arange(12.0)])
    u = sum(x > y for x, y in itertools.product(z[:m], z[m:]))
    u += 0.5 * sum(x == y for x, y in itertools.product(z[:m], z[m:]))
    ties = 1 - (2**3 - 2) / (16 * 17 * 15)  # 5.0 occurs twice
    expected = 0.5 * math.erfc((u - m * other / 2 - 0.5) / math.sqrt(variance * ties) / math.sqrt(2))
    assert competitive_rank_test(z, np.arange(16) < m, rho)[0] == pytest.approx(expected, rel=1e-9)


def test_constant_statistics_show_nothing():
    assert competitive_rank_test(np.ones(30), np.arange(30) < 5, 0.01) == (1.0, 1.0)


def test_mean_effect_by_hand():
    effects, errors, rho = np.array([1.0, 2.0, 3.0]), np.array([0.1, 0.2, 0.3]), 0.5
    covariance = sum(errors[i] * errors[j] * (1.0 if i == j else rho) for i, j in itertools.product(range(3), repeat=2))
    assert mean_effect(effects, errors, rho) == pytest.approx((2.0, math.sqrt(covariance) / 3))
    assert mean_effect(effects, np.full(3, 0.3), 1.0)[1] == pytest.approx(0.3)
    assert mean_effect(effects, np.full(3, 0.3), 0.0)[1] == pytest.approx(0.3 / math.sqrt(3))


def frame(values):
    columns = [f"S{i}" for i in range(values.shape[1])]
    return pd.DataFrame(values, columns=columns), pd.Series(1e6, index=columns), [columns[:4], columns[4:]]


def test_correlation_is_that_of_the_residuals_not_of_the_drug_effect():
    rng = np.random.default_rng(2)
    noise = rng.normal(scale=0.2, size=(200, 8))
    effect = np.array([0] * 4 + [3] * 4)  # all genes rise together with the drug
    independent = inter_gene_correlation(*frame(1000 * 2 ** (noise + effect)))
    assert independent == pytest.approx(PRESET_CORRELATION, abs=0.02)
    common = 0.2 * np.array([1, -1] * 4)
    together = inter_gene_correlation(*frame(1000 * 2 ** (noise + common + effect)))
    # Sums of squares of the residuals: common 8 * 0.04, own 6 degrees of freedom * 0.04.
    assert together == pytest.approx(8 / 14, abs=0.06)


def test_too_few_samples_or_genes_give_the_preset():
    values, sizes, _ = frame(np.random.default_rng(0).poisson(100, size=(5, 8)))
    assert inter_gene_correlation(values, sizes, [["S0"], ["S2"]]) == PRESET_CORRELATION
    assert inter_gene_correlation(values.iloc[:1], sizes, [["S0", "S1", "S2", "S3"], ["S4", "S5", "S6"]]) == 0.01


@pytest.mark.parametrize(("n", "limit"), [(2, 0.12), (3, 0.09), (6, 0.08)])
def test_genes_that_move_together_are_rarely_called_changed(n, limit):
    """Type I error of the whole test, the correlation estimated from the counts; ignoring it gives over 15 %."""
    rng = np.random.default_rng(n)
    size, other, rho, repeats, samples = 11, 150, 0.3, 250, [f"S{i}" for i in range(2 * n)]
    in_set = np.arange(size + other) < size
    called, ignoring = [], []
    for _ in range(repeats):
        noise = rng.normal(size=(size + other, 2 * n))
        noise[:size] = math.sqrt(rho) * rng.normal(size=2 * n) + math.sqrt(1 - rho) * noise[:size]
        counts = pd.DataFrame(1000 * 2 ** (0.25 * noise), columns=samples)
        z = (noise[:, n:].mean(axis=1) - noise[:, :n].mean(axis=1)) / math.sqrt(2 / n)
        arms = [samples[:n], samples[n:]]
        correlation = inter_gene_correlation(counts[in_set], pd.Series(1e6, index=samples), arms)
        called += [p < 0.05 for p in competitive_rank_test(z, in_set, correlation)]
        ignoring += [p < 0.05 for p in competitive_rank_test(z, in_set, 0.0)]
    assert np.mean(called) < limit
    assert np.mean(ignoring) > 0.15


class TestSetVerdicts:
    def test_a_set_is_judged_as_one_row_before_its_members(self, judge, shipped):
        frame = judge(shipped, dict.fromkeys(INTERFERON, (1.6, 0.3)), background=150, time_h=(72.0,))
        row = frame.loc["interferon_set"]
        assert (row["verdict"], row["sub_verdict"], row["gene_symbol"]) == (
            "confirmed",
            "strong",
            "interferon_set",
        )
        assert row["log2_fold_change"] == pytest.approx(1.6)
        # 11 genes, standard error 0.3 each, correlation estimated from identical counts: the preset 0.01.
        assert row["standard_error"] == pytest.approx(0.3 * math.sqrt((1 + 10 * 0.01) / 11))
        assert row["sentence"].startswith("interferon_set (11 of 13 genes, on average) rose 3-fold")
        place = list(frame.index)
        assert place.index("interferon_set") + 1 == place.index("IFIT1_drug")

    def test_members_are_listed_for_the_record(self, judge, shipped):
        frame = judge(shipped, dict.fromkeys(INTERFERON, (1.6, 0.3)), background=150)
        assert tuple(frame.loc["IFIT1_drug", ["verdict", "sub_verdict"]]) == ("not_testable", "judged_as_set")
        assert frame.loc["IFIT1_drug", "log2_fold_change"] == 1.6
        assert math.isnan(frame.loc["IFIT1_drug", "p_confirm"])
        assert frame.loc["BST2_drug", "sub_verdict"] == "not_estimable"

    def test_a_flat_set_is_absent_within_its_window_and_outside_it_not(self, judge, shipped):
        flat = {name: (0.02 * i - 0.1, 0.3) for i, name in enumerate(INTERFERON)}
        for times, expected in (((72.0,), "absent"), ((24.0,), "outside_window")):
            frame = judge(shipped, flat, background=150, time_h=times)
            assert frame.loc["interferon_set", "sub_verdict"] == expected

    def test_a_set_needs_three_expressed_members(self, judge, shipped):
        frame = judge(shipped, dict.fromkeys(INTERFERON[:2], (1.6, 0.3)), background=150)
        assert tuple(frame.loc["interferon_set", ["verdict", "sub_verdict"]]) == (
            "not_testable",
            "below_floor",
        )
        assert "2 of 13 members" in frame.loc["interferon_set", "sentence"]

    def test_a_set_needs_other_genes_to_compete_with(self, judge, shipped):
        frame = judge(shipped, dict.fromkeys(INTERFERON, (1.6, 0.3)), background=9)
        assert frame.loc["interferon_set", "sub_verdict"] == "not_estimable"

    def test_a_general_rise_of_all_genes_does_not_confirm_a_set(self, judge, shipped):
        effects = dict.fromkeys(INTERFERON, (1.6, 0.3)) | {f"X{i}": (1.6 + i / 100 - 0.5, 0.3) for i in range(100)}
        frame = judge(shipped, effects, time_h=(72.0,))
        assert frame.loc["interferon_set", "verdict"] == "inconclusive"

    def test_the_chi_square_of_a_likelihood_ratio_test_is_not_taken_for_a_direction(self, judge, shipped):
        """All statistics of such a test are positive; a set ranks by estimate / standard error."""
        effects = dict.fromkeys(INTERFERON, (1.6, 0.3))
        wald = judge(shipped, effects, background=150, time_h=(72.0,))
        ratio = judge(shipped, effects, background=150, time_h=(72.0,), likelihood_ratio=True)
        pd.testing.assert_frame_equal(wald, ratio)
