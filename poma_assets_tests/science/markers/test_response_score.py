import math

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t as student_t

from poma_assets.science.errors import HypothesisError
from poma_assets.science.markers.residual_correlation import PRESET_CORRELATION, Residuals, design_residuals
from poma_assets.science.markers.response_score import RESPONSE_COLUMNS, genes_in_window, response_scores
from poma_assets.science.markers.verdicts import judged_genes
from poma_assets.storage.schema import TABLES


def results(z_of_signature, n_other=300, seed=5):
    names = [f"S{i}" for i in range(len(z_of_signature))] + [f"B{i}" for i in range(n_other)]
    z = np.concatenate([z_of_signature, np.random.default_rng(seed).normal(size=n_other)])
    ids = [f"ENSG{i:011d}.3" for i in range(len(z))]
    frame = pd.DataFrame({"gene_id": ids, "gene_name": names, "statistic": z, "status": "tested"})
    return frame.assign(test="wald", base_mean=100.0)


def correlated(n_signature, together, n_other=300, freedom=4, seed=9):
    """Residuals of `results`: the first genes are the same but for the given signs, the others independent."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(n_signature + n_other, freedom))
    for gene, sign in enumerate(together):
        values[gene] = sign * values[0] * (1 if gene else together[0])
    ids = [f"ENSG{i:011d}.3" for i in range(len(values))]
    return Residuals(pd.DataFrame(values / np.linalg.norm(values, axis=1, keepdims=True), index=ids))


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
    for column in ("window_start_h", "window_end_h"):
        assert pd.to_numeric(table[column]).tolist() == pytest.approx(chosen[column].tolist(), nan_ok=True)
    assert table["version"].nunique() == 1
    assert set(table["gene_symbol"]) <= set(judged_genes(shipped))


def test_random_sets_bear_the_signs_of_the_signature():
    """Where all genes rise, genes expected to fall that rise less are still unusual."""
    data = results([0.5, 0.4, 0.6, 0.5, 0.5])
    data.loc[5:, "statistic"] += 3.0
    row = response_scores("c", data, signature(["down"] * 5), ["x"], seed=1).loc[0]
    assert row["score"] == pytest.approx(-0.5)
    assert row["p_value"] < 0.001


def test_genes_that_move_together_without_a_drug_show_less():
    """The same z values: five independent genes show exposure, five copies of one gene do not."""
    data, programme = results([1.6, -1.6, 1.6, -1.6, 1.6]), signature(UP_DOWN)
    independent = response_scores("c", data, programme, ["x"], seed=1, residuals=Residuals(_orthogonal(305, 8)))
    copies = correlated(5, [1, -1, 1, -1, 1], freedom=8)
    dependent = response_scores("c", data, programme, ["x"], seed=1, residuals=copies)
    assert independent.loc[0, "correlation"] == pytest.approx(0.0)
    assert dependent.loc[0, "correlation"] == pytest.approx(1.0)
    assert independent.loc[0, "p_value"] < 0.01 < 0.05 < dependent.loc[0, "p_value"]
    assert list(dependent["residual_df"]) == [8]


def _orthogonal(genes, freedom):
    ids = [f"ENSG{i:011d}.3" for i in range(genes)]
    return pd.DataFrame(np.eye(freedom)[np.arange(genes) % freedom], index=ids)


def test_correlation_against_the_signs_of_the_signature_makes_the_score_steadier():
    data, programme = results([1.0, 1.0, 1.0, 1.0]), signature(["up", "down", "up", "down"])
    row = response_scores("c", data, programme, ["x"], seed=1, residuals=correlated(4, [1, 1, 1, 1])).loc[0]
    assert row["correlation"] == pytest.approx(-1 / 3)  # pairs: 2 of equal sign, 4 of different sign


def test_p_is_that_of_students_t_where_the_background_is_normal():
    """One gene set of correlation 0, d = 4: p of score / (1 / sqrt(m))."""
    data = results([1.2, -1.2, 1.2, -1.2, 1.2], n_other=20_000)
    row = response_scores("c", data, signature(UP_DOWN), ["x"], seed=3, residuals=_flat(20_005, 4)).loc[0]
    expected = student_t.sf((1.2 - row["expected_score"]) * math.sqrt(5), 4)
    assert row["p_value"] == pytest.approx(expected, rel=0.1)


def _flat(genes, freedom):
    frame = _orthogonal(genes, freedom)
    frame.iloc[:5] = 0.0
    frame.iloc[:4] = np.eye(4)
    return Residuals(frame)


def test_without_residual_degrees_of_freedom_the_preset_is_used():
    none = Residuals(pd.DataFrame(np.zeros((305, 0)), index=[f"ENSG{i:011d}.3" for i in range(305)]))
    data, programme = results([1.0, -1.0, 1.0, -1.0, 1.0]), signature(UP_DOWN)
    with_none = response_scores("c", data, programme, ["x"], seed=1, residuals=none)
    pd.testing.assert_frame_equal(with_none, response_scores("c", data, programme, ["x"], seed=1))
    assert list(with_none["correlation"]) == [PRESET_CORRELATION]


def test_error_rate_under_correlation_without_response(monkeypatch):
    """Rate of shown exposure where nothing responds: 20 genes, correlation 0.4, 3 against 3 samples."""
    monkeypatch.setattr("poma_assets.science.markers.response_score.RANDOM_SETS", 299)
    rng = np.random.default_rng(11)
    n, m, rho, repeats = 3, 20, 0.4, 150
    design = pd.DataFrame({"Intercept": 1.0, "target": [0.0] * n + [1.0] * n}, index=list("abcdef"))
    ids = [f"ENSG{i:011d}.3" for i in range(m + 300)]
    shown = []
    for _ in range(repeats):
        own = rng.normal(size=(m + 300, 2 * n))
        own[:m] = math.sqrt(rho) * rng.normal(size=2 * n) + math.sqrt(1 - rho) * own[:m]
        z = (own[:, n:].mean(axis=1) - own[:, :n].mean(axis=1)) / math.sqrt(2 / n)
        data = results(z[:m]).assign(statistic=z)
        expression = pd.DataFrame(own, index=ids, columns=list("abcdef"))
        both = [
            response_scores("c", data, signature(["up"] * m), ["x"], seed=1, residuals=given).loc[0, "exposure_shown"]
            for given in (design_residuals(expression, design), None)
        ]
        shown.append(both)
    allowing, ignoring = np.mean(shown, axis=0)
    assert allowing < 0.11
    assert ignoring > 0.15


def test_only_genes_within_their_window_are_asked():
    windows = signature(UP_DOWN).assign(
        window_start_h=["8", "24", "", "48", ""], window_end_h=["", "72", "", "72", "6"]
    )
    chosen = {
        hours: genes_in_window(windows, hours)["gene_symbol"].tolist() for hours in ((24.0,), (6.0,), (24.0, 48.0))
    }
    assert chosen == {(24.0,): ["S0", "S1", "S2"], (6.0,): ["S2", "S4"], (24.0, 48.0): ["S0", "S1", "S2"]}
    assert len(genes_in_window(windows, ())) == len(genes_in_window(windows, (0.0,))) == 5
    row = response_scores("c", results([1.0, -2.0, 3.0, -9.0, 9.0]), windows, ["x"], seed=1, time_h=(24.0,)).loc[0]
    assert (row["n_genes"], row["score"]) == (3, pytest.approx(2.0))


def test_a_likelihood_ratio_statistic_has_no_direction_and_is_not_used():
    data = results([9.0, 9.0, 9.0, 9.0, 9.0]).assign(test="lrt", standard_error=1.0)
    data["log2_fold_change"] = np.r_[3.0, -3.0, 3.0, -3.0, 3.0, np.zeros(300)]
    assert response_scores("c", data, signature(UP_DOWN), ["x"], seed=1).loc[0, "score"] == pytest.approx(3.0)


def test_hardly_expressed_genes_and_outliers_do_not_speak():
    data = results([9.0, -9.0, 1.0, -1.0, 1.0])
    data.loc[0, "base_mean"], data.loc[1, "status"] = 9.9, "outlier"
    row = response_scores("c", data, signature(UP_DOWN), ["x"], seed=1).loc[0]
    assert (row["n_genes"], row["score"]) == (3, pytest.approx(1.0))


def test_too_few_other_genes_show_nothing():
    data = results([9.0, -9.0, 9.0, -9.0, 9.0], n_other=9)
    row = response_scores("c", data, signature(UP_DOWN), ["x"], seed=1).loc[0]
    assert np.isnan(row["p_value"])
    assert not row["exposure_shown"]
