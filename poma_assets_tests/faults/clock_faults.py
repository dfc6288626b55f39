"""Clocks that jump in the middle of a run, and files whose times are not what they were."""

from __future__ import annotations

import os
import random
from contextlib import suppress

from .bench import PATIENCE_S, Place
from .fault import NOTHING_HAPPENED, WENT_ON, Effect, Kind
from .fault_points import Action
from .kills import choose_point
from .studies import CHANGED, DONE, MIXED

_DAY_S = 86_400
_JUMPS_S = {
    "back by a day": -_DAY_S,
    "forward by a year": 365 * _DAY_S,
    "back by an hour": -3600,
    "forward by a second": 1,
}


def _jump(place: Place, draw: random.Random) -> Effect:
    place.bench.require_points()
    said, seconds = draw.choice(sorted(_JUMPS_S.items()))
    chosen = choose_point(place.prepared.points, draw)
    launch = place.start(plan=place.plan(chosen.number, action=Action.SHIFT_CLOCK, argument=seconds))
    status, happened = launch.wait(PATIENCE_S), place.last_control.happened
    detail = f"{said}, before {happened}" if happened else "the run had ended"
    problems = [] if status == 0 else [f"the clock stopped the run: {launch.text()[-1200:]}"]
    return Effect(WENT_ON if happened else NOTHING_HAPPENED, detail, problems)


def _wrong_clock(place: Place, draw: random.Random) -> Effect:
    """The whole run under a wrong clock, beside files of the right one: as with a server of other time."""
    place.bench.require_points()
    said, seconds = draw.choice(sorted(_JUMPS_S.items()))
    launch = place.start(plan=place.plan(clock_offset_s=seconds))
    problems = [] if launch.wait(PATIENCE_S) == 0 else [f"the clock stopped the run: {launch.text()[-1200:]}"]
    return Effect(WENT_ON, f"a clock that is {said}", problems)


def _times_of_files(place: Place, draw: random.Random) -> Effect:
    """As a copy or a backup leaves them: other times for a part of all files, or for all."""
    said, seconds = draw.choice(sorted(_JUMPS_S.items()))
    files = [path for path in sorted(place.study.rglob("*")) if path.is_file() and not path.is_symlink()]
    chosen = files if draw.random() < 0.3 else draw.sample(files, len(files) // 2)
    for path in chosen:
        with suppress(FileNotFoundError):
            status = path.stat()
            os.utime(path, (status.st_atime + seconds, status.st_mtime + seconds))
    return Effect(WENT_ON, f"{len(chosen)} of {len(files)} files {said}")


KINDS = (
    Kind("the clock jumps", 12, MIXED, _jump),
    Kind("a wrong clock", 6, MIXED, _wrong_clock),
    Kind("other times of files", 6, (DONE, CHANGED), _times_of_files),
)
