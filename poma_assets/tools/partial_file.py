"""What has arrived of a download: a hidden file beside the target, with a note of which version it belongs to.

Kept between calls and processes; which process may write it is decided by a lock. Requests belong to ``download``.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from poma_assets.science.errors import StorageError


@dataclass
class PartialFile:
    """What has arrived so far, and of which version of the server's file it is."""

    path: Path
    file: BinaryIO
    fingerprint: str = ""
    validator: str = ""
    total_bytes: int | None = None

    def is_of(self, url: str) -> bool:
        """Whether what has arrived came from this address."""
        return self.fingerprint == _fingerprint(url)

    @property
    def size(self) -> int:
        return self.file.tell()

    def begin(self, url: str, validator: str, total_bytes: int | None) -> None:
        """Empty the file for a new version, and note which."""
        self.file.seek(0)
        self.file.truncate()
        self.fingerprint, self.validator, self.total_bytes = _fingerprint(url), validator, total_bytes
        note = {"url": _fingerprint(url), "validator": validator, "total_bytes": total_bytes}
        self._note.write_text(json.dumps(note), encoding="utf-8")

    def recall(self) -> None:
        """Read the note; without one that can be read, what has arrived is of no use."""
        with suppress(OSError, ValueError, KeyError, TypeError):
            note = json.loads(self._note.read_text(encoding="utf-8"))
            self.fingerprint, self.validator, self.total_bytes = note["url"], note["validator"], note["total_bytes"]

    def empty(self) -> None:
        """Give up what has arrived."""
        self.begin("", "", None)

    def forget(self) -> None:
        """Remove the note; without it nobody goes on from what has arrived."""
        self._note.unlink(missing_ok=True)

    def remove(self) -> None:
        """Leave nothing behind."""
        self.forget()
        self.path.unlink(missing_ok=True)

    @property
    def _note(self) -> Path:
        return self.path.with_name(f"{self.path.name}.json")


def _fingerprint(url: str) -> str:
    # Addresses may hold tokens: none is written down.
    return hashlib.sha256(url.encode()).hexdigest() if url else ""


@contextmanager
def partial_file(target: Path) -> Iterator[PartialFile]:
    """Open the hidden file ``.NAME.part`` beside the target for this process alone, at its end.

    Raises
    ------
    StorageError
        If another process has it open.
    """
    path = target.with_name(f".{target.name}.part")
    while True:
        with path.open("a+b") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise StorageError(
                    "another process is fetching this file", where=str(target), fix="Wait until it has finished."
                ) from error
            # Between open and lock another process may have finished and renamed the file.
            if _is_same(file, path):
                file.seek(0, os.SEEK_END)
                partial = PartialFile(path, file)
                partial.recall()
                yield partial
                return


def _is_same(file: BinaryIO, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False
