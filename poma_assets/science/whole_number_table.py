"""Reading text tables of whole numbers; errors name the line of the file.

What the tables mean is in ``count_tables``.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

import numpy as np
import pandas as pd

from poma_assets.science.errors import CountsError

_Integers = np.ndarray[tuple[int], np.dtype[np.int64]]
_RAW_COUNTS = "Give raw counts: whole numbers, neither normalised nor logarithms (round estimated counts first)."


def read_whole_numbers(
    text: str,
    *,
    source: str,
    columns: Sequence[str],
    header: bool | None,
    counts: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Read a table of whole, non-negative numbers whose first column are names.

    Parameters
    ----------
    columns
        Names of all columns; the first becomes the index.
    header
        Whether the first line is a header; None: it is one if its last cell is not a number.
    counts
        Columns to keep, which hold the numbers; default all but the first.

    Returns
    -------
    DataFrame
        int64, index named as the first column, in the order of the file.
    """
    lines = significant_lines(text, source)
    wanted = list(columns[1:] if counts is None else counts)
    _check_unique(columns, "column", f"{source}, line {lines[0][0]}")
    separator = separator_of(lines[0][1])
    if header is None:
        header = not _is_number(split_cells(lines[0][1], separator)[-1])
    body = lines[1:] if header else lines
    if not body:
        raise CountsError("the table has no rows", where=source, fix="Give a table with counts.")
    _check_widths(body, len(columns), separator, source)
    try:
        frame = pd.read_csv(
            io.StringIO("\n".join(line for _, line in body)),
            sep=separator,
            header=None,
            names=list(columns),
            # Only ids and counts are converted: a table of featureCounts has long texts beside them.
            usecols=[columns[0], *wanted],
            dtype={columns[0]: str},
            index_col=False,
            keep_default_na=False,
            na_values={name: ["", "NA", "NaN", "nan"] for name in wanted},
            quotechar='"',
            on_bad_lines="error",
        )
    except (pd.errors.ParserError, ValueError) as error:
        raise CountsError(f"the table cannot be read: {error}", where=source) from error
    line_numbers = np.array([number for number, _ in body])
    index = _names(frame[columns[0]], line_numbers, source)
    numbers = {name: _whole(frame[name], line_numbers, source) for name in wanted}
    return pd.DataFrame(numbers, index=pd.Index(index, name=columns[0]))


def significant_lines(text: str, source: str) -> list[tuple[int, str]]:
    """Return the lines with their numbers (from 1), without leading comments and trailing blank lines.

    Raises
    ------
    CountsError
        Nothing is left.
    """
    lines = list(enumerate(text.removeprefix("\ufeff").rstrip().splitlines(), start=1))
    begin = next((i for i, (_, line) in enumerate(lines) if not line.startswith("#")), len(lines))
    if begin == len(lines):
        raise CountsError("the table is empty", where=source, fix="Give a table with counts.")
    return lines[begin:]


def separator_of(line: str) -> str:
    """Return the separator of a header or row: tab, or comma where there is no tab."""
    return "\t" if "\t" in line or "," not in line else ","


def split_cells(line: str, separator: str) -> list[str]:
    """Split a row into its cells, with quotes taken off."""
    return next(csv.reader([line], delimiter=separator), [])


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _check_unique(names: Sequence[str], what: str, where: str) -> None:
    duplicates = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if duplicates:
        raise CountsError(
            f"duplicated {what}", where=where, found=", ".join(duplicates[:4]), fix=f"Give each {what} once."
        )


def _check_widths(body: Sequence[tuple[int, str]], width: int, separator: str, source: str) -> None:
    for number, line in body:
        found = len(split_cells(line, separator)) if '"' in line else line.count(separator) + 1
        if found != width:
            raise CountsError(
                "the row is empty" if not line.strip() else "the row has another number of columns",
                where=f"{source}, line {number}",
                found=f"{found} columns" if line.strip() else None,
                expected=f"{width} columns",
                fix="Complete the row; the file may be truncated.",
            )


def _names(column: pd.Series[str], line_numbers: _Integers, source: str) -> pd.Series[str]:
    names = column.astype(str).str.strip()
    empty = (names == "").to_numpy()
    if empty.any():
        raise CountsError("the name in the first column is empty", where=f"{source}, line {line_numbers[empty][0]}")
    duplicated = names.duplicated().to_numpy()
    if duplicated.any():
        raise CountsError(
            f"duplicated {column.name}",
            where=f"{source}, line {line_numbers[duplicated][0]}",
            found=names[duplicated].iloc[0],
            fix="Give each gene once (ids, not symbols, are unique).",
        )
    return names


def _whole(column: pd.Series[float], line_numbers: _Integers, source: str) -> _Integers:
    if column.dtype.kind == "i":
        values: _Integers = np.asarray(column, dtype=np.int64)
        bad = values < 0
    else:
        numbers = pd.to_numeric(column, errors="coerce").to_numpy(dtype=float)
        with np.errstate(invalid="ignore"):
            bad = ~np.isfinite(numbers) | (numbers < 0) | (numbers != np.floor(numbers)) | (numbers >= 2**53)
        values = np.where(bad, 0.0, numbers).astype(np.int64)
    if bad.any():
        cell = column.iloc[int(np.argmax(bad))]
        raise CountsError(
            "a count is missing" if pd.isna(cell) else "a count is not a whole number of 0 or more",
            where=f"{source}, line {line_numbers[bad][0]}, column {column.name}",
            found=None if pd.isna(cell) else str(cell),
            fix=_RAW_COUNTS,
        )
    return values
