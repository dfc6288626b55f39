from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pandas as pd
import pytest
from recorded_study import record_steps, write_study

from poma_assets.cleaning import LEFT_BEHIND, OLD_LOGS, UNFINISHED, WITHDRAWN, clean, plan_cleaning
from poma_assets.launcher import needed_nodes
from poma_assets.planning import stale_steps
from poma_assets.resources import StudyResource
from poma_assets.runs import this_process
from poma_assets.science.errors import PomaError, WarehouseLockedError
from poma_assets.storage.lock import exclusive_lock
from poma_assets.storage.schema import TABLES
from poma_assets.storage.step_output import FileArtefact, StepOutput
from poma_assets.vocabulary import LAUNCHER_TAG, PROCESS_TAG

MERGED = {"raw_reads/S2/S2_raw_R1.fastq", "raw_reads/S2/S2_raw_R2.fastq"}
TRIMMED = {f"trimmed_reads/{sample}/{sample}_trimmed_R{read}.fastq" for sample in ("S1", "S2") for read in (1, 2)}
ALIGNED = {f"alignments/{sample}/{sample}.{end}" for sample in ("S1", "S2") for end in ("bam", "bam.bai", "SJ.out.tab")}


@pytest.fixture(autouse=True)
def dagster_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path_factory.mktemp("home")
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}")
    monkeypatch.setenv("DAGSTER_HOME", str(home))


def study_in(root: Path, config: str = "keep: bam", **options: object) -> StudyResource:
    study = write_study(root, config=config)
    record_steps(study, **options)  # type: ignore[arg-type]
    return study


def again(study: StudyResource, config: str) -> StudyResource:
    """The study with other settings."""
    path = study.study.root / "poma.yaml"
    lines = [line for line in path.read_text().splitlines() if not line.startswith(("keep", "counter"))]
    path.write_text("\n".join([*lines, config]))
    return StudyResource(root=study.root)


def found(study: StudyResource, **options: bool) -> set[str]:
    """Paths of what would go, below results/files."""
    paths = [removal.path for removal in plan_cleaning(study, **options).removals]
    return {str(path.relative_to(study.study.files_dir)) for path in paths}


def everything(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir()}


def reasons(study: StudyResource) -> dict[tuple[str, str], str]:
    return {(step.asset, step.partition): step.reason for step in stale_steps(needed_nodes(study), study)}


@pytest.mark.parametrize(
    ("config", "options", "expected"),
    [
        ("keep: all", {}, set()),
        ("keep: bam", {}, MERGED | TRIMMED),
        ("keep: counts", {}, MERGED | TRIMMED | ALIGNED),
        ("keep: all", {"all_intermediate": True}, MERGED | TRIMMED | ALIGNED),
    ],
)
def test_what_the_policy_does_not_keep_goes(tmp_path, config, options, expected):
    study = study_in(tmp_path / "study", config)
    before = everything(tmp_path)
    assert found(study, **options) == expected
    plan = plan_cleaning(study, **options)
    assert clean(study, plan) == plan.bytes == sum(removal.bytes for removal in plan.removals)
    assert before - everything(tmp_path) == {f"study/results/files/{path}" for path in expected}
    assert found(study, **options) == set()
    assert set(reasons(study)) == {("kept_files", "S1"), ("kept_files", "S2")}
    assert set(reasons(study).values()) == {"never run"}


def test_files_that_a_stale_step_needs_stay(tmp_path):
    study = again(study_in(tmp_path / "study"), "keep: counts\ncounter: htseq")
    assert reasons(study)["htseq_counts", "S1"] == "never run"
    splices = {path for path in ALIGNED if path.endswith("SJ.out.tab")}
    assert found(study) == MERGED | TRIMMED | splices
    assert found(study, all_intermediate=True) == MERGED | TRIMMED | splices


def test_a_step_that_needs_a_dropped_file_has_it_made_again(tmp_path):
    study = study_in(tmp_path / "study", "keep: counts")
    clean(study, plan_cleaning(study))
    study = again(study, "keep: counts\ncounter: htseq")
    remade = {key: reason for key, reason in reasons(study).items() if "dropped" in reason}
    assert remade == {
        **{
            ("trimmed_reads", s): "its trimmed reads were dropped (keep: counts), alignments needs them"
            for s in ("S1", "S2")
        },
        **{
            ("alignments", s): "its alignments were dropped (keep: counts), htseq_counts needs them"
            for s in ("S1", "S2")
        },
        ("raw_reads", "S2"): "its merged reads were dropped (keep: counts), trimmed_reads needs them",
    }
    assert {"read_quality", "trimmed_read_quality", "alignment_quality"}.isdisjoint(
        {asset for asset, _ in reasons(study)}
    )


