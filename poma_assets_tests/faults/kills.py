"""Kills: of whatever process makes the chosen call, of ``poma run``, of a worker; half a write; several in a row."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Sequence
from contextlib import suppress

import psutil

from .bench import PATIENCE_S, Place
from .fault import BROKEN_OFF, NOTHING_HAPPENED, Act, Effect, Kind, effect_on
from .fault_points import Action, Plan, Point
from .launches import Launch
from .studies import MIXED

_WRITES = ("write", "pwrite", "pwrite64", "writev", "sendfile", "sendfile64")
_HISTORY_POINTS = 3000


def choose_point(points: Sequence[Point], draw: random.Random) -> Point:
    """One of the points: each kind of call on each kind of file has the same chance, however often it is made."""
    groups: dict[tuple[str, str], list[Point]] = {}
    for point in points:
        groups.setdefault((point.call, _kind_of_file(point.file)), []).append(point)
    return draw.choice(groups[draw.choice(sorted(groups))])


def _kind_of_file(name: str) -> str:
    """Files of one kind are made by the same lines of code."""
    parts = name.split("/")
    kind = "/".join(parts[:2]) if len(parts) > 1 else name
    return "partial " + kind if ".partial-" in name else ".study.duckdb-" if name.startswith(".study.duckdb-") else kind


def _kill_at_call(action: Action, calls: Sequence[str] = ()) -> Act:
    def act(place: Place, draw: random.Random) -> Effect:
        place.bench.require_points()
        points = [point for point in place.prepared.points if not calls or point.call in calls]
        chosen = choose_point(points, draw)
        launch = place.start(plan=place.plan(chosen.number, action=action))
        return _after(place, launch)

    return act


def _after(place: Place, launch: Launch) -> Effect:
    control = place.last_control
    status = launch.wait(PATIENCE_S)
    if not control.happened:
        return Effect(NOTHING_HAPPENED, f"only {control.counted} calls, exit status {status}")
    who = "poma run" if control.happened_in == launch.process else "worker or tool"
    return effect_on(launch, f"{who}, before {control.happened}")


def _kill_in_history(place: Place, draw: random.Random) -> Effect:
    place.bench.require_points()
    within = place.study / ".dagster"
    launch = place.start(
        plan=Plan(within, draw.randrange(1, _HISTORY_POINTS), draw.choice((Action.KILL_SELF, Action.TEAR)))
    )
    return _after(place, launch)


def _kill_several(place: Place, draw: random.Random) -> Effect:
    place.bench.require_points()
    details, points = [], place.prepared.points
    for _ in range(draw.randrange(2, 6)):
        point = choose_point(points[: len(points) // 4], draw)
        action = draw.choice((Action.KILL_SELF, Action.KILL_LAUNCHER, Action.TEAR))
        effect = _after(place, place.start(plan=place.plan(point.number, action=action)))
        details.append(f"{action.name} {effect.detail}")
    return Effect(BROKEN_OFF, "; ".join(details))


def _kill_at_random_time(of_worker: bool) -> Act:
    def act(place: Place, draw: random.Random) -> Effect:
        launch = place.start()
        time.sleep(draw.uniform(0.0, place.bench.usual_seconds(place.prepared)))
        if of_worker:
            workers = workers_of(launch)
            if not workers:
                return effect_on(launch, "no worker yet or any more", happened=False)
            with suppress(psutil.NoSuchProcess):
                draw.choice(workers).kill()
            return effect_on(launch, f"one of {len(workers)} workers")
        happened = launch.is_running
        launch.kill()
        return effect_on(launch, "poma run", happened=happened)

    return act


def workers_of(launch: Launch) -> list[psutil.Process]:
    """The worker processes of a launch: they have a session of their own, and a log."""
    try:
        children = psutil.Process(launch.process).children(recursive=True)
    except psutil.NoSuchProcess:
        return []
    found = []
    for child in children:
        with suppress(psutil.NoSuchProcess, ProcessLookupError):
            if os.getsid(child.pid) == child.pid and child.name().startswith("python"):
                found.append(child)
    return found


KINDS = (
    Kind("kill -9 before a call", 80, MIXED, _kill_at_call(Action.KILL_SELF)),
    Kind("kill -9 in half a write", 25, MIXED, _kill_at_call(Action.TEAR, _WRITES)),
    Kind("kill -9 of poma run at a call", 25, MIXED, _kill_at_call(Action.KILL_LAUNCHER)),
    Kind("kill -9 in the run history", 25, MIXED, _kill_in_history),
    Kind("kill -9 of poma run at a random time", 15, MIXED, _kill_at_random_time(False)),
    Kind("kill -9 of a worker at a random time", 15, MIXED, _kill_at_random_time(True)),
    Kind("several kills in a row", 12, MIXED, _kill_several),
)
