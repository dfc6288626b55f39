"""What the rules say beside the verdict: reasons, labels, columns. The rules themselves are in test_rule_book.py."""

import math

import pytest


def verdict(frame, identifier="H1"):
    row = frame.loc[identifier]
    return row["verdict"], row["sub_verdict"]


def test_too_few_replicates_for_absence_are_said_so(judge, one_hypothesis):
    frame = judge(one_hypothesis(), {"GENE1": (0.0, 0.2)}, n_reference=2)
    assert "2 replicates an arm are too few" in frame.loc["H1", "sentence"]


def test_underpowered_says_how_many_replicates_would_do(judge, one_hypothesis):
    # (1.645 * 0.5 / 0.585)^2 = 1.977, times 3 = 5.93: 6.
    frame = judge(one_hypothesis(), {"GENE1": (-0.3, 0.5)})
    assert "about 6 replicates an arm would do" in frame.loc["H1", "sentence"]


@pytest.mark.parametrize(
    ("direction", "policy", "estimate", "p"),
    [
        ("down", "directional", (-0.69, 0.3), "0.011"),  # Phi(-2.3)
        ("down", "directional", (0.69, 0.3), "0.011"),
        ("none", "equivalence", (0.7, 0.3), "0.02"),  # 2 Phi(-2.333)
    ],
)
def test_a_call_that_is_weak_by_itself_is_labelled(judge, one_hypothesis, direction, policy, estimate, p):
    row = judge(one_hypothesis(direction, policy), {"GENE1": estimate}).loc["H1"]
    assert row["label"] == "weak_by_itself"
    assert f"By itself (p = {p}) weaker than the p < 0.0075" in row["sentence"]


@pytest.mark.parametrize("estimate", [(-0.74, 0.3), (-0.5, 0.1), (0.0, 0.2), (-0.3, 0.5)])
def test_other_verdicts_are_not_weak_by_themselves(judge, one_hypothesis, estimate):
    # p = Phi(-2.467) = 0.0068; a small effect, an absent one and an underpowered one are no calls of a direction.
    assert judge(one_hypothesis(), {"GENE1": estimate}).loc["H1", "label"] is None


@pytest.mark.parametrize("effect", [0.8, 0.0])
def test_a_permissive_hypothesis_says_why_it_is_not_contradicted(judge, one_hypothesis, effect):
    frame = judge(one_hypothesis("down", "permissive"), {"GENE1": (effect, 0.2)})
    assert "its absence does not contradict it" in frame.loc["H1", "sentence"]


def test_equivalence_has_a_two_sided_test_and_no_direction(judge, one_hypothesis):
    row = judge(one_hypothesis("none", "equivalence"), {"GENE1": (-0.8, 0.4)}).loc["H1"]
    assert math.isnan(row["p_confirm"])
    assert row["p_opposite"] == pytest.approx(0.0455, abs=1e-4)


def test_resistant_cells_without_response_are_labelled(judge, one_hypothesis):
    frame = judge(one_hypothesis("none", "equivalence"), {"GENE1": (0.1, 0.2)}, exposed=False)
    assert frame.loc["H1", "label"] == "exposure_not_shown"


def test_an_interaction_is_not_judged_in_a_drug_contrast(judge, one_hypothesis):
    table = one_hypothesis("up", "interaction", kind="drug_by_sensitivity_interaction")
    assert judge(table, {"GENE1": (2.0, 0.2)}).empty


def test_report_only_has_numbers_and_no_verdict(judge, one_hypothesis):
    row = judge(one_hypothesis("none", "report_only"), {"GENE1": (-1.5, 0.2)}).loc["H1"]
    assert row["log2_fold_change"] == -1.5
    assert math.isnan(row["p_confirm"])
    assert "log2 -1.50" in row["sentence"]


def test_identity_says_in_how_many_samples(judge, one_hypothesis):
    table = one_hypothesis("expressed", "identity", kind="none", delta=".")
    frame = judge(table, {"GENE1": (0.0, 0.2)}, counts={"GENE1": [500, 500, 9, 500, 500, 500]})
    assert "in 5 of 6 samples: confirmed, expressed." in frame.loc["H1", "sentence"]


class TestEnginesAndOutliers:
    def test_agreement_keeps_strong(self, judge, one_hypothesis):
        row = judge(one_hypothesis(), {"GENE1": (-1.68, 0.2)}, edger={"GENE1": -1.5}).loc["H1"]
        assert (row["sub_verdict"], row["engines_agree"]) == ("strong", True)
        assert "edgeR log2 -1.50 (FDR 0.5)" in row["sentence"]

    def test_disagreement_lowers_strong_to_plain_and_says_so(self, judge, one_hypothesis):
        row = judge(one_hypothesis(), {"GENE1": (-1.68, 0.2)}, edger={"GENE1": 0.1}).loc["H1"]
        assert (row["sub_verdict"], row["engines_agree"], row["label"]) == (
            "plain",
            False,
            "engines_disagree",
        )
        assert "EdgeR sees the opposite direction" in row["sentence"]

    def test_no_second_engine_is_not_disagreement(self, judge, one_hypothesis):
        row = judge(one_hypothesis(), {"GENE1": (-1.68, 0.2)}).loc["H1"]
        assert row["sub_verdict"] == "strong"
        assert row["engines_agree"] is None

    def test_a_count_outlier_lowers_strong_to_plain(self, judge, one_hypothesis):
        row = judge(one_hypothesis(), {"GENE1": (-1.68, 0.2)}, status="outlier").loc["H1"]
        assert (row["sub_verdict"], row["label"]) == ("plain", "count_outlier")

    def test_independent_filtering_does_not_matter(self, judge, one_hypothesis):
        assert verdict(judge(one_hypothesis(), {"GENE1": (-1.68, 0.2)}, status="filtered"))[0] == "confirmed"


@pytest.mark.parametrize(
    ("matched", "label"),
    [(True, None), (False, "vehicle_not_time_matched"), (None, "vehicle_time_not_recorded")],
)
def test_treated_against_another_time_is_flagged(judge, one_hypothesis, matched, label):
    frame = judge(one_hypothesis(), {"GENE1": (-1.68, 0.2)}, vehicle_time_matched=matched)
    assert frame.loc["H1", "label"] == label
