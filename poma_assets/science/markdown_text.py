"""Texts of users in Markdown that a program shows as a page (Dagster's metadata): shown as they are, never obeyed."""

from __future__ import annotations

import re

_PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")
_LINE_ENDS = re.compile(r"[\r\n\v\f\x1c-\x1e\x85\u2028\u2029]+")


def markdown_text(text: str) -> str:
    """The text with every character escaped that Markdown could read, on one line.

    CommonMark lets a backslash stand before any ASCII punctuation, so that neither links nor images, HTML, emphasis,
    tables nor bare addresses are made of it.
    """
    return _PUNCTUATION.sub(r"\\\1", _LINE_ENDS.sub(" ", text))
