"""The mark of what somebody still has to fill in, in the first files of a study, and the refusal of files that hold it.

``poma init`` writes the mark where it cannot know; nothing runs until it is gone, so that nothing is forgotten.
"""

from __future__ import annotations

from poma_assets.science.errors import InputError
from poma_assets.science.tables import DelimitedTable

FILL_IN = "FILL IN"
"""What stands where something must be filled in."""


def refuse_unfilled(table: DelimitedTable, *, source: str, error: type[InputError]) -> None:
    """Refuse a table in which a cell still bears the mark.

    Raises
    ------
    InputError
        As the given class: the first such cell, how many there are, and in which columns.
    """
    cells = [(row.line, column) for row in table.rows for column in table.columns if is_unfilled(row.cells[column])]
    if not cells:
        return
    line, column = cells[0]
    columns = list(dict.fromkeys(name for _, name in cells))
    number = "1 cell is" if len(cells) == 1 else f"{len(cells)} cells are"
    raise error(
        f"{number} still to be filled in",
        where=f"{source}, line {line}, column {column}",
        found=f"{FILL_IN!r} in {'column' if len(columns) == 1 else 'the columns'} {', '.join(columns)}",
        fix="Write what is true, or leave the cell empty where it was not recorded; a line or column that you do not "
        "need may be deleted.",
    )


def is_unfilled(cell: str | None) -> bool:
    """Whether a cell bears the mark, in whatever case."""
    return cell is not None and cell.strip().replace("_", " ").upper().startswith(FILL_IN)
