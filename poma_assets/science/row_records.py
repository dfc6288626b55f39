"""Rows of a data frame as dictionaries. Light, for the command line imports it before pandas is needed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


def row_records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Each row as column -> value, in the order of the frame."""
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]
