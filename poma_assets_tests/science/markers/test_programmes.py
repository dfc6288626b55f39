import math

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t as student_t

from poma_assets.science.errors import CountsError, HypothesisError
from poma_assets.science.markers.programmes import (
    PROGRAMME_COLUMNS,
    programme_remarks,
    programme_scores,
    programme_summary,
)
from poma_assets.science.markers.residual_correlation import Residuals, arm_design, contrast_residuals, design_residuals
from poma_assets.storage.schema import TABLES

PROGRAMMES = pd.DataFrame(
    {
        "programme": ["proliferation"] * 20 + ["apoptosis"] * 12 + ["interferon"] * 4,
        "gene_symbol": [f"G{i}" for i in range(36)],
        "ensembl_gene_id": [f"ENSG{i:011d}" for i in range(36)],
        "version": "toy 1.0",
    }
)
N_GENES = 436


def results(proliferation=0.0, apoptosis=0.0, error=0.2, seed=1):
    effect = np.random.default_rng(seed).normal(scale=error, size=N_GENES)
    effect[:20] += proliferation
    effect[20:32] += apoptosis
    ids = [f"ENSG{i:011d}" for i in range(N_GENES)]
    frame = pd.DataFrame({"gene_id": ids, "gene_name": [f"G{i}" for i in range(N_GENES)], "log2_fold_change": effect})
    frame = frame.assign(standard_error=error, statistic=effect / error, test="wald", status="tested", base_mean=100.0)
    return frame


def residuals(freedom=8, together=0.0, seed=2):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(N_GENES, freedom))
    values[:20] = math.sqrt(together) * rng.normal(size=freedom) + math.sqrt(1 - together) * values[:20]
    ids = [f"ENSG{i:011d}" for i in range(N_GENES)]
    return Residuals(pd.DataFrame(values / np.linalg.norm(values, axis=1, keepdims=True), index=ids))


def scores(residual=None, leave_out=(), **effects):
    frame = programme_scores("c", results(**effects), PROGRAMMES, residual or residuals(), leave_out=leave_out)
    return frame.set_index("programme", drop=False)


def test_columns_are_those_of_the_warehouse():
    assert TABLES["programme_scores"].column_names == PROGRAMME_COLUMNS


def test_a_programme_that_fell_is_found_and_the_others_are_not():
    frame = scores(proliferation=-0.5)
    assert frame["moved"].to_dict() == {"proliferation": True, "apoptosis": False, "interferon": False}
    expected = results(proliferation=-0.5)["log2_fold_change"][:20].mean()
    assert frame.loc["proliferation", "log2_fold_change"] == pytest.approx(expected)
    assert list(frame["n_genes"]) == [20, 12, 4]
    assert frame.loc["proliferation", "p_value"] < 0.01


def test_interval_by_hand_with_the_preset_correlation_and_student():
    row = scores(residuals(freedom=8)).loc["proliferation"]
    correlation = max(0.01, row["correlation"])
    half = student_t.ppf(0.975, 8) * 0.2 * math.sqrt((1 + 19 * correlation) / 20)
    assert row["ci_high"] - row["log2_fold_change"] == pytest.approx(half)
    assert row["log2_fold_change"] - row["ci_low"] == pytest.approx(half)


def test_genes_that_move_together_make_a_small_change_uncertain():
    alone = scores(residuals(), proliferation=-0.25).loc["proliferation"]
    together = scores(residuals(together=0.6), proliferation=-0.25).loc["proliferation"]
    assert alone["moved"]
    assert not together["moved"]
    assert together["correlation"] > 0.3 > 0.1 > alone["correlation"]
    assert together["log2_fold_change"] == alone["log2_fold_change"]


def test_a_certain_but_tiny_change_is_no_move():
    frame = scores(proliferation=-0.12, error=0.01)
    assert frame.loc["proliferation", "p_value"] < 0.01
    assert not frame.loc["proliferation", "moved"]


def test_few_genes_give_no_number():
    row = scores().loc["interferon"]
    assert (row["n_genes"], row["n_listed"]) == (4, 4)
    assert math.isnan(row["p_value"])
    assert math.isnan(row["log2_fold_change"])
    assert not row["moved"]


def test_markers_do_not_speak_for_themselves():
    frame = scores(leave_out={"G0", "G1"}, proliferation=-0.5)
    assert (frame.loc["proliferation", "n_genes"], frame.loc["proliferation", "n_listed"]) == (18, 20)


