"""Restrictions of the samples of a contrast: ``cell_line=MM.1S;time_h=24``, ``sample!=S1,S2``.

Also how levels are compared: texts as written, the numeric columns by number.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pandas as pd

from poma_assets.science.errors import ContrastError

SAMPLE_COLUMN = "sample"
_CONDITION = re.compile(r"(?P<column>[^=!]+)(?P<sign>!?=)(?P<values>.*)", re.DOTALL)
_PIECE = {mark: re.compile(rf'(?:[^{mark}"]|"[^"]*")+') for mark in ";,"}


@dataclass(frozen=True)
class Condition:
    """Samples whose ``column`` has one of ``values`` are kept, or with ``excludes`` left out."""

    column: str
    values: tuple[str, ...]
    excludes: bool


def parse_subset(text: str, *, where: str) -> list[Condition]:
    """Read a restriction; conditions are separated by ``;`` and all must hold.

    Values that hold ``;`` or ``,`` stand in double quotes.

    Raises
    ------
    ContrastError
        A condition without ``=``, column or values, or a quotation that does not end.
    """
    conditions = []
    for piece in _PIECE[";"].findall(text):
        if not piece.strip():
            continue
        match = _CONDITION.fullmatch(piece)
        values = tuple(_unquoted(value) for value in _PIECE[","].findall(match["values"])) if match else ()
        column = match["column"].strip() if match else ""
        if not match or not column or not values or text.count('"') % 2:
            raise ContrastError(
                "the subset cannot be read",
                where=where,
                found=repr(piece.strip()),
                expected="column=value, several values separated by ',' and several conditions by ';'",
                fix="Write for example cell_line=MM.1S;time_h=24, or sample!=S3 to leave a sample out",
            )
        conditions.append(Condition(column, values, match["sign"] == "!="))
    return conditions


def quote_values(values: Iterable[str]) -> str:
    """Join values for a restriction, quoting those that hold separators."""
    return ",".join(f'"{value}"' if re.search("[;,]", value) else value for value in values)


def has_column(table: pd.DataFrame, column: str) -> bool:
    """Whether a restriction may name this column: one of the table, or ``sample`` for the index."""
    return column in table.columns or column in (SAMPLE_COLUMN, "sample_id")


def column_texts(table: pd.DataFrame, column: str) -> pd.Series:
    """The values of a column as texts (numbers in their shortest form), None where not recorded."""
    if column not in table.columns:
        return pd.Series(table.index.astype(str), index=table.index, dtype=object)
    values = table[column]
    if pd.api.types.is_numeric_dtype(values):
        return values.map(lambda value: None if pd.isna(value) else format(value, ".15g")).astype(object)
    return values.astype(object).where(values.notna(), None)


def level_as_stored(table: pd.DataFrame, column: str, level: str) -> str:
    """A level as ``column_texts`` gives it: ``24.0`` is ``24`` in a numeric column, else as written."""
    if column in table.columns and pd.api.types.is_numeric_dtype(table[column]):
        try:
            return format(float(level), ".15g")
        except ValueError:
            return level
    return level


def keep(table: pd.DataFrame, conditions: Sequence[Condition]) -> pd.DataFrame:
    """Rows for which all conditions hold; a value that was not recorded equals nothing."""
    for condition in conditions:
        levels = [level_as_stored(table, condition.column, value) for value in condition.values]
        hit = column_texts(table, condition.column).isin(levels)
        table = table[~hit if condition.excludes else hit]
    return table


def _unquoted(value: str) -> str:
    value = value.strip()
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] == '"' else value
