"""Whole tables: which rows appear, adjustment, labels, published numbers, awkward annotations."""

import math

import pandas as pd
import pytest

from poma_assets.science.errors import CountsError
from poma_assets.science.markers.hypotheses import parse_hypotheses
from poma_assets.science.markers.verdicts import VERDICT_COLUMNS, judge_markers, judged_genes
from poma_assets.storage.schema import TABLES

PUBLISHED = {
    "IRF4": (-1.74, 0.41),  # p = 2e-5
    "MYC": (-0.02, 0.06),  # p = 0.74
    "DNMT1": (0.08, 0.10),
    "IKZF1": (-0.02, 0.10),
    "IKZF3": (-0.37, 0.10),
    "CRBN": (-0.33, 0.10),
}


def found(frame):
    return {name: (row["verdict"], row["sub_verdict"]) for name, row in frame.iterrows()}


def test_columns_are_those_of_the_warehouse(judge, one_hypothesis):
    assert TABLES["marker_verdicts"].column_names == VERDICT_COLUMNS
    frame = judge(one_hypothesis(), {"GENE1": (-1.0, 0.2)}).reset_index()
    assert set(frame.columns) == set(VERDICT_COLUMNS)


def test_published_lenalidomide_24_h_in_mm1s(judge, shipped):
    frame = judge(shipped, PUBLISHED)
    verdicts = found(frame)
    assert {name: verdicts[name] for name in verdicts if frame.loc[name, "gene_symbol"] in PUBLISHED} == {
        "IRF4_drug": ("confirmed", "strong"),
        "MYC_drug": ("contradicted", "absent"),
        "DNMT1_drug": ("contradicted", "absent"),
        "IKZF1_degradation": ("not_testable", "protein_level"),
        "IKZF3_degradation": ("not_testable", "protein_level"),
        "CRBN_drug": ("not_testable", "report_only"),
    }
    assert set(frame["label"].dropna()) == {"engaged_uncoupled"}
    assert list(frame.index[frame["label"].notna()]) == ["IRF4_drug", "MYC_drug"]


@pytest.mark.parametrize(
    ("error", "myc", "labelled"),
    [
        (0.10, ("contradicted", "absent"), True),
        (0.34, ("inconclusive", "borderline"), False),
        (0.36, ("inconclusive", "underpowered"), False),
    ],
)
def test_published_myc_with_other_standard_errors(judge, shipped, error, myc, labelled):
    frame = judge(shipped, PUBLISHED | {"MYC": (-0.02, error)})
    assert found(frame)["MYC_drug"] == myc
    assert (frame.loc["MYC_drug", "label"] == "engaged_uncoupled") is labelled


def test_published_myc_at_6_h_is_outside_its_window_but_irf4_is_not(judge, shipped):
    verdicts = found(judge(shipped, PUBLISHED, time_h=(8.0,)))
    assert verdicts["MYC_drug"] == ("inconclusive", "outside_window")
    assert verdicts["IRF4_drug"] == ("confirmed", "strong")


def test_uncoupled_is_not_said_without_irf4(judge, shipped):
    assert judge(shipped, PUBLISHED | {"IRF4": (-0.3, 0.1)})["label"].isna().all()


def test_uncoupled_is_not_said_if_myc_falls_a_little(judge, shipped):
    frame = judge(shipped, PUBLISHED | {"MYC": (-0.25, 0.06)})
    assert found(frame)["MYC_drug"] == ("inconclusive", "small_effect")
    assert frame["label"].isna().all()


def test_a_sensitive_contrast_leaves_out_the_hypotheses_for_resistant_cells(judge, shipped):
    rows = set(judge(shipped, PUBLISHED).index)
    assert {"IRF4_drug", "MYC_drug", "IFITM1_drug_sensitive"} <= rows
    assert not rows & {"IRF4_drug_resistant", "MYC_drug_resistant", "IFITM1_drug_resistant"}
    assert not rows & {"IFITM1_interaction", "CRBN_resistance_baseline"}


def test_a_resistant_contrast_judges_equivalence_and_keeps_what_has_no_counterpart(judge, shipped):
    frame = judge(shipped, PUBLISHED | {"IRF4": (0.0, 0.1)}, sensitivities=frozenset({"resistant"}))
    verdicts = found(frame)
    assert verdicts["IRF4_drug_resistant"] == ("confirmed", "equivalent")
    assert "IRF4_drug" not in verdicts
    assert verdicts["CD38_drug"] == ("not_testable", "context")
    assert verdicts["interferon_set"] == ("not_testable", "context")
    assert "IFIT1_drug" not in verdicts


def test_undeclared_sensitivity_tests_nothing_that_depends_on_it(judge, shipped):
    verdicts = found(judge(shipped, PUBLISHED, sensitivities=frozenset({"unknown"})))
    assert verdicts["IRF4_drug"] == verdicts["IRF4_drug_resistant"] == ("not_testable", "context")
    assert verdicts["DNMT1_drug"] == ("contradicted", "absent")


