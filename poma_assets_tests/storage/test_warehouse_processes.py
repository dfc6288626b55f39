from __future__ import annotations

import itertools
import multiprocessing
import os
import random
import resource
import signal
import threading
import time
from multiprocessing.connection import Connection
from pathlib import Path

import duckdb
import pandas as pd
import pytest
from warehouse_helpers import EMBEDDED, LAKE, any_warehouse_in, counts, generation, store, warehouse_in

from poma_assets.science.errors import StorageError, WarehouseLockedError
from poma_assets.storage.connection import reading
from poma_assets.storage.warehouse import Warehouse

# One process imports everything and forks the workers: no threads of DuckDB run in it.
FORK_SERVER = multiprocessing.get_context("forkserver")
FORK_SERVER.set_forkserver_preload(["poma_assets.storage.warehouse"])

ROWS = 20_000


def write_generations(kind: str, folder: Path, acknowledge: Connection) -> None:
    warehouse = any_warehouse_in(kind, folder)
    for number in itertools.count(1):
        store(warehouse, generation("S1", number, ROWS), fingerprint=str(number))
        acknowledge.send(number)


def last_acknowledged(pipe: Connection) -> int:
    number = 0
    while pipe.poll():
        number = pipe.recv()
    return number


def stored_generation(warehouse: Warehouse) -> int:
    """The number of the generation stored, after checking that it is whole and the only one."""
    rows = warehouse.query("SELECT count, count(*) AS n FROM gene_counts WHERE sample_id = 'S1' GROUP BY count")
    number = int(rows["count"].item())
    assert rows["n"].item() == ROWS
    assert warehouse.read("count_assignment", {"sample_id": "S1"})["fragments"].tolist() == [number]
    assert warehouse.read("steps", {"partition": "S1"})["fingerprint"].tolist() == [str(number)]
    return number


@pytest.mark.parametrize("kind", [EMBEDDED, LAKE])
def test_a_killed_writer_leaves_the_old_partition_or_the_new_one(tmp_path: Path, kind: str) -> None:
    warehouse, pauses = any_warehouse_in(kind, tmp_path), random.Random(20240501)
    store(warehouse, generation("S0", 7, 100), "S0")
    for _ in range(10):
        here, there = FORK_SERVER.Pipe(duplex=False)
        process = FORK_SERVER.Process(target=write_generations, args=(kind, tmp_path, there))
        process.start()
        here.recv()
        time.sleep(pauses.uniform(0, 0.25))
        process.kill()
        process.join()
        acknowledged = max(1, last_acknowledged(here))
        assert stored_generation(warehouse) in (acknowledged, acknowledged + 1)
    store(warehouse, generation("S1", 3, ROWS), fingerprint="3")
    assert stored_generation(warehouse) == 3
    assert warehouse.read("gene_counts", {"sample_id": "S0"})["count"].tolist() == [7] * 100


def write_samples(kind: str, folder: Path, worker: int) -> None:
    warehouse = any_warehouse_in(kind, folder)
    for i in range(4):
        store(warehouse, generation(f"S{worker}-{i}", worker * 10 + i, 500), f"S{worker}-{i}")


@pytest.mark.parametrize("kind", [EMBEDDED, LAKE])
def test_four_processes_write_beside_readers_and_nothing_is_lost(tmp_path: Path, kind: str) -> None:
    warehouse = any_warehouse_in(kind, tmp_path)
    processes = [FORK_SERVER.Process(target=write_samples, args=(kind, tmp_path, worker)) for worker in range(4)]
    for process in processes:
        process.start()
    while any(process.is_alive() for process in processes):
        seen = warehouse.query("SELECT sample_id, count(*) AS n FROM gene_counts GROUP BY sample_id")
        assert (seen["n"] == 500).all()  # never half a partition
        time.sleep(0.02)
    assert [process.exitcode for process in processes] == [0] * 4
    rows = warehouse.query(
        "SELECT sample_id, any_value(count) AS v, count(*) AS n FROM gene_counts GROUP BY 1 ORDER BY 1"
    )
    expected = [(f"S{worker}-{i}", worker * 10 + i, 500) for worker in range(4) for i in range(4)]
    assert list(rows.itertuples(index=False, name=None)) == expected
    assert len(warehouse.steps()) == 16


def hold_without_our_lock(path: Path, ready: Connection, seconds: float) -> None:
    with duckdb.connect(str(path)):
        ready.send(os.getpid())
        time.sleep(seconds)


def test_a_foreign_program_is_waited_for_and_named(tmp_path: Path) -> None:
    messages: list[str] = []
    store(warehouse_in(tmp_path), {"gene_counts": counts("S1", {"a": 1})})
    here, there = FORK_SERVER.Pipe(duplex=False)
    path = tmp_path / "warehouse.duckdb"
    process = FORK_SERVER.Process(target=hold_without_our_lock, args=(path, there, 1.5))
    process.start()
    pid = here.recv()
    impatient = warehouse_in(tmp_path, lock_timeout_s=0.1)
    with pytest.raises(WarehouseLockedError, match=rf"opened by another program: process {pid} \(.*python"):
        store(impatient, {"gene_counts": counts("S1", {"a": 2})})
    with pytest.raises(WarehouseLockedError, match=f"process {pid}"):
        impatient.read("gene_counts")
    store(warehouse_in(tmp_path, on_wait=messages.append), {"gene_counts": counts("S1", {"a": 3})})
    process.join()
    assert impatient.read("gene_counts")["count"].tolist() == [3]
    assert len(messages) == 1
    assert f"process {pid}" in messages[0]


