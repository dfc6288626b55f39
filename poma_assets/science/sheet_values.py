"""Values of a sample sheet that no reader of a report could make sense of: endless ones, and two that look the same."""

from __future__ import annotations

from collections.abc import Sequence

from poma_assets.science.errors import SampleSheetError
from poma_assets.science.look_alikes import differing_characters, first_look_alikes
from poma_assets.science.tables import DelimitedTable

LONGEST_CELL = 4000
"""Characters of a cell; a quotation mark that is not closed makes one cell of many."""


def refuse_odd_values(table: DelimitedTable, metadata: Sequence[str], *, source: str) -> None:
    """Refuse cells that are too long, and in a metadata column values that differ in nothing that can be seen.

    Parameters
    ----------
    table
        The sheet.
    metadata
        Its columns whose values may become levels of a design.
    source
        The file, for messages.

    Raises
    ------
    SampleSheetError
        Naming line and column.
    """
    for row in table.rows:
        for column, cell in row.cells.items():
            if len(cell) > LONGEST_CELL:
                raise SampleSheetError(
                    f"the cell is longer than {LONGEST_CELL:,} characters",
                    where=f"{source}, line {row.line}, column {column}",
                    found=f"{len(cell):,} characters",
                    fix="Is a quotation mark missing? A longer text belongs into a file of its own",
                )
    for column in metadata:
        alike = first_look_alikes(row.cells[column] for row in table.rows)
        if alike is None:
            continue
        odd = next(value for value in reversed(alike) if not value.isascii())
        line = next(row.line for row in table.rows if row.cells[column] == odd)
        raise SampleSheetError(
            f"two values of column {column!r} look the same and are not",
            where=f"{source}, line {line}, column {column}",
            found=f"{alike[0]!a} and {alike[1]!a}, with {differing_characters(odd)}",
            expected="one value written in one way",
            fix="Type the value anew in these rows, or copy it from one row into the others",
        )
