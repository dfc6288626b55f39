"""Files that several steps share by content: made once, named by a key, linked into each step's own folder.

A shared file lives as long as a step holds a link to it.
"""

from __future__ import annotations

import os
import shutil
import stat
import time
from collections.abc import Callable
from pathlib import Path

from poma_assets.storage.lock import exclusive_lock
from poma_assets.storage.staging import make_folder, plain_storage_errors, remove_left_behind, work_folder

_LONGEST_MAKING_S = 6 * 3600.0


def shared_file(folder: Path, name: str, make: Callable[[Path], None], *, describe: str) -> tuple[Path, bool]:
    """Return the file of this name, making it first if nobody has; a second process waits for the first.

    Parameters
    ----------
    folder
        Where files of this kind are shared.
    name
        File name that stands for the content, for example a hash of all inputs with a suffix.
    make
        Writes the file to the path it is given.
    describe
        What is being made; those who wait are told.

    Returns
    -------
    tuple
        Path of the file, and whether it was there already.

    Raises
    ------
    StorageError
        The folder cannot be written, or the disk is full.
    """
    path = folder / name
    make_folder(folder)
    lock = folder / f".{name}.lock"
    with exclusive_lock(lock, timeout_s=_LONGEST_MAKING_S, describe=describe):
        if path.is_file():
            remove_left_behind(path)  # of one who was killed when the file was in its place already
            return path, True
        with work_folder(path) as work, plain_storage_errors(path):
            make(work / name)
            os.replace(work / name, path)
    return path, False


def link_or_copy(source: Path, target: Path) -> None:
    """Give ``target`` the content of ``source``: the same file where the disk can link, else a copy."""
    with plain_storage_errors(target):
        try:
            os.link(source, target)
        except OSError:
            shutil.copyfile(source, target)


def drop_unused(folder: Path, *, older_than_s: float = 3600.0) -> int:
    """Delete shared files that no step links to any more; new ones may still be waiting for their link.

    Returns
    -------
    int
        How many files were deleted.
    """
    dropped = unused_files(folder, older_than_s=older_than_s)
    for path in dropped:
        path.unlink(missing_ok=True)
        (folder / f".{path.name}.lock").unlink(missing_ok=True)
    return len(dropped)


def unused_files(folder: Path, *, older_than_s: float = 3600.0) -> list[Path]:
    """Shared files that no step links to; new ones may still be waiting for their link and are not among them."""
    newest = time.time() - older_than_s
    unused = []
    for path in sorted(folder.glob("*")) if folder.is_dir() else ():
        status = path.lstat()
        is_shared = stat.S_ISREG(status.st_mode) and not path.name.startswith(".")
        if is_shared and status.st_nlink == 1 and status.st_mtime < newest:
            unused.append(path)
    return unused
