"""Quality gates of a study: a male sample in a female line, a bad replicate, and what a new threshold runs again."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest
from recorded_study import record_steps, write_study

from poma_assets.launcher import needed_nodes
from poma_assets.planning import stale_steps
from poma_assets.resources import StudyResource
from poma_assets.vocabulary import KEPT_FILES

Y_LINKED = {"RPS4Y1": "ENSG00000129824", "DDX3Y": "ENSG00000067048"}
GENES = 400
DEPTH = 400
"""Fragments of a usual gene; genes seen are few, so CPM are scaled by 402 / 12,000 before they meet their limits."""
SAMPLES = {
    **{f"F{i}": ("MM.1S", "DMSO") for i in (1, 2, 3, 4)},
    **{f"P{i}": ("MM.1S", "pomalidomide") for i in (1, 2, 3)},
    "M1": ("U266", "DMSO"),
    "N1": ("OurLine", "DMSO"),
}
MALE = ("F4", "M1", "N1")
UNLIKE = "P3"


def write_counts(path: Path) -> None:
    rng = np.random.default_rng(3)
    mean = rng.uniform(0.2, 1.8, GENES) * DEPTH
    columns = {}
    for sample in SAMPLES:
        expressed = rng.permutation(mean) if sample == UNLIKE else mean
        y_linked = [DEPTH, DEPTH] if sample in MALE else [0, 0]
        columns[sample] = rng.negative_binomial(100, 100 / (100 + np.array([*expressed, *y_linked]) + 1e-9))
    ids = [*(f"ENSG{i:011d}" for i in range(1, GENES + 1)), *Y_LINKED.values()]
    symbols = [*(f"GENE{i}" for i in range(1, GENES + 1)), *Y_LINKED]
    table = pd.DataFrame(columns, index=pd.Index(ids, name="gene"))
    table.insert(0, "symbol", symbols)
    table.to_csv(path, sep="\t")


def write_sheet(study: Path, samples: dict[str, tuple[str, str]]) -> None:
    rows = [f"{name}\t{line}\t{treatment}\t24" for name, (line, treatment) in samples.items()]
    (study / "samples.tsv").write_text("\n".join(["sample\tcell_line\ttreatment\ttime_h", *rows, ""]))


@pytest.fixture(scope="module")
def study(tmp_path_factory, poma) -> Path:
    folder = tmp_path_factory.mktemp("quality") / "study"
    folder.mkdir()
    write_counts(folder / "counts.tsv")
    write_sheet(folder, SAMPLES)
    (folder / "contrasts.tsv").write_text("id\tvariable\treference\ttarget\tsubset\n")
    (folder / "poma.yaml").write_text("name: q\nprofile: small_reference\ncount_matrix: counts.tsv\n")
    run(poma, folder)
    return folder


def run(poma, study: Path) -> None:
    result = poma("run", "--study", str(study))
    assert result.returncode == 0, result.stdout + result.stderr


def query(study: Path, sql: str) -> pd.DataFrame:
    with duckdb.connect(str(study / "results" / "study.duckdb"), read_only=True) as connection:
        return connection.execute(sql).df()


def statuses(study: Path, metric: str) -> dict[str, str]:
    frame = query(study, f"SELECT sample_id, status FROM sample_quality WHERE metric = '{metric}'")
    return dict(frame.itertuples(index=False, name=None))


def steps(study: Path) -> dict[tuple[str, str], str]:
    with duckdb.connect(str(study / "results" / "warehouse.duckdb"), read_only=True) as connection:
        frame = connection.execute("SELECT asset, partition, run_id FROM steps").df()
    return {(asset, partition): run_id for asset, partition, run_id in frame.itertuples(index=False)}


def test_every_metric_stands_once_for_every_sample(study):
    shipped = Path(__file__).parents[1] / "data" / "markers" / "qc_thresholds.tsv"
    metrics = set(pd.read_csv(shipped, sep="\t")["metric"])
    frame = query(study, "SELECT sample_id, metric, scope FROM sample_quality")
    assert not frame.duplicated(["sample_id", "metric"]).any()
    assert {sample: set(rows["metric"]) for sample, rows in frame.groupby("sample_id")} == dict.fromkeys(
        SAMPLES, metrics
    )
    assert set(frame.loc[frame["scope"] == "cohort", "metric"]) == {"replicate_spearman"}
    assert {"sex", "replicate_spearman"}.isdisjoint(query(study, "SELECT rule FROM sample_identity")["rule"])


def test_y_linked_genes_keep_a_sample_of_a_female_line_out(study):
    found = statuses(study, "y_linked_in_female_line")
    assert {sample for sample, status in found.items() if status == "fail"} == {"F4"}
    assert {sample for sample, status in found.items() if status == "not_assessed"} == {"M1", "N1"}
    out = query(study, "SELECT sample_id, reason FROM sample_inclusion WHERE NOT included")
    assert out.to_numpy().tolist() == [["F4", "y_linked_in_female_line 1 fails (present)"]]


def test_a_sample_unlike_its_replicates_is_warned_of_and_stays(study, poma_here):
    found = statuses(study, "replicate_spearman")
    assert {sample for sample, status in found.items() if status == "warn"} == {"P1", "P2", "P3"}
    alone_or_out = {"M1", "N1", "F4"}
    assert {sample for sample, status in found.items() if status == "not_assessed"} == alone_or_out
    sources = query(study, "SELECT sample_id, source FROM sample_quality WHERE scope = 'cohort'").set_index("sample_id")
    assert sources.loc["F4", "source"] == "not in the count matrix"
    assert sources.loc["P1", "source"].startswith("sample_distances: median with 2 of MM.1S, pomalidomide, lowest P3")
    overview = query(study, "SELECT sample_id, quality_warnings FROM v_sample_overview").set_index("sample_id")
    assert overview.loc["P3", "quality_warnings"] == 1
    assert overview.loc["F1", "quality_warnings"] == 0
    told = json.loads(poma_here("status", "--study", str(study), "--json").stdout)["samples"]
    assert {row["sample"] for row in told if row["quality"] == "warn"} == {"P1", "P2", "P3"}
    assert {row["sample"] for row in told if row["quality"] == "fail"} == {"F4"}
    html = (study / "results" / "reports" / "study" / "study_report.html").read_text(encoding="utf-8")
    assert "<th>replicate spearman</th>" in html
    assert "<th>y linked in female line</th>" in html


def test_the_threshold_of_replicates_runs_the_cohorts_part_only(study, poma, tmp_path):
    copy = Path(shutil.copytree(study, tmp_path / "study"))
    with (copy / "poma.yaml").open("a") as file:
        file.write("quality: {replicate_spearman: {warn: '<0.1'}}\n")
    before = steps(copy)
    run(poma, copy)
    ran = {step for step, made in steps(copy).items() if before[step] != made}
    assert ran == {("sample_exploration", ""), ("study_report", ""), ("study_database", "")}
    found = statuses(copy, "replicate_spearman")
    assert found["F1"] == "pass"


def test_a_signed_sample_comes_back_and_a_withdrawn_one_goes(study, poma, tmp_path):
    copy = Path(shutil.copytree(study, tmp_path / "study"))
    write_sheet(copy, {name: values for name, values in SAMPLES.items() if name != UNLIKE})
    (copy / "qc_overrides.tsv").write_text(
        "sample\tmetric\tdecision\treason\twho\tdate\nF4\ty_linked_in_female_line\tinclude\tSTR fits\tAB\t2026-11-27\n"
    )
    run(poma, copy)
    found = statuses(copy, "replicate_spearman")
    assert {name: found[name] for name in ("P1", "P2", "F4")} == dict.fromkeys(["P1", "P2", "F4"], "pass")
    assert UNLIKE not in found
    reason = query(copy, "SELECT reason FROM sample_inclusion WHERE sample_id = 'F4'")["reason"].item()
    assert reason == "y_linked_in_female_line 1 fails (present), included by AB on 2026-11-27: STR fits"


@pytest.fixture
def recorded(tmp_path: Path) -> StudyResource:
    made = write_study(tmp_path)
    record_steps(made)
    assert stale(made) == {}
    return made


def stale(made: StudyResource) -> dict[tuple[str, str], str]:
    again = StudyResource(root=made.root)
    found = stale_steps(needed_nodes(again), again)
    return {(step.asset, step.partition): step.reason for step in found if step.cause and step.asset != KEPT_FILES}


@pytest.mark.parametrize(
    ("metric", "asset", "partitions"),
    [("replicate_spearman", "sample_exploration", [""]), ("q30_pct", "sample_quality", ["S1", "S2"])],
)
def test_a_threshold_makes_stale_what_judges_it(recorded, metric, asset, partitions):
    with (Path(recorded.root) / "poma.yaml").open("a") as file:
        file.write(f"quality: {{{metric}: {{warn: '<0.5'}}}}\n")
    expected = {(asset, key): f"quality.{metric} in poma.yaml changed" for key in partitions}
    found = stale(recorded)
    assert {step: reason for step, reason in found.items() if step[0] != "study_report"} == expected


def test_a_cell_line_of_the_sheet_makes_its_own_quality_stale_but_no_alignment(recorded):
    sheet = Path(recorded.root) / "samples.tsv"
    header, *rows = sheet.read_text().splitlines()
    lines = [header + "\tcell_line", *(f"{row}\t{'MM.1S' if row.startswith('S1') else 'NA'}" for row in rows)]
    sheet.write_text("\n".join(lines) + "\n")
    found = {step: reason for step, reason in stale(recorded).items() if step[1]}
    assert found == {("sample_quality", "S1"): "cell_line of S1 changed"}
