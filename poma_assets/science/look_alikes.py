"""Texts that look the same and are not: two writings of a letter, invisible characters, letters of other alphabets."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

_LIKE_LATIN = str.maketrans(
    "АВЕЅІЈКМНОРСТУХаеіјорсухѕԁԛԝ" + "ΑΒΕΖΗΙΚΜΝΟΡΤΥΧοι" + "‐‑‒–—−’‘“”",
    "ABESIJKMHOPCTYXaeijopcyxsdqw" + "ABEZHIKMNOPTYXoi" + "------''\"\"",
)
"""Capital and small letters of Cyrillic and Greek that fonts draw like Latin ones, dashes and quotes."""

_BLANKS = re.compile(r"\s+")


def appearance(text: str) -> str:
    """What a text looks like: equal for texts that people cannot tell apart in print."""
    folded = unicodedata.normalize("NFKC", text).translate(_LIKE_LATIN)
    seen = "".join(character for character in folded if unicodedata.category(character) != "Cf")
    return _BLANKS.sub(" ", seen).strip()


def first_look_alikes(texts: Iterable[str]) -> tuple[str, str] | None:
    """The first two different texts that look the same; None if there are none."""
    by_appearance: dict[str, str] = {}
    for text in dict.fromkeys(texts):
        other = by_appearance.setdefault(text if text.isascii() else appearance(text), text)
        if other != text:
            return other, text
    return None


def differing_characters(text: str) -> str:
    """The characters of a text that are not plain ASCII, by name, for a message."""
    odd = dict.fromkeys(character for character in text if not character.isascii())
    return ", ".join(f"U+{ord(character):04X} {unicodedata.name(character, 'without a name')}" for character in odd)
