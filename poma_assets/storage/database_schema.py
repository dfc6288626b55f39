"""Making the declared tables in a database, with comments; files of an older version are completed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from poma_assets.science.errors import StorageError
from poma_assets.storage.connection import Connection
from poma_assets.storage.schema import TABLES
from poma_assets.storage.table_declaration import Column, Table


def ensure_tables(connection: Connection, place: str) -> None:
    """Make the declared tables that are missing, and the declared columns that a table lacks (NULL in its rows).

    So a file of an older version is brought up to date by the first write, within the transaction of that write.

    Raises
    ------
    StorageError
        If a table has columns that are not declared, or a column of another type: what they hold is not known here.
    """
    present = _columns(connection)
    for name, table in TABLES.items():
        if name not in present:
            create_table(connection, table)
            continue
        _refuse_unknown_columns(table, present[name], place)
        for column in missing_columns(table, present[name]):
            connection.execute(f'ALTER TABLE "{name}" ADD COLUMN "{column.name}" {column.type}')
            _comment_column(connection, table, column)


def show_as_declared(connection: Connection, tables: Iterable[Table]) -> None:
    """For this connection only: every table is there, with all declared columns, whatever version made the file.

    Nothing is written: a missing table is an empty temporary one, and a table that lacks columns is hidden by a
    temporary view in which they are NULL.
    """
    present = _columns(connection)
    for table in tables:
        if table.name not in present:
            create_table(connection, table, temporary=True)
        elif missing := missing_columns(table, present[table.name]):
            nulls = ", ".join(f'CAST(NULL AS {column.type}) AS "{column.name}"' for column in missing)
            stored = f'{_identifier(_database(connection))}.main."{table.name}"'
            connection.execute(f'CREATE OR REPLACE TEMP VIEW "{table.name}" AS SELECT *, {nulls} FROM {stored}')


def is_complete(connection: Connection) -> bool:
    """Whether every declared table is there with all its declared columns."""
    present = _columns(connection)
    return all(name in present and not missing_columns(table, present[name]) for name, table in TABLES.items())


def missing_columns(table: Table, present: Mapping[str, str]) -> list[Column]:
    """Declared columns that are not among those present (name -> type)."""
    return [column for column in table.columns if column.name not in present]


def create_table(connection: Connection, table: Table, *, temporary: bool = False) -> None:
    """Make one table, with its comments unless it is temporary."""
    columns = ", ".join(f'"{column.name}" {column.type}' for column in table.columns)
    connection.execute(f'CREATE {"TEMP " if temporary else ""}TABLE "{table.name}" ({columns})')
    if temporary:
        return
    connection.execute(f'COMMENT ON TABLE "{table.name}" IS {_quoted(table.comment)}')
    for column in table.columns:
        _comment_column(connection, table, column)


def _columns(connection: Connection) -> dict[str, dict[str, str]]:
    """Table -> column -> type, of the tables that are there."""
    present: dict[str, dict[str, str]] = {}
    for table, column, kind in connection.execute(
        "SELECT table_name, column_name, data_type FROM duckdb_columns() WHERE NOT internal "
        "AND database_name IN (current_database(), 'temp')"
    ).fetchall():
        present.setdefault(table, {})[column] = kind
    return present


def _refuse_unknown_columns(table: Table, present: Mapping[str, str], place: str) -> None:
    declared = {column.name: column.type for column in table.columns}
    unknown = {name: kind for name, kind in sorted(present.items()) if declared.get(name) != kind}
    if unknown:
        raise StorageError(
            f"the table {table.name} has other columns than this version of the program declares",
            where=place,
            found=", ".join(f"{name} {kind}" for name, kind in unknown.items()),
            expected=", ".join(f"{name} {declared[name]}" for name in unknown if name in declared) or None,
            fix="Use the version of the program that made it. Or move the file away and run again: all tables are made "
            "anew but the history of verdicts, which begins again.",
        )


def _comment_column(connection: Connection, table: Table, column: Column) -> None:
    connection.execute(f'COMMENT ON COLUMN "{table.name}"."{column.name}" IS {_quoted(column.comment)}')


def _database(connection: Connection) -> str:
    row = connection.execute("SELECT current_database()").fetchone()
    return str(row[0]) if row else ""


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
