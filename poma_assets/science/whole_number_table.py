"""Reading text tables of numbers; errors name the line and column of the file.

What the tables mean is in ``count_tables``; which numbers are counts, in ``count_validation``.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from poma_assets.science.count_validation import WholeCounts, whole_counts
from poma_assets.science.errors import CountsError
from poma_assets.science.gene_ids import damaged_names
from poma_assets.science.tables import listing

_Integers = np.ndarray[tuple[int], np.dtype[np.int64]]
_MISSING = ("", "NA", "NaN", "nan", "NULL")
_COMMA_NUMBER = re.compile(r"[+-]?\d+(,\d+)+")


@dataclass(frozen=True, eq=False)
class NumberTable:
    """A table of numbers as it stands in a file.

    Attributes
    ----------
    numbers
        Columns of integers or floats; the index holds the names of the first column.
    texts
        Columns of text with the same index.
    lines
        Line of the file of each row.
    source
        The file.
    """

    numbers: pd.DataFrame
    texts: pd.DataFrame
    lines: _Integers
    source: str

    def whole(self, *, round_fractional: bool = False) -> WholeCounts:
        """Return whole counts; errors name line and column (see `whole_counts`)."""

        def place(row: int, column: int) -> str:
            return f"{self.source}, line {self.lines[row]}, column {self.numbers.columns[column]}"

        return whole_counts(self.numbers, place=place, where=self.source, round_fractional=round_fractional)

    def rows(self, kept: np.ndarray) -> NumberTable:
        """Return the table with the rows that a mask keeps."""
        return NumberTable(self.numbers[kept], self.texts[kept], self.lines[kept], self.source)


def read_whole_numbers(
    text: str,
    *,
    source: str,
    columns: Sequence[str],
    header: bool | None,
    counts: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Read a table of whole, non-negative numbers whose first column are names.

    Parameters as of `read_numbers`.

    Returns
    -------
    DataFrame
        int64, index named as the first column, in the order of the file.
    """
    table = read_numbers(text, source=source, columns=columns, header=header, counts=counts)
    if len(table.texts.columns):
        raise CountsError(
            f"the column {table.texts.columns[0]} holds no numbers", where=source, expected="whole numbers in every row"
        )
    return table.whole().counts


def read_numbers(
    text: str,
    *,
    source: str,
    columns: Sequence[str],
    header: bool | None,
    counts: Sequence[str] | None = None,
    texts: Sequence[str] = (),
    names: str | None = None,
) -> NumberTable:
    """Read a table of numbers.

    Parameters
    ----------
    columns
        Names of all columns, in order.
    header
        Whether the first line is a header; None: it is one if its last cell is not a number.
    counts
        Columns to keep, which hold the numbers; default all but the first. A column without a single number
        is moved to the texts.
    texts
        Columns to keep as text.
    names
        The column with unique names, which becomes the index; default the first.

    Raises
    ------
    CountsError
        A row of another length, a repeated or empty name, a cell that is not a number.
    """
    names = columns[0] if names is None else names
    wanted = [name for name in columns[1:] if name != names] if counts is None else list(counts)
    lines = significant_lines(text, source)
    _check_unique(columns, f"{source}, line {lines[0][0]}")
    separator = separator_of(lines[0][1])
    if header is None:
        header = not _is_number((split_cells(lines[0][1], separator, source) or [""])[-1])
    body = lines[1:] if header else lines
    if not body:
        raise CountsError("the table has no rows", where=source, fix="Give a table with counts")
    _check_widths(body, len(columns), separator, source)
    frame = _read_cells(body, separator, columns, [names, *texts, *wanted], wanted, source)
    line_numbers = np.array([number for number, _ in body])
    index = pd.Index(_names(frame[names], line_numbers, source), name=names)
    worded = [name for name in wanted if frame[name].dtype.kind == "O" and not _any_number(frame[name])]
    if len(worded) == len(wanted):
        worded = []  # Nothing but text: the first cell is the error.
    numbers = {name: _number_column(frame[name], line_numbers, source) for name in wanted if name not in worded}
    beside = frame[[*texts, *worded]].set_axis(index, axis=0)
    return NumberTable(pd.DataFrame(numbers).set_axis(index, axis=0), beside, line_numbers, source)


def significant_lines(text: str, source: str) -> list[tuple[int, str]]:
    """Return the lines with their numbers (from 1), without leading comments and trailing blank lines.

    Raises
    ------
    CountsError
        Nothing is left, or the table is separated by semicolons.
    """
    lines = list(enumerate(text.removeprefix("\ufeff").rstrip("\r\n ").splitlines(), start=1))
    begin = next((i for i, (_, line) in enumerate(lines) if line.strip() and not line.startswith("#")), len(lines))
    if begin == len(lines):
        raise CountsError("the table is empty", where=source, fix="Give a table with counts")
    number, first = lines[begin]
    if ";" in first and "\t" not in first and "," not in first:
        raise CountsError(
            "the table is separated by semicolons",
            where=f"{source}, line {number}",
            found=repr(first[:60]),
            expected="tabs (TSV) or commas (CSV)",
            fix="Export it again with tabs, and with points as decimal signs",
        )
    return lines[begin:]


