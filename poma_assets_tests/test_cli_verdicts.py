"""``poma verdicts`` as a person at a narrow terminal and as a script meets it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime

import pandas as pd
import pytest
from typer.testing import CliRunner

from poma_assets.cli import verdicts as command
from poma_assets.cli.app import app
from poma_assets.science.errors import InputError, StorageError
from poma_assets.science.markers.change_causes import Grounds
from poma_assets.science.markers.history import Judging, verdict_changes
from poma_assets.storage.schema import TABLES
from poma_assets.storage.step_output import StepOutput
from poma_assets.storage.warehouse import Warehouse

CONTRASTS = ("pom", "res")
MARKERS = {
    # symbol: (verdict, sub-verdict, log2 fold change) in pom
    "IRF4": ("confirmed", "strong", -1.74),
    "MYC": ("contradicted", "absent", -0.02),
    "KLF2": ("inconclusive", "underpowered", -0.5),
    "IFNG": ("not_testable", "context", None),
    "IFIT1": ("not_testable", "judged_as_set", 0.2),
}
SENTENCE = "{} fell by so much that a line of eighty characters cannot hold it [not markup]: {}. Standard error 0.1."
GROUNDS = Grounds(("S1", "S2"), ("S3", "S7"), settings={"counter in poma.yaml": "htseq"}, hypotheses_sha256="abc")


def rows(contrast, **changes):
    found = {**MARKERS, **changes}
    declared = TABLES["marker_verdicts"].column_names
    frame = pd.DataFrame(
        [
            {
                **dict.fromkeys(declared),
                "contrast_id": contrast,
                "hypothesis_id": f"{symbol}_drug",
                "gene_symbol": symbol,
                "policy": "directional",
                "verdict": verdict,
                "sub_verdict": sub,
                "log2_fold_change": effect,
                "n_reference": 2,
                "n_target": 2,
                "sentence": SENTENCE.format(symbol, verdict),
            }
            for symbol, (verdict, sub, effect) in found.items()
        ]
    )
    return frame.astype({"log2_fold_change": float})


def judging(number, grounds=GROUNDS):
    return Judging(f"run-{number}", datetime(2025, 3, number, 12, 30), "v", grounds)


def store(warehouse, contrast, table, frame, **values):
    warehouse.write(
        StepOutput(tables={table: frame}),
        asset=table,
        partition=contrast,
        study_root=warehouse.path.parent,
        fingerprint="f",
        data_version="v",
        inputs={},
        run_id="r",
        partition_values={table: {"contrast_id": contrast, **values}},
    )


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Two contrasts judged twice: in the second run S7 was excluded and KLF2 lost its verdict."""
    folder = tmp_path_factory.mktemp("judged")
    (folder / "counts.csv").write_text("gene,S1,S2,S3,S7\nENSG1,1,2,3,4\n")
    samples = "".join(f"{name}\t{drug}\n" for name, drug in (("S1", "D"), ("S2", "D"), ("S3", "P"), ("S7", "P")))
    (folder / "samples.tsv").write_text("sample\ttreatment\n" + samples)
    (folder / "contrasts.tsv").write_text(
        "id\tvariable\treference\ttarget\npom\ttreatment\tD\tP\nres\ttreatment\tP\tD\n"
    )
    (folder / "poma.yaml").write_text("name: judged\ncount_matrix: counts.csv\n")
    (folder / "results").mkdir()
    warehouse = Warehouse(folder / "results" / "warehouse.duckdb")
    excluded = replace(GROUNDS, target_samples=("S3",), left_out={"S7": "failed rin [3.2]"})
    for contrast in CONTRASTS:
        first = verdict_changes(None, rows(contrast, KLF2=("confirmed", "strong", -0.9)), judging(1))
        store(warehouse, contrast, "verdict_history", first, run_id="run-1")
        second = verdict_changes(first, rows(contrast), judging(2, excluded))
        store(warehouse, contrast, "verdict_history", second, run_id="run-2")
        store(warehouse, contrast, "marker_verdicts", rows(contrast))
    store(warehouse, "withdrawn", "marker_verdicts", rows("withdrawn"))
    return folder


@pytest.fixture
def run(study, monkeypatch):
    for name in ("POMA_STUDY", "DAGSTER_HOME"):
        monkeypatch.setenv(name, "")

    def invoke(*arguments, width=160):
        monkeypatch.setattr(command.out, "width", width)
        return CliRunner().invoke(app, ["verdicts", "--study", str(study), *arguments], catch_exceptions=False)

    return invoke


def test_every_declared_contrast_is_shown_and_members_of_sets_only_on_demand(run):
    text = run().stdout
    assert [name for name in (*CONTRASTS, "withdrawn") if f"{name}\n" in text] == list(CONTRASTS)
    assert "IFIT1" not in text
    assert "IFIT1" in run("--all").stdout
    assert "IFIT1" in run("IFIT1").stdout
    assert "Standard error" not in text
    assert "[not markup]" in text


def test_what_is_not_known_is_a_dash_and_not_nan(run):
    text = run("IFNG", "--contrast", "pom").stdout
    assert "–" in text
    assert "nan" not in text
    assert json.loads(run("IFNG", "--contrast", "pom", "--json").stdout)[0]["log2_fold_change"] is None


@pytest.mark.parametrize("arguments", [(), ("--all",), ("--history",), ("--history", "KLF2")])
def test_at_eighty_columns_no_sentence_is_broken_into_a_narrow_column(run, arguments):
    lines = run(*arguments, width=80).stdout.splitlines()
    assert max(map(len, lines)) <= 80
    if "--history" not in arguments:
        assert "    IRF4 fell by so much that a line of eighty characters cannot hold it [not" in lines


