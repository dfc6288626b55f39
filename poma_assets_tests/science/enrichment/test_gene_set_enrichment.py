import gseapy
import numpy as np
import pandas as pd
import pytest

from poma_assets.science.enrichment.frames import RESULT_COLUMNS
from poma_assets.science.enrichment.gene_set_enrichment import gene_set_enrichment
from poma_assets.science.enrichment.gmt import GeneSet, GeneSetCollection
from poma_assets.science.enrichment.gseapy_scores import gseapy_scores
from poma_assets.science.enrichment.running_sum import enrichment_scores
from poma_assets.science.errors import InputError, NotEnoughDataError

GENES = np.array([f"G{number:04d}" for number in range(2000)])


def collection_of(sets):
    gene_sets = tuple(GeneSet(term, f"name of {term}", tuple(genes)) for term, genes in sets.items())
    return GeneSetCollection("test", gene_sets, "x", "")


def running_sum(statistic, members):
    """GSEA's running sum, gene by gene, as the paper defines it; ``statistic`` is sorted, largest first."""
    in_set = np.array([gene in members for gene in statistic.index])
    weight = np.where(in_set, np.abs(statistic.to_numpy()), 0.0)
    return np.cumsum(weight / weight.sum() - ~in_set / (~in_set).sum())


@pytest.fixture(scope="module")
def study():
    """2,000 genes; a third of the sets are shifted up or down."""
    rng = np.random.default_rng(7)
    values = pd.Series(rng.standard_normal(len(GENES)) * 1.5 + 0.1, GENES)
    sizes = np.linspace(10, 300, 20).astype(int)
    sets = {f"s{n:02d}": list(rng.choice(GENES, size, replace=False)) for n, size in enumerate(sizes)}
    for number, shift in zip(range(0, 20, 3), [0.9, -0.9, 0.7, -0.7, 0.3, -0.3, 0.2], strict=True):
        values[sets[f"s{number:02d}"]] += shift
    return values, sets


@pytest.fixture(scope="module")
def result(study):
    values, sets = study
    return gene_set_enrichment(values, collection_of(sets), seed=1)


@pytest.fixture(scope="module")
def by_gseapy(study):
    values, sets = study
    ran = gseapy.prerank(
        rnk=values,
        gene_sets=sets,
        min_size=10,
        max_size=500,
        permutation_num=3000,
        seed=3,
        outdir=None,
        threads=1,
    )
    return ran.res2d.set_index("Term")


def test_hand_worked_score():
    # Ranks 0 and 2 of 5 genes with |statistic| 3 and 1: +3/4, -1/3, +1/4, -1/3, -1/3.
    weights = np.array([3.0, 2.0, 1.0, 0.5, 4.0])
    score, extreme = enrichment_scores(np.array([[0, 2]]), weights)
    assert score[0] == pytest.approx(3 / 4, abs=1e-15)
    assert extreme[0] == 0
    # Ranks 1 and 4: -1/3, 0, -1/3, -2/3, then up: the minimum lies before the last gene.
    score, extreme = enrichment_scores(np.array([[1, 4]]), weights)
    assert score[0] == pytest.approx(2 / 6 - 1.0, abs=1e-15)
    assert extreme[0] == 1


def test_scores_are_the_extremes_of_the_running_sum(study, result):
    values, sets = study
    ordered = values.sort_values(ascending=False)
    for row in result.itertuples():
        walk = running_sum(ordered, set(sets[row.term_id]))
        extreme = walk.max() if walk.max() > -walk.min() else walk.min()
        assert row.score == pytest.approx(extreme, abs=1e-12)


def test_scores_and_leading_edges_equal_gseapy(result, by_gseapy):
    ours = result.set_index("term_id").loc[by_gseapy.index]
    assert len(ours) == 20
    np.testing.assert_allclose(ours["score"], by_gseapy["ES"].astype(float), atol=1e-9)
    assert list(ours["leading_genes"]) == list(by_gseapy["Lead_genes"])
    assert list(ours["overlap"]) == [genes.count(";") + 1 for genes in by_gseapy["Lead_genes"]]


