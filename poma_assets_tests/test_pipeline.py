"""The whole chain on a tiny simulated study, from reads to verdicts, as a user runs it."""

from __future__ import annotations

import gzip
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import pandas as pd
import psutil
import pytest
from living_processes import still_there

from poma_assets.jobs import COHORT_ASSETS
from poma_assets.planted_truth import compare_with_truth
from poma_assets.vocabulary import CONTRAST_ASSETS, SAMPLE_ASSETS

pytestmark = pytest.mark.tools

# A longer trial: POMA_TEST_KILLS=10 ./poma test --pytest-only
KILLS = int(os.environ.get("POMA_TEST_KILLS", "2"))

# Columns that name a run, a time, a cost or a file's bytes: they differ between two runs of the same study.
_VOLATILE = {"run_id", "finished_at", "wall_s", "cpu_s", "peak_memory_mib", "recorded_at", "sha256", "bytes"}


def tables(study: Path) -> dict[str, pd.DataFrame]:
    """Every table of the warehouse, without volatile columns, in one order."""
    frames = {}
    with duckdb.connect(str(study / "results" / "warehouse.duckdb"), read_only=True) as connection:
        for (name,) in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall():
            frame = connection.execute(f'SELECT * FROM "{name}"').df()
            kept = [column for column in frame.columns if column not in _VOLATILE]
            frames[name] = frame[kept].sort_values(kept, ignore_index=True)
    return frames


def query(study: Path, sql: str) -> pd.DataFrame:
    with duckdb.connect(str(study / "results" / "study.duckdb"), read_only=True) as connection:
        return connection.execute(sql).df()


def test_every_table_of_the_chain_has_rows(finished_study):
    frames = tables(finished_study)
    empty = {name for name, frame in frames.items() if frame.empty}
    assert empty == set()


def test_counts_are_close_to_the_fragments_that_were_simulated(finished_study):
    truth = pd.read_csv(finished_study / "truth" / "fragment_counts.tsv", sep="\t", comment="#", index_col=0)
    truth = truth.select_dtypes("number")
    counts = query(finished_study, "SELECT gene_id, sample_id, count FROM gene_counts WHERE counter = 'featurecounts'")
    wide = counts.pivot(index="gene_id", columns="sample_id", values="count").reindex(truth.index)[truth.columns]
    expressed = truth.sum(axis=1) >= 200
    recovered = wide[expressed].sum(axis=1) / truth[expressed].sum(axis=1)
    # Reads in two overlapping genes, in repeats, or trimmed away are not counted: a few per cent.
    assert recovered.median() > 0.9
    assert recovered.max() < 1.1


def test_reverse_strandedness_is_found(finished_study):
    rows = query(finished_study, "SELECT inferred, used, reverse_fraction FROM strandedness")
    assert set(rows["inferred"]) == {"reverse"}
    assert set(rows["used"]) == {"reverse"}
    assert rows["reverse_fraction"].min() > 0.9


def test_planted_verdicts_come_out_as_planted(finished_study):
    verdicts = query(finished_study, "SELECT * FROM marker_verdicts")
    agreeing, differing = compare_with_truth(verdicts, finished_study / "truth" / "expected_verdicts.tsv")
    assert differing == []
    assert agreeing >= 10
    assert {"not_testable", "confirmed"} <= set(verdicts["verdict"])


def test_every_check_was_evaluated_and_no_blocking_one_failed(finished_study, monkeypatch):
    import dagster as dg

    monkeypatch.setenv("DAGSTER_HOME", str(finished_study / ".dagster"))
    from poma_assets.definitions import build_definitions

    keys = build_definitions().resolve_asset_graph().asset_check_keys
    with dg.DagsterInstance.get() as instance:
        records = instance.event_log_storage.get_latest_asset_check_execution_by_key(list(keys))
    assert {key.name for key in records} == {key.name for key in keys}
    failed = {key.name for key, record in records.items() if not record.event.asset_check_evaluation.passed}
    # The tiny study is too shallow for these expectations, which only warn.
    shallow = {"replicates_correlate", "marker_genes_are_annotated", "engines_agree_on_direction", "designs_are_sound"}
    assert failed <= shallow


def test_a_second_run_has_nothing_to_do(finished_study, poma):
    result = poma("run", "--study", str(finished_study))
    assert result.returncode == 0, result.stderr
    assert "nothing ran" in result.stdout
    told = json.loads(poma("run", "--study", str(finished_study), "--json").stdout)
    assert (told["succeeded"], told["runs"], told["steps"], told["failures"]) == (True, 0, 0, [])
    assert Path(told["report"]).is_file()


