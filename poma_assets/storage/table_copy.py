"""Copying a declared table from one attached database into another."""

from __future__ import annotations

from poma_assets.storage.connection import Connection
from poma_assets.storage.table_declaration import Table


def copy_table(connection: Connection, table: Table, *, source: str, target: str) -> None:
    """Within the open transaction: the rows of ``target`` become those of ``source``.

    Both are names of attached databases. A table that the source lacks is empty there, a column NULL: it is of an
    older version of the program.
    """
    rows = connection.execute(
        "SELECT column_name FROM duckdb_columns() WHERE database_name = ? AND table_name = ?", [source, table.name]
    ).fetchall()
    present = {name for (name,) in rows}
    connection.execute(f'DELETE FROM {target}.main."{table.name}"')
    if not present:
        return
    selected = ", ".join(
        f'"{column.name}"' if column.name in present else f'CAST(NULL AS {column.type}) AS "{column.name}"'
        for column in table.columns
    )
    connection.execute(
        f'INSERT INTO {target}.main."{table.name}" BY NAME SELECT {selected} FROM {source}.main."{table.name}"'
    )
