import numpy as np
import pandas as pd
import pytest
from gseapy.stats import calc_pvalues
from scipy.stats import fisher_exact, hypergeom

from poma_assets.science.enrichment.frames import RESULT_COLUMNS
from poma_assets.science.enrichment.gmt import GeneSet, GeneSetCollection
from poma_assets.science.enrichment.over_representation import over_representation
from poma_assets.science.errors import InputError, NotEnoughDataError


def collection_of(sets):
    gene_sets = tuple(GeneSet(term, f"name of {term}", tuple(genes)) for term, genes in sets.items())
    return GeneSetCollection("test", gene_sets, "x", "")


BACKGROUND = [f"G{number:03d}" for number in range(200)]


@pytest.fixture(scope="module")
def random_case():
    rng = np.random.default_rng(11)
    universe = [*BACKGROUND, *(f"UNTESTED{number}" for number in range(50))]
    sets = {f"s{n:02d}": list(rng.choice(universe, size, replace=False)) for n, size in enumerate([20, 40, 70] * 8)}
    sets["no_hit"] = BACKGROUND[150:165]
    significant = list(rng.choice(BACKGROUND[:150], 25, replace=False))
    return significant, sets, over_representation(significant, BACKGROUND, collection_of(sets))


def test_hand_worked_table():
    # 20 genes, 5 significant; the set has 4 of 20, 3 of them significant.
    genes = [f"g{number:02d}" for number in range(20)]
    result = over_representation(
        genes[:5], genes, collection_of({"s": ["g04", "g00", "g01", "g19", "elsewhere"]}), min_size=1
    )
    (row,) = result.to_dict("records")
    # P(X >= 3) = (C(4,3) C(16,2) + C(4,4) C(16,1)) / C(20,5) = (4 x 120 + 16) / 15504
    assert row["p_value"] == pytest.approx(496 / 15504, rel=1e-12)
    assert row["score"] == pytest.approx((3.5 * 14.5) / (1.5 * 2.5), rel=1e-12)
    assert (row["set_size"], row["overlap"], row["leading_genes"]) == (4, 3, "g00;g01;g04")
    assert row["expected_overlap"] == pytest.approx(4 * 5 / 20)
    assert (row["collection"], row["term_id"], row["term_name"]) == ("test", "s", "name of s")
    assert np.isnan(row["normalised_score"])
    assert row["p_adjusted"] == row["p_value"]


@pytest.mark.parametrize(
    ("members", "p_value", "odds_ratio"),
    [
        (range(5), 1 / 15504, (5.5 * 15.5) / (0.5 * 0.5)),  # all significant genes and no others: b = c = 0
        (range(5, 9), 1.0, (0.5 * 11.5) / (4.5 * 5.5)),  # no significant gene: a = 0
        (range(20), 1.0, (5.5 * 0.5) / (15.5 * 0.5)),  # all genes: c = d = 0
    ],
)
def test_empty_cells_have_a_finite_odds_ratio(members, p_value, odds_ratio):
    genes = [f"g{number:02d}" for number in range(20)]
    sets = collection_of({"s": [genes[member] for member in members]})
    result = over_representation(genes[:5], genes, sets, min_size=1)
    assert result["p_value"].iloc[0] == pytest.approx(p_value, rel=1e-12)
    assert result["score"].iloc[0] == pytest.approx(odds_ratio, rel=1e-12)


def test_p_values_equal_the_hypergeometric_tail(random_case):
    significant, _, result = random_case
    expected = hypergeom.sf(result["overlap"] - 1, len(BACKGROUND), len(significant), result["set_size"])
    np.testing.assert_allclose(result["p_value"], expected, rtol=1e-12)
    np.testing.assert_allclose(
        result["expected_overlap"], hypergeom.mean(len(BACKGROUND), len(significant), result["set_size"]), rtol=1e-12
    )


def test_p_values_equal_fisher_exact(random_case):
    significant, sets, result = random_case
    assert len(result) == len(sets)
    for row in result.itertuples():
        members = set(sets[row.term_id]) & set(BACKGROUND)
        a = len(members & set(significant))
        b, c = len(members) - a, len(significant) - a
        table = [[a, b], [c, len(BACKGROUND) - a - b - c]]
        assert (row.set_size, row.overlap) == (len(members), a)
        assert row.p_value == pytest.approx(fisher_exact(table, alternative="greater").pvalue, rel=1e-9)