def test_multiqc_shows_every_sample_by_its_name_with_gates_and_identity(finished_study):
    folder = finished_study / "results" / "reports" / "multiqc" / "multiqc_report_data"
    sheet = pd.read_csv(finished_study / "samples.tsv", sep="\t", dtype=str).set_index("sample")
    shown = {name: pd.read_csv(folder / f"multiqc_{name}.txt", sep="\t", index_col="Sample") for name in MULTIQC_TABLES}
    for name, table in shown.items():
        files = {f"{sample} {read}" for sample in sheet.index for read in ("R1", "R2")}
        assert set(table.index) == set(sheet.index) | (files if name == "general_stats" else set()), name
    sql = "SELECT sample_id, value FROM sample_quality WHERE metric = 'uniquely_mapped_pct' ORDER BY sample_id"
    measured = query_warehouse(finished_study, sql).set_index("sample_id")["value"]
    found = shown["poma_gates_table"]["uniquely_mapped_pct"].sort_index()
    assert found.to_dict() == pytest.approx(measured.to_dict())
    assert set(shown["poma_strandedness_table"]["used"]) == {"reverse"}
    declared = shown["poma_identity_table"]["declared"]
    assert declared.to_dict() == sheet["cell_line"].to_dict()
    overview = shown["general_stats"].loc[list(sheet.index)]
    assert set(overview.filter(like="poma-identity").squeeze()) == set(shown["poma_identity_table"]["verdict"])


MULTIQC_TABLES = ("general_stats", "poma_gates_table", "poma_strandedness_table", "poma_identity_table")


def test_a_changed_rin_touches_quality_but_not_alignment(finished_study, poma_here, tmp_path):
    study = Path(shutil.copytree(finished_study, tmp_path / "study"))
    sheet = pd.read_csv(study / "samples.tsv", sep="\t", dtype=str, keep_default_na=False)
    sheet.loc[0, "rin"] = "8.1"
    sheet.to_csv(study / "samples.tsv", sep="\t", index=False)
    result = poma_here("plan", "--study", str(study), "--json")
    stale = {(step["asset"], step["partition"]): step["reason"] for step in json.loads(result.stdout)}
    sample = sheet.loc[0, "sample"]
    assert stale["sample_quality", sample] == f"rin of {sample} changed"
    assert "count_matrix" in {asset for asset, _ in stale}
    upstream = {"raw_reads", "read_quality", "trimmed_reads", "alignments", "alignment_quality", "gene_counts"}
    assert upstream.isdisjoint({asset for asset, _ in stale})
    assert {partition for asset, partition in stale if asset == "sample_quality"} == {sample}


def test_one_more_sample_runs_its_own_steps_and_the_cohort_only(finished_study, poma, tmp_path):
    study = Path(shutil.copytree(finished_study, tmp_path / "study", symlinks=True))
    sheet = pd.read_csv(study / "samples.tsv", sep="\t", dtype=str, keep_default_na=False)
    added = sheet.iloc[[0]].assign(sample="MM1S_DMSO_9", replicate="9")
    for column in ("fastq_1", "fastq_2"):
        path = study / sheet.loc[1, column]
        text = gzip.decompress(path.read_bytes()).split(b"\n")
        shorter = path.with_name(f"nine_{column}.fastq.gz")
        shorter.write_bytes(gzip.compress(b"\n".join(text[: 4 * 2500]) + b"\n"))
        added[column] = str(shorter.relative_to(study))
    pd.concat([sheet, added]).to_csv(study / "samples.tsv", sep="\t", index=False)
    before = steps_by_run(study)
    result = poma("run", "--study", str(study))
    assert result.returncode == 0, result.stderr
    ran = {step for step, run in steps_by_run(study).items() if before.get(step) != run}
    of_samples = {(asset, partition) for asset, partition in ran if asset in SAMPLE_ASSETS}
    assert of_samples == {(asset, "MM1S_DMSO_9") for asset in SAMPLE_ASSETS if asset != "htseq_counts"}
    reference = {"genome", "annotation", "gene_table", "star_index"}
    assert reference.isdisjoint({asset for asset, _ in ran})
    assert ("count_matrix", "") in ran
    # The sheet, MultiQC, the cohort, at most all steps of the four contrasts, and the reports: nothing else.
    assert {asset for asset, partition in ran if not partition} <= {
        *("sample_sheet", "contrast_sheet", "multiqc_report", "study_report", "study_database"),
        *COHORT_ASSETS,
    }
    assert len(ran) <= 9 + 9 + 4 * len(CONTRAST_ASSETS)


def steps_by_run(study: Path) -> dict[tuple[str, str], str]:
    """(asset, partition) -> run that computed it."""
    rows = query_warehouse(study, "SELECT asset, partition, run_id FROM steps")
    return {(asset, partition): run for asset, partition, run in rows.itertuples(index=False)}


