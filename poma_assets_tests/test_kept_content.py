from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from recorded_study import record_steps, write_study

from poma_assets.launcher import needed_nodes
from poma_assets.planning import stale_steps
from poma_assets.resources import StudyResource

BAM = "results/files/alignments/S1/S1.bam"
LATER = time.time() + 3600


@pytest.fixture
def study(tmp_path: Path) -> StudyResource:
    study = write_study(tmp_path / "study")
    record_steps(study)
    return study


def reasons(study: StudyResource) -> dict[tuple[str, str], str]:
    fresh = StudyResource(root=study.root)
    return {(step.asset, step.partition): step.reason for step in stale_steps(needed_nodes(fresh), fresh)}


def test_a_file_that_was_cut_off_is_made_again_whatever_its_time(study):
    path = study.study.root / BAM
    before, size = path.stat(), path.stat().st_size
    os.truncate(path, size - 1)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert reasons(study)["alignments", "S1"] == f"its file {BAM} has {size - 1} bytes instead of {size}"


def test_a_file_that_was_written_to_is_made_again_only_if_its_content_differs(study):
    path = study.study.root / BAM
    content = bytearray(path.read_bytes())
    os.utime(path, (LATER, LATER))
    assert ("alignments", "S1") not in reasons(study)
    content[3] ^= 1
    path.write_bytes(content)
    os.utime(path, (LATER, LATER))
    assert reasons(study)["alignments", "S1"] == f"its file {BAM} was changed"


def test_a_link_to_the_reads_is_judged_by_the_reads(study):
    reads = study.study.resolve_unit_path(study.sheet.units.loc[0, "fastq_1"])
    os.utime(reads, (LATER, LATER))
    assert ("raw_reads", "S1") not in reasons(study)


def test_a_study_that_was_copied_with_its_times_is_not_read_through(study, monkeypatch):
    root = study.study.root
    for path in (root / "results" / "files").rglob("*"):
        if path.is_file() and not path.is_symlink():
            copy = path.with_suffix(".copy")
            copy.write_bytes(path.read_bytes())
            times = path.stat()
            os.utime(copy, ns=(times.st_atime_ns, times.st_mtime_ns))
            os.replace(copy, path)
    (root / "results" / ".hashes").unlink(missing_ok=True)
    fresh = StudyResource(root=study.root)
    read: list[Path] = []
    monkeypatch.setattr("poma_assets.storage.hashing.file_sha256", lambda path: read.append(path) or "hash")
    stale_steps(needed_nodes(fresh), fresh)
    assert not [path for path in read if path.is_relative_to(root / "results")]
