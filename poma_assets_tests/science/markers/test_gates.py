"""The gates, one case each, and their order."""

import pandas as pd
import pytest


def outcome(frame):
    row = frame.loc["H1"]
    return row["verdict"], row["sub_verdict"]


FALL = {"GENE1": (-1.68, 0.2)}
MISMATCH = {
    "sample_id": "P2",
    "rule": "light_chain",
    "expected": "lambda",
    "observed": "kappa",
    "status": "mismatch",
    "likelier_line": "NCI-H929",
}
FAILED = {
    "sample_id": "D1",
    "metric": "uniquely_mapped_pct",
    "value": 31.0,
    "fail": "<50",
    "status": "fail",
}


def override(sample, metric, decision="include"):
    row = {
        "sample": sample,
        "metric": metric,
        "decision": decision,
        "reason": "known",
        "who": "AB",
        "date": "2025-01-02",
    }
    return pd.DataFrame([row])


@pytest.mark.parametrize("arms", [(1, 3), (3, 1), (0, 0)])
def test_no_replication(judge, one_hypothesis, arms):
    frame = judge(one_hypothesis(), FALL, n_reference=arms[0], n_target=arms[1])
    assert outcome(frame) == ("not_testable", "no_replication")
    assert f"{arms[0]} against {arms[1]} biological replicates" in frame.loc["H1", "sentence"]


def test_a_contrast_without_any_estimate_is_not_testable(judge, one_hypothesis):
    assert outcome(judge(one_hypothesis(), {})) == ("not_testable", "no_replication")


@pytest.mark.parametrize(
    ("context", "cells", "sensitivities", "passes"),
    [
        ("t_cell;nk_cell", {"myeloma"}, {"sensitive"}, False),
        ("myeloma;t_cell", {"myeloma", "t_cell"}, {"sensitive"}, True),
        ("myeloma", {"myeloma", "t_cell"}, {"sensitive"}, False),
        ("myeloma", set(), {"sensitive"}, False),
        ("myeloma", {"myeloma"}, {"unknown"}, True),
        ("myeloma_sensitive", {"myeloma"}, {"sensitive"}, True),
        ("myeloma_sensitive", {"myeloma"}, {"resistant"}, False),
        ("myeloma_sensitive", {"myeloma"}, {"unknown"}, False),
        ("myeloma_sensitive", {"myeloma"}, set(), False),
        ("myeloma_sensitive", {"myeloma"}, {"sensitive", "resistant"}, False),
        ("myeloma_sensitive;myeloma_resistant", {"myeloma"}, {"sensitive", "resistant"}, True),
    ],
)
def test_context(judge, one_hypothesis, context, cells, sensitivities, passes):
    frame = judge(
        one_hypothesis(context=context),
        FALL,
        cell_contexts=frozenset(cells),
        sensitivities=frozenset(sensitivities),
    )
    assert outcome(frame) == (("confirmed", "strong") if passes else ("not_testable", "context"))


def test_undeclared_sensitivity_asks_for_a_declaration(judge, one_hypothesis):
    table = one_hypothesis(context="myeloma_sensitive")
    sentence = judge(table, FALL, sensitivities=frozenset({"unknown"})).loc["H1", "sentence"]
    assert "must declare sensitivity" in sentence


def test_protein_level_points_downstream(judge, one_hypothesis):
    frame = judge(one_hypothesis("down", "protein_level", level="protein", delta="."), FALL)
    assert outcome(frame) == ("not_testable", "protein_level")
    assert "see IRF4 and MYC" in frame.loc["H1", "sentence"]


@pytest.mark.parametrize(
    ("direction", "counts", "passes"),
    [
        ("down", [10, 10, 10, 0, 0, 0], True),
        ("down", [10, 10, 9, 500, 500, 500], False),  # a fall needs the reference arm
        ("up", [0, 0, 0, 10, 10, 10], True),
        ("up", [10, 10, 10, 0, 0, 0], True),
        ("up", [10, 10, 0, 10, 10, 0], False),  # neither arm in three samples
    ],
)
def test_below_floor(judge, one_hypothesis, direction, counts, passes):
    effect = {"GENE1": (-1.68 if direction == "down" else 1.68, 0.2)}
    frame = judge(one_hypothesis(direction), effect, counts={"GENE1": counts})
    assert outcome(frame) == (("confirmed", "strong") if passes else ("not_testable", "below_floor"))


