"""Making the declared tables in a database, with comments, and checking those that are there."""

from __future__ import annotations

from pathlib import Path

from poma_assets.science.errors import StorageError
from poma_assets.storage.connection import Connection
from poma_assets.storage.schema import TABLES
from poma_assets.storage.table_declaration import Table


def table_names(connection: Connection) -> set[str]:
    """Names of the tables that the database has."""
    return {name for (name,) in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()}


def ensure_tables(connection: Connection, path: Path) -> None:
    """Make the declared tables that are missing.

    Raises
    ------
    StorageError
        If a table is there with other columns: another version of the program made it.
    """
    present: dict[str, set[tuple[str, str]]] = {}
    for table, column, kind in connection.execute(
        "SELECT table_name, column_name, data_type FROM duckdb_columns() WHERE NOT internal"
    ).fetchall():
        present.setdefault(table, set()).add((column, kind))
    for name, table in TABLES.items():
        if name not in present:
            create_table(connection, table)
        elif present[name] != {(column.name, column.type) for column in table.columns}:
            different = present[name] ^ {(column.name, column.type) for column in table.columns}
            raise StorageError(
                f"the table {name} has other columns than this version of the program declares",
                where=str(path),
                found="a difference in " + ", ".join(sorted({column for column, _ in different})),
                fix="Move the file away and run again: all tables are made anew from the kept files.",
            )


def create_table(connection: Connection, table: Table) -> None:
    """Make one table, with its comments."""
    columns = ", ".join(f'"{column.name}" {column.type}' for column in table.columns)
    connection.execute(f'CREATE TABLE "{table.name}" ({columns})')
    connection.execute(f'COMMENT ON TABLE "{table.name}" IS {_quoted(table.comment)}')
    for column in table.columns:
        connection.execute(f'COMMENT ON COLUMN "{table.name}"."{column.name}" IS {_quoted(column.comment)}')


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
