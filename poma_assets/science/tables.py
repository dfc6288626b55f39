"""Small helpers for tables that people write: reading CSV and TSV text, naming near misses, natural order.

Rules that belong to one file format (sample sheet, contrasts) are in the module of that format.
"""

from __future__ import annotations

import csv
import difflib
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from poma_assets.science.errors import InputError

# A dash is how many people write "nothing"; words such as "none" or "null" may be levels.
_MISSING = frozenset({"", "-", "na", "n/a", "nan", "not recorded"})
_INVISIBLE_EDGES = " \t\r\n\u00a0\u200b\ufeff"
# Controls, also those that turn the direction of writing or end a line for some programs only: what people see in
# such a text is not what programs read (https://trojansource.codes).
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
IDENTIFIER_MAX_LENGTH = 100
_MOST_DIGITS = 18
_LONGEST_NAME = 200
"""Characters beyond which nobody mistypes a name, and a comparison would take long."""


@dataclass(frozen=True)
class Row:
    """One record: the line of the file where it starts (from 1) and its cells by column name, stripped."""

    line: int
    cells: dict[str, str]


@dataclass(frozen=True)
class DelimitedTable:
    """A parsed CSV or TSV file; ``line`` is where the header stands."""

    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    line: int


def is_missing(text: str | None) -> bool:
    """Whether a cell says that nothing was recorded: empty, ``-``, NA, N/A, nan or "not recorded"."""
    return text is None or text.strip().casefold() in _MISSING


def natural_key(text: str) -> tuple[tuple[int, int, str], ...]:
    """Sort key which puts ``S2`` before ``S10``."""
    parts = re.split(r"(\d+)", text)
    return tuple((1, int(part), "") if _is_small_number(part) else (0, 0, part.casefold()) for part in parts if part)


def _is_small_number(part: str) -> bool:
    return part.isdecimal() and len(part) <= _MOST_DIGITS


def near_miss(name: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """Return the known name that is most like ``name``, ignoring case; None if nothing is alike."""
    if len(name) > _LONGEST_NAME:
        return None
    by_folded = {candidate.casefold(): candidate for candidate in known if len(candidate) <= _LONGEST_NAME}
    matches = difflib.get_close_matches(name.casefold(), by_folded, n=1, cutoff=cutoff)
    return by_folded[matches[0]] if matches else None


def listing(values: Iterable[object], limit: int = 12) -> str:
    """Join values for a message, cut off after ``limit``."""
    texts = [str(value) for value in values]
    if len(texts) > limit:
        texts = [*texts[:limit], f"... ({len(texts)} in all)"]
    return ", ".join(texts) if texts else "none"


def identifier_problem(text: str) -> str | None:
    """Say what is wrong with a sample or contrast id; None if it is usable as a folder and partition name."""
    if len(text) > IDENTIFIER_MAX_LENGTH:
        return f"is longer than {IDENTIFIER_MAX_LENGTH} characters"
    if not _IDENTIFIER.fullmatch(text):
        return "is not a valid name"
    if "..." in text:
        return "contains '...', which means a range elsewhere"
    return None


IDENTIFIER_RULE = (
    f"letters, digits, '.', '_' and '-', beginning with a letter or digit, at most {IDENTIFIER_MAX_LENGTH} characters"
)


def read_delimited(text: str, *, source: str, error: type[InputError], what: str) -> DelimitedTable:
    """Read CSV or TSV text with a header.

    The delimiter is the tab if the header holds one, else the comma; where it holds both, the suffix of
    ``source`` decides. A byte-order mark, CRLF, blank lines, rows of empty cells, blanks around cells and
    empty trailing cells are tolerated.

    Parameters
    ----------
    text
        The content of the file.
    source
        Its name, for messages.
    error
        The error to raise.
    what
        What the file is, for messages, for example ``sample sheet``.

    Raises
    ------
    InputError
        As the given class: empty file, control characters, broken quotes, repeated or empty column names,
        rows whose number of fields differs from the header's.
    """
    text = text.removeprefix("\ufeff")
    _refuse_control_characters(text, source, error)
    records = _records(text, separator(text, source=source, error=error, what=what), source, error)
    if not records:
        raise error(f"the {what} is empty", where=source, expected="a header line and at least one row")
    header_line, header = records[0]
    columns = _columns(header, f"{source}, line {header_line}", error)
    rows = tuple(_row(line, cells, columns, source, error) for line, cells in records[1:])
    return DelimitedTable(columns, rows, header_line)


def _refuse_control_characters(text: str, source: str, error: type[InputError]) -> None:
    match = _CONTROL.search(text)
    if match:
        line = text.count("\n", 0, match.start()) + 1
        raise error(
            "control character in the text",
            where=f"{source}, line {line}",
            found=repr(match.group()),
            expected="plain text (UTF-8)",
            fix="Save the table again as CSV or tab-separated text, not as a spreadsheet",
        )


def separator(text: str, *, source: str, error: type[InputError], what: str) -> str:
    """Return what separates the cells of a table, by the rules and with the errors of `read_delimited`."""
    header = next((line for line in text.splitlines() if line.strip()), "")
    if "\t" in header and "," in header:
        return "," if source.lower().endswith(".csv") else "\t"
    if "\t" in header:
        return "\t"
    if "," not in header and ";" in header:
        raise error(
            f"the {what} is separated by semicolons",
            where=f"{source}, line 1",
            found=repr(header[:80]),
            expected="commas (CSV) or tabs (TSV)",
            fix="Export it again with commas or tabs, and with points as decimal signs",
        )
    return ","


def _records(text: str, delimiter: str, source: str, error: type[InputError]) -> list[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    records: list[tuple[int, list[str]]] = []
    line = 1
    try:
        for cells in reader:
            stripped = [cell.strip(_INVISIBLE_EDGES.replace("\n", "")) for cell in cells]
            if any(stripped):
                records.append((line, stripped))
            line = reader.line_num + 1
    except csv.Error as problem:
        raise error(
            f"the row cannot be read: {problem}",
            where=f"{source}, line {line}",
            fix='Close every quotation mark, and write a quotation mark within quotes twice ("")',
        ) from problem
    return records


def _columns(header: Sequence[str], where: str, error: type[InputError]) -> tuple[str, ...]:
    columns = list(header)
    while columns and not columns[-1]:
        columns.pop()
    for position, name in enumerate(columns, start=1):
        if not name:
            raise error(f"column {position} has no name", where=where, fix="Name the column or delete it")
        if columns.index(name) < position - 1:
            raise error(
                f"column {name!r} is there twice",
                where=where,
                found=f"columns {columns.index(name) + 1} and {position}",
                expected="every column name once",
                fix="Rename or delete one of them",
            )
    return tuple(columns)


def _row(line: int, cells: list[str], columns: tuple[str, ...], source: str, error: type[InputError]) -> Row:
    while len(cells) > len(columns) and not cells[-1]:
        cells = cells[:-1]
    if len(cells) != len(columns):
        raise error(
            "the row has too many fields" if len(cells) > len(columns) else "the row has too few fields",
            where=f"{source}, line {line}",
            found=f"{len(cells)} fields",
            expected=f"{len(columns)} fields, as in the header ({listing(columns)})",
            fix="Leave a cell empty where nothing is recorded, and put quotes around a value that holds the separator",
        )
    return Row(line, dict(zip(columns, cells, strict=True)))