def test_p_values_are_adjusted_over_the_programmes_scored():
    frame = scores(proliferation=-0.5)
    scored = frame[frame["p_value"].notna()].sort_values("p_value")
    assert scored["p_adjusted"].iloc[0] == pytest.approx(2 * scored["p_value"].iloc[0])
    assert scored["p_adjusted"].iloc[1] == pytest.approx(scored["p_value"].iloc[1])


def test_a_table_without_its_columns_is_refused():
    with pytest.raises(HypothesisError, match="lacks columns"):
        programme_scores("c", results(), PROGRAMMES.drop(columns="version"), residuals())


def table_of(**moves):
    rows = [(name, size, True) for name, size in moves.items()]
    return pd.DataFrame(rows, columns=["programme", "log2_fold_change", "moved"])


def test_a_fall_beside_a_fall_of_proliferation():
    (remark,) = programme_remarks(table_of(proliferation=-0.5), "IRF4", -1.68, (48.0,))
    assert remark == (
        "IRF4 fell 3.2-fold; the proliferation programme fell 1.4-fold as well (48 h): "
        "a part of the fall may be fewer cycling cells"
    )


@pytest.mark.parametrize(
    ("programme", "size", "effect", "words"),
    [
        ("proliferation", 0.5, 1.0, "more cycling cells"),
        ("proliferation", -0.5, 1.0, None),
        ("proliferation", 0.5, -1.0, None),
        ("apoptosis", 0.5, -1.0, "at the same time (48 h): a part of the fall may be dying cells"),
        ("apoptosis", 0.5, 1.0, "as well (48 h): a part of the rise may be dying cells"),
        ("apoptosis", -0.5, 1.0, None),
        ("unfolded_protein_response", 0.5, -1.0, "stress"),
        ("interferon", 0.5, 1.0, "an interferon response in general"),
        ("interferon", 0.5, -1.0, None),
        ("own_programme", 0.5, 1.0, None),
    ],
)
def test_what_a_programme_may_explain(programme, size, effect, words):
    remarks = programme_remarks(table_of(**{programme: size}), "X", effect, (48.0,))
    assert len(remarks) == (0 if words is None else 1)
    assert words is None or words in remarks[0]


def test_programmes_that_did_not_move_and_markers_without_effect_are_silent():
    still = table_of(proliferation=-0.5).assign(moved=False)
    assert programme_remarks(still, "IRF4", -1.0, (48.0,)) == []
    assert programme_remarks(table_of(proliferation=-0.5), "IRF4", math.nan, (48.0,)) == []


def test_time_is_said():
    def said(*hours):
        return programme_remarks(table_of(proliferation=-0.5), "IRF4", -1.0, hours)[0]

    assert "(24 h, when direct targets move and programmes usually do not yet)" in said(24.0)
    assert "(24 and 72 h)" in said(72.0, 24.0)
    assert "(time of treatment not recorded)" in said()


def test_the_summary_of_a_contrast():
    moved = table_of(proliferation=-0.5, apoptosis=0.3)
    assert programme_summary(moved, (48.0,)) == (
        "The proliferation programme fell 1.4-fold; the death programme (apoptosis) rose 1.2-fold (48 h)."
    )
    assert programme_summary(moved.assign(moved=False), (24.0,)).startswith("No programme moved (24 h, when direct")
    assert "could be scored" in programme_summary(moved.assign(moved=False, log2_fold_change=math.nan), ())


def test_the_shipped_programmes(marker_tables):
    table = pd.read_csv(marker_tables / "programmes.tsv", sep="\t", dtype=str, keep_default_na=False)
    sizes = table["programme"].value_counts()
    assert sizes.to_dict() == {
        "apoptosis": 149, "unfolded_protein_response": 108, "interferon": 90, "proliferation": 67,
    }  # fmt: skip
    assert not table["gene_symbol"].duplicated().any()
    ids = table["ensembl_gene_id"][table["ensembl_gene_id"] != ""]
    assert ids.str.fullmatch(r"ENSG\d{11}").all()
    assert not ids.duplicated().any()
    assert table["version"].nunique() == 1
    assert {"MKI67", "AURKA", "CDK1"} <= set(table.loc[table["programme"] == "proliferation", "gene_symbol"])


