from __future__ import annotations

import os
from pathlib import Path

import pytest

from poma_assets.science.errors import StorageError
from poma_assets.storage.file_removal import bytes_in, is_own_file, remove_file, remove_folder


@pytest.fixture
def results(tmp_path: Path) -> Path:
    folder = tmp_path / "study" / "results"
    (folder / "files" / "S1").mkdir(parents=True)
    (folder / "files" / "S1" / "S1.bam").write_bytes(b"12345")
    (tmp_path / "reads").mkdir()
    (tmp_path / "reads" / "raw.fastq").write_bytes(b"@r")
    return folder


def test_a_file_of_ours_is_deleted_once(results: Path) -> None:
    path = results / "files" / "S1" / "S1.bam"
    assert remove_file(path, results) == 5
    assert remove_file(path, results) == 0
    assert not path.exists()


def test_neither_a_link_nor_its_target_is_deleted(results: Path, tmp_path: Path) -> None:
    raw, link = tmp_path / "reads" / "raw.fastq", results / "files" / "S1" / "raw.fastq"
    link.symlink_to(raw)
    with pytest.raises(StorageError, match=r"not deleted.*a link"):
        remove_file(link, results)
    assert link.is_symlink()
    assert raw.exists()


def test_nothing_is_deleted_through_a_linked_folder(results: Path, tmp_path: Path) -> None:
    (results / "files" / "S2").symlink_to(tmp_path / "reads")
    for path in (
        results / "files" / "S2" / "raw.fastq",
        results / "files" / ".." / ".." / ".." / "reads" / "raw.fastq",
    ):
        with pytest.raises(StorageError, match="outside the results"):
            remove_file(path, results)
    with pytest.raises(StorageError, match="a link"):
        remove_folder(results / "files" / "S2", results)
    assert (tmp_path / "reads" / "raw.fastq").exists()


@pytest.mark.parametrize("text", ["..", "../results", "../../reads/raw.fastq", "../../reads", "."])
def test_hostile_paths_are_refused(results: Path, tmp_path: Path, text: str) -> None:
    for remove in (remove_file, remove_folder):
        with pytest.raises(StorageError, match="not deleted"):
            remove(results / text, results)
    assert (tmp_path / "reads" / "raw.fastq").exists()
    assert results.exists()


def test_a_folder_goes_with_its_links_and_without_their_targets(results: Path, tmp_path: Path) -> None:
    folder = results / "files" / "S1"
    (folder / "sub").mkdir()
    (folder / "sub" / "reads").symlink_to(tmp_path / "reads")
    (folder / "odd\nname; rm -rf *").write_bytes(b"123")
    links = os.lstat(folder / "sub" / "reads").st_size if (folder / "sub" / "reads").is_file() else 0
    assert bytes_in(folder) == 8 + links
    assert remove_folder(folder, results) == 8 + links
    assert not folder.exists()
    assert (tmp_path / "reads" / "raw.fastq").exists()


def test_results_may_lie_elsewhere_by_a_link(results: Path, tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    results.rename(scratch)
    results.symlink_to(scratch)
    path = results / "files" / "S1" / "S1.bam"
    assert is_own_file(path, results)
    assert remove_file(path, results) == 5