def test_normalised_scores_and_p_values_agree_with_gseapy_within_sampling_error(result, by_gseapy):
    ours = result.set_index("term_id").loc[by_gseapy.index]
    np.testing.assert_allclose(ours["normalised_score"], by_gseapy["NES"].astype(float), rtol=0.04)
    theirs = by_gseapy["NOM p-val"].astype(float)
    standard_error = np.sqrt(theirs * (1 - theirs) * (1 / 500 + 1 / 1000)) + 1 / 500
    assert (np.abs(ours["p_value"] - theirs) < 4 * standard_error).all()
    assert np.corrcoef(ours["p_value"], theirs)[0, 1] > 0.995


def test_planted_sets_are_found_with_their_sign(result):
    by_term = result.set_index("term_id")
    for term, sign in (("s00", 1), ("s06", 1), ("s09", -1)):
        assert by_term.loc[term, "p_adjusted"] < 0.05
        assert np.sign(by_term.loc[term, "normalised_score"]) == sign
    planted = [f"s{number:02d}" for number in range(0, 20, 3)]
    assert by_term.drop(index=planted)["p_value"].min() > 0.01


def test_leading_genes_come_most_extreme_first(study, result):
    values, _ = study
    for term, sign in (("s06", 1), ("s03", -1)):
        leading = result.set_index("term_id").loc[term, "leading_genes"].split(";")
        statistics = values[leading].to_numpy() * sign
        assert (np.diff(statistics) <= 0).all()
        assert statistics[0] > 0


def test_p_value_is_never_zero_and_is_a_count_over_a_count():
    values = pd.Series(np.linspace(10, -10, len(GENES)), GENES)
    sets = collection_of({"top": GENES[:500]})
    one = gene_set_enrichment(values, sets, permutations=100, max_permutations=100, seed=0)
    assert one["score"].iloc[0] > 0.99
    assert list(one["permutations"]) == [100]
    n = 1 / one["p_value"].iloc[0] - 1
    assert n == pytest.approx(round(n), abs=1e-6)
    assert 30 <= n <= 70  # about half of 100 null scores are positive


def test_reversed_ranking_reverses_the_scores(study, result):
    values, sets = study
    reverse = gene_set_enrichment(-values, collection_of(sets), seed=1).set_index("term_id")
    forward = result.set_index("term_id").loc[reverse.index]
    np.testing.assert_allclose(reverse["score"], -forward["score"], atol=1e-12)
    np.testing.assert_allclose(reverse["normalised_score"], -forward["normalised_score"], rtol=0.06)


def test_equal_seeds_give_equal_results_whatever_the_order_of_the_input(study, result):
    values, sets = study
    shuffled = values.sample(frac=1, random_state=0)
    other = gene_set_enrichment(shuffled, collection_of(dict(reversed(sets.items()))), seed=1)
    pd.testing.assert_frame_equal(result, other)
    different = gene_set_enrichment(values, collection_of(sets), seed=2)
    assert not np.array_equal(np.sort(different["p_value"]), np.sort(result["p_value"]))


def test_ties_keep_the_order_of_the_ranking():
    # All but one gene are equal: rank_genes puts them in the order of the gene id, and that order stays.
    genes = [f"g{number:02d}" for number in range(40)]
    values = pd.Series(1.0, genes)
    values["g39"] = 0.5
    sets = collection_of({"first": genes[:10], "last": genes[28:38]})
    scores = gene_set_enrichment(values, sets, seed=0, permutations=50).set_index("term_id")["score"]
    assert scores["first"] == pytest.approx(1.0)
    assert scores["last"] == pytest.approx(-28 / 30)
    backward = gene_set_enrichment(values[::-1], sets, seed=0, permutations=50).set_index("term_id")["score"]
    assert backward["first"] == pytest.approx(-29 / 30)


