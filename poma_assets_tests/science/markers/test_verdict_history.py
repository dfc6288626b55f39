"""A row per change: is the state after every run kept, and is the cause named that was planted?"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from poma_assets.science.markers.change_causes import FIRST_JUDGED, NO_CAUSE, Grounds, explain_change
from poma_assets.science.markers.history import (
    HISTORY_COLUMNS,
    NOT_ASKED,
    Judging,
    change_sentence,
    verdict_changes,
    verdicts_at,
)
from poma_assets.storage.schema import TABLES

NOW = datetime(2025, 3, 1, 12)
STRONG, UNDERPOWERED = ("confirmed", "strong"), ("inconclusive", "underpowered")
BASE = Grounds(
    reference_samples=("S1", "S2", "S3"),
    target_samples=("S4", "S5", "S7"),
    left_out={"S9": ""},
    samples={name: {"counts": f"c{name}", "declared": "d", "problems": ""} for name in ("S1", "S2", "S3", "S4", "S5")},
    declaration={"variable": "treatment", "reference": "DMSO"},
    settings={
        "genome FASTA": "g1",
        "annotation GTF": "a1",
        "thresholds in poma.yaml": "0123456789ab",
        "quality overrides": "",
    },
    code={"marker_verdicts": "1", "poma-assets": "0.1.0"},
    hypotheses_sha256="abc",
)
DELTA = {"H1": {"expected_direction": "down", "min_effect_log2": "0.585"}}


def verdicts(**found):
    return pd.DataFrame(
        [
            {
                "contrast_id": "pom",
                "hypothesis_id": name,
                "gene_symbol": f"GENE_{name}",
                "verdict": value[0],
                "sub_verdict": value[1],
                "log2_fold_change": -1.0,
                "standard_error": 0.2,
                "n_reference": 3,
                "n_target": 3,
            }
            for name, value in found.items()
        ],
        columns=list(HISTORY_COLUMNS[:9]),
    )


def judging(number=2, grounds=BASE, hypotheses=DELTA):
    return Judging(f"run-{number}", NOW + timedelta(hours=number), f"v{number}", grounds, hypotheses)


def run_all(*states, grounds=None):
    """The history after several runs; each state is that of ``verdicts``."""
    history = None
    for number, state in enumerate(states, start=1):
        basis = grounds[number - 1] if grounds else BASE
        changes = verdict_changes(history, verdicts(**state), judging(number, basis))
        if history is None or history.empty:
            history = changes
        elif len(changes):
            history = pd.concat([history.astype(object), changes.astype(object)], ignore_index=True)
    return history


def test_columns_are_those_of_the_warehouse():
    assert TABLES["verdict_history"].column_names == HISTORY_COLUMNS
    frame = run_all({"H1": STRONG})
    assert tuple(frame.columns) == HISTORY_COLUMNS
    assert tuple(verdict_changes(None, verdicts(), judging()).columns) == HISTORY_COLUMNS


def test_the_first_run_records_everything_without_predecessor():
    frame = run_all({"H1": STRONG, "H2": UNDERPOWERED})
    assert frame["hypothesis_id"].tolist() == ["H1", "H2"]
    assert frame["previous_verdict"].isna().all()
    assert frame["cause"].tolist() == [FIRST_JUDGED] * 2
    assert frame[["run_id", "recorded_at", "data_version"]].iloc[0].tolist() == [
        "run-1",
        NOW + timedelta(hours=1),
        "v1",
    ]
    assert frame[["reference_samples", "target_samples", "hypotheses_sha256"]].iloc[0].tolist() == [
        "S1;S2;S3",
        "S4;S5;S7",
        "abc",
    ]


def test_only_changes_are_recorded_with_what_was_before():
    frame = run_all(
        {"H1": STRONG, "H2": ("confirmed", "plain"), "H3": ("contradicted", "absent")},
        {"H1": STRONG, "H2": UNDERPOWERED, "H3": ("contradicted", "opposite")},
    )
    later = frame[frame["run_id"] == "run-2"].set_index("hypothesis_id")
    assert list(later.index) == ["H2", "H3"]
    columns = ["previous_verdict", "previous_sub_verdict", "verdict", "sub_verdict"]
    assert later.loc["H2", columns].tolist() == ["confirmed", "plain", *UNDERPOWERED]


def test_an_unchanged_verdict_adds_no_row_though_the_data_changed():
    other = replace(BASE, target_samples=("S4", "S5"))
    assert len(run_all({"H1": STRONG}, {"H1": STRONG}, grounds=[BASE, other])) == 1


def test_a_missing_sub_verdict_is_the_same_however_it_is_stored():
    history = run_all({"H1": ("not_testable", None)})
    history["sub_verdict"] = [np.nan]
    assert verdict_changes(history, verdicts(H1=("not_testable", None)), judging()).empty


def test_a_step_that_is_tried_again_in_the_same_run_records_the_same():
    history = run_all({"H1": STRONG}, {"H1": UNDERPOWERED})
    again = verdict_changes(history, verdicts(H1=UNDERPOWERED), judging(2))
    pd.testing.assert_frame_equal(
        again.reset_index(drop=True), history[history["run_id"] == "run-2"].reset_index(drop=True), check_dtype=False
    )


def test_of_a_history_the_latest_row_counts_in_whatever_order():
    history = run_all({"H1": STRONG}, {"H1": ("inconclusive", "borderline")}).iloc[::-1]
    assert verdict_changes(history, verdicts(H1=("inconclusive", "borderline")), judging(3)).empty
    frame = verdict_changes(history, verdicts(H1=STRONG), judging(3))
    assert frame.loc[0, "previous_sub_verdict"] == "borderline"


def test_a_hypothesis_that_is_no_longer_asked_is_closed_and_may_return():
    history = run_all({"H1": STRONG, "H2": STRONG}, {"H2": STRONG}, {"H2": STRONG}, {"H1": UNDERPOWERED, "H2": STRONG})
    rows = history[history["hypothesis_id"] == "H1"]
    assert rows["verdict"].tolist() == ["confirmed", NOT_ASKED, "inconclusive"]
    assert rows["run_id"].tolist() == ["run-1", "run-2", "run-4"]
    assert rows["n_target"].isna().tolist() == [False, True, False]


def test_the_state_after_every_run_can_be_read_from_the_history():
    """Thirty random runs: whatever stood after each of them is found again, and nothing else."""
    generator = np.random.default_rng(5)
    choices = [STRONG, UNDERPOWERED, ("contradicted", "absent"), ("not_testable", "context"), None]
    states = [
        {f"H{i}": choices[k] for i, k in enumerate(generator.integers(0, len(choices), 6)) if choices[k] is not None}
        for _ in range(30)
    ]
    history = run_all(*states).sample(frac=1, random_state=1)
    for number, state in enumerate(states, start=1):
        standing = verdicts_at(history, NOW + timedelta(hours=number, minutes=30))
        found = dict(
            zip(standing["hypothesis_id"], zip(standing["verdict"], standing["sub_verdict"], strict=True), strict=True)
        )
        assert found == state
    assert verdicts_at(history, NOW).empty


def test_grounds_come_back_from_the_columns_as_they_went():
    whole = replace(BASE, hypothesis=DELTA["H1"])
    assert Grounds.from_columns(whole.as_columns()) == whole
    assert Grounds.from_columns(Grounds().as_columns()) == Grounds()


EXCLUDED = replace(BASE, target_samples=("S4", "S5"), left_out={"S9": "", "S7": "failed rin (3.2)"})
CAUSES = {
    "excluded": (BASE, EXCLUDED, "S7 was excluded: failed rin (3.2)"),
    "excluded by a person": (
        BASE,
        replace(
            BASE,
            target_samples=("S4", "S5"),
            left_out={"S9": "", "S7": "excluded (all) by SB on 2025-03-01: wrong tube"},
            settings={**BASE.settings, "quality overrides": "o1"},
        ),
        "S7 was excluded (all) by SB on 2025-03-01: wrong tube",
    ),
    "taken back": (EXCLUDED, BASE, "S7 was taken back (before: failed rin (3.2))"),
    "withdrawn": (BASE, replace(BASE, target_samples=("S4", "S5")), "S7 was withdrawn from the sample sheet"),
    "left out": (
        BASE,
        replace(BASE, target_samples=("S4", "S5"), left_out={"S9": "", "S7": ""}),
        "S7 was left out by the contrast",
    ),
    "added": (BASE, replace(BASE, reference_samples=("S1", "S2", "S3", "S8", "S9")), "S8 and S9 were added"),
    "moved": (
        BASE,
        replace(BASE, reference_samples=("S2", "S3", "S4"), target_samples=("S1", "S5", "S7")),
        "S4 was moved from the target to the reference arm; S1 was moved from the reference to the target arm",
    ),
    "many": (
        BASE,
        replace(BASE, target_samples=(*BASE.target_samples, *(f"T{i}" for i in range(7)))),
        "T0, T1, T2, T3 and 3 more were added",
    ),
    "counts": (
        BASE,
        replace(BASE, samples={**BASE.samples, "S1": {"counts": "new", "declared": "d", "problems": ""}}),
        "the counts of S1 changed",
    ),
    "sheet": (
        BASE,
        replace(BASE, samples={**BASE.samples, "S1": {"counts": "cS1", "declared": "e", "problems": ""}}),
        "what the sheet declares of S1 changed",
    ),
    "problem": (
        BASE,
        replace(BASE, samples={**BASE.samples, "S1": {"counts": "cS1", "declared": "d", "problems": "rin failed"}}),
        "S1: rin failed (before: nothing wrong)",
    ),
    "delta": (
        replace(BASE, hypothesis=DELTA["H1"]),
        replace(BASE, hypothesis={**DELTA["H1"], "min_effect_log2": "1.0"}, hypotheses_sha256="new"),
        "the hypothesis changed: smallest effect of interest (log2) from 0.585 to 1.0",
    ),
    "direction": (
        replace(BASE, hypothesis=DELTA["H1"]),
        replace(BASE, hypothesis={**DELTA["H1"], "expected_direction": "up"}, hypotheses_sha256="new"),
        "the hypothesis changed: direction from down to up",
    ),
    "other hypotheses": (
        BASE,
        replace(BASE, hypotheses_sha256="new"),
        "the table of hypotheses changed elsewhere (other hypotheses share the adjustment)",
    ),
    "declaration": (
        BASE,
        replace(BASE, declaration={"variable": "treatment", "reference": "vehicle"}),
        "the contrast is declared otherwise: reference from DMSO to vehicle",
    ),
    "reference, which changes counts": (
        BASE,
        replace(
            BASE,
            settings={**BASE.settings, "annotation GTF": "a2"},
            samples={name: {"counts": "new"} for name in BASE.samples},
        ),
        "the reference changed (annotation GTF)",
    ),
    "thresholds": (
        BASE,
        replace(BASE, settings={**BASE.settings, "thresholds in poma.yaml": "0123456789ac"}),
        "thresholds in poma.yaml changed",
    ),
    "a setting in words": (
        replace(BASE, settings={**BASE.settings, "counter in poma.yaml": "featurecounts"}),
        replace(BASE, settings={**BASE.settings, "counter in poma.yaml": "htseq"}),
        "counter in poma.yaml changed from featurecounts to htseq",
    ),
    "a long setting, kept as a hash": (
        replace(BASE, settings={**BASE.settings, "trimming in poma.yaml": "83ee19922122"}),
        replace(BASE, settings={**BASE.settings, "trimming in poma.yaml": "{}"}),
        "trimming in poma.yaml changed",
    ),
    "overrides": (
        BASE,
        replace(BASE, settings={**BASE.settings, "quality overrides": "o1"}),
        "quality overrides changed",
    ),
    "code": (
        BASE,
        replace(BASE, code={**BASE.code, "poma-assets": "0.2.0"}),
        "the program changed: poma-assets from 0.1.0 to 0.2.0",
    ),
    "several": (
        BASE,
        replace(EXCLUDED, code={"marker_verdicts": "2", "poma-assets": "0.1.0"}),
        "S7 was excluded: failed rin (3.2); the program changed: marker verdicts from 1 to 2",
    ),
    "nothing": (BASE, BASE, NO_CAUSE),
}


@pytest.mark.parametrize(("before", "after", "cause"), CAUSES.values(), ids=CAUSES)
def test_a_planted_cause_is_named_and_nothing_else(before, after, cause):
    assert explain_change(before, after) == cause


def test_braces_in_a_reason_stay_as_they_are():
    out = replace(BASE, target_samples=("S4", "S5"), left_out={"S7": "rule {x}"})
    assert explain_change(BASE, out) == "S7 was excluded: rule {x}"


def test_the_change_of_the_issue_reads_as_a_sentence():
    history = run_all({"H1": STRONG}, {"H1": UNDERPOWERED}, grounds=[BASE, EXCLUDED])
    row = history.iloc[-1].to_dict()
    assert change_sentence(row) == (
        "GENE_H1 in pom: confirmed (strong) -> inconclusive (underpowered): S7 was excluded: failed rin (3.2)"
    )
    assert row["target_samples"] == "S4;S5"


def test_what_changed_while_the_verdict_stood_is_not_its_cause():
    """S7 is lost in run 2, which only H2 minds; H1 changes in run 3 with the program."""
    newer = replace(EXCLUDED, code={**BASE.code, "marker_verdicts": "2"})
    history = run_all(
        {"H1": STRONG, "H2": STRONG},
        {"H1": STRONG, "H2": UNDERPOWERED},
        {"H1": UNDERPOWERED, "H2": UNDERPOWERED},
        grounds=[BASE, EXCLUDED, newer],
    )
    assert history["cause"].tolist()[2:] == [
        "S7 was excluded: failed rin (3.2)",
        "the program changed: marker verdicts from 1 to 2",
    ]
