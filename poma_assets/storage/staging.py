"""Work folders beside the target, and moving finished files into place.

A target either has its old content or its whole new content; what a killed process left is removed at the
next try.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import socket
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import psutil

from poma_assets.science.errors import StorageError

_REFUSALS = (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS, errno.EPERM, errno.ENOTDIR, errno.EIO)


@contextlib.contextmanager
def work_folder(target: Path) -> Iterator[Path]:
    """Make a hidden folder beside ``target`` (so on the same file system) and remove it at the end.

    Yields
    ------
    Path
        Absolute path of the empty folder.

    Raises
    ------
    StorageError
        The folder cannot be made, for example in a read-only place.
    """
    parent = target.absolute().parent
    try:
        parent.mkdir(parents=True, exist_ok=True)
        remove_left_behind(parent / target.name)
        folder = Path(tempfile.mkdtemp(prefix=f".{target.name}.partial-{_host()}-{os.getpid()}-", dir=parent))
        folder.chmod(0o755)
    except OSError as error:
        raise storage_error(error, parent) from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def staged_directory(target: Path) -> Iterator[Path]:
    """Give an empty folder beside ``target``; it replaces ``target`` as a whole if the block succeeds.

    Raises
    ------
    StorageError
        The folder cannot be written, or the disk is full.
    """
    with work_folder(target) as folder, plain_storage_errors(target):
        yield folder
        replace_folder(folder, target)


@contextlib.contextmanager
def plain_storage_errors(path: Path) -> Iterator[None]:
    """Turn errors of the file system on writing into plain words; others pass."""
    try:
        yield
    except OSError as error:
        if error.errno in _REFUSALS:
            raise storage_error(error, Path(error.filename) if error.filename else path) from error
        raise


def make_folder(folder: Path) -> None:
    """Make a folder and its parents, with a plain error where that cannot be."""
    with plain_storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)


def move_into_place(files: Mapping[Path, Path]) -> None:
    """Rename each finished file (key) to its target (value), replacing what is there, in the given order."""
    for source, target in files.items():
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(source, target)
        except OSError as error:
            raise storage_error(error, target) from error


def write_whole_text(path: Path, text: str) -> None:
    """Write a text file in UTF-8, which keeps its old content or gets the whole new one."""
    with work_folder(path) as folder, plain_storage_errors(path):
        (folder / path.name).write_text(text, encoding="utf-8")
        move_into_place({folder / path.name: path})


def replace_folder(source: Path, target: Path) -> None:
    """Rename the finished folder ``source`` to ``target``; an old one is moved aside first, then removed."""
    aside = source.with_name(source.name + ".old")
    try:
        if target.exists() or target.is_symlink():
            os.replace(target, aside)
        os.replace(source, target)
    except OSError as error:
        raise storage_error(error, target) from error
    if aside.is_symlink():  # What it leads to is not ours.
        aside.unlink()
    shutil.rmtree(aside, ignore_errors=True)


def storage_error(error: OSError, path: Path) -> StorageError:
    """Say in plain words why a file or folder cannot be written."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StorageError(
            "the disk is full",
            where=str(path),
            fix="Make room on that disk and run again; the steps that finished are kept.",
        )
    if error.errno == errno.EIO:
        return StorageError(
            "the disk failed: it reports an input/output error",
            where=str(path),
            fix="Look after the disk or its connection, then run again; the steps that finished are kept.",
        )
    return StorageError(
        f"cannot be written: {error.strerror or error}",
        where=str(path),
        fix="Make the folder writable for you, or choose another results folder.",
    )


def remove_left_behind(target: Path) -> None:
    """Remove the work folders for ``target`` whose process on this machine is gone."""
    pattern = _work_folder_name(re.escape(target.name))
    for path in target.parent.iterdir():
        if _is_abandoned(pattern.match(path.name)):
            shutil.rmtree(path, ignore_errors=True)


def abandoned_folders(root: Path) -> Iterator[Path]:
    """Work folders anywhere below ``root`` whose process on this machine is gone; links are not followed.

    What lies in folders named ``downloads`` is left alone: a download goes on where it was broken off.
    """
    pattern = _work_folder_name(".+")
    for directory, names, _ in os.walk(root):
        yield from (Path(directory, name) for name in sorted(names) if _is_abandoned(pattern.match(name)))
        names[:] = [name for name in names if name != "downloads" and not pattern.match(name)]


def remove_abandoned_folders(root: Path) -> None:
    """Remove the work folders anywhere below ``root`` whose process on this machine is gone."""
    for folder in list(abandoned_folders(root)):
        shutil.rmtree(folder, ignore_errors=True)


def _host() -> str:
    return re.sub(r"[^A-Za-z0-9]", "_", socket.gethostname())


def _work_folder_name(target: str) -> re.Pattern[str]:
    """Names of the work folders on this machine for the targets of this pattern; the group is the process.

    More than one dot: a work folder made for a work folder, by a step that was killed in both.
    """
    return re.compile(rf"\.+{target}\.partial-{re.escape(_host())}-(\d+)-")


def _is_abandoned(work_folder_name: re.Match[str] | None) -> bool:
    return work_folder_name is not None and not _is_alive(int(work_folder_name.group(1)))


def _is_alive(pid: int) -> bool:
    try:
        # In a container without an init nobody collects a killed worker: its number stays, it does not come back.
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True
