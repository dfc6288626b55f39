from pathlib import Path

import pandas as pd
import pytest

from poma_assets.science.errors import ConfigError, InputError
from poma_assets.science.markers.identity import RULES
from poma_assets.science.quality_gates import (
    COHORT_METRICS,
    IDENTITY_RULES,
    INCLUSION_COLUMNS,
    NOT_ASSESSED,
    QUALITY_COLUMNS,
    SOURCES,
    decide_inclusion,
    evaluate_quality,
    parse_overrides,
    parse_thresholds,
    read_rule,
    rules_in_force,
)
from poma_assets.storage.schema import TABLES

SHIPPED = Path(__file__).parents[2] / "data" / "markers" / "qc_thresholds.tsv"
GOOD = {
    "rna_integrity_number": 9.1,
    "a260_a280": 2.0,
    "read_pairs": 40e6,
    "pass_filter_pct": 97.0,
    "q30_pct": 93.0,
    "uniquely_mapped_pct": 88.0,
    "assigned_pct": 80.0,
    "rrna_pct": 1.0,
    "mitochondrial_pct": 5.0,
    "duplication_pct": 40.0,
    "genes_detected": 13000.0,
    "strandedness": 0.0,
    "y_linked_in_female_line": 0.0,
}
OVERRIDES = "sample\tmetric\tdecision\treason\twho\tdate\n"


@pytest.fixture
def thresholds():
    return parse_thresholds(SHIPPED.read_text(), source=SHIPPED.name, profile="human_poly_a")


def status(thresholds, overrides=None, *, scope="sample", **metrics):
    frame = evaluate_quality("S1", GOOD | metrics, thresholds, overrides, scope=scope)
    return frame.set_index("metric")["status"]


def test_columns_are_those_of_the_warehouse(thresholds):
    assert TABLES["sample_quality"].column_names == QUALITY_COLUMNS
    assert TABLES["sample_inclusion"].column_names == INCLUSION_COLUMNS
    assert tuple(evaluate_quality("S1", GOOD, thresholds).columns) == QUALITY_COLUMNS


def test_a_good_sample_passes_every_shipped_threshold(thresholds):
    of_sample, of_cohort = status(thresholds), status(thresholds, scope="cohort", replicate_spearman=0.97)
    assert {*of_sample, *of_cohort} == {"pass"}
    assert list(of_cohort.index) == list(COHORT_METRICS)
    assert sorted([*of_sample.index, *of_cohort.index]) == sorted(thresholds.rules)


@pytest.mark.parametrize(
    ("metric", "value", "expected"),
    [
        ("rna_integrity_number", 8.0, "pass"),
        ("rna_integrity_number", 7.9, "warn"),
        ("rna_integrity_number", 7.0, "warn"),
        ("rna_integrity_number", 6.9, "fail"),
        ("a260_a280", 1.9, "pass"),
        ("a260_a280", 2.2, "warn"),
        ("a260_a280", 1.85, "warn"),
        ("a260_a280", 1.79, "fail"),
        ("read_pairs", 29e6, "warn"),
        ("read_pairs", 9e6, "fail"),
        ("uniquely_mapped_pct", 49.9, "fail"),
        ("rrna_pct", 5.1, "warn"),
        ("mitochondrial_pct", 31.0, "fail"),
        ("duplication_pct", 99.0, "warn"),
        ("strandedness", 1.0, "warn"),
        ("y_linked_in_female_line", 1.0, "fail"),
        ("genes_detected", 8999.0, "fail"),
    ],
)
def test_shipped_thresholds(thresholds, metric, value, expected):
    assert status(thresholds, **{metric: value})[metric] == expected


@pytest.mark.parametrize(
    ("value", "own", "expected"),
    [
        (0.9, None, "pass"),
        (0.899, None, "warn"),
        (0.1, None, "warn"),  # never a failure
        (0.899, {"replicate_spearman": {"warn": "<0.8", "fail": None}}, "pass"),
        (0.899, {"replicate_spearman": {"warn": "", "fail": None}}, "not_assessed"),
        (NOT_ASSESSED, None, "not_assessed"),
    ],
)
def test_replicates_are_judged_in_the_cohort_and_only_warn(thresholds, value, own, expected):
    assert status(thresholds, own, scope="cohort", replicate_spearman=value)["replicate_spearman"] == expected
    assert "replicate_spearman" not in status(thresholds, own, replicate_spearman=value)


@pytest.mark.parametrize("metric", ["rna_integrity_number", "a260_a280"])
@pytest.mark.parametrize("missing", [None, float("nan")])
def test_missing_rin_is_not_recorded_never_a_pass(thresholds, metric, missing):
    assert status(thresholds, **{metric: missing})[metric] == "not_recorded"


def test_metrics_left_out_are_not_assessed_but_rin_is_not_recorded(thresholds):
    frame = evaluate_quality("S1", {"genes_detected": 12000.0}, thresholds).set_index("metric")
    assert frame.loc["rna_integrity_number", "status"] == "not_recorded"
    assert frame.loc["uniquely_mapped_pct", "status"] == "not_assessed"
    assert pd.isna(frame.loc["uniquely_mapped_pct", "value"])
    assert status(thresholds, rrna_pct=NOT_ASSESSED)["rrna_pct"] == "not_assessed"


