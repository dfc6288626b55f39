"""`poma run`: what is stale runs, as real Dagster runs, as many at once as cores and memory allow."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import dagster as dg
import psutil
from dagster._core.utils import make_new_run_id

from poma_assets.definitions import build_definitions
from poma_assets.jobs import COHORT_ASSETS, REFERENCE_ASSETS, REPORT_ASSETS
from poma_assets.partitions import CONTRASTS, SAMPLES, synchronise
from poma_assets.planning import AssetNode, StaleStep, StepIndex, stale_steps
from poma_assets.resources import StudyResource
from poma_assets.runs import RunTask
from poma_assets.storage.lock import exclusive_lock
from poma_assets.storage.staging import make_folder
from poma_assets.vocabulary import CONTRAST_ASSETS, LAUNCHER_TAG, SAMPLE_ASSETS
from poma_assets.worker_pool import WorkerPool

_POLL_S = 0.4
_STAR_EXTRA_BYTES = 2 * 1024**3
_MEMORY_SHARE = 0.85
_READ_STEPS = frozenset(SAMPLE_ASSETS) - {"gene_counts", "sample_quality"}


@dataclass(frozen=True)
class Phase:
    """One stage of a run of the whole study: a job and the assets it may run."""

    title: str
    job_name: str
    assets: tuple[str, ...]


PHASES = (
    Phase("reference", "prepare_reference", REFERENCE_ASSETS),
    Phase("samples", "process_sample", SAMPLE_ASSETS),
    Phase("cohort", "analyse_cohort", COHORT_ASSETS),
    Phase("contrasts", "analyse_contrast", CONTRAST_ASSETS),
    Phase("reports", "publish_reports", REPORT_ASSETS),
)


class Progress(Protocol):
    """What the launcher tells whoever watches."""

    def phase(self, title: str, runs: int) -> None:
        """A phase begins with so many runs."""

    def started(self, label: str, asset: str) -> None:
        """A step of a run has begun."""

    def finished(self, label: str, failures: Sequence[tuple[str, str]]) -> None:
        """A run has ended."""

    def stopping(self) -> None:
        """The launch was interrupted; the programs that are running are being ended."""


@dataclass
class Summary:
    """What a launch did."""

    runs: int = 0
    steps: int = 0
    failures: list[tuple[str, str, str]] = field(default_factory=list)
    not_reached: list[str] = field(default_factory=list)

    @property
    def succeeded(self) -> bool:
        """Whether everything that was asked for is there."""
        return not self.failures and not self.not_reached


def asset_nodes(*, htseq: bool) -> list[AssetNode]:
    """The graph in topological order, with or without ``htseq_counts``."""
    graph = build_definitions().resolve_asset_graph()
    nodes = []
    for key in graph.toposorted_asset_keys:
        node = graph.get(key)
        parents = tuple(sorted(parent.path[-1] for parent in node.parent_keys))
        nodes.append(AssetNode(key.path[-1], node.code_version or "", parents))
    return [node for node in nodes if htseq or node.name != "htseq_counts"]


def needed_nodes(study: StudyResource, *, htseq: bool = False) -> list[AssetNode]:
    """The part of the graph that this study uses: one that begins at the counts has no reads and no reference."""
    config = study.study.config
    # Counts by htseq that were once asked for are kept up to date.
    asked_before = bool(StepIndex.read(study, ["htseq_counts"]).fingerprints)
    nodes = asset_nodes(htseq=htseq or asked_before or config.counter == "htseq")
    left_out: set[str] = set()
    if config.count_matrix:
        left_out |= set(SAMPLE_ASSETS) - {"sample_quality"} | {"multiqc_report"}
    elif study.sheet.units["counts"].notna().all():
        left_out |= _READ_STEPS | {"multiqc_report"}
    if left_out:
        left_out.add("star_index")
        if study.study.annotation_path is None:
            left_out |= {"genome", "annotation"}
    return [node for node in nodes if node.name not in left_out]


class Launcher:
    """Launches the stale steps of a study. Use :meth:`run` once."""

    def __init__(self, study: StudyResource, progress: Progress, *, jobs: int | None = None) -> None:
        self._study = study
        self._progress = progress
        self._jobs = jobs
        self._instance = dg.DagsterInstance.get()
        self._pool: WorkerPool | None = None
        self._pool_threads = 0
        self._summary = Summary()
        self._steps_seen: dict[str, int] = {}

    def run(self, *, samples: Iterable[str] | None = None, until: str | None = None, htseq: bool = False) -> Summary:
        """Run what is stale, phase by phase.

        Parameters
        ----------
        samples
            Only these samples' own steps (and everything after them); None for all.
        until
            Title of the last phase to run.
        htseq
            Count by htseq-count too.
        """
        study = self._study
        lock = study.study.results_dir / ".run.lock"
        make_folder(lock.parent)
        with exclusive_lock(lock, timeout_s=0.0, describe=f"poma run of {study.study.root}"):
            self._close_killed_runs()
            synchronise(self._instance, SAMPLES, list(study.sheet.samples["sample_id"]))
            synchronise(self._instance, CONTRASTS, list(study.contrasts))
            try:
                for phase in PHASES:
                    self._run_phase(phase, set(samples) if samples is not None else None, htseq=htseq)
                    if phase.title == until or self._summary.not_reached:
                        break
            except BaseException:
                unfinished = self._pool.running if self._pool is not None else []
                self._progress.stopping()
                self._close_pool(interrupt=True)
                self._close_interrupted_runs(task.run_id for task in unfinished)
                raise
            self._close_pool()
        return self._summary

    def _close_killed_runs(self) -> None:
        """Runs of a launcher that was killed are still 'started' in the instance: say that they failed."""
        unfinished = [
            dg.DagsterRunStatus.STARTED,
            dg.DagsterRunStatus.STARTING,
            dg.DagsterRunStatus.NOT_STARTED,
        ]
        for run in self._instance.get_runs(dg.RunsFilter(statuses=unfinished)):
            if LAUNCHER_TAG in run.tags and not psutil.pid_exists(int(run.tags[LAUNCHER_TAG])):
                self._instance.report_run_failed(run, "The launcher of this run was killed.")

    def _close_interrupted_runs(self, run_ids: Iterable[str]) -> None:
        for run_id in run_ids:
            run = self._instance.get_run_by_id(run_id)
            if run is not None and not run.is_finished:
                self._instance.report_run_canceled(run, message="`poma run` was interrupted.")

    def _run_phase(self, phase: Phase, samples: set[str] | None, *, htseq: bool) -> None:
        # Earlier phases have had their chance: what they left behind shows in the data versions of their steps.
        nodes = [node for node in needed_nodes(self._study, htseq=htseq) if node.name in phase.assets]
        stale = stale_steps(nodes, self._study)
        if samples is not None and phase.title == "samples":
            stale = [step for step in stale if step.partition in samples]
        tasks = self._tasks(phase, stale)
        if not tasks:
            return
        self._progress.phase(phase.title, len(tasks))
        failures_before = len(self._summary.failures)
        self._execute(tasks)
        if phase.title in ("reference", "cohort") and len(self._summary.failures) > failures_before:
            self._summary.not_reached += [later.title for later in PHASES[PHASES.index(phase) + 1 :]]

    def _tasks(self, phase: Phase, stale: Sequence[StaleStep]) -> list[RunTask]:
        by_partition: dict[str, list[str]] = {}
        for step in stale:
            by_partition.setdefault(step.partition, []).append(step.asset)
        return [
            RunTask(make_new_run_id(), _job_of(phase, names), partition, tuple(names), os.getpid())
            for partition, names in by_partition.items()
        ]

    def _execute(self, tasks: list[RunTask]) -> None:
        pool = self._ready_pool(len(tasks))
        waiting, labels = list(tasks), {task.run_id: task.partition or "all" for task in tasks}
        while waiting or pool.running:
            while waiting and pool.has_idle:
                pool.submit(waiting.pop(0))
            for outcome in pool.finished(_POLL_S):
                self._summary.runs += 1
                self._tell_steps([task for task in tasks if task.run_id == outcome.run_id], labels)
                self._progress.finished(labels[outcome.run_id], outcome.failures)
                self._summary.failures += [(labels[outcome.run_id], *failure) for failure in outcome.failures]
                if not outcome.succeeded and not outcome.failures:
                    self._summary.failures.append((labels[outcome.run_id], "run", "it did not succeed; see `poma ui`"))
            self._tell_steps(pool.running, labels)
            if not pool.alive:
                self._summary.failures.append(("all", "workers", "all worker processes were killed"))
                return

    def _tell_steps(self, tasks: Iterable[RunTask], labels: dict[str, str]) -> None:
        for task in tasks:
            records = self._instance.all_logs(task.run_id, of_type=dg.DagsterEventType.STEP_START)
            seen = self._steps_seen.get(task.run_id, 0)
            for record in records[seen:]:
                name = (record.step_key or "").split("__")[-1]
                if name in task.assets:
                    self._summary.steps += 1
                    self._progress.started(labels[task.run_id], name)
            self._steps_seen[task.run_id] = len(records)

    def _ready_pool(self, tasks: int) -> WorkerPool:
        """A pool as large as this phase can use; the workers of a smaller one are replaced."""
        wanted = min(tasks, self._jobs or self._affordable_jobs())
        if self._pool is not None and (self._pool.alive < wanted or self._threads_of(wanted) != self._pool_threads):
            self._close_pool()
        if self._pool is None:
            self._pool_threads = self._threads_of(wanted)
            self._pool = WorkerPool(
                wanted,
                study_root=self._study.study.root,
                threads=self._pool_threads,
                log_dir=self._study.study.results_dir / "logs",
            )
        return self._pool

    @staticmethod
    def _threads_of(workers: int) -> int:
        return max(1, (os.cpu_count() or 1) // workers)

    def _affordable_jobs(self) -> int:
        """Cores, or as many genome indices as fit into the memory that is free."""
        parameters = self._study.files("star_index").get("parameters")
        needed = _STAR_EXTRA_BYTES + (_folder_bytes(parameters.parent) if parameters else 0)
        memory = int(psutil.virtual_memory().available * _MEMORY_SHARE) // needed
        return max(1, min(os.cpu_count() or 1, memory))

    def _close_pool(self, *, interrupt: bool = False) -> None:
        if self._pool is not None:
            self._pool.close(interrupt=interrupt)
            self._pool = None


def _job_of(phase: Phase, assets: Iterable[str]) -> str:
    # In one run with the rest of the sample: what htseq reads may be dropped when the sample is done.
    return "count_sample_with_htseq" if "htseq_counts" in assets else phase.job_name


def _folder_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir() if path.is_file()) if folder.is_dir() else 0
