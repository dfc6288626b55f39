"""The worker's side of Celery: executes runs in warm worker processes, one for each run at a time.

``celery -A poma_assets.clusters.celery_worker worker --pool threads -Q star,default``; `poma worker` says the same.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import redis

from poma_assets.clusters.celery_queue import (
    AT_ONCE_VARIABLE,
    LEASE_S,
    RENEW_S,
    TASK_NAME,
    Notes,
    broker_address,
    make_app,
)
from poma_assets.config import Study, load_study
from poma_assets.resources import THREADS_VARIABLE
from poma_assets.run_pool import lost
from poma_assets.runs import RunOutcome, RunTask, task_from_json
from poma_assets.science.errors import PomaError
from poma_assets.worker_pool import WorkerPool

app = make_app(broker_address())

_notes = Notes(broker_address())
_warm: dict[Path, list[WorkerPool]] = {}
_lock = threading.Lock()
_made = 0


@app.task(name=TASK_NAME)  # type: ignore[untyped-decorator]
def execute_run(study_root: str, task: Mapping[str, Any], launcher: str) -> None:
    """Execute a run unless somebody else has taken it, and tell the launcher how it ended."""
    wanted = task_from_json(task)
    if not _notes.take(wanted.run_id, _name()):
        return  # an old message that Redis handed out again
    try:
        outcome = _execute(load_study(Path(study_root)), replace(wanted, threads=_threads()))
    except (PomaError, OSError) as error:
        outcome = RunOutcome(wanted.run_id, False, (("worker", f"on {socket.gethostname()}: {error}"),))
    _tell(launcher, outcome)


def _execute(study: Study, task: RunTask) -> RunOutcome:
    """Execute a run in a warm process, renewing its lease; without a lease it is ended."""
    if _notes.which("stop", [task.run_id]):
        return lost(task)
    pool = _pool_of(study)
    pool.grow(1)
    pool.submit(task)
    renewed, stopped = time.monotonic(), False
    while not (outcomes := pool.finished(RENEW_S)):
        try:
            _notes.renew(task.run_id, _name())
            renewed = time.monotonic()
            if not stopped and _notes.which("stop", [task.run_id]):
                pool.stop(task.run_id)
                stopped = True
        except redis.RedisError:
            if time.monotonic() - renewed > LEASE_S / 2:
                pool.close(interrupt=True)  # others may take the run by now
                return lost(task)
    with _lock:
        _warm.setdefault(study.root, []).append(pool)
    return outcomes[0]


def _pool_of(study: Study) -> WorkerPool:
    """A pool of one process that nobody uses now; processes stay warm for the next run of the same study."""
    global _made
    with _lock:
        if idle := _warm.get(study.root):
            return idle.pop()
        _made += 1
        number = _made
    log_dir = study.results_dir / "logs" / "workers" / f"{socket.gethostname()}-{os.getpid()}-{number}"
    return WorkerPool(study_root=study.root, log_dir=log_dir, environment={"DAGSTER_HOME": str(study.dagster_home)})


def _tell(launcher: str, outcome: RunOutcome) -> None:
    for _ in range(10):
        try:
            _notes.tell(launcher, outcome)
        except redis.RedisError:
            time.sleep(1.0)
        else:
            return


def _threads() -> int:
    """What one program of a run may use of this machine."""
    named = int(os.environ.get(THREADS_VARIABLE, "0"))
    return named or max(1, len(os.sched_getaffinity(0)) // int(os.environ.get(AT_ONCE_VARIABLE, "1")))


def _name() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"