def test_a_source_may_be_given_with_the_value(thresholds):
    frame = evaluate_quality("S1", {"q30_pct": (65.0, "the worse read")}, thresholds).set_index("metric")
    assert frame.loc["q30_pct", ["status", "source", "warn", "fail"]].tolist() == [
        "fail",
        "the worse read",
        "<80",
        "<70",
    ]
    assert frame.loc["rna_integrity_number", "source"] == "samples"


def test_the_profile_for_small_references_gates_shares_but_not_depth():
    small = parse_thresholds(SHIPPED.read_text(), source="t", profile="small_reference")
    found = status(small, read_pairs=20_000.0, genes_detected=300.0, duplication_pct=80.0)
    assert found["read_pairs"] == "pass"
    assert found["genes_detected"] == found["duplication_pct"] == "not_assessed"
    assert status(small, read_pairs=99.0)["read_pairs"] == "fail"
    assert status(small, uniquely_mapped_pct=40.0)["uniquely_mapped_pct"] == "fail"


def test_the_users_rules_replace_one_rule_and_keep_the_other(thresholds):
    own = {"uniquely_mapped_pct": {"warn": "<95", "fail": None}}
    assert status(thresholds, own)["uniquely_mapped_pct"] == "warn"
    assert status(thresholds, own, uniquely_mapped_pct=30.0)["uniquely_mapped_pct"] == "fail"
    removed = {"read_pairs": {"warn": "", "fail": ""}}
    assert status(thresholds, removed, read_pairs=5.0)["read_pairs"] == "not_assessed"


def test_unknown_metrics_are_named_with_the_likely_one(thresholds):
    with pytest.raises(ConfigError, match=r"'read_pair'.*Is 'read_pairs' meant"):
        evaluate_quality("S1", GOOD, thresholds, {"read_pair": {"fail": "<1"}})
    with pytest.raises(ConfigError, match="sample S1"):
        evaluate_quality("S1", {"speed": 1.0}, thresholds)


@pytest.mark.parametrize(
    ("rule", "broken_by", "kept_by"),
    [
        ("<30e6", 29_999_999, 30_000_000),
        ("< 0.9", 0.89, 0.9),
        (">5", 5.1, 5.0),
        ("outside 1.9-2.1", 1.89, 1.9),
        ("outside 1.9 - 2.1", 2.11, 2.1),
        ("present", 1, 0),
    ],
)
def test_rules(rule, broken_by, kept_by):
    test = read_rule(rule, where="here")
    assert test is not None
    assert test(broken_by)
    assert not test(kept_by)


@pytest.mark.parametrize("rule", ["50", "=5", "<fifty", "outside 2.1-1.9", "outside 2", "absent"])
def test_a_rule_that_cannot_be_read_is_refused(rule):
    with pytest.raises(ConfigError, match="here"):
        read_rule(rule, where="here")
    with pytest.raises(ConfigError, match="t, line 2, column fail"):
        parse_thresholds(f"metric\twarn\tfail\nq30_pct\t<80\t{rule}\n", source="t", profile="human_poly_a")


def test_unknown_profile_and_doubled_metric_are_refused():
    with pytest.raises(ConfigError, match="human_poly_a or small_reference"):
        parse_thresholds("metric\twarn\tfail\n", source="t", profile="mouse")
    doubled = "metric\twarn\tfail\nq30_pct\t<80\t<70\nq30_pct\t<80\t<70\n"
    with pytest.raises(ConfigError, match="line 3"):
        parse_thresholds(doubled, source="t", profile="human_poly_a")


def quality(**statuses):
    rows = [
        (sample, "q30_pct", 60.0, "<80", "<70", status, "t", "sample")
        for sample, found in statuses.items()
        for status in found.split()
    ]
    return pd.DataFrame(rows, columns=list(QUALITY_COLUMNS))


def overrides(*rows):
    return parse_overrides(OVERRIDES + "".join("\t".join(row) + "\n" for row in rows), source="o.tsv")


def decide(frame, table=None, samples=("S1", "S2")):
    result = decide_inclusion(frame, table, list(samples))
    assert result["sample_id"].tolist() == list(samples)
    return dict(zip(result["sample_id"], zip(result["included"], result["reason"], strict=True), strict=True))


def test_a_failure_keeps_out_a_warning_or_a_gap_does_not():
    found = decide(quality(S1="pass fail", S2="warn not_recorded not_assessed"))
    assert found["S1"] == (False, "q30_pct 60 fails (<70)")
    assert found["S2"] == (True, None)


@pytest.mark.parametrize("metric", ["q30_pct", "all"])
def test_include_lets_a_failed_sample_in_and_says_by_whom(metric):
    table = overrides(("S1", metric, "include", "rerun planned", "AB", "2025-01-02"))
    included, reason = decide(quality(S1="fail", S2="pass"), table)["S1"]
    assert included
    assert reason == "q30_pct 60 fails (<70), included by AB on 2025-01-02: rerun planned"