def separator_of(line: str) -> str:
    """Return the separator of a header or row: tab, or comma where there is no tab."""
    return "\t" if "\t" in line or "," not in line else ","


def split_cells(line: str, separator: str, where: str | None = None, *, strict: bool = False) -> list[str]:
    """Split a row into its cells, with quotes taken off.

    Raises
    ------
    CountsError
        A cell of more than 131,072 characters; if ``strict``, a quotation that does not end within the row.
    """
    try:
        return next(csv.reader([line], delimiter=separator, strict=strict), [])
    except csv.Error as error:
        raise CountsError(
            f"the row cannot be read: {error}",
            where=where,
            found=repr(line[:60]),
            fix="Close every quotation mark within its row, or take the quotation marks out",
        ) from error


def _read_cells(
    body: Sequence[tuple[int, str]],
    separator: str,
    columns: Sequence[str],
    kept: Sequence[str],
    wanted: Sequence[str],
    source: str,
) -> pd.DataFrame:
    try:
        return pd.read_csv(
            io.StringIO("\n".join(line for _, line in body)),
            sep=separator,
            header=None,
            names=list(columns),
            # Only these are converted: a table of featureCounts has long texts beside them.
            usecols=list(kept),
            dtype=dict.fromkeys(set(kept).difference(wanted), str),
            index_col=False,
            keep_default_na=False,
            na_values={name: list(_MISSING) for name in wanted},
            quotechar='"',
            on_bad_lines="error",
            low_memory=False,
            skip_blank_lines=False,
        )
    except (pd.errors.ParserError, ValueError) as error:
        raise CountsError(f"the table cannot be read: {error}", where=source) from error


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _any_number(column: pd.Series[str]) -> bool:
    return bool(pd.to_numeric(column, errors="coerce").notna().any() or column.astype(str).map(_has_comma).any())


def _has_comma(cell: str) -> bool:
    return _COMMA_NUMBER.fullmatch(cell.strip()) is not None


def _check_unique(names: Sequence[str], where: str) -> None:
    duplicates = [name for name, times in Counter(names).items() if times > 1]
    if duplicates:
        raise CountsError(
            "a column is there twice",
            where=where,
            found=listing(duplicates),
            expected="every sample in one column",
            fix="Rename or delete one of them",
        )


def _check_widths(body: Sequence[tuple[int, str]], width: int, separator: str, source: str) -> None:
    for number, line in body:
        found = (
            len(split_cells(line, separator, f"{source}, line {number}", strict=True))
            if '"' in line
            else line.count(separator) + 1
        )
        if found != width:
            fix = "Complete the row; the file may be cut off"
            if found > width and separator == ",":
                fix = "Write numbers with decimal points and without thousands separators, or use tabs between columns"
            elif found > width:
                fix = "Delete what is too much in the row, or name all columns in the header"
            raise CountsError(
                "the row is empty" if not line.strip() else "the row has another number of columns",
                where=f"{source}, line {number}",
                found=f"{found} columns" if line.strip() else None,
                expected=f"{width} columns",
                fix=fix,
            )


def _names(column: pd.Series[str], line_numbers: _Integers, source: str) -> pd.Series[str]:
    names = column.astype(str).str.strip()
    empty = (names == "").to_numpy()
    if empty.any():
        raise CountsError(
            f"the name in the column {column.name} is empty",
            where=f"{source}, line {line_numbers[empty][0]}",
            fix="Give each gene an id, or delete the row",
        )
    duplicated = names.duplicated().to_numpy()
    if duplicated.any():
        name = names[duplicated].iloc[0]
        first = line_numbers[(names == name).to_numpy()][0]
        damaged = name in damaged_names(names)
        raise CountsError(
            "a gene is there twice",
            where=f"{source}, line {line_numbers[duplicated][0]}",
            found=f"{name}, which is in line {first} too",
            expected="every gene once (ids are unique, symbols are not)",
            fix="A spreadsheet turned gene symbols into dates: export the table again with the column as text"
            if damaged
            else "Keep one row for each gene, or use Ensembl ids",
        )
    return names


def _number_column(column: pd.Series[float], line_numbers: _Integers, source: str) -> pd.Series[float]:
    if column.dtype.kind in "iuf":
        return pd.Series(column.to_numpy())
    cells = column.astype(object).where(column.notna(), None)
    numbers = pd.to_numeric(cells.map(str, na_action="ignore"), errors="coerce")
    wrong = (numbers.isna() & column.notna()).to_numpy()
    if wrong.any():
        cell = str(cells[wrong].iloc[0]).strip()
        comma = _has_comma(cell)
        raise CountsError(
            "a number is written with a comma" if comma else "a count is not a number",
            where=f"{source}, line {line_numbers[wrong][0]}, column {column.name}",
            found=repr(cell),
            expected="a whole number such as 0 or 1234",
            fix="Export the table with decimal points and without thousands separators"
            if comma
            else "Write the count, or take the column out if it does not hold counts",
        )
    return pd.Series(numbers.to_numpy(dtype=float))
