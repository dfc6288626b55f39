"""The launcher's side of Celery: runs become messages in the queues ``star`` and ``default``."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import redis

from poma_assets.clusters.celery_queue import (
    BROKER_VARIABLE,
    LEASE_S,
    TASK_NAME,
    Notes,
    broker_address,
    make_app,
    queue_of,
)
from poma_assets.run_pool import lost
from poma_assets.runs import RunOutcome, RunTask
from poma_assets.science.errors import StorageError

_LOOK_S = 1.0
_UNREACHABLE_S = 300.0
_CLOSE_WAIT_S = 10.0
_MOST_TASKS = 100_000


class CeleryPool:
    """Hands runs to the Celery workers of a cluster.

    Parameters
    ----------
    study_root
        The study folder, which every worker sees under the same path.
    launcher
        Name of the queue of outcomes: of this launcher only.
    """

    def __init__(self, *, study_root: Path, launcher: str) -> None:
        broker = broker_address()
        self._app, self._notes = make_app(broker), Notes(broker)
        self._study_root, self._launcher = study_root, launcher
        self._running: dict[str, RunTask] = {}
        self._lease_seen: dict[str, float] = {}
        self._next_look = 0.0
        self._unreachable_since: float | None = None

    @property
    def capacity(self) -> int | None:
        """As many as there are: the workers take from the queues what they can do."""
        return _MOST_TASKS

    @property
    def running(self) -> Sequence[RunTask]:
        """The tasks in the queues and with the workers."""
        return list(self._running.values())

    def grow(self, n_workers: int) -> None:
        """Do nothing: how many workers there are is decided where they are started."""

    def submit(self, task: RunTask) -> None:
        """Put a task into its queue."""
        self._running[task.run_id] = task
        self._with_patience(lambda: self._send(task))

    def finished(self, timeout_s: float) -> list[RunOutcome]:
        """Outcomes that arrived; tasks whose worker no longer renews its lease are lost."""
        try:
            found = self._notes.outcomes(self._launcher, timeout_s)
            if time.monotonic() >= self._next_look:
                self._next_look = time.monotonic() + _LOOK_S
                found += self._look()
            self._unreachable_since = None
        except redis.RedisError as error:
            self._unreachable(error)
            return []
        return [outcome for outcome in found if self._running.pop(outcome.run_id, None) is not None]

    def stop(self, run_id: str) -> None:
        """Ask its worker to end a run."""
        self._with_patience(lambda: self._notes.ask_to_stop(run_id))

    def close(self, *, interrupt: bool = False) -> None:
        """Ask the workers to end what is under way, and wait a little for it."""
        if interrupt:
            for run_id in self._running:
                self.stop(run_id)
            deadline = time.monotonic() + _CLOSE_WAIT_S
            while self._running and self._lease_seen and time.monotonic() < deadline:
                self.finished(0.5)
                self._lease_seen = {key: value for key, value in self._lease_seen.items() if key in self._running}
        self._app.close()

    def _send(self, task: RunTask) -> None:
        arguments = {"study_root": str(self._study_root), "task": asdict(task), "launcher": self._launcher}
        self._app.send_task(TASK_NAME, kwargs=arguments, queue=queue_of(task), ignore_result=True)
        self._notes.sent(task.run_id)

    def _look(self) -> list[RunOutcome]:
        """Which workers are lost; messages that a Redis server without memory has forgotten are sent again."""
        now, run_ids = time.monotonic(), list(self._running)
        leased = self._notes.which("lease", run_ids)
        self._lease_seen |= dict.fromkeys(leased, now)
        gone = [
            run_id for run_id in run_ids if run_id in self._lease_seen and now - self._lease_seen[run_id] > LEASE_S / 4
        ]
        if gone:
            # Its outcome was told before the lease was let go.
            told = self._notes.outcomes(self._launcher, 0.0)
            known = {outcome.run_id for outcome in told}
            for run_id in gone:
                del self._lease_seen[run_id]
            return told + [lost(self._running[run_id]) for run_id in gone if run_id not in known]
        waiting = [run_id for run_id in run_ids if run_id not in self._lease_seen]
        for run_id in set(waiting) - self._notes.which("sent", waiting):
            self._send(self._running[run_id])
        return []

    def _with_patience(self, action: Callable[[], None]) -> None:
        while True:
            try:
                action()
            except (redis.RedisError, OSError) as error:
                self._unreachable(error)
            else:
                self._unreachable_since = None
                return

    def _unreachable(self, error: Exception) -> None:
        """Wait for the Redis server to come back; the workers' leases count from then."""
        now = time.monotonic()
        self._unreachable_since = self._unreachable_since or now
        if now - self._unreachable_since > _UNREACHABLE_S:
            raise StorageError(
                "the Redis server cannot be reached",
                where=f"the address in {BROKER_VARIABLE}",
                found=type(error).__name__,
                fix="Start it again, then `poma run`: what the workers finished is kept.",
            ) from error
        time.sleep(1.0)
        self._lease_seen = dict.fromkeys(self._lease_seen, time.monotonic())
