from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from warehouse_helpers import store, warehouse_in

from poma_assets.science.errors import StorageError
from poma_assets.storage.step_output import FileArtefact, StepOutput
from poma_assets.storage.warehouse import Warehouse


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    """Two samples, each with a BAM file and its log."""
    warehouse = warehouse_in(tmp_path)
    for sample in ("S1", "S2"):
        align(warehouse, sample)
    return warehouse


def align(warehouse: Warehouse, sample: str) -> None:
    files = {}
    for role in ("bam", "bai", "log"):
        path = warehouse.path.parent / f"{sample}.{role}"
        path.write_text(sample + role)
        files[role] = FileArtefact(path)
    output = StepOutput(files=files)
    store(warehouse, {}, sample, asset="alignments", output=output, study_root=warehouse.path.parent)


def test_a_dropped_file_is_no_longer_given_out_and_its_record_stays(warehouse: Warehouse, tmp_path: Path) -> None:
    before = pd.Timestamp.now("UTC").tz_localize(None)
    warehouse.drop_files([("alignments", "S1", "bam"), ("alignments", "S1", "bai")], study_root=tmp_path)
    assert set(warehouse.files("alignments", "S1", tmp_path)) == {"log"}
    assert set(warehouse.files("alignments", "S2", tmp_path)) == {"bam", "bai", "log"}
    rows = warehouse.read("artefacts", {"partition": "S1"}).set_index("role")
    assert rows.loc["bam", "bytes"] == 5
    assert before <= rows.loc["bam", "dropped_at"] <= pd.Timestamp.now("UTC").tz_localize(None)
    assert pd.isna(rows.loc["log", "dropped_at"])


def test_dropping_twice_keeps_the_first_time(warehouse: Warehouse, tmp_path: Path) -> None:
    key = ("alignments", "S1", "bam")
    warehouse.drop_files([key], study_root=tmp_path)
    first = warehouse.read("artefacts", {"partition": "S1", "role": "bam"})["dropped_at"].item()
    warehouse.drop_files([key, ("alignments", "S9", "bam")], study_root=tmp_path)
    assert warehouse.read("artefacts", {"partition": "S1", "role": "bam"})["dropped_at"].item() == first


def test_a_file_may_take_the_place_of_others_in_one_transaction(warehouse: Warehouse, tmp_path: Path) -> None:
    cram = tmp_path / "S1.cram"
    cram.write_text("small")
    keys = [("alignments", "S1", "bam"), ("alignments", "S1", "bai")]
    for _ in range(2):  # the second time after a kill, say
        warehouse.drop_files(
            keys, study_root=tmp_path, instead={("alignments", "S1", "cram"): FileArtefact(cram, "pysam")}
        )
    assert warehouse.files("alignments", "S1", tmp_path) == {"log": tmp_path / "S1.log", "cram": cram}
    missing = {("alignments", "S2", "cram"): FileArtefact(tmp_path / "S2.cram")}
    with pytest.raises(StorageError, match=r"S2\.cram"):
        warehouse.drop_files([("alignments", "S2", "bam")], study_root=tmp_path, instead=missing)
    assert "bam" in warehouse.files("alignments", "S2", tmp_path)


def test_a_step_that_runs_again_has_its_files_again(warehouse: Warehouse, tmp_path: Path) -> None:
    warehouse.drop_files([("alignments", "S1", "bam")], study_root=tmp_path)
    align(warehouse, "S1")
    assert set(warehouse.files("alignments", "S1", tmp_path)) == {"bam", "bai", "log"}


def test_names_are_never_read_as_sql(warehouse: Warehouse, tmp_path: Path) -> None:
    warehouse.drop_files(
        [("alignments", "S1' OR '1'='1", "bam"), ("'; DROP TABLE steps; --", "", "")], study_root=tmp_path
    )
    assert warehouse.read("artefacts")["dropped_at"].isna().all()
    assert len(warehouse.steps()) == 2
