"""Hypothesis strategies: sound files with a few hostile changes, in any encoding, whole, cut off or packed."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from hypothesis import strategies as st

from poma_assets_tests.fuzzing import hostile_texts
from poma_assets_tests.fuzzing.target import Target, packed

_CELL = re.compile(r"[^\t\n\r,;:=|]+")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_MOST_EDITS = 5

Draw = Callable[[st.SearchStrategy], object]
Edit = Callable[..., str]


def hostile_inputs(target: Target) -> st.SearchStrategy[bytes]:
    """Inputs for a reader: mostly its examples with changes, some of them nothing but noise."""
    noise = st.one_of(st.binary(max_size=64), st.text(max_size=64).map(_utf8), _words(target).map(_utf8))
    return st.one_of(_changed(target), _changed(target), _changed(target), noise)


def _words(target: Target) -> st.SearchStrategy[str]:
    return st.sampled_from((*hostile_texts.ALL, *target.words, *target.words))


@st.composite
def _changed(draw, target: Target) -> bytes:  # type: ignore[no-untyped-def]
    text = draw(st.sampled_from(target.seeds))
    for edit in draw(st.lists(st.sampled_from(_EDITS), min_size=1, max_size=_MOST_EDITS)):
        text = edit(draw, text, target)
    return draw(st.sampled_from(_ENCODINGS))(text)


def _replace_cell(draw, text: str, target: Target) -> str:  # type: ignore[no-untyped-def]
    return _replaced(draw, text, target, _CELL)


def _replace_number(draw, text: str, target: Target) -> str:  # type: ignore[no-untyped-def]
    cells = list(_NUMBER.finditer(text))
    if not cells:
        return text
    cell = cells[draw(st.integers(0, len(cells) - 1))]
    return text[: cell.start()] + draw(st.sampled_from(hostile_texts.NUMBERS)) + text[cell.end() :]


def _replaced(draw, text: str, target: Target, pattern: re.Pattern[str]) -> str:  # type: ignore[no-untyped-def]
    cells = list(pattern.finditer(text))
    if not cells:
        return text + draw(_words(target))
    cell = cells[draw(st.integers(0, len(cells) - 1))]
    new = draw(st.one_of(_words(target), st.text(max_size=12)))
    keep = draw(st.sampled_from(("", "before", "behind")))
    start = cell.end() if keep == "before" else cell.start()
    end = cell.start() if keep == "behind" else cell.end()
    return text[:start] + new + text[end:]


def _insert(draw, text: str, target: Target) -> str:  # type: ignore[no-untyped-def]
    at = draw(st.integers(0, len(text)))
    return text[:at] + draw(st.one_of(_words(target), st.text(max_size=4))) + text[at:]


def _cut(draw, text: str, target: Target) -> str:  # type: ignore[no-untyped-def]
    begin = draw(st.integers(0, len(text)))
    return text[:begin] + text[begin + draw(st.integers(0, 30)) :]


def _end_early(draw, text: str, target: Target) -> str:  # type: ignore[no-untyped-def]
    return text[: draw(st.integers(0, len(text)))]


def _on_lines(change: Callable[..., Sequence[str]]) -> Edit:
    def edit(draw, text: str, target: Target) -> str:  # type: ignore[no-untyped-def]
        lines = text.splitlines(keepends=True)
        return "".join(change(draw, lines, draw(st.integers(0, len(lines) - 1)))) if lines else text

    return edit


def _repeat_line(draw, lines: list[str], at: int) -> list[str]:  # type: ignore[no-untyped-def]
    return [*lines[:at], *lines[at : at + 1] * draw(st.sampled_from((2, 3, 40))), *lines[at + 1 :]]


def _drop_line(draw, lines: list[str], at: int) -> list[str]:  # type: ignore[no-untyped-def]
    return [*lines[:at], *lines[at + 1 :]]


def _move_line(draw, lines: list[str], at: int) -> list[str]:  # type: ignore[no-untyped-def]
    to = draw(st.integers(0, len(lines) - 1))
    rest = [*lines[:at], *lines[at + 1 :]]
    return [*rest[:to], lines[at], *rest[to:]]


def _drop_last_cell(draw, lines: list[str], at: int) -> list[str]:  # type: ignore[no-untyped-def]
    return [*lines[:at], re.sub(r"[\t,][^\t,]*$", "\n", lines[at]), *lines[at + 1 :]]


def _double_column(draw, lines: list[str], at: int) -> list[str]:  # type: ignore[no-untyped-def]
    separator = draw(st.sampled_from("\t,"))
    return [line.rstrip("\n") + separator + line.split(separator)[0] + "\n" for line in lines]


def _other_line_ends(draw, text: str, target: Target) -> str:  # type: ignore[no-untyped-def]
    return text.replace("\n", draw(st.sampled_from(("\r\n", "\r", "\n\n", "\u2028", "\x85", "\x0b", "\n\r"))))


def _other_separator(draw, text: str, target: Target) -> str:  # type: ignore[no-untyped-def]
    one, other = draw(st.sampled_from(("\t,", "\t;", "\t ", ",\t", ",;")))
    return text.replace(one, other)


def _splice(draw, text: str, target: Target) -> str:  # type: ignore[no-untyped-def]
    other = draw(st.sampled_from(target.seeds))
    return text[: draw(st.integers(0, len(text)))] + other[draw(st.integers(0, len(other))) :]


_EDITS: tuple[Edit, ...] = (
    *(
        _replace_cell,
        _replace_cell,
        _replace_cell,
        _replace_number,
        _replace_number,
        _insert,
        _cut,
        _end_early,
        _splice,
    ),
    *map(_on_lines, (_repeat_line, _drop_line, _move_line, _drop_last_cell, _double_column)),
    *(_other_line_ends, _other_separator),
)


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape" if _escaped(text) else "replace")


def _escaped(text: str) -> bool:
    return all(not "\ud800" <= character <= "\udfff" or "\udc80" <= character <= "\udcff" for character in text)


def _packed_and_cut(text: str) -> bytes:
    return packed(_utf8(text))[:-9]


_ENCODINGS: tuple[Callable[[str], bytes], ...] = (
    *[_utf8] * 12,
    lambda text: b"\xef\xbb\xbf" + _utf8(text),
    lambda text: text.encode("utf-16", "replace"),
    lambda text: text.encode("latin-1", "replace"),
    lambda text: packed(_utf8(text)),
    _packed_and_cut,
)