@pytest.mark.parametrize("gene", ["IFNG_drug", "IL2_drug", "HBG1_erythroid"])
def test_immune_and_erythroid_markers_are_not_testable_in_myeloma(judge, shipped, gene):
    assert found(judge(shipped, PUBLISHED))[gene] == ("not_testable", "context")


def test_t_cells_judge_their_own_markers(judge, shipped):
    frame = judge(shipped, {"IFNG": (3.0, 0.3), "IL2": (2.5, 0.3)}, cell_contexts=frozenset({"t_cell"}))
    verdicts = found(frame)
    assert verdicts["IFNG_drug"] == verdicts["IL2_drug"] == ("confirmed", "strong")
    assert verdicts["IRF4_drug"] == ("not_testable", "context")


def test_the_interaction_contrast_decides_about_ifitm1(judge, shipped):
    kind = "drug_by_sensitivity_interaction"
    both = frozenset({"sensitive", "resistant"})
    frame = judge(shipped, {"IFITM1": (3.0, 0.3)}, kind=kind, sensitivities=both)
    assert found(frame)["IFITM1_interaction"] == ("confirmed", "strong")
    assert set(frame["policy"]) == {"directional", "identity"}
    drug = judge(shipped, {"IFITM1": (3.0, 0.3)}).loc["IFITM1_drug_sensitive"]
    assert "decided by the interaction contrast alone" in drug["sentence"]


def test_resistance_at_vehicle_is_permissive_about_crbn(judge, shipped):
    kind = "resistant_vs_sensitive_at_vehicle"
    both = frozenset({"sensitive", "resistant"})
    effects = {"CRBN": (0.0, 0.1), "IFITM1": (-1.5, 0.2)}
    verdicts = found(judge(shipped, effects, kind=kind, sensitivities=both))
    assert verdicts["CRBN_resistance_baseline"] == ("inconclusive", "absent")
    assert verdicts["IFITM1_resistance_baseline"] == ("confirmed", "strong")


def test_p_values_are_adjusted_over_the_testable_panel_only(judge, shipped):
    frame = judge(shipped, PUBLISHED)
    tested = frame[frame["q_confirm"].notna()]
    assert set(tested.index) == {"IRF4_drug", "MYC_drug", "DNMT1_drug"}
    # Three tests; the smallest p is multiplied by 3, the next by 3/2, the last stays.
    assert tested.loc["IRF4_drug", "q_confirm"] == pytest.approx(3 * tested.loc["IRF4_drug", "p_confirm"])
    assert tested.loc["MYC_drug", "q_confirm"] == pytest.approx(1.5 * tested.loc["MYC_drug", "p_confirm"])
    assert tested.loc["DNMT1_drug", "q_confirm"] == tested.loc["DNMT1_drug", "p_confirm"]


def test_numbers_of_a_row(judge, one_hypothesis):
    row = judge(one_hypothesis(), {"GENE1": (-1.0, 0.2)}, edger={"GENE1": -0.9}).loc["H1"]
    assert (row["ci_low"], row["ci_high"]) == pytest.approx((-1.392, -0.608), abs=1e-3)
    assert row["smallest_detectable_effect_log2"] == pytest.approx(0.329)
    assert (row["n_reference"], row["n_target"], row["edger_log2_fold_change"]) == (3, 3, -0.9)
    assert len(row["hypotheses_sha256"]) == 64


