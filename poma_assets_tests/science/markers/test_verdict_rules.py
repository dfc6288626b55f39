"""One hand-worked case per line of the rules. delta is 0.585 and one hypothesis is judged, so q = p."""

import math

import pytest


def verdict(frame, identifier="H1"):
    row = frame.loc[identifier]
    return row["verdict"], row["sub_verdict"]


class TestDirectional:
    def test_strong(self, judge, one_hypothesis):
        # 1.68 - 1.645 * 0.2 = 1.35 >= 0.585.
        assert verdict(judge(one_hypothesis(), {"GENE1": (-1.68, 0.2)})) == ("confirmed", "strong")

    def test_plain(self, judge, one_hypothesis):
        # 0.8 - 1.645 * 0.2 = 0.47 < 0.585.
        assert verdict(judge(one_hypothesis(), {"GENE1": (-0.8, 0.2)})) == ("confirmed", "plain")

    def test_the_border_between_strong_and_plain(self, judge, one_hypothesis):
        assert verdict(judge(one_hypothesis(), {"GENE1": (-0.9141, 0.2)}))[1] == "strong"
        assert verdict(judge(one_hypothesis(), {"GENE1": (-0.9139, 0.2)}))[1] == "plain"

    def test_opposite(self, judge, one_hypothesis):
        assert verdict(judge(one_hypothesis(), {"GENE1": (0.8, 0.2)})) == ("contradicted", "opposite")
        assert verdict(judge(one_hypothesis("up"), {"GENE1": (-0.8, 0.2)})) == ("contradicted", "opposite")

    def test_opposite_but_smaller_than_delta_is_no_contradiction(self, judge, one_hypothesis):
        # p_opposite = 0.006; equivalence p = Phi((0.5 - 0.585)/0.2) = 0.34.
        assert verdict(judge(one_hypothesis(), {"GENE1": (0.5, 0.2)})) == ("inconclusive", "borderline")

    def test_absent(self, judge, one_hypothesis):
        # p_equivalence = 1 - Phi(0.585/0.2) = 0.0017.
        assert verdict(judge(one_hypothesis(), {"GENE1": (0.0, 0.2)})) == ("contradicted", "absent")

    def test_absent_needs_three_replicates_an_arm(self, judge, one_hypothesis):
        frame = judge(one_hypothesis(), {"GENE1": (0.0, 0.2)}, n_reference=2)
        assert verdict(frame) == ("inconclusive", "borderline")
        assert "2 replicates an arm are too few" in frame.loc["H1", "sentence"]

    def test_small_effect(self, judge, one_hypothesis):
        # p_confirm = 1 - Phi(2) = 0.023, and equivalence is shown, too: it is there, but small.
        assert verdict(judge(one_hypothesis(), {"GENE1": (-0.2, 0.1)})) == ("inconclusive", "small_effect")

    def test_underpowered_says_how_many_replicates_would_do(self, judge, one_hypothesis):
        frame = judge(one_hypothesis(), {"GENE1": (-0.3, 0.5)})
        assert verdict(frame) == ("inconclusive", "underpowered")
        assert "about 6 replicates an arm would do" in frame.loc["H1", "sentence"]

    def test_borderline(self, judge, one_hypothesis):
        # 1.645 * 0.3 = 0.49 < 0.585; p_confirm = 0.16; p_equivalence = 1 - Phi(0.95) = 0.17.
        assert verdict(judge(one_hypothesis(), {"GENE1": (-0.3, 0.3)})) == ("inconclusive", "borderline")

    def test_large_but_not_significant_is_not_confirmed(self, judge, one_hypothesis):
        assert verdict(judge(one_hypothesis(), {"GENE1": (-1.0, 0.7)})) == ("inconclusive", "underpowered")


class TestPermissive:
    def test_confirmed_as_any_other(self, judge, one_hypothesis):
        assert verdict(judge(one_hypothesis("down", "permissive"), {"GENE1": (-1.68, 0.2)}))[0] == "confirmed"

    @pytest.mark.parametrize(("effect", "sub_verdict"), [(0.8, "opposite"), (0.0, "absent")])
    def test_never_contradicted(self, judge, one_hypothesis, effect, sub_verdict):
        frame = judge(one_hypothesis("down", "permissive"), {"GENE1": (effect, 0.2)})
        assert verdict(frame) == ("inconclusive", sub_verdict)
        assert "does not contradict" in frame.loc["H1", "sentence"]


class TestEquivalence:
    @pytest.mark.parametrize(
        ("estimate", "expected"),
        [
            ((0.1, 0.2), ("confirmed", "equivalent")),
            ((0.8, 0.2), ("contradicted", "changed")),
            ((-0.8, 0.2), ("contradicted", "changed")),
            ((-0.4, 0.3), ("inconclusive", "borderline")),
            ((0.5, 0.2), ("inconclusive", "borderline")),
            ((0.1, 0.5), ("inconclusive", "underpowered")),
        ],
    )
    def test_no_change_is_the_expectation(self, judge, one_hypothesis, estimate, expected):
        assert verdict(judge(one_hypothesis("none", "equivalence"), {"GENE1": estimate})) == expected

    def test_columns_hold_the_two_sided_test_and_no_direction(self, judge, one_hypothesis):
        row = judge(one_hypothesis("none", "equivalence"), {"GENE1": (-0.8, 0.4)}).loc["H1"]
        assert math.isnan(row["p_confirm"])
        assert row["p_opposite"] == pytest.approx(0.0455, abs=1e-4)

    def test_needs_three_replicates_like_any_absence(self, judge, one_hypothesis):
        frame = judge(one_hypothesis("none", "equivalence"), {"GENE1": (0.1, 0.2)}, n_target=2)
        assert verdict(frame) == ("inconclusive", "borderline")

    def test_missing_exposure_is_labelled(self, judge, one_hypothesis):
        frame = judge(one_hypothesis("none", "equivalence"), {"GENE1": (0.1, 0.2)}, exposed=False)
        assert verdict(frame) == ("confirmed", "equivalent")
        assert frame.loc["H1", "label"] == "exposure_not_shown"