def test_the_floor_asks_for_cpm_as_well_as_counts(one_hypothesis, facts):
    from poma_assets.science.markers.gates import floor_gate

    counts = pd.Series(15, index=facts().samples)
    (hypothesis,) = one_hypothesis().rows()
    assert floor_gate(hypothesis, counts, pd.Series(15_000_000, index=counts.index), facts()) is None
    assert floor_gate(hypothesis, counts, pd.Series(15_000_001, index=counts.index), facts()) is not None


def test_enough_samples_is_the_smaller_arm(judge, one_hypothesis):
    frame = judge(
        one_hypothesis(),
        FALL,
        counts={"GENE1": [10, 10, 0, 0, 0, 0]},
        n_target=2,
        target_samples=("P1", "P2"),
    )
    assert outcome(frame) == ("confirmed", "strong")


def test_a_mismatch_is_told_with_the_likelier_line(judge, one_hypothesis):
    sentence = judge(one_hypothesis(), FALL, identity=[MISMATCH]).loc["H1", "sentence"]
    assert "P2 is not as declared: light_chain shows kappa, expected lambda (fits NCI-H929 better)" in sentence


@pytest.mark.parametrize(
    "harmless",
    [
        {"identity": [MISMATCH | {"sample_id": "elsewhere"}]},
        {"identity": [MISMATCH | {"status": "not_assessed"}]},
        {"quality": [FAILED | {"sample_id": "elsewhere"}]},
        {"quality": [FAILED | {"status": "warn"}]},
        {"quality": [FAILED | {"status": "not_recorded"}]},
    ],
)
def test_other_samples_warnings_and_gaps_do_not_block(judge, one_hypothesis, harmless):
    assert outcome(judge(one_hypothesis(), FALL, **harmless))[0] == "confirmed"


@pytest.mark.parametrize(
    ("problem", "sample", "metric"),
    [
        ({"quality": [FAILED]}, "D1", "uniquely_mapped_pct"),
        ({"quality": [FAILED]}, "D1", "all"),
        ({"identity": [MISMATCH]}, "P2", "identity"),
        ({"identity": [MISMATCH]}, "P2", "light_chain"),
    ],
)
def test_an_override_lifts_the_block_and_is_printed(judge, one_hypothesis, problem, sample, metric):
    row = judge(one_hypothesis(), FALL, overrides=override(sample, metric), **problem).loc["H1"]
    assert (row["verdict"], row["label"]) == ("confirmed", "qc_override")
    assert "included by AB on 2025-01-02: known" in row["sentence"]


@pytest.mark.parametrize("wrong", [override("D2", "all"), override("D1", "identity"), override("D1", "all", "exclude")])
def test_an_override_for_something_else_lifts_nothing(judge, one_hypothesis, wrong):
    frame = judge(one_hypothesis(), FALL, quality=[FAILED], overrides=wrong)
    assert outcome(frame) == ("not_testable", "sample_integrity")


def test_the_gates_come_in_order(judge, one_hypothesis):
    """Everything is wrong at first; mending one thing at a time shows the next gate."""
    wrong = {
        "n_target": 1,
        "cell_contexts": frozenset({"t_cell"}),
        "counts": {"GENE1": [0] * 6},
        "identity": [MISMATCH],
        "exposed": False,
        "time_h": (1.0,),
    }
    protein = one_hypothesis("down", "protein_level", level="protein", delta=".")
    rna = one_hypothesis(window="8 24")
    seen = [outcome(judge(protein, FALL, **wrong))[1]]
    wrong["n_target"] = 3
    seen.append(outcome(judge(protein, FALL, **wrong))[1])
    del wrong["cell_contexts"]
    seen.append(outcome(judge(protein, FALL, **wrong))[1])
    seen.append(outcome(judge(rna, FALL, **wrong))[1])
    del wrong["counts"]
    seen.append(outcome(judge(rna, FALL, **wrong))[1])
    del wrong["identity"]
    seen.append(outcome(judge(rna, {"GENE1": (0.0, 0.2)}, **wrong))[1])
    del wrong["time_h"]
    seen.append(outcome(judge(rna, {"GENE1": (0.0, 0.2)}, **wrong))[1])
    assert seen == [
        "no_replication",
        "context",
        "protein_level",
        "below_floor",
        "sample_integrity",
        "outside_window",
        "exposure_not_shown",
    ]
