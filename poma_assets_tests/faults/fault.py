"""What a kind of fault is, carrying out one of them, and what came of it."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from .bench import PATIENCE_S, Bench, NotPossibleError, Place
from .launches import Launch, StillRunningError
from .studies import State

BROKEN_OFF, WENT_ON, REFUSED, NOTHING_HAPPENED, SKIPPED = (
    "broken off",
    "went on",
    "refused",
    "nothing happened",
    "skipped",
)
"""What a fault did to the launch that met it."""

Act = Callable[[Place, random.Random], "Effect"]

_MISTAKES = ("unexpected error", "Traceback (most recent call last)")


@dataclass
class Effect:
    """What a fault did: in a word, in particular, and what was wrong already then."""

    word: str
    detail: str
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Kind:
    """A kind of fault.

    ``share`` is its part of all faults; ``act`` does it and says what it did; ``states`` are where it can begin.
    """

    name: str
    share: float
    states: Sequence[State]
    act: Act


@dataclass(frozen=True)
class Outcome:
    """What came of one fault; ``problems`` is empty if nothing was lost."""

    kind: str
    number: int
    state: str
    word: str
    detail: str
    problems: tuple[str, ...]
    seconds: float


def carry_out(bench: Bench, kind: Kind, number: int, seed: int, *, keep: bool = False) -> Outcome:
    """Let the fault of this kind and number happen to a fresh copy of a study, and look what is left.

    The same seed and number give the same fault, but for what depends on time.
    """
    draw, began = random.Random(f"{seed}:{kind.name}:{number}"), time.monotonic()
    state = kind.states[number % len(kind.states)]
    name = f"{kind.name}-{number}".replace(" ", "_").replace("/", "_")
    with bench.place(state, name, keep=keep) as place:
        try:
            effect = kind.act(place, draw)
            problems = [*effect.problems, *place.problems_afterwards()]
        except NotPossibleError as error:
            effect, problems = Effect(SKIPPED, str(error)), []
        except StillRunningError as error:
            effect, problems = Effect(BROKEN_OFF, "it hangs"), [str(error)]
    seconds = time.monotonic() - began
    return Outcome(kind.name, number, state.name, effect.word, effect.detail, tuple(problems), seconds)


def effect_on(launch: Launch, detail: str, *, happened: bool = True) -> Effect:
    """Wait for a launch that met a fault, and say how it ended; a mistake of the program is a problem."""
    status, text = launch.wait(PATIENCE_S), launch.text()
    word = (WENT_ON if status == 0 else BROKEN_OFF) if happened else NOTHING_HAPPENED
    told = [f"no plain message: {text[-1200:]}" for mistake in _MISTAKES if mistake in text and status >= 0]
    return Effect(word, detail, told[:1])