class TestOtherPolicies:
    def test_interaction_is_judged_in_the_interaction_contrast_only(self, judge, one_hypothesis):
        kind = "drug_by_sensitivity_interaction"
        table = one_hypothesis("up", "interaction", kind=kind)
        both = frozenset({"sensitive", "resistant"})
        frame = judge(table, {"GENE1": (2.0, 0.2)}, kind=kind, sensitivities=both)
        assert verdict(frame) == ("confirmed", "strong")
        assert judge(table, {"GENE1": (2.0, 0.2)}).empty

    def test_report_only_has_numbers_and_no_verdict(self, judge, one_hypothesis):
        frame = judge(one_hypothesis("none", "report_only"), {"GENE1": (-1.5, 0.2)})
        assert verdict(frame) == ("not_testable", "report_only")
        assert frame.loc["H1", "log2_fold_change"] == -1.5
        assert math.isnan(frame.loc["H1", "p_confirm"])
        assert "log2 -1.50" in frame.loc["H1", "sentence"]

    @pytest.mark.parametrize(
        ("counts", "expected"),
        [
            ([500] * 6, ("confirmed", "expressed")),
            ([500, 500, 9, 500, 500, 9], ("confirmed", "expressed")),
            ([500, 500, 500, 500, 9, 9], ("contradicted", "not_expressed")),
            ([0] * 6, ("contradicted", "not_expressed")),
        ],
    )
    def test_identity_asks_whether_the_gene_is_expressed(self, judge, one_hypothesis, counts, expected):
        table = one_hypothesis("expressed", "identity", kind="none", delta=".")
        frame = judge(table, {"GENE1": (0.0, 0.2)}, counts={"GENE1": counts}, kind="other")
        assert verdict(frame) == expected

    def test_identity_names_how_many_samples(self, judge, one_hypothesis):
        table = one_hypothesis("expressed", "identity", kind="none", delta=".")
        frame = judge(table, {"GENE1": (0.0, 0.2)}, counts={"GENE1": [500, 500, 9, 500, 500, 500]})
        assert "in 5 of 6 samples: confirmed, expressed." in frame.loc["H1", "sentence"]


class TestWindowAndExposure:
    @pytest.mark.parametrize(
        ("window", "times", "expected"),
        [
            ("24 72", (24.0,), ("contradicted", "absent")),
            ("24 72", (72.0,), ("contradicted", "absent")),
            ("24 72", (6.0,), ("inconclusive", "outside_window")),
            ("24 72", (96.0,), ("inconclusive", "outside_window")),
            ("24 72", (6.0, 24.0), ("inconclusive", "outside_window")),
            ("8 .", (240.0,), ("contradicted", "absent")),
            (". 72", (96.0,), ("inconclusive", "outside_window")),
            ("8 .", (), ("inconclusive", "outside_window")),
            (". .", (), ("contradicted", "absent")),
        ],
    )
    def test_absence_counts_within_the_window_only(self, judge, one_hypothesis, window, times, expected):
        frame = judge(one_hypothesis(window=window), {"GENE1": (0.0, 0.2)}, time_h=times)
        assert verdict(frame) == expected

    def test_a_fall_outside_the_window_is_still_a_fall(self, judge, one_hypothesis):
        frame = judge(one_hypothesis(window="24 72"), {"GENE1": (-1.68, 0.2)}, time_h=(6.0,))
        assert verdict(frame) == ("confirmed", "strong")

    def test_equivalence_outside_the_window_says_nothing(self, judge, one_hypothesis):
        table = one_hypothesis("none", "equivalence", window="24 72")
        assert verdict(judge(table, {"GENE1": (0.0, 0.2)}, time_h=(6.0,))) == (
            "inconclusive",
            "outside_window",
        )

    @pytest.mark.parametrize("exposed", [False, None])
    def test_absence_needs_exposure_to_be_shown(self, judge, one_hypothesis, exposed):
        frame = judge(one_hypothesis(), {"GENE1": (0.0, 0.2)}, exposed=exposed)
        assert verdict(frame) == ("inconclusive", "exposure_not_shown")

    def test_exposure_matters_to_absence_only(self, judge, one_hypothesis):
        frame = judge(one_hypothesis(), {"GENE1": (0.8, 0.2)}, exposed=False)
        assert verdict(frame) == ("contradicted", "opposite")

    def test_exposure_is_not_asked_without_drug(self, judge, one_hypothesis):
        kind = "resistant_vs_sensitive_at_vehicle"
        frame = judge(one_hypothesis(kind=kind), {"GENE1": (0.0, 0.2)}, exposed=None, kind=kind)
        assert verdict(frame) == ("contradicted", "absent")


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