class TestResiduals:
    def test_correlation_is_that_of_the_residuals_of_a_linear_model(self):
        rng = np.random.default_rng(4)
        samples = [f"S{i}" for i in range(9)]
        design = pd.DataFrame({"a": 1.0, "b": [0, 0, 0, 1, 1, 1, 1, 0, 1], "c": rng.normal(size=9)}, index=samples)
        values = pd.DataFrame(rng.normal(size=(3, 9)), index=["x", "y", "z"], columns=samples)
        fitted = design.to_numpy() @ np.linalg.lstsq(design.to_numpy(), values.to_numpy().T, rcond=None)[0]
        left = values.to_numpy() - fitted.T
        unit = left / np.linalg.norm(left, axis=1, keepdims=True)
        found = design_residuals(values, design)
        assert found.degrees_of_freedom == 6
        assert found.mean_correlation(["x", "y"], [1, -1]) == pytest.approx(-(unit[0] @ unit[1]))
        together = unit[0] @ unit[2] - unit[0] @ unit[1] - unit[1] @ unit[2]
        assert found.mean_correlation(["x", "y", "z"], [1, -1, 1]) == pytest.approx(together / 3)

    @pytest.mark.parametrize(("freedom", "factor"), [(2, math.pi / 4), (4, 9 * math.pi / 32)])
    def test_a_positive_mean_is_freed_of_its_bias(self, freedom, factor):
        unit = np.zeros((2, freedom))
        unit[:, 0], unit[1, :2] = 1.0, (0.6, 0.8)
        found = Residuals(pd.DataFrame(unit, index=["x", "y"]))
        assert found.mean_correlation(["x", "y"], [1, 1]) == pytest.approx(0.6 / factor)
        assert found.mean_correlation(["x", "y"], [1, -1]) == pytest.approx(-0.6)

    def test_samples_of_other_arms_add_degrees_of_freedom(self):
        rng = np.random.default_rng(5)
        samples = [f"S{i}" for i in range(10)]
        values = pd.DataFrame(rng.normal(size=(4, 10)), index=list("wxyz"), columns=samples)
        first = arm_design(pd.Series(["a", "a", "a", "b", "b", "b"], index=samples[:6]))
        others = arm_design(pd.Series(["c", "c", "c", "d"], index=samples[6:]))
        both = design_residuals(values, first, others)
        assert (design_residuals(values, first).degrees_of_freedom, both.degrees_of_freedom) == (4, 6)
        whole = arm_design(pd.Series([*"aaabbbcccd"], index=samples))
        expected = design_residuals(values, whole).mean_correlation(list("wxyz"), np.ones(4))
        assert both.mean_correlation(list("wxyz"), np.ones(4)) == pytest.approx(expected)

    def test_a_contrast_takes_the_other_arms_of_the_study_with_it(self):
        rng = np.random.default_rng(6)
        ids = [f"S{i}" for i in range(12)]
        values = pd.DataFrame(rng.normal(size=(4, 12)), index=list("wxyz"), columns=ids)
        arm = {"cell_context": "myeloma", "time_h": 24.0, "dose_um": None}
        lines = ["A"] * 6 + ["B"] * 6
        samples = pd.DataFrame([{"sample_id": s, "cell_line": line, **arm} for s, line in zip(ids, lines, strict=True)])
        samples["treatment"] = (["DMSO"] * 3 + ["drug"] * 3) * 2
        design = pd.DataFrame({"Intercept": 1.0, "drug": [0, 0, 0, 1, 1, 1]}, index=ids[:6])
        found = contrast_residuals(values, design, samples)
        assert found.degrees_of_freedom == 8
        whole = arm_design(samples.set_index("sample_id")["cell_line"] + samples.set_index("sample_id")["treatment"])
        expected = design_residuals(values, whole).mean_correlation(["w", "x"], np.ones(2))
        assert found.mean_correlation(["w", "x"], np.ones(2)) == pytest.approx(expected)
        assert contrast_residuals(values.iloc[:, :6], design, samples).degrees_of_freedom == 4

    def test_wrong_samples_are_refused(self):
        values = pd.DataFrame(np.ones((2, 2)), columns=["S1", "S2"])
        arms = arm_design(pd.Series(["a", "a"], index=["S1", "S2"]))
        with pytest.raises(CountsError, match="two designs"):
            design_residuals(values, arms, arms)
        with pytest.raises(CountsError, match="no expression values"):
            design_residuals(values, arms.rename(index={"S2": "S9"}))

    def test_constant_genes_have_no_correlation(self):
        values = pd.DataFrame([[1.0] * 4, [1, 2, 3, 5], [2, 4, 6, 10]], index=list("xyz"), columns=list("abcd"))
        found = design_residuals(values, pd.DataFrame({"i": 1.0}, index=list("abcd")))
        assert found.mean_correlation(["x", "y", "z"], np.ones(3)) == pytest.approx(1.0)
        assert found.mean_correlation(["x", "y"], np.ones(2)) == 0.01
