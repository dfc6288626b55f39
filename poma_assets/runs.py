"""A Dagster run as the launcher hands it to a worker: its process, how it ended, in plain words why a step failed."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

if TYPE_CHECKING:
    from dagster_shared.error import SerializableErrorInfo

_OWN_ERRORS = "poma_assets.science.errors."


@dataclass(frozen=True)
class RunTask:
    """One Dagster run: a job, its partition, and the assets of it that must run.

    ``launcher`` is the `this_process` of whoever launched it; ``threads`` what one program of it may use;
    ``remade`` are assets whose dropped files are needed again; ``attempt`` counts the machines that were lost with it.
    """

    run_id: str
    job_name: str
    partition: str
    assets: tuple[str, ...]
    launcher: str
    threads: int = 1
    remade: tuple[str, ...] = ()
    attempt: int = 1


@dataclass(frozen=True)
class RunOutcome:
    """How a run ended; ``failures`` are (step, message) pairs, ``unchanged`` the steps that were up to date already."""

    run_id: str
    succeeded: bool
    failures: tuple[tuple[str, str], ...] = ()
    unchanged: int = 0


def task_from_json(values: Mapping[str, Any]) -> RunTask:
    """A task from what JSON makes of its fields (`dataclasses.asdict`)."""
    return RunTask(**{**values, "assets": tuple(values["assets"]), "remade": tuple(values["remade"])})


def outcome_from_json(values: Mapping[str, Any]) -> RunOutcome:
    """An outcome from what JSON makes of its fields."""
    return RunOutcome(**{**values, "failures": tuple((step, text) for step, text in values["failures"])})


def this_process() -> str:
    """Name of this process that no later one on this machine has: host, process id and start."""
    pid = os.getpid()
    return f"{socket.gethostname()}:{pid}:{_start_of(pid)}"


def is_gone(name: str) -> bool:
    """Whether the process of this name (from `this_process`) has certainly ended; of other hosts nothing is certain."""
    host, pid, started = name.rsplit(":", 2)
    if host != socket.gethostname():
        return False
    try:
        return psutil.Process(int(pid)).status() == psutil.STATUS_ZOMBIE or _start_of(int(pid)) != started
    except (psutil.NoSuchProcess, FileNotFoundError, ProcessLookupError):
        return True


def _start_of(pid: int) -> str:
    """When a process began: in ticks of this boot, where Linux tells; a time of day moves with a clock that jumps."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")
    except OSError:
        return f"{psutil.Process(pid).create_time():.2f}"
    # The name of the program, in brackets, may hold blanks and brackets; the 22nd field is the start.
    after_name = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    return f"{after_name[19].decode()}@{boot[:8]}"


def plain_error(error: SerializableErrorInfo | None) -> str:
    """Text of the innermost error of ours in a chain of causes; else of the innermost error."""
    chosen = ""
    while error is not None:
        text = error.message.strip()
        if text.startswith(_OWN_ERRORS) or not chosen.startswith(_OWN_ERRORS):
            chosen = text
        error = error.cause or error.context
    if chosen.startswith(_OWN_ERRORS):
        return chosen.split(": ", 1)[1]
    return chosen
