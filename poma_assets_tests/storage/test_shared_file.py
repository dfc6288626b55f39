"""Shared files: made once, also by two processes; kept as long as somebody links to them."""

import multiprocessing
import os
import time
from pathlib import Path

import pytest

from poma_assets.science.errors import StorageError
from poma_assets.storage.shared_file import drop_unused, link_or_copy, shared_file


def _slow_maker(folder: Path, made: Path) -> None:
    def make(path: Path) -> None:
        with made.open("a", encoding="utf-8") as log:
            log.write(f"{os.getpid()}\n")
        time.sleep(0.3)
        path.write_text("content", encoding="utf-8")

    path, _ = shared_file(folder, "key.txt", make, describe="making")
    if path.read_text(encoding="utf-8") != "content":
        raise SystemExit(1)


def test_a_file_is_made_once_and_found_the_second_time(tmp_path: Path) -> None:
    first = shared_file(tmp_path, "key.txt", lambda path: path.write_text("one") and None, describe="making")
    second = shared_file(tmp_path, "key.txt", lambda path: path.write_text("two") and None, describe="making")
    assert first == (tmp_path / "key.txt", False)
    assert second == (tmp_path / "key.txt", True)
    assert (tmp_path / "key.txt").read_text() == "one"


def _end_after_renaming(folder: Path) -> None:
    real = os.replace

    def replace(source: Path, target: Path) -> None:
        real(source, target)
        os._exit(0)  # as by kill -9: nothing is tidied up

    os.replace = replace
    shared_file(folder, "key.txt", lambda path: path.write_text("one") and None, describe="making")


def test_a_maker_that_was_killed_when_the_file_was_in_its_place_leaves_nothing(tmp_path: Path) -> None:
    process = multiprocessing.get_context("fork").Process(target=_end_after_renaming, args=(tmp_path,))
    process.start()
    process.join()
    assert len(list(tmp_path.glob(".key.txt.partial-*"))) == 1
    path, was_there = shared_file(tmp_path, "key.txt", lambda path: None, describe="making")
    assert (path.read_text(), was_there) == ("one", True)
    assert sorted(file.name for file in tmp_path.iterdir()) == [".key.txt.lock", "key.txt"]


def test_two_processes_make_it_once(tmp_path: Path) -> None:
    made = tmp_path / "made.log"
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_slow_maker, args=(tmp_path / "shared", made)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    assert len(made.read_text(encoding="utf-8").splitlines()) == 1


def test_a_failed_making_leaves_nothing(tmp_path: Path) -> None:
    def make(path: Path) -> None:
        path.write_text("half")
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        shared_file(tmp_path, "key.txt", make, describe="making")
    assert [path.name for path in tmp_path.iterdir()] == [".key.txt.lock"]


def test_a_full_disk_is_said_in_words(tmp_path: Path) -> None:
    def make(path: Path) -> None:
        raise OSError(28, "No space left on device", str(path))

    with pytest.raises(StorageError, match="the disk is full"):
        shared_file(tmp_path, "key.txt", make, describe="making")


def test_only_files_without_links_that_are_old_are_dropped(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    for name in ("linked", "unlinked", "new"):
        shared_file(shared, name, lambda path: path.write_text("x") and None, describe="making")
    link_or_copy(shared / "linked", tmp_path / "step")
    for name in ("linked", "unlinked"):
        os.utime(shared / name, (1, 1))
    assert drop_unused(shared) == 1
    assert sorted(path.name for path in shared.iterdir() if not path.name.startswith(".")) == ["linked", "new"]
    assert (tmp_path / "step").read_text() == "x"


def test_dropping_in_a_folder_that_is_not_there_does_nothing(tmp_path: Path) -> None:
    assert drop_unused(tmp_path / "none") == 0