def test_a_writer_waits_for_a_reader_and_readers_for_nobody(tmp_path: Path) -> None:
    warehouse = warehouse_in(tmp_path)
    store(warehouse, {"gene_counts": counts("S1", {"a": 1})})
    writer = threading.Thread(target=store, args=(warehouse, {"gene_counts": counts("S1", {"a": 2})}))
    with reading(warehouse.path, describe="reading a matrix", timeout_s=1, on_wait=None) as connection:
        writer.start()
        time.sleep(0.3)
        assert connection.execute("SELECT count FROM gene_counts").fetchall() == [(1,)]
        assert warehouse.read("gene_counts")["count"].tolist() == [1]
        with pytest.raises(WarehouseLockedError, match="still locked"):
            store(warehouse_in(tmp_path, lock_timeout_s=0.1), {"gene_counts": counts("S1", {"a": 9})})
        assert writer.is_alive()
    writer.join()
    assert warehouse.read("gene_counts")["count"].tolist() == [2]


def write_with_little_space(folder: Path, answer: Connection) -> None:
    limit = (folder / "warehouse.duckdb").stat().st_size + 50_000
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    rows = {f"{random.random():.17f}": i for i in range(200_000)}
    try:
        store(warehouse_in(folder), {"gene_counts": counts("S1", rows)}, fingerprint="new")
    except StorageError as error:
        answer.send(str(error))
    else:
        answer.send("no error")


def test_a_full_disk_is_said_and_the_old_rows_stay(tmp_path: Path) -> None:
    warehouse = warehouse_in(tmp_path)
    store(warehouse, {"gene_counts": counts("S1", {"a": 1})}, fingerprint="old")
    here, there = FORK_SERVER.Pipe(duplex=False)
    process = FORK_SERVER.Process(target=write_with_little_space, args=(tmp_path, there))
    process.start()
    assert "the disk is full" in here.recv()
    process.join()
    assert warehouse.read("gene_counts")["count"].tolist() == [1]
    assert warehouse.steps()["fingerprint"].tolist() == ["old"]
    store(warehouse, {"gene_counts": counts("S1", {"a": 2})})
    assert warehouse.read("gene_counts")["count"].tolist() == [2]


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    warehouse = warehouse_in(tmp_path)
    for content in ("no database " * 500, "short"):
        warehouse.path.write_text(content)
        with pytest.raises(StorageError, match=r"warehouse\.duckdb: the file is not a DuckDB database"):
            store(warehouse, {"gene_counts": counts("S1", {"a": 1})})
        with pytest.raises(StorageError, match="not a DuckDB database"):
            warehouse.read("gene_counts")
        assert warehouse.path.read_text() == content


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "results", Path("/proc/results")):
        with pytest.raises(StorageError, match="cannot be read or written"):
            store(warehouse_in(folder), {"gene_counts": counts("S1", {"a": 1})})


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_study_can_be_read(tmp_path: Path) -> None:
    folder = tmp_path / "results"
    warehouse = warehouse_in(folder)
    store(warehouse, {"gene_counts": counts("S1", {"a": 1})})
    for path in folder.iterdir():
        path.chmod(0o444)
    folder.chmod(0o555)
    try:
        assert len(warehouse.read("gene_counts")) == 1
        with pytest.raises(StorageError, match="written"):
            store(warehouse, {"gene_counts": counts("S1", {"a": 2})})
    finally:
        folder.chmod(0o755)


def test_tables_of_another_version_are_not_mixed_with_ours(tmp_path: Path) -> None:
    warehouse = warehouse_in(tmp_path)
    with duckdb.connect(str(warehouse.path)) as connection:
        connection.execute("CREATE TABLE gene_counts (sample_id VARCHAR, gene_id VARCHAR, n BIGINT)")
    with pytest.raises(StorageError, match=r"table gene_counts has other columns.*found n BIGINT"):
        store(warehouse, {"gene_counts": counts("S1", {"a": 1})})
    assert warehouse.read("steps").empty  # not there yet: an empty frame
    assert isinstance(warehouse.query("FROM gene_counts"), pd.DataFrame)


def test_a_kill_while_the_file_is_made_leaves_nothing_in_the_way(tmp_path: Path) -> None:
    warehouse = warehouse_in(tmp_path)
    # DuckDB itself leaves such a half header if it is killed here, and cannot open it again.
    (tmp_path / "warehouse.duckdb.new").write_bytes(bytes(4096))
    store(warehouse, {"gene_counts": counts("S1", {"a": 1})})
    assert len(warehouse.read("gene_counts")) == 1
    assert not (tmp_path / "warehouse.duckdb.new").exists()


def insert_and_die(path: Path) -> None:
    connection = duckdb.connect(str(path))
    connection.execute("INSERT INTO gene_counts VALUES ('S2', 'a', 'featurecounts', 5)")
    os.kill(os.getpid(), signal.SIGKILL)


def test_the_log_of_a_killed_program_is_folded_in_by_the_next_reader(tmp_path: Path) -> None:
    warehouse = warehouse_in(tmp_path)
    store(warehouse, {"gene_counts": counts("S1", {"a": 1})})
    process = FORK_SERVER.Process(target=insert_and_die, args=(warehouse.path,))
    process.start()
    process.join()
    log = tmp_path / "warehouse.duckdb.wal"
    assert log.exists()
    assert warehouse.read("gene_counts")["count"].tolist() == [1, 5]
    assert not log.exists()
