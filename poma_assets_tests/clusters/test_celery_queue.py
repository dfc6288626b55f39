"""Celery's side of a cluster against a real Redis server; skipped where the packages or the server are missing."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

redis = pytest.importorskip("redis", reason="the packages for clusters are not installed")
pytest.importorskip("celery", reason="the packages for clusters are not installed")

from poma_assets.clusters import celery_pool, celery_queue  # noqa: E402
from poma_assets.clusters.celery_pool import CeleryPool  # noqa: E402
from poma_assets.clusters.celery_queue import Notes, broker_address, queue_of  # noqa: E402
from poma_assets.run_pool import lost  # noqa: E402
from poma_assets.runs import RunOutcome, RunTask  # noqa: E402
from poma_assets.science.errors import InputError  # noqa: E402

pytestmark = pytest.mark.skipif(shutil.which("redis-server") is None, reason="there is no redis-server")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder = str(tmp_path_factory.mktemp("redis"))
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder]
    process = subprocess.Popen(["redis-server", *options], stdout=subprocess.DEVNULL)
    address = f"redis://127.0.0.1:{port}/0"
    try:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                redis.Redis.from_url(address).ping()
                break
            except redis.RedisError:
                time.sleep(0.05)
        yield address
    finally:
        process.terminate()
        process.wait()


@pytest.fixture
def broker(server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    redis.Redis.from_url(server).flushall()
    monkeypatch.setenv("POMA_CELERY_BROKER", server)
    monkeypatch.setattr(celery_pool, "_LOOK_S", 0.0)
    return server


@pytest.fixture
def pool(broker: str) -> CeleryPool:
    return CeleryPool(study_root=Path("/study"), launcher="launcher")


def task(run_id: str, *assets: str) -> RunTask:
    return RunTask(run_id, "process_sample", "S1", assets or ("gene_counts",), "launcher")


def messages(broker: str, queue: str) -> list[dict]:
    return [json.loads(text) for text in redis.Redis.from_url(broker).lrange(queue, 0, -1)]


def test_runs_that_hold_a_genome_index_have_a_queue_of_their_own(pool: CeleryPool, broker: str) -> None:
    assert queue_of(task("a", "trimmed_reads", "alignments")) == queue_of(task("b", "star_index")) == "star"
    assert queue_of(task("c", "count_matrix")) == "default"
    pool.submit(task("a", "alignments"))
    pool.submit(task("c", "count_matrix"))
    assert (len(messages(broker, "star")), len(messages(broker, "default"))) == (1, 1)
    assert [one.run_id for one in pool.running] == ["a", "c"]


def test_only_the_first_takes_a_run_and_its_outcome_comes_to_the_launcher(pool: CeleryPool, broker: str) -> None:
    pool.submit(task("a"))
    worker = Notes(broker)
    assert worker.take("a", "host:1")
    assert not worker.take("a", "host:2")
    assert pool.finished(0.05) == []
    told = RunOutcome("a", False, (("gene_counts", "it's wrong"),), 3)
    worker.tell("somebody else", RunOutcome("a", True))
    worker.tell("launcher", told)
    assert pool.finished(2) == [told]
    assert pool.running == []


def test_a_worker_without_a_lease_is_lost(pool: CeleryPool, broker: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (celery_queue, celery_pool):
        monkeypatch.setattr(module, "LEASE_S", 0.4)
    pool.submit(task("a"))
    pool.submit(task("b"))
    worker = Notes(broker)
    worker.take("a", "host:1")
    until = time.monotonic() + 20
    outcomes: list[RunOutcome] = []
    while not outcomes and time.monotonic() < until:
        outcomes = pool.finished(0.05)
    assert outcomes == [lost(task("a"))]
    assert [one.run_id for one in pool.running] == ["b"]  # nobody has begun it: it waits


def test_messages_that_redis_forgot_are_sent_again(pool: CeleryPool, broker: str) -> None:
    pool.submit(task("a"))
    assert pool.finished(0.01) == []
    assert len(messages(broker, "default")) == 1
    redis.Redis.from_url(broker).flushall()
    assert pool.finished(0.01) == []
    assert len(messages(broker, "default")) == 1


def test_a_run_is_asked_to_stop(pool: CeleryPool, broker: str) -> None:
    pool.submit(task("a"))
    pool.stop("a")
    assert Notes(broker).which("stop", ["a", "b"]) == {"a"}


@pytest.mark.parametrize("address", ["", "amqp://guest:hidden@host"])
def test_the_address_is_asked_for_and_never_shown(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POMA_CELERY_BROKER", address)
    with pytest.raises(InputError, match="POMA_CELERY_BROKER") as error:
        broker_address()
    assert "hidden" not in str(error.value)
