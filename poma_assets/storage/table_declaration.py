"""What a table declaration is; the declarations themselves are in ``schema``."""

from __future__ import annotations

from dataclasses import dataclass



@dataclass(frozen=True)
class Column:
    """One column: its DuckDB type and what it means, with its unit."""

    name: str
    type: str
    comment: str


@dataclass(frozen=True)
class Table:
    """One table: its columns and the columns whose values identify a replaceable partition."""

    name: str
    comment: str
    columns: tuple[Column, ...]
    replace_by: tuple[str, ...] = ()

    @property
    def column_names(self) -> tuple[str, ...]:
        """Names of the columns, in declared order."""
        return tuple(column.name for column in self.columns)
