import numpy as np
import pandas as pd
import pytest

from poma_assets.science.errors import HypothesisError
from poma_assets.science.markers.response_score import RESPONSE_COLUMNS, response_scores
from poma_assets.science.markers.verdicts import judged_genes
from poma_assets.storage.schema import TABLES


def results(z_of_signature, n_other=300, seed=5):
    names = [f"S{i}" for i in range(len(z_of_signature))] + [f"B{i}" for i in range(n_other)]
    z = np.concatenate([z_of_signature, np.random.default_rng(seed).normal(size=n_other)])
    ids = [f"ENSG{i:011d}.3" for i in range(len(z))]
    return pd.DataFrame({"gene_id": ids, "gene_name": names, "statistic": z, "status": "tested"})


def signature(directions):
    n = len(directions)
    return pd.DataFrame(
        {
            "gene_symbol": [f"S{i}" for i in range(n)],
            "ensembl_gene_id": [f"ENSG{i:011d}" for i in range(n)],
            "direction": directions,
            "version": "toy 1.0",
        }
    )


UP_DOWN = ["up", "down", "up", "down", "up"]


def test_columns_are_those_of_the_warehouse():
    assert TABLES["response_score"].column_names == RESPONSE_COLUMNS


def test_the_score_is_the_mean_of_signed_z_without_the_judged_gene():
    frame = response_scores("c", results([4.0, -3.0, 2.0, -1.0, 5.0]), signature(UP_DOWN), ["S0", "other"], seed=1)
    rows = frame.set_index("judged_gene")
    assert rows.loc["S0", "score"] == pytest.approx((3 + 2 + 1 + 5) / 4)
    assert rows.loc["other", "score"] == pytest.approx((4 + 3 + 2 + 1 + 5) / 5)
    assert list(rows["n_genes"]) == [4, 5]
    assert rows["exposure_shown"].all()
    assert set(rows["signature"]) == {"toy 1.0"}


def test_p_is_one_sided_and_never_zero():
    with_it = response_scores("c", results([9.0, -9.0, 9.0, -9.0, 9.0]), signature(UP_DOWN), ["x"], seed=1)
    against = response_scores("c", results([-9.0, 9.0, -9.0, 9.0, -9.0]), signature(UP_DOWN), ["x"], seed=1)
    assert 1e-4 <= with_it.loc[0, "p_value"] < 0.001
    assert against.loc[0, "p_value"] > 0.99
    assert not against.loc[0, "exposure_shown"]


def test_p_is_uniform_when_the_signature_is_like_any_genes():
    p = []
    for seed in range(25):
        frame = results(np.random.default_rng(1000 + seed).normal(size=5), seed=seed)
        p.append(response_scores("c", frame, signature(UP_DOWN), ["x"], seed=2).loc[0, "p_value"])
    assert np.mean(p) == pytest.approx(0.5, abs=0.17)
    assert np.mean(np.array(p) < 0.05) < 0.21


def test_one_gene_cannot_vouch_for_itself():
    frame = response_scores("c", results([30.0, 0.1, 0.0, -0.1, 0.2]), signature(UP_DOWN), ["S0", "S1"], seed=1)
    rows = frame.set_index("judged_gene")["exposure_shown"]
    assert not rows["S0"]
    assert rows["S1"]


def test_scores_depend_on_the_seed_only_in_the_p_value_and_not_on_order():
    data, programme = results([1.0, -1.0, 1.0, -1.0, 0.5]), signature(UP_DOWN)
    first = response_scores("c", data, programme, ["S0", "S1"], seed=1).set_index("judged_gene")
    second = response_scores("c", data, programme, ["S1", "S0"], seed=1).set_index("judged_gene")
    pd.testing.assert_frame_equal(first, second.loc[first.index])


def test_a_set_is_left_out_as_a_whole():
    groups = {"my_set": ("S0", "S1")}
    frame = response_scores("c", results([9.0, -9.0, 1.0, -2.0, 3.0]), signature(UP_DOWN), groups, seed=1)
    assert (frame.loc[0, "judged_gene"], frame.loc[0, "n_genes"]) == ("my_set", 3)
    assert frame.loc[0, "score"] == pytest.approx(2.0)


def test_too_few_tested_genes_show_nothing():
    data = results([9.0, -9.0, 9.0, -9.0, 9.0])
    data.loc[:2, "statistic"] = np.nan
    row = response_scores("c", data, signature(UP_DOWN), ["x"], seed=1).loc[0]
    assert row["n_genes"] == 2
    assert np.isnan(row["p_value"])
    assert not row["exposure_shown"]


def test_an_annotation_without_any_signature_gene_or_no_results_is_no_crash():
    data = results([], n_other=20)
    data["gene_id"] = [f"FBgn{i}" for i in range(20)]
    assert response_scores("c", data, signature(UP_DOWN), ["x"], seed=1).loc[0, "n_genes"] == 0
    assert not response_scores("c", data.iloc[:0], signature(UP_DOWN), ["x"], seed=1).loc[0, "exposure_shown"]


def test_a_wrong_signature_is_refused():
    with pytest.raises(HypothesisError, match="sideways"):
        response_scores("c", results([1.0]), signature(["sideways"]), ["x"], seed=1)
    with pytest.raises(HypothesisError, match="lacks columns"):
        response_scores("c", results([1.0]), signature(["up"]).drop(columns="version"), ["x"], seed=1)


def test_the_shipped_signature_agrees_with_the_hypotheses(shipped, marker_tables):
    table = pd.read_csv(marker_tables / "response_signature.tsv", sep="\t", dtype=str, comment="#")
    hypotheses = shipped.table
    chosen = hypotheses[
        (hypotheses["contrast_kind"] == "drug_vs_vehicle")
        & hypotheses["policy"].isin(["directional", "set_member"])
        & hypotheses["cell_context"].isin(["myeloma", "myeloma_sensitive"])
    ]
    columns = ["gene_symbol", "ensembl_gene_id"]
    assert table[columns].to_numpy().tolist() == chosen[columns].to_numpy().tolist()
    assert table["direction"].tolist() == chosen["expected_direction"].tolist()
    assert table["version"].nunique() == 1
    assert set(table["gene_symbol"]) <= set(judged_genes(shipped))


def test_random_sets_bear_the_signs_of_the_signature():
    """Where all genes rise, genes expected to fall that rise less are still unusual."""
    data = results([0.5, 0.4, 0.6, 0.5, 0.5])
    data.loc[5:, "statistic"] += 3.0
    row = response_scores("c", data, signature(["down"] * 5), ["x"], seed=1).loc[0]
    assert row["score"] == pytest.approx(-0.5)
    assert row["p_value"] < 0.001