def test_the_policy_makes_the_last_step_of_a_sample_stale(tmp_path):
    study = study_in(tmp_path / "study", "keep: all")
    nodes = {node.name: node for node in needed_nodes(study)}
    record_kept_files(study)
    assert reasons(study) == {}
    assert nodes["kept_files"].parents
    dropped = reasons(again(study, "keep: bam"))
    assert dropped == {
        ("kept_files", "S1"): "there are files that keep: bam does not keep: fastq_1 of trimmed_reads, "
        "fastq_2 of trimmed_reads",
        ("kept_files", "S2"): "there are files that keep: bam does not keep: fastq_1 of raw_reads, "
        "fastq_2 of raw_reads, fastq_1 of trimmed_reads, fastq_2 of trimmed_reads",
    }
    assert set(reasons(again(study, "keep: all\nalignment_format: cram")).values()) == {
        "its alignments are not CRAM yet"
    }


def record_kept_files(study: StudyResource) -> None:
    from poma_assets.planning import StepIndex, digest, step_inputs

    node = next(node for node in needed_nodes(study) if node.name == "kept_files")
    for sample in ("S1", "S2"):
        inputs = step_inputs(node, sample, study, StepIndex.read(study, node.parents))
        study.warehouse.write(
            StepOutput(),
            asset="kept_files",
            partition=sample,
            study_root=study.study.root,
            fingerprint=digest(inputs),
            data_version="v",
            inputs=inputs,
            run_id="run",
            partition_values={},
        )


_KILLED = """
import os, signal, sys
from poma_assets import cleaning
from poma_assets.resources import StudyResource
study, real, removed = StudyResource(root=sys.argv[1]), cleaning.remove_file, []
def remove(path, results):
    if len(removed) == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
    removed.append(path)
    return real(path, results)
cleaning.remove_file = remove
cleaning.clean(study, cleaning.plan_cleaning(study))
"""


@pytest.mark.parametrize("removed", [0, 4])
def test_a_kill_while_files_are_removed_leaves_nothing_stale(tmp_path, removed):
    study = study_in(tmp_path / "study", "keep: counts")
    before = found(study)
    process = subprocess.run([sys.executable, "-c", _KILLED, str(study.study.root), str(removed)], check=False)
    assert process.returncode == -signal.SIGKILL
    assert {asset for asset, _ in reasons(study)} == {"kept_files"}
    assert study.files("alignments", "S1").keys() == {"log_final"}
    plan = plan_cleaning(study)
    assert {removal.kind for removal in plan.removals} == {LEFT_BEHIND}
    assert len(found(study)) == len(before) - removed
    clean(study, plan)
    assert found(study) == set()


def test_only_work_folders_of_dead_processes_on_this_machine_go(tmp_path):
    study = study_in(tmp_path / "study", "keep: all")
    host = "".join(letter if letter.isalnum() else "_" for letter in socket.gethostname())
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    folder = study.study.files_dir / "alignments"
    names = {
        f".S1.partial-{host}-{dead.pid}-a": True,
        f".S1.partial-{host}-{dead.pid}-a.old": True,
        f".S1.partial-{host}-{os.getpid()}-a": False,
        f".S1.partial-elsewhere-{dead.pid}-a": False,
        f"downloads/.S1.partial-{host}-{dead.pid}-a": False,
        "S1.partial": False,
    }
    for name in names:
        (folder / name).mkdir(parents=True)
        (folder / name / "x").write_text("12345")
    plan = plan_cleaning(study)
    assert {(removal.kind, removal.bytes) for removal in plan.removals} == {(UNFINISHED, 5)}
    clean(study, plan)
    assert {name: not (folder / name).exists() for name in names} == names


def test_logs_of_former_steps_and_samples_go(tmp_path):
    study = study_in(tmp_path / "study", "keep: all")
    study.warehouse.write(
        StepOutput(), asset="old_asset", partition="S1", study_root=study.study.root, fingerprint="f", data_version="v",
        inputs={}, run_id="r", partition_values={},
    )  # fmt: skip
    logs = study.study.results_dir / "logs"
    kept = [
        "alignments/S1.log",
        "star_index/all.log",
        "worker-1.log",
        "of_somebody_else/S9.log",
        "alignments/notes.txt",
    ]
    gone = ["alignments/S9.log", "old_asset/S1.log"]
    for name in kept + gone:
        (logs / name).parent.mkdir(parents=True, exist_ok=True)
        (logs / name).write_text("log")
    plan = plan_cleaning(study)
    assert {str(removal.path.relative_to(logs)) for removal in plan.removals} == set(gone)
    assert {removal.kind for removal in plan.removals} == {OLD_LOGS}


