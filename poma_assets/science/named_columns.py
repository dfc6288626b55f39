"""Reads a delimited table whose columns are known beforehand."""

from __future__ import annotations

from collections.abc import Sequence

from poma_assets.science.errors import InputError
from poma_assets.science.tables import Row, listing, near_miss, read_delimited


def read_rows(
    text: str,
    *,
    source: str,
    required: Sequence[str],
    optional: Sequence[str] = (),
    error: type[InputError],
    what: str,
) -> list[Row]:
    """Read CSV or TSV text that must have certain columns.

    Parameters
    ----------
    text, source, error, what
        As for `science.tables.read_delimited`.
    required, optional
        Columns which must, and which may, be there. An absent optional column reads as empty cells;
        further columns are kept.

    Raises
    ------
    InputError
        As the class `error`: a required column is missing, or the table cannot be read.
    """
    table = read_delimited(text, source=source, error=error, what=what)
    missing = [name for name in required if name not in table.columns]
    if missing:
        alike = near_miss(missing[0], table.columns)
        raise error(
            f"the {what} lacks columns: {listing(missing)}",
            where=f"{source}, line {table.line}",
            found=listing(table.columns),
            expected=listing(required, limit=30),
            fix=f"Is {alike!r} meant to be {missing[0]!r}?" if alike else None,
        )
    absent = dict.fromkeys(optional, "")
    return [Row(row.line, absent | row.cells) for row in table.rows]