def test_equal_reads_in_another_file_end_at_the_reads(finished_study, poma, tmp_path, poma_here):
    study = Path(shutil.copytree(finished_study, tmp_path / "study", symlinks=True))
    sheet = pd.read_csv(study / "samples.tsv", sep="\t", dtype=str)
    path = study / sheet.loc[0, "fastq_1"]
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()), compresslevel=2))
    sample = sheet.loc[0, "sample"]
    plan = json.loads(poma_here("plan", "--study", str(study), "--json").stdout)
    reasons = {(step["asset"], step["partition"]): step["reason"] for step in plan}
    assert reasons["raw_reads", sample] == f"sequencing_units of {sample} changed: fastq_1 has new content"
    before = steps_by_run(study)
    result = poma("run", "--study", str(study), "--until", "verdicts")
    assert result.returncode == 0, result.stderr
    ran = {step for step, run in steps_by_run(study).items() if before.get(step) != run}
    # The trimmed reads came out as they were, so nothing after them was computed again.
    assert ran <= {(asset, sample) for asset in ("raw_reads", "read_quality", "trimmed_reads", "kept_files")}
    assert ("trimmed_reads", sample) in ran
    assert "turned out to be up to date" in result.stdout


def test_a_truncated_fastq_stops_its_sample_only(tiny_study, poma, tmp_path):
    study = Path(shutil.copytree(tiny_study, tmp_path / "study"))
    sheet = pd.read_csv(study / "samples.tsv", sep="\t", dtype=str)
    damaged = sheet.loc[0, "sample"]
    path = study / sheet.loc[0, "fastq_1"]
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    result = poma("run", "--study", str(study), "--until", "verdicts", "--json")
    assert result.returncode == 1
    assert f"{path.name}: the gzip file is truncated" in result.stderr
    told = json.loads(result.stdout)
    (failure,) = told.pop("failures")
    assert f"{path.name}: the gzip file is truncated" in failure.pop("message")
    assert failure == {"sample": damaged, "contrast": None, "asset": "raw_reads", "log": None}
    assert (told["succeeded"], told["not_reached"], told["report"]) == (False, [], None)
    # And as many more runs as reads were prepared while the index was made.
    assert told["runs"] >= 1 + len(sheet) + 1 + 4
    counted = query_warehouse(study, "SELECT DISTINCT sample_id FROM count_matrix")["sample_id"]
    assert set(counted) == set(sheet["sample"]) - {damaged}
    left_out = query_warehouse(study, "SELECT sample_id FROM sample_inclusion WHERE NOT included")
    assert left_out["sample_id"].tolist() == [damaged]
    judged = query_warehouse(study, "SELECT DISTINCT contrast_id FROM marker_verdicts")["contrast_id"]
    assert "pom_in_resistant" in set(judged)  # the damaged sample is of the sensitive line


def query_warehouse(study: Path, sql: str) -> pd.DataFrame:
    with duckdb.connect(str(study / "results" / "warehouse.duckdb"), read_only=True) as connection:
        return connection.execute(sql).df()


def _start(study: Path) -> subprocess.Popen[bytes]:
    environment = {key: value for key, value in os.environ.items() if key not in ("DAGSTER_HOME", "POMA_STUDY")}
    return subprocess.Popen(
        [sys.executable, "-m", "poma_assets.cli.main", "run", "--study", str(study)],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def test_killed_runs_are_continued_and_end_in_the_same_tables(tiny_study, finished_study, poma, tmp_path):
    study = Path(shutil.copytree(tiny_study, tmp_path / "study"))
    pauses = random.Random(7)
    for _ in range(KILLS):
        process = _start(study)
        time.sleep(pauses.uniform(6, 16))
        children = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert still_there(children) == []
    result = poma("run", "--study", str(study))
    assert result.returncode == 0, result.stderr
    found, expected = tables(study), tables(finished_study)
    assert set(found) == set(expected)
    for name in expected:
        if name != "artefacts":
            pd.testing.assert_frame_equal(found[name], expected[name], obj=name)
    left_over = list((study / "results").rglob(".*partial*"))
    assert left_over == []


def test_an_interrupt_ends_every_program(tiny_study, tmp_path):
    study = Path(shutil.copytree(tiny_study, tmp_path / "study"))
    process = _start(study)
    deadline = time.monotonic() + 60
    children: list[psutil.Process] = []
    while time.monotonic() < deadline and not any(child.name() in ("STAR", "java") for child in children):
        time.sleep(0.1)
        children = [child for child in psutil.Process(process.pid).children(recursive=True) if child.is_running()]
    names = {child.name() for child in children if child.is_running()}
    assert names & {"STAR", "java"}
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(60) == 130
    assert still_there(children) == []
