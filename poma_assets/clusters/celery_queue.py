"""What launcher and workers share: the Celery application, the names of its queues, and the notes they leave in Redis.

A run is one Celery message. Beside it Redis holds, for as long as it matters: that the message was sent, which worker
took it, the worker's lease (gone when the worker is), a wish to stop, and the outcomes that the launcher waits for.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict

import redis
from celery import Celery

from poma_assets.run_pool import needs_genome_index
from poma_assets.runs import RunOutcome, RunTask, outcome_from_json
from poma_assets.science.errors import InputError

BROKER_VARIABLE = "POMA_CELERY_BROKER"
"""Environment variable with the address of the Redis server; it may hold a password, so it is never printed."""

AT_ONCE_VARIABLE = "POMA_WORKER_AT_ONCE"
"""Environment variable: how many runs a worker executes at once; they share the machine's cores."""

TASK_NAME = "poma_assets.execute_run"
STAR, DEFAULT = "star", "default"
QUEUES = (STAR, DEFAULT)

LEASE_S = 45.0
"""A worker that has not renewed its lease for so long is lost, and has ended its programs itself before that."""

RENEW_S = 2.0
_NOTES_KEPT_S = 7 * 24 * 3600
_VISIBILITY_S = 300
"""After this time Redis hands a message out again whose worker took it and was lost before it began."""


def queue_of(task: RunTask) -> str:
    """The queue that a run belongs into, by what it needs."""
    return STAR if needs_genome_index(task) else DEFAULT


def broker_address() -> str:
    """The address of the Redis server.

    Raises
    ------
    InputError
        If the environment does not say it.
    """
    address = os.environ.get(BROKER_VARIABLE, "")
    if not address.startswith(("redis://", "rediss://")):
        raise InputError(
            "the address of the Redis server is not known",
            where=f"environment variable {BROKER_VARIABLE}",
            expected="redis://HOST:6379/0, or rediss:// for TLS",
            fix=f"Set {BROKER_VARIABLE} where `poma run` and `poma worker` are started.",
        )
    return address


def make_app(broker: str) -> Celery:
    """The Celery application of the launcher and the workers."""
    app = Celery("poma_assets", broker=broker)
    app.conf.update(
        task_ignore_result=True,
        task_acks_late=True,
        worker_prefetch_multiplier=1,
        task_default_queue=DEFAULT,
        task_create_missing_queues=True,
        broker_connection_retry_on_startup=True,
        broker_transport_options={"visibility_timeout": _VISIBILITY_S},
        worker_hijack_root_logger=False,
    )
    return app


class Notes:
    """The notes in Redis about runs."""

    def __init__(self, broker: str) -> None:
        self._redis = redis.Redis.from_url(broker, socket_timeout=5, socket_connect_timeout=5)

    def sent(self, run_id: str) -> None:
        """The message of a run is in its queue."""
        self._redis.set(_key("sent", run_id), "", ex=_NOTES_KEPT_S)

    def take(self, run_id: str, worker: str) -> bool:
        """Take a run, which only the first can; whether it was ours."""
        first = self._redis.set(_key("taken", run_id), worker, nx=True, ex=_NOTES_KEPT_S)
        if first:
            self.renew(run_id, worker)
        return bool(first)

    def renew(self, run_id: str, worker: str) -> None:
        """Renew the lease on a run."""
        self._redis.set(_key("lease", run_id), worker, px=int(LEASE_S * 1000))

    def which(self, kind: str, run_ids: list[str]) -> set[str]:
        """Of these runs, those with a note of this kind: sent, taken, lease, stop."""
        values = self._redis.mget([_key(kind, run_id) for run_id in run_ids]) if run_ids else []
        return {run_id for run_id, value in zip(run_ids, values, strict=True) if value is not None}

    def ask_to_stop(self, run_id: str) -> None:
        """Ask whoever has the run, or will take it, to end it."""
        self._redis.set(_key("stop", run_id), "", ex=_NOTES_KEPT_S)

    def tell(self, launcher: str, outcome: RunOutcome) -> None:
        """Hand the outcome of a run to the launcher that waits for it."""
        key = _key("outcomes", launcher)
        with self._redis.pipeline() as pipeline:
            pipeline.rpush(key, json.dumps(asdict(outcome)))
            pipeline.expire(key, _NOTES_KEPT_S)
            pipeline.execute()

    def outcomes(self, launcher: str, timeout_s: float) -> list[RunOutcome]:
        """Outcomes that came within a time."""
        key = _key("outcomes", launcher)
        first = self._redis.blpop([key], timeout=max(0.01, timeout_s))
        texts = [] if first is None else [first[1], *(self._redis.lpop(key, 1000) or [])]
        return [outcome_from_json(json.loads(text)) for text in texts]


def _key(kind: str, name: str) -> str:
    return f"poma:{kind}:{name}"
