"""Warm worker processes that execute Dagster runs one after another.

A process that has imported the definitions starts a run in tenths of a second; a fresh one needs seconds (figures in
docs/decisions/0003-launcher.md). Each worker writes what Dagster prints to its own log file.
"""

import ctypes
import multiprocessing as mp
import os
import signal
import sys
import time
import traceback
from multiprocessing.connection import Connection, wait
from pathlib import Path

from poma_assets.runs import RunOutcome, RunTask

_STOP_WAIT_S = 20.0
_INTERRUPT_WAIT_S = 4.0
_BLAS_THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
_PR_SET_PDEATHSIG = 1


class WorkerPool:
    """A fixed number of worker processes, each given one task at a time."""

    def __init__(self, n_workers: int, *, study_root: Path, threads: int, log_dir: Path) -> None:
        log_dir.mkdir(parents=True, exist_ok=True)
        for variable in _BLAS_THREADS:
            # Read when numpy is imported, so it must stand in the environment that the workers are born with.
            os.environ.setdefault(variable, "1")
        context = mp.get_context("spawn")
        self._workers: dict[Connection, mp.process.BaseProcess] = {}
        for number in range(n_workers):
            ours, theirs = context.Pipe()
            log = log_dir / f"worker-{number + 1}.log"
            process = context.Process(target=_work, args=(theirs, str(study_root), threads, str(log)), daemon=False)
            process.start()
            theirs.close()
            self._workers[ours] = process
        self._idle = list(self._workers)
        self._busy: dict[Connection, RunTask] = {}

    @property
    def has_idle(self) -> bool:
        """Whether a worker waits for a task."""
        return bool(self._idle)

    @property
    def running(self) -> list[RunTask]:
        """The tasks under way."""
        return list(self._busy.values())

    def submit(self, task: RunTask) -> None:
        """Give a task to an idle worker."""
        connection = self._idle.pop()
        connection.send(task)
        self._busy[connection] = task

    def finished(self, timeout_s: float) -> list[RunOutcome]:
        """Outcomes of the tasks that ended within ``timeout_s`` seconds; a dead worker's task has failed."""
        outcomes = []
        for connection in wait(list(self._busy), timeout=timeout_s):
            if not isinstance(connection, Connection):
                continue
            task = self._busy.pop(connection)
            try:
                outcomes.append(connection.recv())
                self._idle.append(connection)
            except (EOFError, ConnectionError):
                self._workers.pop(connection).join()
                message = "its worker process was killed (out of memory?); run `poma run` again to continue"
                outcomes.append(RunOutcome(task.run_id, False, (("worker", message),)))
        return outcomes

    @property
    def alive(self) -> int:
        """Workers that are still there."""
        return len(self._workers)

    def close(self, *, interrupt: bool = False) -> None:
        """End the workers: after their task, or now; a killed worker's programs are killed by their guardians."""
        for connection, process in self._workers.items():
            if interrupt:
                process.terminate()
            elif connection not in self._busy:
                connection.send(None)
        deadline = time.monotonic() + (_INTERRUPT_WAIT_S if interrupt else _STOP_WAIT_S)
        for process in self._workers.values():
            process.join(max(0.0, deadline - time.monotonic()))
            if process.is_alive():
                process.kill()
                process.join()


def _work(connection: Connection, study_root: str, threads: int, log: str) -> None:
    """Execute tasks until told to stop."""
    _end_with_parent()
    _write_to_log(log)
    # Imported here, so that what Dagster says on import goes to the log, too.
    from poma_assets.run_execution import Runner

    runner = Runner(Path(study_root), threads=threads)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while True:
        try:
            task = connection.recv()
        except (EOFError, ConnectionError):
            return
        if task is None:
            return
        try:
            outcome = runner.execute(task)
        except BaseException as error:
            traceback.print_exc()
            connection.send(RunOutcome(task.run_id, False, (("run", f"{type(error).__name__}: {error}"),)))
            raise
        connection.send(outcome)


def _write_to_log(log: str) -> None:
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
        os.dup2(descriptor, stream.fileno())
    os.close(descriptor)


def _end_with_parent() -> None:
    """On Linux, be told to terminate when the launcher dies, however it dies."""
    if sys.platform == "linux":
        parent = os.getppid()
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(1)