def test_scores_equal_gseapy_also_where_most_statistics_are_tied(study):
    values, sets = study
    tied = values.round(1)
    assert tied.nunique() < 120
    ours = gene_set_enrichment(tied, collection_of(sets), seed=1, permutations=20).set_index("term_id")["score"]
    theirs = gseapy_scores(tied, sets)
    assert len(theirs) == len(ours) == 20
    np.testing.assert_allclose(ours[list(theirs)], list(theirs.values()), atol=1e-9)


def test_a_set_of_zeros_has_a_score():
    values = pd.Series(np.r_[np.linspace(3, 1, 20), np.zeros(20), np.linspace(-1, -3, 20)], GENES[:60])
    result = gene_set_enrichment(values, collection_of({"zeros": GENES[22:34]}), seed=0, permutations=100)
    assert np.isfinite(result[["score", "normalised_score", "p_value"]].to_numpy()).all()


def test_genes_outside_the_ranking_are_ignored(study, result):
    values, sets = study
    longer = {term: [*genes, "ELSEWHERE1", "ELSEWHERE2"] for term, genes in sets.items()}
    pd.testing.assert_frame_equal(gene_set_enrichment(values, collection_of(longer), seed=1), result)


def test_a_set_of_all_genes_is_left_out():
    values = pd.Series(np.arange(20.0), GENES[:20])
    sets = {"all": GENES[:20], "all_but_one": GENES[:19]}
    result = gene_set_enrichment(values, collection_of(sets), seed=0, permutations=50)
    assert list(result["term_id"]) == ["all_but_one"]


def test_no_null_score_of_the_sign_gives_p_one():
    # The set lacks only the first of 400 genes, which has most of the weight; the one random set has it.
    values = pd.Series(np.r_[100.0, np.full(398, 0.1), 0.05], GENES[:400])
    result = gene_set_enrichment(values, collection_of({"s": GENES[1:400]}), seed=0, permutations=1, max_permutations=1)
    (row,) = result.to_dict("records")
    assert row["score"] == pytest.approx(-1.0)
    assert np.isnan(row["normalised_score"])
    assert row["p_value"] == row["p_adjusted"] == 1.0


def test_columns_and_types(result):
    assert tuple(result.columns) == RESULT_COLUMNS
    assert result["overlap"].dtype == result["set_size"].dtype == np.int32
    assert (np.diff(result["p_value"]) >= 0).all()
    assert (result["p_adjusted"] >= result["p_value"]).all()
    assert result["expected_overlap"].isna().all()
    assert (result["permutations"] >= 1000).all()


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (pd.Series(1.0, GENES[:50]), "All genes have the same statistic"),
        (pd.Series(np.r_[np.inf, np.arange(49.0)], GENES[:50]), "found inf for 'G0000' and 0 more"),
        (pd.Series(np.r_[np.nan, np.nan, np.arange(48.0)], GENES[:50]), "found nan for 'G0000' and 1 more"),
        (
            pd.Series(np.arange(50.0), [*GENES[:49], "G0003"]),
            "found 1 repeats, first 'G0003'",
        ),
    ],
)
def test_rankings_that_are_refused(values, words):
    with pytest.raises(InputError) as error:
        gene_set_enrichment(values, collection_of({"s": GENES[:20]}), seed=0)
    assert words in str(error.value)
    assert str(error.value).startswith("ranking of genes: ")


@pytest.mark.parametrize("numbers", [{"permutations": 0}, {"permutations": 100, "max_permutations": 99}])
def test_numbers_of_permutations_that_are_refused(study, numbers):
    with pytest.raises(InputError, match="numbers of permutations"):
        gene_set_enrichment(study[0], collection_of(study[1]), **numbers, seed=0)


@pytest.mark.parametrize(
    ("n_genes", "words"),
    [(0, "Too few tested genes"), (14, "Too few tested genes"), (30, "No gene set of test")],
)
def test_too_little_is_said_in_a_sentence(n_genes, words):
    values = pd.Series(np.arange(float(n_genes)), GENES[:n_genes])
    with pytest.raises(NotEnoughDataError, match=words):
        gene_set_enrichment(values, collection_of({"s": GENES[1900:1950]}), seed=0)