class TestAnnotation:
    ONE = "hypothesis_id gene_symbol ensembl_gene_id panel cell_context measured_level contrast_kind " \
        "expected_direction min_effect_log2 window_start_h window_end_h policy\n" \
        "H1 GENE1 ENSG00000000001 core myeloma rna drug_vs_vehicle down 0.585 . . directional"  # fmt: skip

    def run(self, facts, genes):
        """Judge GENE1 in an annotation of (gene id, symbol), all with the same effect."""
        text = self.ONE.replace(" ", "\t").replace("\t.\t.\t", "\t\t\t")
        frame = pd.DataFrame(genes, columns=["gene_id", "gene_name"]).assign(
            log2_fold_change=-1.68, standard_error=0.2, statistic=-8.4, p_adjusted=0.01, status="tested"
        )
        samples = list(facts().samples)
        counts = pd.DataFrame(500, index=frame["gene_id"], columns=samples)
        empty = pd.DataFrame(columns=["sample_id", "status"])
        sizes = pd.Series(1e6, index=samples)
        hypotheses = parse_hypotheses(text, source="h")
        frame = judge_markers(hypotheses, facts(), frame, None, counts, sizes, empty, empty, None)
        return frame.set_index("hypothesis_id").loc["H1"]

    def test_versions_are_ignored(self, facts):
        assert self.run(facts, [("ENSG00000000001.7", "GENE1")])["verdict"] == "confirmed"

    def test_the_id_wins_over_a_second_gene_of_the_same_symbol(self, facts):
        genes = [("ENSG00000000001", "GENE1"), ("ENSG00000999999", "GENE1")]
        assert self.run(facts, genes)["verdict"] == "confirmed"

    def test_an_alternative_haplotype_is_found_by_its_symbol(self, facts):
        assert self.run(facts, [("ENSG00000777777", "GENE1")])["verdict"] == "confirmed"

    def test_an_ambiguous_symbol_is_not_guessed(self, facts):
        row = self.run(facts, [("ENSG00000777777", "GENE1"), ("ENSG00000888888", "GENE1")])
        assert (row["verdict"], row["sub_verdict"]) == ("not_testable", "not_estimable")
        assert "ENSG00000777777, ENSG00000888888" in row["sentence"]

    def test_a_marker_missing_from_the_annotation_is_said_so(self, facts):
        row = self.run(facts, [("ENSG00000000002", "OTHER")])
        assert (row["verdict"], row["sub_verdict"]) == ("not_testable", "not_estimable")
        assert "the annotation has no gene ENSG00000000001 or GENE1" in row["sentence"]
        assert math.isnan(row["log2_fold_change"])

    def test_one_id_in_two_versions_is_not_guessed(self, facts):
        row = self.run(facts, [("ENSG00000000001.5", "GENE1"), ("ENSG00000000001.7", "GENE1")])
        assert (row["verdict"], row["sub_verdict"]) == ("not_testable", "not_estimable")
        assert "ENSG00000000001.5, ENSG00000000001.7" in row["sentence"]

    def test_another_gene_of_the_marker_s_id_wins_over_its_symbol(self, facts):
        """Symbols change; ids do not."""
        row = self.run(facts, [("ENSG00000000001", "RENAMED"), ("ENSG00000999999", "GENE1")])
        assert (row["verdict"], row["ensembl_gene_id"]) == ("confirmed", "ENSG00000000001")


@pytest.mark.parametrize("estimate", [(-1.68, math.nan), (math.nan, 0.2), (math.inf, 0.2)])
def test_an_estimate_without_standard_error_is_no_estimate(judge, one_hypothesis, estimate):
    row = judge(one_hypothesis(), {"GENE1": estimate, "OTHER": (0.1, 0.2)}).loc["H1"]
    assert (row["verdict"], row["sub_verdict"]) == ("not_testable", "not_estimable")
    assert "nan" not in row["sentence"]


def test_a_gene_without_estimate_does_not_count_in_the_adjustment(judge, several_hypotheses):
    effects = {"GENE1": (-0.8, 0.2), "GENE2": (-0.8, math.nan), "GENE3": (0.0, 0.2)}
    frame = judge(several_hypotheses(list(effects)), effects)
    assert frame.loc["H1", "q_confirm"] == pytest.approx(2 * frame.loc["H1", "p_confirm"])
    assert math.isnan(frame.loc["H2", "q_confirm"])


def test_a_panel_of_one_gene_needs_no_adjustment(judge, one_hypothesis):
    row = judge(one_hypothesis(), {"GENE1": (-0.8, 0.2)}).loc["H1"]
    assert row["q_confirm"] == row["p_confirm"]


def test_an_expressed_gene_without_estimate_is_not_estimable(judge, one_hypothesis):
    effects = {"GENE1": (math.nan, math.nan), "OTHER": (0.1, 0.2)}
    row = judge(one_hypothesis(), effects, status="not_converged").loc["H1"]
    assert (row["verdict"], row["sub_verdict"]) == ("not_testable", "not_estimable")
    assert "not_converged" in row["sentence"]


def test_a_silent_gene_is_below_the_floor_rather_than_not_estimable(judge, one_hypothesis):
    effects = {"GENE1": (math.nan, math.nan), "OTHER": (0.1, 0.2)}
    frame = judge(one_hypothesis(), effects, counts={"GENE1": [0] * 6}, status="all_zero")
    assert found(frame)["H1"] == ("not_testable", "below_floor")


def test_a_contrast_with_no_testable_marker_gives_rows_without_crash(judge, shipped):
    frame = judge(shipped, {"SOME": (0.1, 0.2)}, cell_contexts=frozenset({"neuron"}))
    assert set(frame["verdict"]) == {"not_testable"}
    assert judge(shipped, {"SOME": (0.1, 0.2)}, kind="other")["policy"].unique().tolist() == ["identity"]


def test_a_sample_without_counts_is_an_error(judge, one_hypothesis):
    with pytest.raises(CountsError, match="P9"):
        judge(one_hypothesis(), {"GENE1": (-1.0, 0.2)}, target_samples=("P1", "P2", "P9"))


def test_judged_genes_leave_a_set_out_as_a_whole(shipped):
    groups = judged_genes(shipped)
    assert groups["MYC"] == ("MYC",)
    assert len(groups["interferon_set"]) == 13
    assert len(groups["proliferation_set"]) == 7
