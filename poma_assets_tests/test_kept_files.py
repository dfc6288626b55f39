from __future__ import annotations

import json
from pathlib import Path

import dagster as dg
import pytest
from recorded_study import LANE, record_steps, write_study
from small_alignments import records_of, write_bam_file, write_genome

from poma_assets.assets.kept_files import bam_file
from poma_assets.definitions import build_definitions
from poma_assets.disk_use import disk_use
from poma_assets.launcher import needed_nodes
from poma_assets.planning import stale_steps
from poma_assets.resources import StudyResource
from poma_assets.science.errors import StorageError, ToolError
from poma_assets.storage.step_output import FileArtefact, StepOutput


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POMA_CACHE", str(tmp_path / "cache"))


def study_in(root: Path, config: str) -> StudyResource:
    """S1 with one lane, S2 with two, done but for their last step; S1 with real alignments."""
    study = write_study(root, config=config)
    write_genome(root / "ref" / "genome.fa")
    record_steps(study)
    folder = study.study.step_dir("alignments", "S1")
    bam = write_bam_file(folder / "S1.bam")
    files = {"bam": bam, "bai": folder / "S1.bam.bai", "log_final": folder / "S1.Log.final.out"}
    store(study, "alignments", {role: FileArtefact(path) for role, path in files.items()})
    return StudyResource(root=str(root))


def store(study: StudyResource, asset: str, files: dict[str, FileArtefact]) -> None:
    """Record other files of a step of S1, everything else as it was."""
    step = study.warehouse.read("steps", {"asset": asset, "partition": "S1"}).iloc[0]
    study.warehouse.write(
        StepOutput(files=files),
        asset=asset,
        partition="S1",
        study_root=study.study.root,
        fingerprint=step["fingerprint"],
        data_version=step["data_version"],
        inputs=json.loads(step["inputs"]),
        run_id="run",
        partition_values={},
    )


def tidy(study: StudyResource, sample: str = "S1") -> dict[str, object]:
    """Run the last step of a sample and return its metadata."""
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("samples", ["S1", "S2"])
        job = build_definitions(StudyResource(root=study.root)).resolve_job_def("process_sample")
        result = job.execute_in_process(
            instance=instance, partition_key=sample, asset_selection=[dg.AssetKey("kept_files")]
        )
    assert all(check.passed for check in result.get_asset_check_evaluations())
    event = result.asset_materializations_for_node("kept_files")[0]
    return {name: value.value for name, value in event.metadata.items()}


def stale(study: StudyResource) -> set[tuple[str, str]]:
    return {(step.asset, step.partition) for step in stale_steps(needed_nodes(study), study)}


def test_trimmed_and_merged_reads_are_dropped_and_the_users_reads_stay(tmp_path):
    study = study_in(tmp_path / "study", "keep: bam")
    raw = {path: path.read_bytes() for path in (tmp_path / "study" / "reads").iterdir()}
    metadata = tidy(study)
    assert metadata["dropped"] == "fastq_1 of trimmed_reads, fastq_2 of trimmed_reads"
    assert metadata["bytes_freed"] == 2 * len(LANE)
    assert tidy(study, "S2")["bytes_freed"] == 8 * len(LANE)
    assert {path: path.read_bytes() for path in (tmp_path / "study" / "reads").iterdir()} == raw
    assert study.files("raw_reads", "S1").keys() == {"fastq_1", "fastq_2"}
    assert study.files("raw_reads", "S2") == {}
    assert study.files("trimmed_reads", "S1").keys() == {"report"}
    assert stale(study) == set()
    assert tidy(study)["dropped"] == "nothing"


def test_a_missing_file_is_named_in_plain_words(tmp_path):
    study = study_in(tmp_path / "study", "keep: counts")
    tidy(study)
    with pytest.raises(StorageError, match=r"'bam'.*found log_final.*poma run"):
        study.files("alignments", "S1")["bam"]
    assert study.files("alignments", "S1").get("bam") is None


def test_alignments_become_cram_and_are_read_as_bam(tmp_path):
    study = study_in(tmp_path / "study", "keep: bam\nalignment_format: cram")
    bam = study.files("alignments", "S1")["bam"]
    before = records_of(bam)
    tidy(study)
    files = study.files("alignments", "S1")
    assert files.keys() == {"log_final", "cram", "crai"}
    assert files["cram"].is_file()
    assert not bam.exists()
    with bam_file(study, files) as restored:
        assert records_of(restored) == before
        assert restored.name == bam.name  # MultiQC goes by the name
    assert not restored.exists()
    assert stale(study) == {("kept_files", "S2")}
    assert disk_use(study)["alignments"] > files["cram"].stat().st_size


def test_a_later_step_that_reads_alignments_is_content_with_cram(tmp_path):
    study = study_in(tmp_path / "study", "keep: bam\nalignment_format: cram")
    tidy(study)
    study.warehouse.forget(partition="S1", asset="gene_counts")
    assert {asset for asset, partition in stale(study) if partition == "S1"} >= {"gene_counts"}
    assert ("alignments", "S1") not in stale(study)


def test_alignments_that_cannot_become_cram_are_kept(tmp_path):
    study = study_in(tmp_path / "study", "keep: bam\nalignment_format: cram")
    (tmp_path / "study" / "ref" / "genome.fa").write_text(">chr1\nACGT\nAC\nACGT\n")
    with pytest.raises(ToolError, match="genome cannot be indexed"):
        tidy(study)
    assert study.files("alignments", "S1")["bam"].is_file()
    assert study.files("trimmed_reads", "S1")["fastq_1"].is_file()


def test_alignments_wait_for_htseq_where_it_is_the_counter(tmp_path):
    study = write_study(tmp_path / "study", config="keep: counts\ncounter: htseq")
    record_steps(study, without=["htseq_counts"])
    assert "bam" not in str(tidy(study)["dropped"])
    assert {("htseq_counts", "S1"), ("kept_files", "S1")} <= stale(study)
    assert ("alignments", "S1") not in stale(study)
    record_steps(study)
    assert "bam of alignments" in str(tidy(study)["dropped"])


def test_files_that_a_killed_step_left_are_deleted_by_the_next(tmp_path):
    study = study_in(tmp_path / "study", "keep: counts")
    bam = study.files("alignments", "S1")["bam"]
    study.warehouse.drop_files([("alignments", "S1", "bam")], study_root=study.study.root)
    assert bam.exists()
    tidy(study)
    assert not bam.exists()


def test_room_is_counted_by_kind_without_the_users_reads(tmp_path):
    study = study_in(tmp_path / "study", "keep: bam")
    logs = study.study.results_dir / "logs" / "alignments"
    logs.mkdir(parents=True)
    (logs / "S1.log").write_text("12345")
    (study.study.reports_dir / "study").mkdir(parents=True)
    (study.study.reports_dir / "study" / "study_report.html").write_text("123")
    before = disk_use(study)
    assert before["merged reads"] == 4 * len(LANE)  # of S2; those of S1 are links
    assert before["trimmed reads"] == 9 * len(LANE)
    assert before["reports"] == 3
    assert before["logs"] == 5
    assert before["warehouse"] >= study.study.warehouse_path.stat().st_size
    tidy(study)
    assert disk_use(study)["trimmed reads"] == 7 * len(LANE)
    assert disk_use(StudyResource(root=str(write_study(tmp_path / "new").study.root))) == dict.fromkeys(before, 0)
