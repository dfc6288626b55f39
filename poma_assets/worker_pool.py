"""Warm worker processes that execute Dagster runs one after another.

A process that has imported the definitions starts a run in tenths of a second; a fresh one needs seconds (figures in
docs/decisions/0003-launcher.md). So workers are forked from a process that imports them once, while the launcher
looks at the study. Each worker writes what Dagster prints to its own log file.
"""

import ctypes
import multiprocessing as mp
import os
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Mapping
from multiprocessing import forkserver
from multiprocessing.connection import Connection, wait
from multiprocessing.util import get_temp_dir
from pathlib import Path

from poma_assets.run_pool import lost
from poma_assets.runs import RunOutcome, RunTask

_STOP_WAIT_S = 20.0
_INTERRUPT_WAIT_S = 4.0
_BLAS_THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
_PR_SET_PDEATHSIG = 1
_ORPHAN_GRACE_S = 5.0
_CONTEXT = mp.get_context("forkserver")
_LONGEST_SOCKET_BYTES = 107 if sys.platform == "linux" else 103
_SOCKET_NAME_BYTES = len("/pymp-abcdefgh/listener-abcdefgh")


def prepare_workers() -> None:
    """Begin to import what workers need. Call it as early as it is likely that one will be needed."""
    for variable in _BLAS_THREADS:
        # Read when numpy is imported, so it must stand in the environment of the process that imports it.
        os.environ.setdefault(variable, "1")
    _CONTEXT.set_forkserver_preload(["poma_assets.worker_origin"])
    _choose_folder_of_sockets()
    forkserver.ensure_running()


def _choose_folder_of_sockets() -> None:
    """Put the sockets of the workers into /tmp where the path of TMPDIR is too long for one (as Python 3.14 does)."""
    if len(os.fsencode(tempfile.gettempdir())) + _SOCKET_NAME_BYTES <= _LONGEST_SOCKET_BYTES:
        return
    chosen, tempfile.tempdir = tempfile.tempdir, "/tmp"
    try:
        get_temp_dir()  # made once in a process, then kept
    finally:
        tempfile.tempdir = chosen


class WorkerPool:
    """Worker processes, each given one task at a time; as many as were asked for, made when they are asked for."""

    def __init__(self, *, study_root: Path, log_dir: Path, environment: Mapping[str, str] | None = None) -> None:
        log_dir.mkdir(parents=True, exist_ok=True)
        prepare_workers()
        self._study_root, self._log_dir, self._environment = study_root, log_dir, environment or {}
        self._made = 0
        self._workers: dict[Connection, mp.process.BaseProcess] = {}
        self._idle: list[Connection] = []
        self._busy: dict[Connection, RunTask] = {}

    def grow(self, n_workers: int) -> None:
        """Start workers until there are so many."""
        while len(self._workers) < n_workers:
            self._made += 1
            ours, theirs = _CONTEXT.Pipe()
            log = self._log_dir / f"worker-{self._made}.log"
            arguments = (theirs, str(self._study_root), str(log), {**os.environ, **self._environment})
            process = _CONTEXT.Process(target=_work, args=arguments, daemon=False)
            process.start()
            theirs.close()
            self._workers[ours] = process
            self._idle.append(ours)

    @property
    def capacity(self) -> int | None:
        """None: the launcher counts this machine's cores."""
        return None

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
                outcomes.append(lost(task))
        return outcomes

    def stop(self, run_id: str) -> None:
        """End the worker that executes this run, with its programs; its task then shows as failed."""
        for connection, task in self._busy.items():
            if task.run_id == run_id:
                self._workers[connection].terminate()

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


def _work(connection: Connection, study_root: str, log: str, environment: dict[str, str]) -> None:
    """Execute tasks until told to stop."""
    os.environ.update(environment)
    # Ctrl-C in the terminal goes to the launcher, which ends its workers. Ignoring the signal here instead would make
    # the worker deaf to SIGTERM between two steps: Dagster gives both signals the handler that it finds for SIGINT.
    os.setsid()
    _end_with_parent()
    _write_to_log(log)
    # Imported here, so that what Dagster says on import goes to the log, too.
    from poma_assets.run_execution import Runner

    runner = Runner(Path(study_root))
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
    """End when the launcher is gone, however it died: at once where Linux tells us, in seconds otherwise.

    The process that the workers are forked from ends with the launcher.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    launcher = mp.parent_process()
    if launcher is not None:
        threading.Thread(target=_kill_when_orphaned, args=(launcher,), daemon=True).start()


def _kill_when_orphaned(launcher: mp.process.BaseProcess) -> None:
    launcher.join()
    time.sleep(_ORPHAN_GRACE_S)
    os.kill(os.getpid(), signal.SIGKILL)
