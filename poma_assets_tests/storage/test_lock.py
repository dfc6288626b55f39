from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from poma_assets.science.errors import StorageError, WarehouseLockedError
from poma_assets.storage.lock import exclusive_lock, shared_lock

FORK_SERVER = multiprocessing.get_context("forkserver")
FORK_SERVER.set_forkserver_preload(["poma_assets.storage.warehouse"])


def hold(path: Path, ready: Connection) -> None:
    with exclusive_lock(path, describe="storing gene_counts S1"):
        ready.send(os.getpid())
        time.sleep(60)


def test_the_holder_is_named_while_waiting_and_at_the_end(tmp_path: Path) -> None:
    path, messages = tmp_path / "x.lock", list[str]()
    here, there = FORK_SERVER.Pipe()
    process = FORK_SERVER.Process(target=hold, args=(path, there))
    process.start()
    try:
        pid = here.recv()
        with (
            pytest.raises(WarehouseLockedError) as caught,
            exclusive_lock(path, timeout_s=0.8, describe="mine", on_wait=messages.append),
        ):
            pytest.fail("two holders")
        assert f"process {pid} on" in str(caught.value)
        assert "storing gene_counts S1" in str(caught.value)
        assert len(messages) == 1
        assert f"process {pid} on" in messages[0]
        # The kernel frees the lock of a killed holder.
        os.kill(pid, signal.SIGKILL)
        with exclusive_lock(path, timeout_s=5, describe="mine"):
            pass
    finally:
        process.kill()
        process.join()


def test_the_name_is_gone_with_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "x.lock"
    with exclusive_lock(path, describe="storing x"):
        assert f"process {os.getpid()} on" in path.read_text()
    assert path.read_text() == ""


def test_readers_share_and_a_writer_waits_for_all(tmp_path: Path) -> None:
    path, events = tmp_path / "x.lock", list[str]()

    def write() -> None:
        with exclusive_lock(path, timeout_s=10, describe="write"):
            events.append("write")

    with shared_lock(path, describe="first"):
        with shared_lock(path, timeout_s=0.1, describe="second"):
            writer = threading.Thread(target=write)
            writer.start()
            time.sleep(0.15)
            events.append("second ends")
        time.sleep(0.15)
        events.append("first ends")
    writer.join()
    assert events == ["second ends", "first ends", "write"]


def test_a_reader_waits_for_a_writer(tmp_path: Path) -> None:
    path = tmp_path / "x.lock"
    with (
        exclusive_lock(path, describe="storing"),
        pytest.raises(WarehouseLockedError, match="storing"),
        shared_lock(path, timeout_s=0.05, describe="reading"),
    ):
        pytest.fail("reader beside a writer")


def test_an_error_inside_frees_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "x.lock"
    with pytest.raises(KeyError), exclusive_lock(path, describe="fails"):
        raise KeyError
    with exclusive_lock(path, timeout_s=0, describe="next"):
        pass


def test_threads_exclude_each_other(tmp_path: Path) -> None:
    path, total = tmp_path / "x.lock", [0]

    def add() -> None:
        for _ in range(5):
            with exclusive_lock(path, describe="adding"):
                before = total[0]
                time.sleep(0.001)
                total[0] = before + 1

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert total == [20]


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    below_a_file = tmp_path / "file"
    below_a_file.write_text("")
    for folder in (below_a_file, Path("/proc")):
        with (
            pytest.raises(StorageError, match="the lock file cannot be written"),
            exclusive_lock(folder / "x.lock", describe="mine"),
        ):
            pytest.fail("no lock")
        with shared_lock(folder / "x.lock", describe="reading only is allowed"):
            pass
