"""Hostile inputs: sound files with a few changes, in any encoding, whole, cut off or packed.

What is changed is chosen by hypothesis (which can shrink an input that fails) or, quicker, by a random generator.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

from hypothesis import strategies as st

from poma_assets_tests.fuzzing import hostile_texts
from poma_assets_tests.fuzzing.target import Target, packed

_Value = TypeVar("_Value")
_CELL = re.compile(r"[^\t\n\r,;:=|]+")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_MOST_EDITS = 5
_ALPHABETS = (
    (0x20, 0x7E),
    (0x00, 0x1F),
    (0xA0, 0x24F),
    (0x300, 0x36F),
    (0x370, 0x4FF),
    (0x2000, 0x206F),
    (0xFF00, 0xFF5E),
)


class Choice(Protocol):
    """Who chooses."""

    def of(self, values: Sequence[_Value]) -> _Value:
        """One of these."""

    def number(self, least: int, most: int) -> int:
        """A whole number, ends included."""

    def letters(self, most: int) -> str:
        """Any text of at most so many characters."""


class _Drawn:
    """Hypothesis chooses."""

    def __init__(self, draw: Callable[[st.SearchStrategy[Any]], Any]) -> None:
        self._draw = draw

    def of(self, values: Sequence[_Value]) -> _Value:
        return self._draw(st.sampled_from(values))

    def number(self, least: int, most: int) -> int:
        return self._draw(st.integers(least, most))

    def letters(self, most: int) -> str:
        return self._draw(st.text(max_size=most))


class _Diced:
    """A random generator chooses."""

    def __init__(self, generator: random.Random) -> None:
        self._random = generator

    def of(self, values: Sequence[_Value]) -> _Value:
        return values[int(self._random.random() * len(values))]

    def number(self, least: int, most: int) -> int:
        return self._random.randint(least, most)

    def letters(self, most: int) -> str:
        low, high = self.of(_ALPHABETS)
        return "".join(chr(self._random.randint(low, high)) for _ in range(self._random.randint(0, most)))


def hostile_inputs(target: Target) -> st.SearchStrategy[bytes]:
    """Inputs for a reader, as a strategy of hypothesis."""
    return st.composite(lambda draw: _hostile_input(_Drawn(draw), target))()


def hostile_input(generator: random.Random, target: Target) -> bytes:
    """One input for a reader."""
    return _hostile_input(_Diced(generator), target)


def _hostile_input(choice: Choice, target: Target) -> bytes:
    """Mostly an example with changes, sometimes nothing but noise."""
    if choice.number(0, 9) == 0:
        return _utf8(_word(choice, target) + choice.letters(64))
    text = choice.of(target.seeds)
    for _ in range(choice.number(1, _MOST_EDITS)):
        text = choice.of(_EDITS)(choice, text, target)
    return choice.of(_ENCODINGS)(text)


def _word(choice: Choice, target: Target) -> str:
    words = target.words if target.words and choice.number(0, 2) == 0 else hostile_texts.ALL
    return choice.of(words)


def _replace_cell(choice: Choice, text: str, target: Target) -> str:
    cells = list(_CELL.finditer(text))
    if not cells:
        return text + _word(choice, target)
    cell = choice.of(cells)
    new = _word(choice, target) if choice.number(0, 3) else choice.letters(12)
    kept = choice.of(("none", "none", "before", "behind"))
    start = cell.end() if kept == "before" else cell.start()
    end = cell.start() if kept == "behind" else cell.end()
    return text[:start] + new + text[end:]


def _replace_number(choice: Choice, text: str, target: Target) -> str:
    numbers = list(_NUMBER.finditer(text))
    if not numbers:
        return text
    number = choice.of(numbers)
    return text[: number.start()] + choice.of(hostile_texts.NUMBERS) + text[number.end() :]


def _swap_cells(choice: Choice, text: str, target: Target) -> str:
    cells = list(_CELL.finditer(text))
    if not cells:
        return text
    cell, other = choice.of(cells), choice.of(cells)
    return text[: cell.start()] + other.group() + text[cell.end() :]


def _insert(choice: Choice, text: str, target: Target) -> str:
    at = choice.number(0, len(text))
    return text[:at] + (_word(choice, target) if choice.number(0, 2) else choice.letters(4)) + text[at:]


def _cut(choice: Choice, text: str, target: Target) -> str:
    begin = choice.number(0, len(text))
    return text[:begin] + text[begin + choice.number(0, 30) :]


def _end_early(choice: Choice, text: str, target: Target) -> str:
    return text[: choice.number(0, len(text))]


def _splice(choice: Choice, text: str, target: Target) -> str:
    other = choice.of(target.seeds)
    return text[: choice.number(0, len(text))] + other[choice.number(0, len(other)) :]


def _change_lines(choice: Choice, text: str, target: Target) -> str:
    lines = text.splitlines(keepends=True)
    if not lines:
        return text
    at = choice.number(0, len(lines) - 1)
    rest = [*lines[:at], *lines[at + 1 :]]
    how = choice.of(("repeat", "drop", "move", "shorten", "column"))
    if how == "repeat":
        return "".join([*lines[:at], *lines[at : at + 1] * choice.of((2, 3, 40)), *lines[at + 1 :]])
    if how == "drop":
        return "".join(rest)
    if how == "move":
        to = choice.number(0, len(rest))
        return "".join([*rest[:to], lines[at], *rest[to:]])
    if how == "shorten":
        return "".join([*lines[:at], re.sub(r"[\t,][^\t,]*$", "\n", lines[at]), *lines[at + 1 :]])
    separator = choice.of("\t,")
    return "".join(line.rstrip("\n") + separator + line.split(separator)[0] + "\n" for line in lines)


def _other_line_ends(choice: Choice, text: str, target: Target) -> str:
    return text.replace("\n", choice.of(("\r\n", "\r", "\n\n", "\u2028", "\x85", "\x0b", "\n\r")))


def _other_separator(choice: Choice, text: str, target: Target) -> str:
    one, other = choice.of(("\t,", "\t;", "\t ", ",\t", ",;"))
    return text.replace(one, other)


_EDITS: tuple[Callable[[Choice, str, Target], str], ...] = (
    *(_replace_cell, _replace_cell, _replace_cell, _replace_number, _replace_number, _insert, _swap_cells, _cut),
    *(_change_lines, _change_lines, _splice, _end_early, _other_line_ends, _other_separator),
)


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape" if _is_escaped(text) else "replace")


def _is_escaped(text: str) -> bool:
    return all(not "\ud800" <= character <= "\udfff" or "\udc80" <= character <= "\udcff" for character in text)


_ENCODINGS: tuple[Callable[[str], bytes], ...] = (
    *[_utf8] * 20,
    lambda text: b"\xef\xbb\xbf" + _utf8(text),
    lambda text: text.encode("utf-16", "replace"),
    lambda text: text.encode("latin-1", "replace"),
    lambda text: packed(_utf8(text)),
    lambda text: packed(_utf8(text))[:-9],
)
