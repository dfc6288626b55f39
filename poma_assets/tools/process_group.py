"""One external program in a process group of its own: start, wait, measure, stop, and never leave it behind.

Only processes belong here; logs, messages and the search for programs are in ``command``.

What ends a program:

- its waiting thread, on a timeout or on any exception (Ctrl-C, Dagster's termination): TERM to the whole
  group, KILL after a grace;
- :func:`terminate_all`, called from any thread;
- the death of this Python process, even by ``kill -9``: a *guardian* (a ``/bin/sh`` in a session of its own)
  holds the reading end of a pipe whose only writing end is here. End of file without the word "done" means
  that we are gone, and the guardian kills the group. This reaches grandchildren too (STAR's ``gzip``,
  cutadapt's workers), which Linux' ``PR_SET_PDEATHSIG`` does not; that signal also needs code between fork
  and exec, which is unsafe with threads, and fires when the starting *thread* ends.

Only a program that moves itself to another process group can escape; none of ours does.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

GRACE_S = 5.0
"""Seconds between TERM and KILL."""

_FIRST_TICK_S, _TICK_S = 0.01, 0.2
_GUARDIAN_SCRIPT = 'read -r group && { read -r word || kill -s KILL -- "-$group"; }'

_lock = threading.RLock()
_running: set[ProgramRun] = set()


@dataclass(frozen=True)
class ResourceUse:
    """Exit code (negative: number of the signal that ended it) and cost of one program with its children."""

    exit_code: int
    cpu_s: float
    peak_memory_mib: float


class ProgramTimeoutError(Exception):
    """The program did not end in time and was ended."""


class ProgramRun:
    """A started program. Create it with :func:`start`, then :meth:`wait` exactly once."""

    def __init__(self, process: subprocess.Popen[bytes], guardian: subprocess.Popen[bytes]) -> None:
        self.pid = process.pid
        self.stop_requested = False
        self._process = process
        self._guardian = guardian
        self._own_memory_mib = _peak_resident_mib("self")
        self._sampled_memory_mib = 0.0

    def wait(self, timeout_s: float | None = None, on_tick: Callable[[], None] | None = None) -> ResourceUse:
        """Wait for the end and return what it cost; ``on_tick`` is called now and then, and once at the end.

        Raises
        ------
        ProgramTimeoutError
            After ``timeout_s`` seconds; the whole group is dead by then. Any other exception that arrives
            while waiting also stops the group first.
        """
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        try:
            with _ExitNotice(self.pid) as exited_within:
                tick_s = _FIRST_TICK_S
                while not exited_within(tick_s):
                    self._sample_memory()
                    if on_tick is not None:
                        on_tick()
                    tick_s = min(2 * tick_s, _TICK_S)
                    if deadline is not None and time.monotonic() > deadline:
                        raise ProgramTimeoutError
        except BaseException:
            self._stop()
            raise
        use = self._reap()
        if on_tick is not None:
            on_tick()
        return use

    def send(self, signal_number: int) -> None:
        """Send a signal to every process of the group; nothing happens if the program was already reaped."""
        with _lock:
            if self in _running:
                # macOS answers EPERM for a group that holds only zombies.
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(self.pid, signal_number)

    def has_exited(self) -> bool:
        """Whether the program itself has ended, reaped or not."""
        try:
            return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
        except ChildProcessError:
            return True

    def _stop(self) -> None:
        try:
            self.send(signal.SIGTERM)
            _wait_until(self.has_exited, GRACE_S)
        finally:
            self.send(signal.SIGKILL)
            self._reap()

    def _reap(self) -> ResourceUse:
        # The unreaped leader keeps the group id from being reused, so this can only hit what it left behind.
        if self.has_exited():
            self.send(signal.SIGKILL)
        with _lock:
            _, status, usage = os.wait4(self.pid, 0)
            _running.discard(self)
        self._process.returncode = os.waitstatus_to_exitcode(status)
        _dismiss(self._guardian)
        return ResourceUse(
            self._process.returncode,
            usage.ru_utime + usage.ru_stime,
            self._peak_memory_mib(usage.ru_maxrss / (1024 if sys.platform == "linux" else 1024**2)),
        )

    def _sample_memory(self) -> None:
        members = [self.pid, *_children(self.pid)]
        self._sampled_memory_mib = max(self._sampled_memory_mib, *(_peak_resident_mib(pid) for pid in members))

    def _peak_memory_mib(self, reported_mib: float) -> float:
        # In ru_maxrss a child inherits the memory of the process that started it (measured: /bin/true from a
        # Python of 483 MiB "peaks" at 483 MiB on Linux), so the kernel's figure counts only above ours.
        if reported_mib > self._own_memory_mib or not self._sampled_memory_mib:
            return reported_mib
        return self._sampled_memory_mib


def start(
    argv: Sequence[str],
    *,
    stdout: IO[bytes],
    stderr: IO[bytes],
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> ProgramRun:
    """Start a program in a session and process group of its own, with its guardian.

    Raises
    ------
    OSError
        The program cannot be started.
    """
    guardian = subprocess.Popen(
        ["/bin/sh", "-c", _GUARDIAN_SCRIPT],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        start_new_session=True,
    )
    try:
        with _lock:
            process = subprocess.Popen(
                argv,
                cwd=cwd,
                env=None if env is None else dict(env),
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,
            )
            run = ProgramRun(process, guardian)
            _running.add(run)
    except BaseException:
        _dismiss(guardian)
        raise
    _tell(guardian, f"{process.pid}\n")
    return run


def terminate_all() -> None:
    """End every program started here: TERM to their groups, KILL after :data:`GRACE_S` seconds.

    May be called from any thread or from a signal handler. The threads that wait for the programs return.
    """
    with _lock:
        runs = list(_running)
        for run in runs:
            run.stop_requested = True
            run.send(signal.SIGTERM)
    _wait_until(lambda: all(run.has_exited() for run in runs), GRACE_S)
    for run in runs:
        run.send(signal.SIGKILL)


class _ExitNotice:
    """Context that yields ``exited_within(seconds) -> bool``; wakes at once on Linux, polls elsewhere."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._descriptor: int | None = None
        if sys.platform == "linux":
            with contextlib.suppress(OSError):
                self._descriptor = os.pidfd_open(pid)

    def __enter__(self) -> _ExitNotice:
        return self

    def __exit__(self, *_: object) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)

    def __call__(self, seconds: float) -> bool:
        if self._descriptor is None:
            time.sleep(min(seconds, 0.02))
            options = os.WEXITED | os.WNOHANG | os.WNOWAIT
            return os.waitid(os.P_PID, self._pid, options) is not None
        poll = select.poll()
        poll.register(self._descriptor, select.POLLIN)
        return bool(poll.poll(seconds * 1000))


def _tell(guardian: subprocess.Popen[bytes], text: str) -> None:
    if guardian.stdin is not None:
        with contextlib.suppress(BrokenPipeError):
            guardian.stdin.write(text.encode())
            guardian.stdin.flush()


def _dismiss(guardian: subprocess.Popen[bytes]) -> None:
    # A first line (in case it never got one) and a second one: it ends without killing.
    _tell(guardian, "done\ndone\n")
    if guardian.stdin is not None:
        with contextlib.suppress(BrokenPipeError):
            guardian.stdin.close()
    guardian.wait()


def _wait_until(condition: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)


def _peak_resident_mib(pid: int | str) -> float:
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    for line in text.splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return 0.0


def _children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except (OSError, ValueError):
        return []
