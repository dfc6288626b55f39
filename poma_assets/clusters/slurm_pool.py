"""The launcher's side of Slurm: every run is one batch job, with memory and cores as the run needs them."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, replace

from poma_assets.genome_memory import run_bytes
from poma_assets.resources import THREADS_VARIABLE, StudyResource
from poma_assets.run_pool import lost, needs_genome_index
from poma_assets.runs import RunOutcome, RunTask, outcome_from_json
from poma_assets.science.errors import InputError, ToolError
from poma_assets.storage.staging import make_folder

OPTIONS_VARIABLE = "POMA_SLURM_OPTIONS"
"""Environment variable: further options of ``sbatch``, such as ``--partition=long --account=lab``."""

AT_ONCE_VARIABLE = "POMA_SLURM_JOBS"
"""Environment variable: how many jobs may be in the queue at once."""

_PROGRAMS = ("sbatch", "squeue", "scancel")
_MOST_JOBS = 200
_STAR_CORES = 4
_LOOK_S = 2.0
_LOOKS_UNTIL_LOST = 3
_UNREACHABLE_S = 600.0
_PROGRAM_TIMEOUT_S = 60


class SlurmPool:
    """Hands runs to Slurm as batch jobs.

    Parameters
    ----------
    study
        The study, in a folder that every node sees under the same path.
    """

    def __init__(self, study: StudyResource) -> None:
        missing = [name for name in _PROGRAMS if shutil.which(name) is None]
        if missing:
            raise InputError("Slurm's programs are not on this machine", found=f"no {', no '.join(missing)}")
        self._study = study
        self._folder = study.study.results_dir / ".slurm"
        self._logs = study.study.results_dir / "logs" / "slurm"
        for folder in (self._folder, self._logs):
            make_folder(folder)
        self._jobs: dict[str, str] = {}
        self._running: dict[str, RunTask] = {}
        self._missed: dict[str, int] = {}
        self._next_look = 0.0
        self._answered = time.monotonic()

    @property
    def capacity(self) -> int | None:
        """As many jobs as may be in the queue."""
        return int(os.environ.get(AT_ONCE_VARIABLE, _MOST_JOBS))

    @property
    def running(self) -> Sequence[RunTask]:
        """The tasks whose jobs have not ended."""
        return list(self._running.values())

    def grow(self, n_workers: int) -> None:
        """Do nothing: Slurm decides what runs where."""

    def submit(self, task: RunTask) -> None:
        """Submit a job.

        Raises
        ------
        ToolError
            If Slurm does not take it.
        """
        cores = self._cores(task)
        description = {"study_root": str(self._study.study.root), "task": asdict(replace(task, threads=cores))}
        file = self._folder / f"{task.run_id}.task.json"
        file.write_text(json.dumps(description), encoding="utf-8")
        command = shlex.join([sys.executable, "-m", "poma_assets.clusters.slurm_job", str(file)])
        memory_mib = run_bytes(task, self._study) // 2**20 + 1
        argv = ["sbatch", "--parsable", "--no-requeue", f"--job-name=poma-{task.partition or task.job_name}"]
        argv += [f"--cpus-per-task={cores}", f"--mem={memory_mib}M", f"--output={self._logs / f'{task.run_id}.log'}"]
        argv += [*shlex.split(os.environ.get(OPTIONS_VARIABLE, "")), f"--wrap=exec {command}"]
        done = _call(argv)
        if done is None or done.returncode:
            said = "no answer" if done is None else " ".join(done.stderr.split())
            raise ToolError("Slurm does not take the job", where="sbatch", found=said)
        self._jobs[task.run_id] = done.stdout.strip().split(";")[0]
        self._running[task.run_id] = task

    def finished(self, timeout_s: float) -> list[RunOutcome]:
        """Outcomes of the jobs that ended; a job that ended without one is lost."""
        time.sleep(timeout_s)
        if time.monotonic() < self._next_look or not self._running:
            return []
        self._next_look = time.monotonic() + _LOOK_S
        outcomes = [outcome for run_id in list(self._running) if (outcome := self._outcome(run_id)) is not None]
        alive = self._alive()
        if alive is None:
            return self._ended(outcomes)
        told = {outcome.run_id for outcome in outcomes}
        for run_id in set(self._running) - told:
            # A shared folder may show a new file late.
            self._missed[run_id] = 0 if self._jobs[run_id] in alive else self._missed.get(run_id, 0) + 1
            if self._missed[run_id] >= _LOOKS_UNTIL_LOST:
                outcomes.append(lost(self._running[run_id]))
        return self._ended(outcomes)

    def stop(self, run_id: str) -> None:
        """Cancel a job, with its programs."""
        if run_id in self._jobs:
            _call(["scancel", self._jobs[run_id]])

    def close(self, *, interrupt: bool = False) -> None:
        """Cancel what is under way, if asked to."""
        if interrupt and self._running:
            _call(["scancel", *(self._jobs[run_id] for run_id in self._running)])

    def _ended(self, outcomes: list[RunOutcome]) -> list[RunOutcome]:
        for outcome in outcomes:
            del self._running[outcome.run_id]
            for kind in ("task", "outcome"):
                (self._folder / f"{outcome.run_id}.{kind}.json").unlink(missing_ok=True)
        return outcomes

    def _outcome(self, run_id: str) -> RunOutcome | None:
        try:
            values = json.loads((self._folder / f"{run_id}.outcome.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        return outcome_from_json(values)

    def _alive(self) -> set[str] | None:
        """Numbers of our jobs that wait or run; None if the controller does not answer."""
        done = _call(["squeue", "--noheader", "--me", "--format=%A %T"])
        if done is None or done.returncode:
            if time.monotonic() - self._answered > _UNREACHABLE_S:
                raise ToolError(
                    "Slurm's controller does not answer", where="squeue", fix="`poma run` again when it does."
                )
            return None
        self._answered = time.monotonic()
        over = ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY", "BOOT_FAIL", "DEADLINE")
        rows = [line.split() for line in done.stdout.splitlines()]
        return {row[0] for row in rows if len(row) == 2 and row[1] not in over}

    def _cores(self, task: RunTask) -> int:
        return int(os.environ.get(THREADS_VARIABLE, "0")) or (_STAR_CORES if needs_genome_index(task) else 1)


def _call(argv: list[str]) -> subprocess.CompletedProcess[str] | None:
    """Run a program of Slurm; None if it does not answer."""
    try:
        return subprocess.run(argv, capture_output=True, text=True, timeout=_PROGRAM_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired:
        return None
