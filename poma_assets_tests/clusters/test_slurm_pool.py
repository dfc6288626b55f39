"""Slurm's side of a cluster, with stand-ins for its programs that keep the jobs as files."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from poma_assets.clusters import slurm_pool
from poma_assets.clusters.slurm_pool import SlurmPool
from poma_assets.resources import StudyResource
from poma_assets.run_pool import lost
from poma_assets.runs import RunOutcome, RunTask, task_from_json
from poma_assets.science.errors import InputError, ToolError

SBATCH = '#!/bin/sh\nfor a in "$@"; do echo "$a"; done >> {jobs}/arguments\ntouch {jobs}/17\necho "17;cluster"\n'
SQUEUE = "#!/bin/sh\n[ -e {jobs}/17 ] && echo '17 RUNNING'\nexit 0\n"
SCANCEL = '#!/bin/sh\nrm {jobs}/"$1"\n'


@pytest.fixture
def jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the stand-ins' jobs."""
    folder, programs = tmp_path / "jobs", tmp_path / "programs"
    folder.mkdir()
    programs.mkdir()
    for name, text in (("sbatch", SBATCH), ("squeue", SQUEUE), ("scancel", SCANCEL)):
        (programs / name).write_text(text.format(jobs=folder))
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(slurm_pool, "_LOOK_S", 0.0)
    monkeypatch.delenv("POMA_THREADS", raising=False)
    return folder


@pytest.fixture
def study(tmp_path: Path) -> StudyResource:
    root = tmp_path / "study"
    root.mkdir()
    (root / "poma.yaml").write_text("name: a\nreference: {genome: g.fa, annotation: g.gtf}\n")
    (root / "g.fa").write_bytes(bytes(1_000_000))
    return StudyResource(root=str(root))


def task(*assets: str) -> RunTask:
    return RunTask("run-1", "process_sample", "S1", assets, "launcher")


def test_a_job_asks_for_what_its_run_needs_and_tells_how_it_ended(jobs: Path, study: StudyResource) -> None:
    pool, wanted = SlurmPool(study), task("trimmed_reads", "star_index")
    pool.submit(wanted)
    arguments = (jobs / "arguments").read_text().splitlines()
    assert {"--cpus-per-task=4", "--job-name=poma-S1", "--no-requeue"} <= set(arguments)
    memory = next(int(a[6:-1]) for a in arguments if a.startswith("--mem="))
    assert 2048 + 1500 < memory < 2048 + 2000  # the words of the suffix array's index are most of a small index
    file = Path(arguments[-1].split()[-1])
    described = json.loads(file.read_text())
    assert task_from_json(described["task"]).assets == wanted.assets
    assert pool.finished(0) == []
    told = RunOutcome("run-1", False, (("alignments", "no reads"),), 2)
    answer = {"run_id": "run-1", "succeeded": False, "failures": [["alignments", "no reads"]], "unchanged": 2}
    file.with_name("run-1.outcome.json").write_text(json.dumps(answer))
    assert pool.finished(0) == [told]
    assert (pool.running, list(file.parent.iterdir())) == ([], [])


def test_a_job_that_is_gone_without_an_answer_is_lost(jobs: Path, study: StudyResource) -> None:
    pool = SlurmPool(study)
    pool.submit(task("gene_counts"))
    assert pool.finished(0) == []
    pool.stop("run-1")
    looks = [pool.finished(0) for _ in range(3)]
    assert looks == [[], [], [lost(task("gene_counts"))]]


def test_what_slurm_says_when_it_refuses_is_told(jobs: Path, study: StudyResource) -> None:
    (jobs.parent / "programs" / "sbatch").write_text("#!/bin/sh\necho 'invalid partition specified' >&2\nexit 1\n")
    with pytest.raises(ToolError, match="invalid partition"):
        SlurmPool(study).submit(task("gene_counts"))


def test_a_machine_without_slurm_is_told(study: StudyResource, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(InputError, match="no sbatch"):
        SlurmPool(study)