def test_markers_contrasts_and_verdicts_choose_rows(run):
    def symbols(*arguments):
        found = json.loads(run(*arguments, "--json").stdout)
        return [(row["contrast_id"], row["gene_symbol"]) for row in found]

    assert symbols("IRF4") == [("pom", "IRF4"), ("res", "IRF4")]
    assert symbols("IRF4_drug", "MYC", "--contrast", "res") == [("res", "IRF4"), ("res", "MYC")]
    assert symbols("--verdict", "contradicted", "--verdict", "inconclusive/underpowered", "--contrast", "pom") == [
        ("pom", "MYC"),
        ("pom", "KLF2"),
    ]
    assert symbols("--verdict", "inconclusive/borderline") == []


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (("--expect", "IRF4=confirmed"), 0, ""),
        (("--expect", "IRF4=confirmed/strong", "--expect", "MYC=contradicted"), 0, ""),
        (("--expect", "IRF4=confirmed/plain"), 3, "IRF4 in pom is confirmed, strong, expected confirmed, plain"),
        (
            ("--expect", "MYC=confirmed", "--contrast", "res"),
            3,
            "MYC in res is contradicted, absent, expected confirmed",
        ),
        (("--fail-on", "contradicted"), 3, "MYC in pom is contradicted, absent"),
        (("--fail-on", "contradicted", "IRF4", "KLF2"), 0, ""),
        (("--fail-on", "contradicted/opposite"), 0, ""),
        (("--fail-on", "contradicted", "--verdict", "confirmed"), 3, "MYC in res is contradicted, absent"),
        (("--fail-on", "contradicted", "--json"), 3, "MYC in pom is contradicted, absent"),
    ],
)
def test_the_exit_status_answers_a_script(run, arguments, status, message):
    result = run(*arguments)
    assert result.exit_code == status
    assert message in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("IRF5",), r"marker is unknown \(found 'IRF5'.*Did you mean 'IRF4'\?"),
        (("--history", "IRF5"), "Did you mean 'IRF4'"),
        (("--contrast", "pam"), "contrast is unknown.*Did you mean 'pom'"),
        (("--verdict", "confirm"), "verdict is unknown.*Did you mean 'confirmed'"),
        (("--fail-on", "bad"), "verdict is unknown"),
        (("--expect", "IRF4"), "not of the form.*MARKER=VERDICT"),
        (("--expect", "IRF5=confirmed"), "Did you mean 'IRF4'"),
        (("--history", "--expect", "IRF4=confirmed"), "Leave --history out"),
    ],
)
def test_a_wrong_argument_is_refused_with_what_was_probably_meant(run, arguments, message):
    with pytest.raises(InputError, match=message) as caught:
        run(*arguments)
    assert caught.value.exit_status == 2


def test_the_history_of_a_marker_tells_each_change_with_cause_and_run(run):
    assert run("--history", "KLF2", "--contrast", "pom").stdout.splitlines() == [
        "2025-03-01 12:30 UTC  pom",
        "    first judged",
        "        KLF2  confirmed, strong  log2 FC -0.90",
        "    run /runs/run-1",
        "2025-03-02 12:30 UTC  pom",
        "    S7 was excluded: failed rin [3.2]",
        "        KLF2  confirmed, strong -> inconclusive, underpowered  log2 FC -0.50",
        "    run /runs/run-2",
    ]


def test_the_whole_history_gathers_what_was_first_judged(run):
    lines = run("--history").stdout.splitlines()
    assert lines[:2] == ["2025-03-01 12:30 UTC  pom", "    5 hypotheses first judged"]
    assert sum("->" in line for line in lines) == 2
    assert run("--history", "--verdict", "contradicted").stdout.splitlines()[1] == "    1 hypothesis first judged (MYC)"


def test_the_history_for_programs_has_grounds_as_objects(run):
    rows = json.loads(run("--history", "KLF2", "--json").stdout)
    assert [row["run_path"] for row in rows] == ["/runs/run-1"] * 2 + ["/runs/run-2"] * 2
    assert rows[0]["previous_verdict"] is None
    assert rows[2]["judged_from"]["left_out"] == {"S7": "failed rin [3.2]"}
    assert rows[2]["recorded_at"].startswith("2025-03-02T12:30:00")


def test_a_study_that_was_never_run_says_so(study, tmp_path, monkeypatch):
    for name in ("POMA_STUDY", "DAGSTER_HOME"):
        monkeypatch.setenv(name, "")
    for name in ("counts.csv", "samples.tsv", "contrasts.tsv", "poma.yaml"):
        (tmp_path / name).write_text((study / name).read_text())
    for arguments in ((), ("--history",)):
        with pytest.raises(StorageError, match=r"yet.*poma run"):
            CliRunner().invoke(app, ["verdicts", "--study", str(tmp_path), *arguments], catch_exceptions=False)


def test_through_a_pipe_there_is_neither_colour_nor_a_traceback(poma, study):
    result = poma("verdicts", "--study", str(study), "--fail-on", "contradicted")
    assert (result.returncode, "\x1b" in result.stdout + result.stderr) == (3, False)
    wrong = poma("verdicts", "IRF5", "--study", str(study))
    assert (wrong.returncode, wrong.stderr.startswith("error the marker is unknown")) == (2, True)
