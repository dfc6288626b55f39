"""Work happens in a temporary folder beside the target and is renamed into place when it is complete."""

from __future__ import annotations

import errno
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from poma_assets.science.errors import StorageError

_PREFIX = ".partial-"


@contextmanager
def staged_directory(target: Path) -> Iterator[Path]:
    """Give an empty folder beside ``target``; replace ``target`` by it if the block succeeds.

    A block that raises leaves ``target`` as it was. Left-overs of killed processes are removed on the next use.

    Raises
    ------
    StorageError
        If the folder cannot be written, or the disk is full.
    """
    with plain_storage_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        for leftover in target.parent.glob(f"{_PREFIX}{target.name}-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        staging = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{target.name}-", dir=target.parent))
        staging.chmod(0o755)
    try:
        with plain_storage_errors(target):
            yield staging
            _replace_directory(staging, target)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def make_folder(folder: Path) -> None:
    """Make a folder and its parents, with a plain error where that cannot be."""
    with plain_storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)


def _replace_directory(staging: Path, target: Path) -> None:
    retired = staging.with_name(f"{_PREFIX}{target.name}-retired")
    if target.exists():
        shutil.rmtree(retired, ignore_errors=True)
        target.rename(retired)
    staging.rename(target)
    shutil.rmtree(retired, ignore_errors=True)


@contextmanager
def plain_storage_errors(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageError(
                "the disk is full",
                where=str(target),
                fix="Free some space and run again; what was stored before is untouched.",
            ) from error
        if error.errno in (errno.EACCES, errno.EROFS, errno.EPERM, errno.ENOTDIR):
            raise StorageError(
                "the results folder cannot be written",
                where=str(error.filename or target),
                found=error.strerror,
                expected="a writable folder",
                fix="Change the permissions, or move the study to a folder that you may write.",
            ) from error
        raise
