"""Texts that a spreadsheet would run as formulas, made harmless for every CSV that people may open in one.

The rule: a text that begins with = + - @ (also their wide forms), a tab or a line end gets a leading apostrophe. A lone
+ or - (the strand of a gene) is no formula and stays. The report's page has the same rule in ``report_core.js``.
"""

from __future__ import annotations

import re

import pandas as pd

FORMULA_PATTERN = "^(?:[=@\uff1d\uff20\\t\\r\\n]|[+\uff0b\uff0d-][\\s\\S])"
"""What such a text begins with, in the syntax that Python and DuckDB share."""

_FORMULA = re.compile(FORMULA_PATTERN)


def harmless(text: str) -> str:
    """The text, with a leading apostrophe if a spreadsheet would take it for a formula."""
    return f"'{text}" if _FORMULA.match(text) else text


def harmless_frame(frame: pd.DataFrame) -> pd.DataFrame:
    """A copy of the frame whose texts, names of columns included, are harmless; numbers stay numbers."""
    cells = frame.map(lambda value: harmless(value) if isinstance(value, str) else value)
    cells.columns = pd.Index([harmless(str(name)) for name in frame.columns])
    return cells
