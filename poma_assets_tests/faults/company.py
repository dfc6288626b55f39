"""Company: two launches on one study, commands beside a run, and people who hold its databases open."""

from __future__ import annotations

import multiprocessing
import random
import signal
import time
from multiprocessing.connection import Connection
from pathlib import Path

import duckdb

from .bench import PATIENCE_S, Place
from .fault import NOTHING_HAPPENED, REFUSED, WENT_ON, Act, Effect, Kind, effect_on
from .studies import CHANGED, DONE, MIXED

_FORK_SERVER = multiprocessing.get_context("forkserver")
_READING = (
    ("status",),
    ("plan",),
    ("verdicts",),
    ("query", "SELECT count(*) AS n FROM steps"),
    ("check",),
    ("clean", "--dry-run"),
)
_LONGEST_HOLD_S = 4.0


def _two_runs(place: Place, draw: random.Random) -> Effect:
    first = place.start()
    time.sleep(draw.uniform(0.0, place.bench.usual_seconds(place.prepared)))
    happened = first.is_running
    second = place.start()
    problems = []
    statuses = [launch.wait(PATIENCE_S) for launch in (first, second)]
    for launch, status in zip((first, second), statuses, strict=True):
        if status and "a run of this study is under way" not in launch.text() and "still locked" not in launch.text():
            problems.append(f"a run failed for another reason: {launch.text()[-800:]}")
    if 0 not in statuses:
        problems.append("neither run came through")
    word = REFUSED if any(statuses) else WENT_ON if happened else NOTHING_HAPPENED
    return Effect(word, f"exit statuses {statuses}", problems)


def _commands_beside(place: Place, draw: random.Random) -> Effect:
    run, problems, asked = place.start(), [], 0
    while run.is_running and asked < 20:
        command = draw.choice(_READING)
        beside = place.start(*command)
        if beside.wait(PATIENCE_S) not in (0, 1) or any(
            word in beside.text() for word in ("unexpected error", "Traceback")
        ):
            problems.append(f"{' '.join(command)}: {beside.text()[-600:]}")
        asked += 1
        time.sleep(draw.uniform(0.0, 0.2))
    effect = effect_on(run, f"{asked} commands beside")
    if run.status != 0:
        problems.append(f"the run was disturbed: {run.text()[-800:]}")
    return Effect(effect.word, effect.detail, effect.problems + problems)


def _hold(path: Path, read_only: bool, seconds: float, ready: Connection) -> None:
    with duckdb.connect(str(path), read_only=read_only):
        ready.send(True)
        time.sleep(seconds)


def _held_open(name: str, *, read_only: bool) -> Act:
    def act(place: Place, draw: random.Random) -> Effect:
        here, there = _FORK_SERVER.Pipe(duplex=False)
        seconds = draw.uniform(0.5, _LONGEST_HOLD_S)
        arguments = (place.study / "results" / name, read_only, seconds, there)
        holder = _FORK_SERVER.Process(target=_hold, args=arguments)
        holder.start()
        here.recv()
        launch = place.start()
        effect = effect_on(launch, f"for {seconds:.1f} s")
        holder.join()
        if launch.status != 0:
            effect.problems.append(f"the run did not wait: {launch.text()[-800:]}")
        return effect

    return act


def _ctrl_c(place: Place, draw: random.Random) -> Effect:
    launch = place.start()
    time.sleep(draw.uniform(0.0, place.bench.usual_seconds(place.prepared)))
    happened = launch.is_running
    launch.kill(draw.choice((signal.SIGINT, signal.SIGTERM)))
    effect = effect_on(launch, "", happened=happened)
    if happened and launch.status == 0:
        effect.word = WENT_ON
    return effect


KINDS = (
    Kind("two poma run at once", 10, MIXED, _two_runs),
    Kind("other commands beside a run", 6, MIXED, _commands_beside),
    Kind("warehouse held open by a writer", 4, (CHANGED, DONE), _held_open("warehouse.duckdb", read_only=False)),
    Kind("warehouse held open by a reader", 4, (CHANGED, DONE), _held_open("warehouse.duckdb", read_only=True)),
    Kind("study.duckdb held open by a writer", 4, (CHANGED, DONE), _held_open("study.duckdb", read_only=False)),
    Kind("study.duckdb held open by a reader", 4, (CHANGED, DONE), _held_open("study.duckdb", read_only=True)),
    Kind("Ctrl-C or terminate", 10, MIXED, _ctrl_c),
)