def test_withdrawn_samples_go_with_rows_and_files_only_when_asked(tmp_path):
    study = study_in(tmp_path / "study", "keep: all")
    history = pd.DataFrame(
        [dict.fromkeys(TABLES["verdict_history"].column_names) | {"contrast_id": "c", "run_id": "r"}]
    )
    study.warehouse.write(
        StepOutput({"verdict_history": history}), asset="verdict_history", partition="c", study_root=study.study.root,
        fingerprint="f", data_version="v", inputs={}, run_id="r",
        partition_values={"verdict_history": {"contrast_id": "c", "run_id": "r"}},
    )  # fmt: skip
    raw = everything(study.study.root / "reads")
    write_study(study.study.root, config="keep: all", lanes=["S1"])
    study = StudyResource(root=study.root)
    assert plan_cleaning(study).is_empty
    plan = plan_cleaning(study, withdrawn=True)
    assert plan.withdrawn == {"S2": "sample_id", "c": "contrast_id"}
    folders = {f"{asset}/S2" for asset in ("raw_reads", "trimmed_reads", "alignments", "gene_counts")}
    assert {str(removal.path.relative_to(study.study.files_dir)) for removal in plan.removals} == folders
    assert {removal.kind for removal in plan.removals} == {WITHDRAWN}
    clean(study, plan)
    steps = study.warehouse.steps()
    assert set(steps["partition"]) == {"", "S1"}
    assert set(study.warehouse.read("artefacts")["partition"]) == {"S1"}
    assert len(study.warehouse.read("verdict_history")) == 1
    assert everything(study.study.root / "reads") == raw
    assert plan_cleaning(study, withdrawn=True).is_empty


def test_nothing_outside_the_results_is_ever_removed(tmp_path):
    study = study_in(tmp_path / "study", "keep: counts")
    outside = tmp_path / "precious"
    outside.mkdir()
    for name in ("S1.bam", "reads.fastq"):
        (outside / name).write_text("precious")
    folder = study.study.step_dir("alignments", "S1")
    folder.rename(tmp_path / "aside")
    folder.symlink_to(outside)
    files = {"fastq_1": FileArtefact(outside / "reads.fastq"), "fastq_2": FileArtefact(study.study.root / "poma.yaml")}
    hostile = {"asset": "trimmed_reads", "partition": "../../precious", "study_root": study.study.root}
    study.warehouse.write(
        StepOutput(files=files),
        **hostile,
        fingerprint="f",
        data_version="v",
        inputs={},
        run_id="r",
        partition_values={},
    )
    plan = plan_cleaning(study, all_intermediate=True, withdrawn=True)
    assert "../../precious" in plan.withdrawn
    clean(study, plan)
    assert everything(outside) == {"S1.bam", "reads.fastq"}
    assert (study.study.root / "poma.yaml").is_file()
    assert not (study.study.step_dir("alignments", "S2") / "S2.bam").exists()


def test_a_run_under_way_is_not_disturbed(tmp_path):
    study = study_in(tmp_path / "study")
    plan = plan_cleaning(study)
    with (
        exclusive_lock(study.study.results_dir / ".run.lock", describe="poma run of a test"),
        pytest.raises(WarehouseLockedError, match="poma run of a test"),
    ):
        clean(study, plan)
    with dg.DagsterInstance.get() as instance:
        instance.add_run(dg.DagsterRun("process_sample", run_id="a" * 8, status=dg.DagsterRunStatus.STARTED))
    with pytest.raises(PomaError, match="a run of this study is under way"):
        clean(study, plan)
    assert found(study) == MERGED | TRIMMED


@pytest.mark.parametrize("tag", [LAUNCHER_TAG, PROCESS_TAG])
def test_only_a_run_whose_process_lives_is_under_way(tmp_path, tag):
    study = study_in(tmp_path / "study")
    plan = plan_cleaning(study)
    run = dg.DagsterRun("process_sample", run_id="a" * 8, status=dg.DagsterRunStatus.STARTED)
    host, pid, _ = this_process().rsplit(":", 2)
    with dg.DagsterInstance.get() as instance:
        instance.add_run(run)
        instance.add_run_tags(run.run_id, {tag: this_process()})
        with pytest.raises(PomaError, match="a run of this study is under way"):
            clean(study, plan)
        instance.add_run_tags(run.run_id, {tag: f"{host}:{pid}:0.00"})
        clean(study, plan)
    assert found(study) == set()


def test_what_was_made_again_while_somebody_was_asked_stays(tmp_path):
    study = study_in(tmp_path / "study", "keep: counts")
    plan = plan_cleaning(study)
    study = again(study, "keep: all")
    assert clean(study, plan) == 0
    assert study.files("alignments", "S1")["bam"].is_file()


def test_the_command_shows_asks_and_removes(tmp_path, poma_here):
    study = study_in(tmp_path / "study")
    root = str(study.study.root)
    result = poma_here("clean", "--study", root, "--dry-run")
    assert result.returncode == 0, result.stderr
    assert "files that keep: bam does not keep" in result.stdout
    assert found(study) == MERGED | TRIMMED
    result = poma_here("clean", "--study", root)
    assert result.returncode == 2
    assert "--yes" in result.stderr
    assert found(study) == MERGED | TRIMMED
    result = poma_here("clean", "--study", root, "--yes")
    assert result.returncode == 0, result.stderr
    assert "freed" in result.stdout
    assert found(study) == set()
    assert "nothing to remove" in poma_here("clean", "--study", root).stdout
