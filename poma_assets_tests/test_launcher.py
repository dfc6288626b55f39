from __future__ import annotations

import re
import shutil
import socket
import subprocess
from pathlib import Path

import pytest
from study_instance import instance_of

from poma_assets.definitions import defs
from poma_assets.launcher import share_of_cores
from poma_assets.vocabulary import LAUNCHER_TAG


@pytest.mark.parametrize(
    ("cores", "at_once", "is_last", "threads"),
    [
        (16, 2, False, 8),  # a machine with many cores and memory for two genome indices
        (16, 16, False, 1),
        (2, 3, False, 1),
        (2, 2, True, 2),
        (16, 1, True, 16),
        (12, 5, True, 3),
    ],
)
def test_tasks_share_the_cores(cores: int, at_once: int, is_last: bool, threads: int) -> None:
    assert share_of_cores(cores, at_once, is_last=is_last) == threads


def test_the_launch_after_a_killed_one_removes_what_its_workers_left(finished_study, tmp_path, poma):
    study = Path(shutil.copytree(finished_study, tmp_path / "study"))
    with subprocess.Popen(["true"]) as ended:
        pass
    host = socket.gethostname()
    with instance_of(study) as instance:
        tags = {LAUNCHER_TAG: f"{host}:{ended.pid}:0"}
        instance.create_run_for_job(defs.resolve_job_def("publish_reports"), tags=tags)
    left = study / "results" / "files" / "alignments" / f".S1.partial-{re.sub('[^A-Za-z0-9]', '_', host)}-{ended.pid}-x"
    left.mkdir()
    (study / "results" / "reports" / "study" / "study_report.html").unlink()

    done = poma("run", "--study", str(study))

    assert done.returncode == 0, done.stdout + done.stderr
    assert not left.exists()
