"""Work folders: beside the target, gone afterwards, left-overs of the dead removed."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from poma_assets.science.errors import StorageError
from poma_assets.storage.staging import move_into_place, replace_folder, work_folder


def test_work_folder_is_beside_the_target_and_removed(tmp_path):
    target = tmp_path / "new" / "counts.txt"

    def fail_half_way() -> None:
        with work_folder(target) as folder:
            assert folder.parent == target.parent
            (folder / "half").write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_half_way()
    assert list(target.parent.iterdir()) == []


def test_left_overs_of_dead_processes_only_are_removed(tmp_path):
    with work_folder(tmp_path / "S1") as alive:
        dead = subprocess.Popen(["true"])
        dead.wait()
        left = tmp_path / alive.name.replace(str(os.getpid()), str(dead.pid))
        left.mkdir()
        other = tmp_path / left.name.replace(".S1.", ".S1-b.")
        other.mkdir()
        with work_folder(tmp_path / "S1"):
            assert alive.is_dir()
            assert not left.exists()
            assert other.is_dir()


def test_move_and_replace(tmp_path):
    target = tmp_path / "index"
    target.mkdir()
    (target / "old").write_text("old")
    with work_folder(target) as folder:
        (folder / "made").mkdir()
        (folder / "made" / "new").write_text("new")
        (folder / "a.txt").write_text("a")
        replace_folder(folder / "made", target)
        move_into_place({folder / "a.txt": tmp_path / "sub" / "a.txt"})
    assert [path.name for path in target.iterdir()] == ["new"]
    assert (tmp_path / "sub" / "a.txt").read_text() == "a"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["index", "sub"]


def test_a_file_in_the_way_is_a_storage_error(tmp_path):
    (tmp_path / "results").write_text("a file, not a folder")
    with (
        pytest.raises(StorageError, match="cannot be written"),
        work_folder(tmp_path / "results" / "S1" / "out.txt"),
    ):
        pass


def test_a_nested_work_folder_of_a_killed_process_is_removed(tmp_path):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    target = tmp_path / "S1"
    with work_folder(target) as folder, work_folder(folder) as nested:
        host_and_pid = folder.name.split(".partial-")[1].rsplit("-", 1)[0]
        left = nested.name.replace(host_and_pid, host_and_pid.replace(str(os.getpid()), str(ended.pid)))
    (tmp_path / left).mkdir()
    with work_folder(target):
        assert not (tmp_path / left).exists()


def test_what_an_uncollected_dead_process_left_is_removed(tmp_path):
    with work_folder(tmp_path / "S1") as folder:
        name = folder.name
    ended = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)  # it has ended; nobody has collected it
    (tmp_path / name.replace(f"-{os.getpid()}-", f"-{ended.pid}-")).mkdir()
    with work_folder(tmp_path / "S1") as folder:
        assert list(tmp_path.iterdir()) == [folder]
    ended.wait()
