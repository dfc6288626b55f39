"""Deleting files below ``results/`` and nowhere else: never through a link, never what a link points to."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path

from poma_assets.science.errors import StorageError
from poma_assets.storage.staging import plain_storage_errors


def lies_in(path: Path, folder: Path) -> bool:
    """Whether a file or folder itself (not what it links to) lies below ``folder``, links on the way followed."""
    parent, folder = path.parent.resolve(), folder.resolve()
    return path.name not in ("", ".", "..") and (parent == folder or parent.is_relative_to(folder))


def is_own_file(path: Path, results_dir: Path) -> bool:
    """Whether this is a file that the pipeline made and may delete: no link, and below ``results/``."""
    return not path.is_symlink() and lies_in(path, results_dir)


def remove_file(path: Path, results_dir: Path) -> int:
    """Delete a file below ``results/`` and return the bytes freed; 0 if it is not there.

    Raises
    ------
    StorageError
        If it is a link, or lies elsewhere, or the folder cannot be written.
    """
    if not path.exists() and not path.is_symlink():
        return 0
    _refuse_foreign(path, results_dir)
    with plain_storage_errors(path):
        size = path.lstat().st_size
        path.unlink(missing_ok=True)
    return size


def remove_folder(path: Path, results_dir: Path) -> int:
    """Delete a folder below ``results/`` with all in it (links in it, not their targets); return the bytes freed."""
    if not path.exists() and not path.is_symlink():
        return 0
    _refuse_foreign(path, results_dir)
    size = bytes_in(path)
    with plain_storage_errors(path):
        shutil.rmtree(path)
    return size


def bytes_in(folder: Path) -> int:
    """Bytes of all files of a folder and its subfolders, links not followed; 0 if there is no such folder."""
    total = 0
    for directory, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):  # a run may be under way
                total += os.lstat(os.path.join(directory, name)).st_size
    return total


def _refuse_foreign(path: Path, results_dir: Path) -> None:
    if not is_own_file(path, results_dir):
        raise StorageError(
            "this is not the pipeline's own file, so it is not deleted",
            where=str(path),
            found="a link" if path.is_symlink() else "a place outside the results",
            expected=f"a file below {results_dir}",
        )
