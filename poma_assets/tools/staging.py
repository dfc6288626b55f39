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

from poma_assets.science.errors import PomaError, StorageError
from poma_assets.tools.command import disk_full_error


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
    host = re.sub(r"[^A-Za-z0-9]", "_", socket.gethostname())
    try:
        parent.mkdir(parents=True, exist_ok=True)
        _remove_left_behind(parent, target.name, host)
        folder = Path(tempfile.mkdtemp(prefix=f".{target.name}.partial-{host}-{os.getpid()}-", dir=parent))
        folder.chmod(0o755)
    except OSError as error:
        raise storage_error(error, parent) from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def move_into_place(files: Mapping[Path, Path]) -> None:
    """Rename each finished file (key) to its target (value), replacing what is there, in the given order."""
    for source, target in files.items():
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(source, target)
        except OSError as error:
            raise storage_error(error, target) from error


def replace_folder(source: Path, target: Path) -> None:
    """Rename the finished folder ``source`` to ``target``; an old one is moved aside first, then removed."""
    aside = source.with_name(source.name + ".old")
    try:
        if target.exists():
            os.replace(target, aside)
        os.replace(source, target)
    except OSError as error:
        raise storage_error(error, target) from error
    shutil.rmtree(aside, ignore_errors=True)


def storage_error(error: OSError, path: Path) -> PomaError:
    """Say in plain words why a file or folder cannot be written."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return disk_full_error("poma", path)
    return StorageError(
        f"cannot be written: {error.strerror or error}",
        where=str(path),
        fix="Make the folder writable for you, or choose another results folder.",
    )


def _remove_left_behind(parent: Path, name: str, host: str) -> None:
    pattern = re.compile(re.escape(f".{name}.partial-{host}-") + r"(\d+)-")
    for path in parent.iterdir():
        match = pattern.match(path.name)
        if match and not _is_alive(int(match.group(1))):
            shutil.rmtree(path, ignore_errors=True)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
