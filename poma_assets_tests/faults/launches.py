"""Launches of ``poma`` for the harness: forked from one prepared process, or started as programs of their own."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

MARK = "FAULT_MARK"
"""Environment variable by which the processes of a fault are known."""

_READY_S = 120.0


class StillRunningError(Exception):
    """A launch did not end in time."""


class Launch:
    """One launch: its process, what it prints, its exit status (negative: the signal that ended it)."""

    def __init__(self, output: Path) -> None:
        self.output = output
        self.process = 0
        self.status: int | None = None
        self._started, self._ended = threading.Event(), threading.Event()

    def started(self, process: int) -> None:
        """Take note of its process."""
        self.process = process
        self._started.set()

    def ended(self, status: int) -> None:
        """Take note of its end."""
        self.status = status
        self._ended.set()

    def wait(self, timeout_s: float) -> int:
        """Wait for the end; the exit status.

        Raises
        ------
        StillRunningError
            After ``timeout_s`` seconds.
        """
        if not self._ended.wait(timeout_s) or self.status is None:
            raise StillRunningError(f"still running after {timeout_s:g} s: {self.text()[-500:]}")
        return self.status

    def wait_for_start(self) -> int:
        """Wait until the process is there; its id."""
        if not self._started.wait(_READY_S):
            raise StillRunningError("the launch was not started")
        return self.process

    @property
    def is_running(self) -> bool:
        """Whether it has not ended yet."""
        return not self._ended.is_set()

    def kill(self, signal_number: int = signal.SIGKILL) -> None:
        """Send a signal to its process, if it still runs."""
        if self.is_running:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.wait_for_start(), signal_number)

    def text(self) -> str:
        """What it has printed so far."""
        return self.output.read_text(errors="replace") if self.output.exists() else ""


class Launches:
    """Starts launches; use it as a context manager."""

    def __init__(self, environment: Mapping[str, str], log: Path) -> None:
        self._launches: dict[int, Launch] = {}
        self._lock, self._ready = threading.Lock(), threading.Event()
        self._origin = subprocess.Popen(
            [sys.executable, "-W", "ignore", str(Path(__file__).with_name("launch_origin.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log.open("wb"),
            env=dict(environment),
        )
        threading.Thread(target=self._listen, daemon=True).start()

    def __enter__(self) -> Launches:
        return self

    def __exit__(self, *_: object) -> None:
        if self._origin.stdin is not None:
            self._origin.stdin.close()
        self._origin.wait(30)

    def start(
        self,
        arguments: Sequence[str],
        *,
        folder: Path,
        environment: Mapping[str, str],
        output: Path,
        control: Path | None = None,
        acts: bool = False,
    ) -> Launch:
        """Start ``poma`` with these arguments in ``folder``; returns when its process is there.

        With ``acts`` it is an operation of the storage instead: its name and folder.
        """
        if not self._ready.wait(_READY_S) or self._origin.stdin is None:
            raise StillRunningError("the origin of the launches did not become ready")
        launch = Launch(output)
        with self._lock:
            number = len(self._launches)
            self._launches[number] = launch
            request = {
                "number": number,
                "arguments": list(arguments),
                "environment": dict(environment),
                "folder": str(folder),
                "output": str(output),
                "control": "" if control is None else str(control),
                "acts": acts,
            }
            self._origin.stdin.write(json.dumps(request).encode() + b"\n")
            self._origin.stdin.flush()
        launch.wait_for_start()
        return launch

    def _listen(self) -> None:
        for line in self._origin.stdout or ():
            answer = json.loads(line)
            if "ready" in answer:
                self._ready.set()
            elif "process" in answer:
                self._launches[answer["number"]].started(answer["process"])
            else:
                self._launches[answer["number"]].ended(answer["status"])


def start_program(arguments: Sequence[str], *, folder: Path, environment: Mapping[str, str], output: Path) -> Launch:
    """Start ``poma`` as a program of its own, as a shell does."""
    process = subprocess.Popen(
        [sys.executable, "-m", "poma_assets.cli.main", *arguments],
        cwd=folder,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=output.open("wb"),
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    launch = Launch(output)
    launch.started(process.pid)
    threading.Thread(target=lambda: launch.ended(process.wait()), daemon=True).start()
    return launch


def name_of(process: psutil.Process) -> str:
    """The name of a process; empty if it has ended meanwhile."""
    try:
        return process.name()
    except psutil.NoSuchProcess:
        return ""


def processes_of(sandbox: Path) -> list[psutil.Process]:
    """The living processes of a fault: they work below its folder, or were started with its mark."""
    found, wanted = [], f"{MARK}={sandbox}".encode()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            works_there = Path(os.readlink(folder / "cwd")).is_relative_to(sandbox)
            if works_there or wanted in (folder / "environ").read_bytes().split(b"\0"):
                process = psutil.Process(int(folder.name))
                if process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
        except (OSError, psutil.Error):
            continue  # it has ended
    return found


def survivors(sandbox: Path, patience_s: float = 12.0) -> list[psutil.Process]:
    """Processes of a fault that do not end by themselves within ``patience_s``."""
    deadline = time.monotonic() + patience_s
    while (left := processes_of(sandbox)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return left