def test_p_values_and_odds_ratios_equal_gseapy(random_case):
    significant, sets, result = random_case
    terms, p_values, odds, overlap, size, _ = calc_pvalues(significant, sets, set(BACKGROUND))
    ours = result.set_index("term_id").loc[list(terms)]
    np.testing.assert_allclose(ours["p_value"], p_values, rtol=1e-10)
    np.testing.assert_allclose(ours["score"], odds, rtol=1e-12)
    assert list(ours["overlap"]) == list(overlap)
    assert list(ours["set_size"]) == list(size)


def test_adjustment_counts_sets_without_a_hit(random_case):
    _, sets, result = random_case
    p = result["p_value"].to_numpy()
    assert (np.diff(p) >= 0).all()
    by_hand = np.minimum.accumulate((p * len(sets) / np.arange(1, len(sets) + 1))[::-1])[::-1]
    np.testing.assert_allclose(result["p_adjusted"], np.minimum(by_hand, 1), rtol=1e-12)
    no_hit = result.set_index("term_id").loc["no_hit"]
    assert (no_hit["overlap"], no_hit["p_value"], no_hit["leading_genes"]) == (0, 1.0, "")
    assert np.isfinite(result["score"]).all()


def test_size_limits_count_tested_genes_only():
    sets = {
        "nine_tested": [*BACKGROUND[:9], "UNTESTED1", "UNTESTED2"],
        "ten_tested": [*BACKGROUND[:10], "UNTESTED1"],
        "twenty": BACKGROUND[:20],
        "twenty_one": BACKGROUND[:21],
    }
    result = over_representation(BACKGROUND[:3], BACKGROUND, collection_of(sets), min_size=10, max_size=20)
    assert set(result["term_id"]) == {"ten_tested", "twenty"}


def test_p_value_is_never_zero():
    genes = [f"g{number}" for number in range(6000)]
    sets = collection_of({"all": genes[:500], "other": genes[500:600]})
    result = over_representation(genes[:500], genes, sets)
    assert hypergeom.sf(499, 6000, 500, 500) == 0
    assert result["term_id"].iloc[0] == "all"
    assert 0 < result["p_value"].iloc[0] < 1e-300
    assert result["p_value"].iloc[1] == 1.0


def test_columns_and_types(random_case):
    _, _, result = random_case
    assert tuple(result.columns) == RESULT_COLUMNS
    assert result["overlap"].dtype == result["set_size"].dtype == np.int32
    assert result["normalised_score"].dtype == np.float64
    assert result["permutations"].isna().all()


def test_order_of_the_input_does_not_matter(random_case):
    significant, sets, result = random_case
    other = over_representation(significant[::-1], BACKGROUND[::-1], collection_of(dict(reversed(sets.items()))))
    pd.testing.assert_frame_equal(result, other)


def test_no_significant_gene_is_said_in_a_sentence():
    with pytest.raises(NotEnoughDataError, match="No gene is significant"):
        over_representation([], BACKGROUND, collection_of({"s": BACKGROUND[:20]}))


def test_significant_gene_outside_the_background_is_refused():
    with pytest.raises(InputError, match=r"found 1 such as 'NOWHERE'"):
        over_representation(["G001", "NOWHERE"], BACKGROUND, collection_of({"s": BACKGROUND[:20]}))


@pytest.mark.parametrize(
    ("genes", "sets", "limits", "words"),
    [
        (BACKGROUND[:14], {"s": BACKGROUND[:12]}, {}, "Too few tested genes"),
        (BACKGROUND, {"s": BACKGROUND[:9]}, {}, "the largest has 9 of them). Lower min_size (now 10)"),
        (BACKGROUND, {"s": BACKGROUND[:30]}, {"max_size": 20}, "Raise max_size (now 20)"),
        (
            BACKGROUND,
            {"s": ["Irf4", "Myc"]},
            {},
            "such as 'Irf4', the study such as 'G000'",
        ),
        (BACKGROUND, {"s": []}, {}, "None of its genes is a gene of the study"),
    ],
)
def test_too_little_to_test_is_said_in_a_sentence(genes, sets, limits, words):
    with pytest.raises(NotEnoughDataError) as error:
        over_representation(genes[:3], genes, collection_of(sets), **limits)
    assert words in str(error.value)


@pytest.mark.parametrize("limits", [{"min_size": 0}, {"min_size": 20, "max_size": 10}])
def test_wrong_limits(limits):
    with pytest.raises(InputError, match="limits of the gene-set size"):
        over_representation(BACKGROUND[:3], BACKGROUND, collection_of({"s": BACKGROUND[:12]}), **limits)
