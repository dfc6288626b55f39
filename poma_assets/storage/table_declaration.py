"""What a table declaration is; the declarations themselves are in ``schema`` and ``contrast_tables``."""

from __future__ import annotations

from dataclasses import dataclass

SAMPLE_COLUMN = "sample_id VARCHAR sample, as written in the sheet"
GENE_COLUMN = "gene_id VARCHAR gene id of the annotation, without version"
CONTRAST_COLUMN = "contrast_id VARCHAR contrast, as written in the contrasts file"


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
    replace_together: tuple[str, ...] = ()
    """Some of `replace_by`: a write that names these alone replaces the rows of all samples or contrasts at once."""

    @property
    def column_names(self) -> tuple[str, ...]:
        """Names of the columns, in declared order."""
        return tuple(column.name for column in self.columns)


def make_table(
    name: str,
    comment: str,
    columns: str,
    replace_by: tuple[str, ...] = (),
    replace_together: tuple[str, ...] = (),
) -> Table:
    """Declare a table from ``name TYPE comment`` lines; TYPE is one word."""
    fields = (line.strip().split(maxsplit=2) for line in columns.strip().splitlines())
    return Table(name, comment, tuple(Column(*field) for field in fields), replace_by, replace_together)
