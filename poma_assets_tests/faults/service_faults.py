"""Dagster's own services over a study, of which processes are killed at random times; two daemons at once."""

from __future__ import annotations

import random
import signal
import socket
import time
from contextlib import suppress

import psutil

from .bench import PATIENCE_S, Place
from .fault import BROKEN_OFF, NOTHING_HAPPENED, WENT_ON, Act, Effect, Kind
from .launches import Launch, processes_of, survivors
from .studies import CHANGED, NEW

_EARLIEST_S, _LATEST_S = 4.0, 40.0
_END_S = 60.0
_LEAVE_S = 150.0
"""A run that is under way may come to its end."""


def _kill_one(command: str, *, main_process: bool) -> Act:
    """Kill the command itself, or any process that it has started (daemon, code server, run, worker, tool)."""

    def act(place: Place, draw: random.Random) -> Effect:
        service = place.start_program(command, *_arguments(command))
        time.sleep(draw.uniform(_EARLIEST_S, _LATEST_S))
        if main_process:
            service.kill()
            service.wait(_END_S)
            left = survivors(place.folder, _LEAVE_S)
            said = [f"it goes on without poma {command}: {_name(process)}" for process in left]
            for process in left:
                process.kill()
            return Effect(BROKEN_OFF, f"poma {command} itself", said)
        others = [process for process in processes_of(place.folder) if process.pid != service.process]
        if not others:
            return _end(service, Effect(NOTHING_HAPPENED, "nothing was started yet"))
        victim = draw.choice(sorted(others, key=lambda process: process.pid))
        detail = _name(victim)
        with suppress(psutil.NoSuchProcess):
            victim.kill()
        time.sleep(draw.uniform(0.0, 5.0))
        return _end(service, Effect(BROKEN_OFF, detail))

    return act


def _two_daemons(place: Place, draw: random.Random) -> Effect:
    services = [place.start_program("watch", "--every", "2")]
    time.sleep(draw.uniform(0.0, 4.0))
    services.append(place.start_program("watch", "--every", "2"))
    deadline = time.monotonic() + PATIENCE_S
    while not (place.study / "results" / "study.duckdb").exists() and time.monotonic() < deadline:
        time.sleep(0.2)
    time.sleep(draw.uniform(0.0, 4.0))
    effect = Effect(WENT_ON, "until study.duckdb was there")
    for service in services:
        effect = _end(service, effect)
    return effect


def _arguments(command: str) -> tuple[str, ...]:
    if command == "watch":
        return ("--every", "2")
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return ("--watch", "--port", str(server.getsockname()[1]))


def _end(service: Launch, effect: Effect) -> Effect:
    service.kill(signal.SIGINT)
    status = service.wait(_END_S)
    if status not in (0, 1):
        effect.problems.append(f"the service ended with exit status {status}: {service.text()[-800:]}")
    return effect


def _name(process: psutil.Process) -> str:
    with suppress(psutil.Error):
        argv = [word for word in process.cmdline()[1:] if not word.startswith("/") and word != "-m"]
        return " ".join(argv)[:90] or process.name()
    return "a process that had just ended"


KINDS: tuple[Kind, ...] = (
    Kind("kill -9 of poma watch", 4, (NEW, CHANGED), _kill_one("watch", main_process=True)),
    Kind("kill -9 of a process of the daemon", 6, (NEW, CHANGED), _kill_one("watch", main_process=False)),
    Kind("kill -9 of poma ui", 2, (NEW,), _kill_one("ui", main_process=True)),
    Kind(
        "kill -9 of the webserver or another process of the page",
        4,
        (NEW, CHANGED),
        _kill_one("ui", main_process=False),
    ),
    Kind("two daemons at once", 3, (NEW, CHANGED), _two_daemons),
)