def test_include_for_another_metric_or_sample_does_not_help():
    table = overrides(
        ("S1", "rrna_pct", "include", "x", "AB", "2025-01-02"),
        ("S2", "all", "include", "x", "AB", "2025-01-02"),
    )
    assert not decide(quality(S1="fail", S2="pass"), table)["S1"][0]


def test_exclude_keeps_a_good_sample_out_and_wins_over_include():
    table = overrides(
        ("S1", "all", "include", "x", "AB", "2025-01-02"),
        ("S1", "identity", "exclude", "swapped", "CD", "2025-01-03"),
    )
    found = decide(quality(S1="pass", S2="pass"), table)
    assert found["S1"] == (False, "excluded (identity) by CD on 2025-01-03: swapped")
    assert found["S2"] == (True, None)


def test_a_sample_whose_steps_failed_is_left_out():
    assert decide(quality(S1="pass"))["S2"] == (False, "its steps up to sample_quality did not succeed")


def test_what_is_compared_with_others_decides_nothing():
    of_cohort = quality(S1="fail", S2="not_assessed").assign(scope="cohort")
    both = pd.concat([quality(S1="pass"), of_cohort])
    found = decide(both)
    assert found["S1"] == (True, None)
    assert found["S2"] == (False, "its steps up to sample_quality did not succeed")


def test_rows_older_than_the_scope_are_the_samples_own():
    assert not decide(quality(S1="fail", S2="pass").assign(scope=None))["S1"][0]


@pytest.mark.parametrize("metric", ["y_linked_in_female_line", "identity", "sample_identity", "all"])
def test_who_vouches_for_the_identity_of_a_sample_vouches_for_its_sex(metric):
    rows = quality(S1="fail", S2="pass").assign(metric="y_linked_in_female_line", value=1.0, fail="present")
    assert decide(rows)["S1"] == (False, "y_linked_in_female_line 1 fails (present)")
    included, reason = decide(rows, overrides(("S1", metric, "include", "STR profile", "AB", "2025-01-02")))["S1"]
    assert included
    assert reason.endswith("included by AB on 2025-01-02: STR profile")


def test_the_identity_of_a_sample_lifts_no_other_metric():
    assert not decide(quality(S1="fail"), overrides(("S1", "identity", "include", "x", "AB", "2025-01-02")), ["S1"])[
        "S1"
    ][0]


def test_an_override_for_an_unknown_sample_is_refused():
    table = overrides(("S3", "all", "include", "x", "AB", "2025-01-02"))
    with pytest.raises(InputError, match="'S3'"):
        decide(quality(S1="pass"), table)


@pytest.mark.parametrize(
    ("row", "column"),
    [
        (("S1", "", "include", "x", "AB", "2025-01-02"), "metric"),
        (("S1", "all", "include", "", "AB", "2025-01-02"), "reason"),
        (("S1", "all", "include", "x", "-", "2025-01-02"), "who"),
        (("S1", "all", "keep", "x", "AB", "2025-01-02"), "decision"),
        (("S1", "all", "include", "x", "AB", "2 Jan"), "date"),
    ],
)
def test_every_cell_of_an_override_is_mandatory(row, column):
    with pytest.raises(InputError, match=f"o.tsv, line 2, column {column}"):
        overrides(row)


def test_a_table_of_overrides_may_hold_only_its_header():
    assert overrides().empty


def test_an_override_may_name_the_table_of_identity_and_only_what_there_is():
    row = "S1\t{}\tinclude\tSTR profile fits\tAB\t2026-11-22\n"
    for metric in ("sample_identity", "identity"):
        assert parse_overrides(OVERRIDES + row.format(metric), source="o.tsv").loc[0, "metric"] == "identity"
    for metric in ("swap", "near_duplicate", "replicate_spearman", "light_chain", "all"):
        assert parse_overrides(OVERRIDES + row.format(metric), source="o.tsv").loc[0, "metric"] == metric
    with pytest.raises(InputError, match="unknown metric") as caught:
        parse_overrides(OVERRIDES + row.format("uniquely_maped_pct"), source="o.tsv")
    assert caught.value.where == "o.tsv, line 2, column metric"
    assert "'uniquely_mapped_pct'" in str(caught.value)


def test_rules_in_force_are_the_users_before_the_tables(thresholds):
    assert rules_in_force("replicate_spearman", thresholds, {}) == ("<0.9", None)
    own = {"q30_pct": {"warn": "", "fail": "<60"}}
    assert rules_in_force("q30_pct", thresholds, own) == (None, "<60")


def test_override_metrics_are_the_thresholds_and_the_rules_of_identity(thresholds):
    assert set(thresholds.rules) == set(SOURCES)
    assert {*RULES, "parent_identity", "replicate_group", "swap", "near_duplicate"} == set(IDENTITY_RULES)
