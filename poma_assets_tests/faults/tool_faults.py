"""External programs that are killed, lie about their success, fail, or never end; and what happens around them."""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from pathlib import Path

import psutil

from .bench import PATIENCE_S, NotPossibleError, Place
from .fault import BROKEN_OFF, NOTHING_HAPPENED, Effect, Kind, effect_on
from .fault_points import Action
from .kills import choose_point, workers_of
from .launches import Launch, name_of, processes_of
from .studies import ONE_MORE_SAMPLE

TOOLS = ("STAR", "fastqc", "featureCounts")
_PROCESS_NAMES = ("STAR", "java", "fastqc", "perl", "cutadapt", "featureCounts", "multiqc")
_STAND_IN = """#!/bin/sh
# Stands in for {tool}: does what it does, and then a fault.
case "$*" in *--version*|-v) exec {real} "$@";; esac
{body}
"""
_LIES = {
    "an output is cut off, exit status 0": """{real} "$@" || exit
for f in $(ls -S {outputs} 2>/dev/null | sed -n {which}p); do
  truncate -s $(($(stat -c %s "$f") * {share} / 100)) "$f"
done""",
    "no output, exit status 0": "exit 0",
    "exit status 1 at the end": '{real} "$@"\nexit 1',
    "killed at its end": '{real} "$@"\nkill -9 $$',
}
_HANGS = "sleep 600 & wait"
_OUTPUTS = {
    "STAR": "*.bam *.out *.tab index/SA index/Genome",
    "fastqc": '"$5"/*.zip "$5"/*.html',
    "featureCounts": '"$(dirname "$(echo "$*" | sed \'s/.* -o \\([^ ]*\\) .*/\\1/\')")"/*.txt*',
}


def _require_tools() -> None:
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        raise NotPossibleError(f"not installed: {', '.join(missing)}")


def _stand_in(place: Place, tool: str, body: str, draw: random.Random) -> dict[str, str]:
    """Put a program in the place of a tool; returns the environment in which it is found."""
    folder, real = place.folder / "bin", shutil.which(tool)
    folder.mkdir(exist_ok=True)
    values = {"real": real, "outputs": _OUTPUTS[tool], "which": draw.randrange(1, 4), "share": draw.randrange(0, 95)}
    path = folder / tool
    path.write_text(_STAND_IN.format(tool=tool, real=real, body=body.format(**values)))
    path.chmod(0o755)
    return {"PATH": f"{folder}:{os.environ['PATH']}"}


def _lying_tool(place: Place, draw: random.Random) -> Effect:
    _require_tools()
    tool, lie = draw.choice(TOOLS), draw.choice(sorted(_LIES))
    launch = place.start(environment=_stand_in(place, tool, _LIES[lie], draw))
    return effect_on(launch, f"{tool}: {lie}")


def _hanging_tool(place: Place, draw: random.Random) -> Effect:
    """Nothing but Ctrl-C (or a kill) ends it: how long a tool may take depends on the data, so there is no limit."""
    _require_tools()
    tool = draw.choice(TOOLS)
    launch = place.start(environment=_stand_in(place, tool, _HANGS, draw))
    deadline = time.monotonic() + PATIENCE_S
    while not any("sleep" in name_of(process) for process in processes_of(place.folder)):
        if time.monotonic() > deadline or not launch.is_running:
            return Effect(NOTHING_HAPPENED, f"{tool} was not needed")
        time.sleep(0.05)
    ending = draw.choice((signal.SIGINT, signal.SIGTERM, signal.SIGKILL))
    began = time.monotonic()
    launch.kill(ending)
    effect = effect_on(launch, f"{tool}, then {ending.name}")
    if time.monotonic() - began > 15:
        effect.problems.append("it took more than 15 s to end")
    effect.word = BROKEN_OFF
    return effect


def _killed_tool(place: Place, draw: random.Random) -> Effect:
    _require_tools()
    launch, wanted = place.start(), draw.choice(_PROCESS_NAMES)
    while launch.is_running:
        found = [process for process in processes_of(place.folder) if _name(process) == wanted]
        if found:
            time.sleep(draw.uniform(0.0, 0.3))
            alive = [process for process in found if process.is_running()]
            if alive:
                draw.choice(alive).kill()
                return effect_on(launch, wanted)
        time.sleep(0.02)
    return effect_on(launch, f"{wanted} was never seen", happened=False)


def _name(process: psutil.Process) -> str:
    try:
        argv = process.cmdline()
    except psutil.Error:
        return ""
    named = [Path(word).name for word in argv[:2]]
    return next((name for name in named if name in _PROCESS_NAMES), name_of(process) if argv else "")


def _kill_beside_tools(place: Place, draw: random.Random) -> Effect:
    """`poma run` or its worker is killed while a program works: the program ends with it."""
    _require_tools()
    launch = place.start()
    time.sleep(draw.uniform(0.0, place.bench.usual_seconds(place.prepared)))
    happened = launch.is_running
    workers = workers_of(launch)
    if draw.random() < 0.5 and workers:
        draw.choice(workers).kill()
        return effect_on(launch, "a worker")
    launch.kill()
    return effect_on(launch, "poma run", happened=happened)


def _kill_at_call(place: Place, draw: random.Random) -> Effect:
    _require_tools()
    place.bench.require_points()
    chosen = choose_point(place.prepared.points, draw)
    action = draw.choice((Action.KILL_SELF, Action.KILL_LAUNCHER, Action.TEAR))
    launch: Launch = place.start(plan=place.plan(chosen.number, action=action))
    launch.wait(PATIENCE_S)
    happened = place.last_control.happened
    return effect_on(launch, f"{action.name} before {happened}", happened=bool(happened))


_STATES = (ONE_MORE_SAMPLE,)
KINDS = (
    Kind("kill -9 of a tool", 12, _STATES, _killed_tool),
    Kind("a tool lies or fails", 14, _STATES, _lying_tool),
    Kind("a tool hangs", 4, _STATES, _hanging_tool),
    Kind("kill -9 of poma run or a worker beside tools", 8, _STATES, _kill_beside_tools),
    Kind("kill -9 at a call of a run with tools", 16, _STATES, _kill_at_call),
)
