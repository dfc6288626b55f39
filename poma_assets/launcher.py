"""`poma run`: what is stale runs, as real Dagster runs, as many at once as cores and memory allow."""

import os
import time
from collections import Counter, deque
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import dagster as dg
import psutil
from dagster._core.utils import make_new_run_id

from poma_assets import up_to_date
from poma_assets.definitions import defs
from poma_assets.genome_memory import index_bytes
from poma_assets.partitions import CONTRASTS, SAMPLES, synchronise
from poma_assets.phases import PHASES, READS_AHEAD, Phase, nodes_in_use, phases_after, phases_until
from poma_assets.planning import AssetNode, StaleStep, StepIndex, stale_steps
from poma_assets.resources import StudyResource
from poma_assets.run_pool import KILLED, MOST_ATTEMPTS, RunPool
from poma_assets.runs import RunOutcome, RunTask, is_gone, this_process
from poma_assets.storage.connection import left_by_a_killed_writer
from poma_assets.storage.lock import exclusive_lock
from poma_assets.storage.results_folder import refuse_foreign_links
from poma_assets.storage.staging import make_folder, plain_storage_errors, remove_abandoned_folders
from poma_assets.time_left import TimeLeft
from poma_assets.vocabulary import LAUNCHER_TAG
from poma_assets.worker_pool import WorkerPool

_POLL_S = 0.2
_LOOK_S = 1.0
"""How often the event log is asked for new steps and for runs that somebody ended in the UI."""

_MEMORY_SHARE = 0.85
_UNFINISHED = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.NOT_STARTED]
_ENDED_BY_USER = [dg.DagsterRunStatus.CANCELING, dg.DagsterRunStatus.CANCELED]


class Progress(Protocol):
    """What the launcher tells whoever watches."""

    def phase(self, title: str, runs: int) -> None:
        """A phase begins with so many runs."""

    def started(self, label: str, asset: str) -> None:
        """A step of a run has begun."""

    def finished(self, title: str, label: str, failures: Sequence[tuple[str, str]]) -> None:
        """A run of a phase has ended."""

    def left(self, seconds: float | None) -> None:
        """How long the rest of the phases that have begun will take; None if it cannot be said."""

    def stopping(self) -> None:
        """The launch was interrupted; the programs that are running are being ended."""


@dataclass
class Summary:
    """What a launch did."""

    runs: int = 0
    steps: int = 0
    unchanged: int = 0
    failures: list[tuple[str, str, str]] = field(default_factory=list)
    not_reached: list[str] = field(default_factory=list)

    @property
    def succeeded(self) -> bool:
        """Whether everything that was asked for is there."""
        return not self.failures and not self.not_reached


@dataclass
class _Queue:
    """The phases still to come, and the tasks of those that have begun."""

    pending: list[Phase]
    waiting: deque[tuple[Phase, RunTask]] = field(default_factory=deque)
    phase_of: dict[str, Phase] = field(default_factory=dict)
    """Run id -> phase, of the tasks under way."""
    tasks: dict[str, RunTask] = field(default_factory=dict)
    """Run id -> task, of all that were given to a worker."""

    def running(self, title: str) -> list[RunTask]:
        """The tasks of a phase that are under way."""
        return [self.tasks[run_id] for run_id, phase in self.phase_of.items() if phase.title == title]

    def submitted(self, phase: Phase, task: RunTask) -> None:
        """A task has been given to a worker."""
        self.phase_of[task.run_id], self.tasks[task.run_id] = phase, task

    def ready(self) -> Phase | None:
        """A phase that waits for nothing any more."""
        unfinished = {phase.title for phase in (*self.pending, *self.phase_of.values(), *(p for p, _ in self.waiting))}
        return next((p for p in self.pending if unfinished.isdisjoint((*p.after, *p.waits_for))), None)

    def drop(self, titles: Collection[str]) -> list[str]:
        """Give up phases; return the titles of those that had not begun."""
        dropped = [phase.title for phase in self.pending if phase.title in titles]
        self.pending = [phase for phase in self.pending if phase.title not in titles]
        return dropped


def needed_nodes(study: StudyResource, *, htseq: bool = False) -> list[AssetNode]:
    """The part of the graph that this study uses, as in `phases.nodes_in_use`."""
    return nodes_in_use(defs.resolve_asset_graph(), study, htseq=htseq)


