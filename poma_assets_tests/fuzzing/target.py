"""What is fuzzed: a reader of users' files with sound examples, and how one input is tried.

The property: only a ``PomaError`` comes out, or a value that keeps the reader's promises (an ``AssertionError`` of the
target says that it does not), within seconds.
"""

from __future__ import annotations

import gzip
import signal
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from poma_assets.science.errors import PomaError

LONGEST_S = 5.0
"""CPU seconds after which an input of some kilobytes counts as a hang."""


class HangError(BaseException):
    """A reader took too long. No ``Exception``, so that nobody catches it on the way."""


@dataclass(frozen=True)
class Target:
    """A reader.

    Attributes
    ----------
    name
        For the command line and the table.
    read
        Takes the bytes of a file, reads them as the program does, and asserts what a value must fulfil.
    seeds
        Sound examples.
    words
        Texts that mean something to this reader, beside the hostile ones.
    """

    name: str
    read: Callable[[bytes], None]
    seeds: tuple[str, ...]
    words: tuple[str, ...] = ()


@dataclass(frozen=True)
class Finding:
    """An input that a reader did not stand: what came out, where in our code, and the input."""

    target: str
    kind: str
    place: str
    message: str
    data: bytes

    @property
    def key(self) -> str:
        """The same for inputs that fail alike."""
        return f"{self.kind} at {self.place}"


def text_of(data: bytes) -> str:
    """Text of a file as the program reads it: UTF-8, plain or gzip; others are refused before any parser.

    Raises
    ------
    PomaError
        As `storage.text_files.decoded`.
    """
    from poma_assets.storage.text_files import decoded

    return decoded(data, source="input")


def try_input(target: Target, data: bytes, longest_s: float = LONGEST_S) -> Finding | None:
    """Give an input to a reader; None if it keeps the property."""
    try:
        with _time_limit(longest_s):
            target.read(data)
    except PomaError as error:
        return _odd_message(target, error, data)
    except HangError as error:
        return _finding(target, error, data)
    except Exception as error:  # noqa: BLE001
        return _finding(target, error, data)
    return None


def _odd_message(target: Target, error: PomaError, data: bytes) -> Finding | None:
    """A message that a terminal would obey, or that nobody can read to its end."""
    text = str(error)
    if len(text) <= 20_000 and all(character.isprintable() or character == "\n" for character in text):
        return None
    return Finding(target.name, "message", _place(error), f"{len(text)} characters: {text[:200]!r}", data)


def _finding(target: Target, error: BaseException, data: bytes) -> Finding:
    return Finding(target.name, type(error).__name__, _place(error), " ".join(str(error).split())[:200], data)


def _place(error: BaseException) -> str:
    """Module and function of our code where it happened, the innermost."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "poma_assets" in frame.filename]
    if not frames:
        return "unknown"
    return f"{Path(frames[-1].filename).stem}.{frames[-1].name}"


@contextmanager
def _time_limit(seconds: float) -> Iterator[None]:
    def give_up(number: int, frame: FrameType | None) -> None:
        raise HangError(f"not done after {seconds:g} CPU seconds")

    # CPU time: a machine that is busy, or a process that is stopped for a while, is no hang.
    before = signal.signal(signal.SIGPROF, give_up)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def packed(data: bytes) -> bytes:
    """The same, gzip-compressed."""
    return gzip.compress(data, 1, mtime=0)
