"""Colours and symbols, the same in figures, tables and text. Nothing is told by colour alone.

The colours are those of Okabe and Ito (2008), which people with the common colour-vision deficiencies tell
apart; ink, muted and grid are replaced by variables in inline SVG, so that figures follow the page's theme.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

INK = "#1f2430"
MUTED = "#6b7480"
GRID = "#dfe3e8"
PAPER = "#fefefe"

ORANGE = "#e69f00"
SKY = "#56b4e9"
GREEN = "#009e73"
BLUE = "#0072b2"
VERMILLION = "#d55e00"
PURPLE = "#cc79a7"
YELLOW = "#f0e442"
GREY = "#8c959f"

GROUPS = (BLUE, ORANGE, GREEN, PURPLE, VERMILLION, SKY, YELLOW, GREY)
GROUP_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")

UP = VERMILLION
DOWN = BLUE

THEME_VARIABLES = MappingProxyType({INK: "--ink", MUTED: "--muted", GRID: "--grid", PAPER: "--paper"})
"""Colours of a figure that follow the page's theme -> name of the CSS variable."""


@dataclass(frozen=True)
class Mark:
    """How a category looks: colour, symbol in text, matplotlib marker, words."""

    colour: str
    symbol: str
    marker: str
    words: str


VERDICTS = MappingProxyType(
    {
        "confirmed": Mark(GREEN, "✓", "o", "confirmed"),
        "contradicted": Mark(VERMILLION, "✗", "X", "contradicted"),
        "inconclusive": Mark(ORANGE, "?", "D", "inconclusive"),
        "not_testable": Mark(GREY, "–", "s", "not testable"),
    }
)
STATUSES = MappingProxyType(
    {
        "pass": Mark(GREEN, "✓", "o", "pass"),
        "match": Mark(GREEN, "✓", "o", "match"),
        "warn": Mark(ORANGE, "!", "^", "warning"),
        "fail": Mark(VERMILLION, "✗", "X", "fail"),
        "mismatch": Mark(VERMILLION, "✗", "X", "mismatch"),
        "not_recorded": Mark(GREY, "–", "s", "not recorded"),
        "not_assessed": Mark(GREY, "–", "s", "not assessed"),
    }
)
UNKNOWN = Mark(GREY, "·", "s", "unknown")


def verdict_mark(verdict: object) -> Mark:
    """Return the look of a verdict; an unknown verdict is shown as it is written, in grey."""
    return VERDICTS.get(str(verdict)) or Mark(GREY, "·", "s", str(verdict).replace("_", " "))


def status_mark(status: object) -> Mark:
    """Return the look of a quality or identity status; an unknown status is grey."""
    return STATUSES.get(str(status)) or Mark(GREY, "·", "s", str(status).replace("_", " "))