class Launcher:
    """Launches the stale steps of a study. Use :meth:`run` once."""

    def __init__(
        self, study: StudyResource, progress: Progress, *, jobs: int | None = None, pool: RunPool | None = None
    ) -> None:
        refuse_foreign_links(study.study.results_dir)
        self._study = study
        self._progress = progress
        root, log_dir = study.study.root, study.study.results_dir / "logs"
        self._pool: RunPool = WorkerPool(study_root=root, log_dir=log_dir) if pool is None else pool
        self._jobs = jobs or self._pool.capacity or os.cpu_count() or 1
        self._instance = dg.DagsterInstance.get()
        self._summary = Summary()
        self._labels: dict[str, str] = {}
        self._seen_until: dict[str, str] = {}
        self._affordable = self._jobs
        self._ahead: deque[RunTask] | None = None
        self._stopped: set[str] = set()
        self._next_look = 0.0

    def run(
        self,
        *,
        samples: Iterable[str] | None = None,
        leave_out: Collection[str] = (),
        until: str = "reports",
        htseq: bool = False,
    ) -> Summary:
        """Run what is stale, phase by phase.

        Parameters
        ----------
        samples
            Only these samples' own steps (and everything after them); None for all.
        leave_out
            Samples whose own steps are not tried.
        until
            Title of the last phase to run.
        htseq
            Count by htseq-count too.
        """
        study = self._study
        lock = study.study.run_lock_path
        make_folder(lock.parent)
        with exclusive_lock(lock, timeout_s=0.0, describe=f"poma run of {study.study.root}"):
            was_killed = close_runs_of_gone_launchers(self._instance)
            synchronise(self._instance, SAMPLES, list(study.sheet.samples["sample_id"]))
            synchronise(self._instance, CONTRASTS, list(study.contrasts))
            self._nodes = needed_nodes(study, htseq=htseq)
            self._samples = set(study.sheet.samples["sample_id"] if samples is None else samples) - set(leave_out)
            self._time_left = TimeLeft.from_history(study)
            stale = stale_steps(self._nodes, study)
            is_whole = samples is None and not leave_out and until == PHASES[-1].title
            if not stale:
                if is_whole:
                    self._stamp()
                return self._summary
            with plain_storage_errors(study.study.results_dir):
                up_to_date.remove(study.study.results_dir)
            try:
                self._warm_up(stale)
                self._execute(_Queue(list(phases_until(until))))
            except BaseException:
                unfinished = self._pool.running
                self._progress.stopping()
                self._pool.close(interrupt=True)
                self._close_interrupted_runs(task.run_id for task in unfinished)
                raise
            self._pool.close()
            if was_killed:  # its workers, who may have been ending when this launch began, are gone by now
                remove_abandoned_folders(study.study.results_dir)
            if is_whole and self._summary.succeeded and not stale_steps(self._nodes, study):
                self._stamp()
        return self._summary

    def _stamp(self) -> None:
        """Note which files say that nothing is to do, so that the next launch need not plan to know it."""
        if self._study.warehouse.database.file is None:
            return  # another machine may write it, and no file here would show it
        study, index = self._study.study, StepIndex.read(self._study)
        optional = (study.contrasts_path, study.hypotheses_path, study.cell_lines_path, study.quality_overrides_path)
        inputs = self._study.hashes.looked_at | {path for path in optional if path is not None}
        outputs = {study.root / path for files in index.files.values() for path in files.values()}
        outputs |= {study.warehouse_path, *left_by_a_killed_writer(study.warehouse_path)}
        up_to_date.stamp(
            study.results_dir,
            folders={study.root, study.samples_path.parent},
            inputs=inputs - outputs,
            outputs=outputs,
        )

    def _warm_up(self, stale: Sequence[StaleStep]) -> None:
        """Start the workers that will be needed: they import while the first phase runs."""
        at_once = max(Counter(step.asset for step in stale).values(), default=0)
        self._pool.grow(min(self._jobs, at_once))

    def _close_interrupted_runs(self, run_ids: Iterable[str]) -> None:
        for run_id in run_ids:
            run = self._instance.get_run_by_id(run_id)
            if run is not None and not run.is_finished:
                self._instance.report_run_canceled(run, message="`poma run` was interrupted.")

    def _execute(self, queue: _Queue) -> None:
        while True:
            while (phase := queue.ready()) is not None:
                queue.pending.remove(phase)
                queue.waiting += [(phase, task) for task in self._begin(phase)]
            if not queue.waiting and not queue.phase_of:
                return
            self._submit(queue)
            self._read_ahead(queue)
            for outcome in self._pool.finished(_POLL_S):
                self._settle(outcome, queue)
            self._look()

    def _begin(self, phase: Phase) -> list[RunTask]:
        # Earlier phases have had their chance: what they left behind shows in the data versions of their steps.
        stale = stale_steps([node for node in self._nodes if node.name in phase.assets], self._study)
        if phase.title in ("samples", READS_AHEAD.title):
            stale = [step for step in stale if step.partition in self._samples]
        tasks = _tasks(phase, stale)
        if tasks:
            self._labels |= {task.run_id: task.partition or "all" for task in tasks}
            self._affordable = self._affordable_jobs()
            if phase is not READS_AHEAD:  # nobody knows how many of these there will be time for
                self._progress.phase(phase.title, len(tasks))
        return tasks

    def _submit(self, queue: _Queue) -> None:
        """Give waiting tasks to workers, as many as cores allow, and memory for those that hold a genome."""
        while queue.waiting and len(queue.phase_of) < self._jobs:
            read_now = {task.partition for task in queue.running(READS_AHEAD.title)}
            free = [(phase, task) for phase, task in queue.waiting if task.partition not in read_now]
            if not free:
                return
            phase, task = free[0]
            if phase.title == "samples" and len(queue.running(phase.title)) >= self._affordable:
                return
            queue.waiting.remove((phase, task))
            self._give(phase, task, queue)

    def _give(self, phase: Phase, task: RunTask, queue: _Queue) -> None:
        """Give a task to a worker, with its share of the cores."""
        most = min(self._jobs, self._affordable) if phase.title == "samples" else self._jobs
        at_once = min(most, len(queue.phase_of) + 1 + len(queue.waiting))
        self._pool.grow(at_once)
        threaded = replace(task, threads=share_of_cores(os.cpu_count() or 1, at_once, is_last=not queue.waiting))
        self._pool.submit(threaded)
        queue.submitted(phase, threaded)
        self._time_left.started(threaded)

    def _read_ahead(self, queue: _Queue) -> None:
        """While the genome index is made, which keeps one core busy, prepare the reads of the first samples."""
        making = any("star_index" in task.assets for task in queue.running("reference"))
        if not making or not any(phase.title == "samples" for phase in queue.pending):
            return
        if self._ahead is None:
            self._ahead = deque(self._begin(READS_AHEAD))
        while self._ahead and len(queue.phase_of) < self._jobs:
            self._give(READS_AHEAD, self._ahead.popleft(), queue)

    def _settle(self, outcome: RunOutcome, queue: _Queue) -> None:
        """Book a run that has ended, and give up what cannot be right without it."""
        phase, label = queue.phase_of.pop(outcome.run_id), self._labels[outcome.run_id]
        failures = list(outcome.failures)
        if ("worker", KILLED) in failures:
            if self._tried_again(phase, outcome.run_id, queue):
                return
            failures = [("worker", self._close_dead_run(outcome.run_id))]
        elif not outcome.succeeded and not failures:
            failures = [("run", "it did not succeed; see `poma ui`")]
        self._tell_steps(outcome.run_id)
        self._summary.runs += 1
        self._summary.unchanged += outcome.unchanged
        self._summary.steps -= outcome.unchanged
        self._summary.failures += [(label, *failure) for failure in failures]
        self._progress.finished(phase.title, label, failures)
        self._time_left.finished(outcome.run_id)
        self._progress.left(self._time_left.seconds([task for _, task in queue.waiting], self._jobs))
        if failures and phase is READS_AHEAD:
            self._samples.discard(label)  # its whole run would fail in the same step again
        elif phase is READS_AHEAD:
            queue.waiting = deque(_without_read_ahead(entry, label) for entry in queue.waiting)
        if failures and phase.required:
            self._summary.not_reached += queue.drop(phases_after({phase.title}))

    def _tried_again(self, phase: Phase, run_id: str, queue: _Queue) -> bool:
        """Hand a run over once more whose machine was lost, to another one; what it had finished is not done again."""
        task = queue.tasks[run_id]
        if self._pool.capacity is None or run_id in self._stopped or task.attempt >= MOST_ATTEMPTS:
            return False
        self._close_dead_run(run_id)
        self._tell_steps(run_id)
        self._time_left.finished(run_id)
        again = replace(task, run_id=make_new_run_id(), attempt=task.attempt + 1)
        self._labels[again.run_id] = self._labels[run_id]
        queue.waiting.appendleft((phase, again))
        return True

    def _close_dead_run(self, run_id: str) -> str:
        """Say in the run history how a run ended whose process is gone; return the same for people."""
        run = self._instance.get_run_by_id(run_id)
        if run_id in self._stopped:
            return "it was terminated in the Dagster UI"
        if run is not None and not run.is_finished:
            self._instance.report_run_failed(run, KILLED)
        return KILLED

    def _look(self) -> None:
        """Tell which steps have begun, and end the runs that somebody terminated in the UI."""
        if time.monotonic() < self._next_look:
            return
        self._next_look = time.monotonic() + _LOOK_S
        running = [task.run_id for task in self._pool.running if task.run_id not in self._stopped]
        if not running:
            return  # between two phases; Dagster refuses an empty list of runs
        for run_id in running:
            self._tell_steps(run_id)
        for run in self._instance.get_runs(dg.RunsFilter(run_ids=running, statuses=_ENDED_BY_USER)):
            self._stopped.add(run.run_id)
            self._pool.stop(run.run_id)

    def _tell_steps(self, run_id: str) -> None:
        begun = self._instance.get_records_for_run(
            run_id, self._seen_until.get(run_id), of_type=dg.DagsterEventType.STEP_START
        )
        self._seen_until[run_id] = begun.cursor
        for record in begun.records:
            name = (record.event_log_entry.step_key or "").split("__")[-1]
            if name in {node.name for node in self._nodes}:
                self._summary.steps += 1
                self._progress.started(self._labels[run_id], name)

    def _affordable_jobs(self) -> int:
        """As many samples at once as genome indices fit into the memory that is free."""
        if self._pool.capacity is not None:
            return self._jobs  # whoever runs the queue or the cluster has set that
        return max(1, int(psutil.virtual_memory().available * _MEMORY_SHARE) // index_bytes(self._study))


def share_of_cores(cores: int, at_once: int, *, is_last: bool) -> int:
    """Threads of one program of a task, where ``at_once`` tasks run beside each other.

    The last task outlives those beside it: it is given the share of one of them as well.
    """
    return max(1, cores // (max(1, at_once - 1) if is_last else at_once))


def close_runs_of_gone_launchers(instance: dg.DagsterInstance) -> bool:
    """Say that the runs of killed launchers, still 'started' in the instance, failed; whether there were any."""
    unfinished = instance.get_runs(dg.RunsFilter(statuses=_UNFINISHED))
    orphaned = [run for run in unfinished if LAUNCHER_TAG in run.tags and is_gone(run.tags[LAUNCHER_TAG])]
    for run in orphaned:
        instance.report_run_failed(run, "The launcher of this run was killed.")
        # Dagster leaves what a dead run waited for in a pool to a monitor that we do not run.
        instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
    return bool(orphaned)


def _without_read_ahead(entry: tuple[Phase, RunTask], sample: str) -> tuple[Phase, RunTask]:
    """A waiting task, less what has just been made of its sample ahead of it."""
    phase, task = entry
    if task.partition != sample:
        return entry
    left = tuple(name for name in task.assets if name not in READS_AHEAD.assets or name in task.remade)
    return (phase, replace(task, assets=left)) if left else entry


def _tasks(phase: Phase, stale: Sequence[StaleStep]) -> list[RunTask]:
    by_partition: dict[str, list[StaleStep]] = {}
    for step in stale:
        by_partition.setdefault(step.partition, []).append(step)
    launcher = this_process()
    return [
        RunTask(
            make_new_run_id(),
            _job_of(phase, [step.asset for step in steps]),
            partition,
            tuple(step.asset for step in steps),
            launcher,
            remade=tuple(step.asset for step in steps if step.remade),
        )
        for partition, steps in by_partition.items()
    ]


def _job_of(phase: Phase, assets: Iterable[str]) -> str:
    # In one run with the rest of the sample: what htseq reads may be dropped when the sample is done.
    return "count_sample_with_htseq" if "htseq_counts" in assets else phase.job_name
