"""Locks between processes: ``flock`` on a side file that says who holds it.

The kernel frees the lock when its holder ends, however it ends, so that no lock is ever left behind.
"""

from __future__ import annotations

import fcntl
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from poma_assets.science.errors import StorageError, WarehouseLockedError

_FIRST_PAUSE_S = 0.004
_LONGEST_PAUSE_S = 0.05
_NOTICE_EVERY_S = 10.0

OnWait = Callable[[str], None]


class Waiting:
    """Pauses between attempts, tells who is waited for about every 10 seconds, and gives up in time."""

    def __init__(self, what: str, timeout_s: float, on_wait: OnWait | None) -> None:
        self.what = what
        self.timeout_s = timeout_s
        self.on_wait = on_wait
        self.started = time.monotonic()
        self._pause_s = _FIRST_PAUSE_S
        self._next_notice_s = 0.5

    def pause(self, holder: str) -> None:
        """Wait a little for ``holder``, the present holder in words."""
        waited_s = time.monotonic() - self.started
        if waited_s >= self.timeout_s:
            raise WarehouseLockedError(
                f"still locked after {waited_s:.0f} s",
                where=self.what,
                found=holder,
                fix="Wait until it has finished, or end it, then run again.",
            )
        if self.on_wait is not None and waited_s >= self._next_notice_s:
            self._next_notice_s = waited_s + _NOTICE_EVERY_S
            self.on_wait(f"Waiting for {self.what} ({waited_s:.0f} s so far): {holder}")
        time.sleep(max(0.0, min(self._pause_s, self.timeout_s - waited_s)))
        self._pause_s = min(_LONGEST_PAUSE_S, self._pause_s * 1.5)


@contextmanager
def exclusive_lock(
    path: Path, *, timeout_s: float = 600.0, describe: str, on_wait: OnWait | None = None
) -> Iterator[None]:
    """Hold the lock file ``path`` alone.

    Parameters
    ----------
    path
        The lock file itself, for example ``warehouse.duckdb.lock``; it is made if missing and stays.
    timeout_s
        Seconds to wait for the present holder.
    describe
        What the lock is held for; others who wait are told.
    on_wait
        Called with a message that names the holder, at first after half a second, then every 10 seconds.

    Raises
    ------
    WarehouseLockedError
        If it is still held after ``timeout_s``.
    StorageError
        If the lock file cannot be made.
    """
    with _lock(path, fcntl.LOCK_EX, timeout_s, describe, on_wait):
        yield


def is_locked(path: Path) -> bool:
    """Whether a process holds the lock file alone at this moment; a missing file is held by nobody."""
    if not path.exists():
        return False
    try:
        with exclusive_lock(path, timeout_s=0.0, describe="looking whether it is free"):
            return False
    except WarehouseLockedError:
        return True


@contextmanager
def shared_lock(
    path: Path, *, timeout_s: float = 600.0, describe: str, on_wait: OnWait | None = None
) -> Iterator[None]:
    """Hold the lock file together with other readers, keeping out those who want it alone.

    A folder that may only be read is no obstacle: nobody can write there either.
    """
    with _lock(path, fcntl.LOCK_SH, timeout_s, describe, on_wait):
        yield


@contextmanager
def _lock(path: Path, mode: int, timeout_s: float, describe: str, on_wait: OnWait | None) -> Iterator[None]:
    descriptor = _open_lock_file(path, writable_needed=mode == fcntl.LOCK_EX)
    if descriptor is None:
        yield
        return
    try:
        _acquire(descriptor, mode, Waiting(str(path), timeout_s, on_wait), path)
        _leave_name(descriptor, describe)
        try:
            yield
        finally:
            if mode == fcntl.LOCK_EX:
                _leave_name(descriptor, None)
            # Not left to close(): a forked child may hold a copy of the descriptor.
            fcntl.flock(descriptor, fcntl.LOCK_UN)
    finally:
        os.close(descriptor)


def _open_lock_file(path: Path, *, writable_needed: bool) -> int | None:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        if not writable_needed:
            try:
                return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            except OSError:
                return None
        raise StorageError(
            "the lock file cannot be written",
            where=str(path),
            found=error.strerror,
            expected="a writable folder",
            fix="Change the permissions, or move the study to a folder that you may write.",
        ) from error


def _acquire(descriptor: int, mode: int, waiting: Waiting, path: Path) -> None:
    while True:
        try:
            fcntl.flock(descriptor, mode | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            waiting.pause(_holder(path))


def _leave_name(descriptor: int, describe: str | None) -> None:
    """Write who holds the lock; of several readers the last one is named."""
    text = ""
    if describe is not None:
        since = datetime.now(UTC).isoformat(sep=" ", timespec="seconds")
        text = f"process {os.getpid()} on {socket.gethostname()} since {since} UTC: {describe}\n"
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, text.encode(), 0)
    except OSError:
        return  # read-only descriptor or full disk: the name is a courtesy, the lock holds without it


def _holder(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        text = ""
    return f"taken by {text}" if text else "held by a process that left no name"
