"""Checking frames against the declared tables, and replacing one partition's rows within a transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pandas as pd

from poma_assets.science.errors import StorageError
from poma_assets.storage.connection import Connection
from poma_assets.storage.schema import TABLES
from poma_assets.storage.table_declaration import Column, Table

_NUMPY_KINDS = {"BIGINT": "iub", "INTEGER": "iub", "DOUBLE": "iubf", "BOOLEAN": "b", "TIMESTAMP": "M"}


def declared_table(name: str) -> Table:
    """The declaration of a table.

    Raises
    ------
    StorageError
        If there is no such table.
    """
    if name not in TABLES:
        raise StorageError("there is no such table", where=name, expected=", ".join(sorted(TABLES)))
    return TABLES[name]


def check_columns(table: Table, names: Iterable[str]) -> None:
    """Every name is a column of the table; otherwise a StorageError that names those which are not."""
    unknown = [name for name in names if name not in table.column_names]
    if unknown:
        raise StorageError(
            "unknown column",
            where=f"table {table.name}",
            found=", ".join(map(repr, unknown)),
            expected=", ".join(table.column_names),
        )


def check_frame(table: Table, frame: pd.DataFrame, partition: Mapping[str, str]) -> None:
    """A frame has exactly the declared columns, and no row outside the partition that it replaces.

    Raises
    ------
    StorageError
        Naming the missing and extra columns, or the first row value that belongs to another partition.
    """
    where = f"table {table.name}"
    names = [str(name) for name in frame.columns]
    missing = [name for name in table.column_names if name not in names]
    extra = [name for name in names if name not in table.column_names]
    repeated = sorted({name for name in names if names.count(name) > 1})
    problems = (("missing", missing), ("extra", extra), ("repeated", repeated))
    found = "; ".join(f"{word} {', '.join(columns)}" for word, columns in problems if columns)
    if found:
        raise StorageError(
            "a frame does not have the declared columns",
            where=where,
            found=found,
            expected=", ".join(table.column_names),
        )
    if set(partition) not in (set(table.replace_by), set(table.replace_together or table.replace_by)):
        raise StorageError(
            "a partition is not named by the table's own columns",
            where=where,
            found=", ".join(sorted(partition)) or "none",
            expected=" or ".join(filter(None, map(", ".join, (table.replace_by, table.replace_together)))) or "none",
        )
    for column, value in partition.items():
        others = frame.loc[~frame[column].eq(value).fillna(False).to_numpy(dtype=bool), column]
        if len(others):
            raise StorageError(
                "a frame has rows of another partition",
                where=f"{where}, column {column}",
                found=repr(others.iloc[0]),
                expected=repr(value),
            )


def replace_rows(connection: Connection, table: Table, frame: pd.DataFrame, partition: Mapping[str, str]) -> None:
    """Within the open transaction: delete the rows of the partition and insert the frame.

    A table without ``replace_by`` columns is emptied first. A row that is NULL in a ``replace_by`` column after the
    first is older than that column (no frame may hold such a row): it belongs to every partition of its first column,
    and to no write of ``replace_together`` columns.

    Raises
    ------
    StorageError
        If a value does not fit its declared type; the caller's transaction must then be given up.
    """
    named = [column for column in table.replace_by if column in partition]
    conditions = [f'"{column}" = ?' for column in named[:1]]
    conditions += [f'("{column}" = ? OR "{column}" IS NULL)' for column in named[1:]]
    condition = " AND ".join(conditions) or "true"
    values = [partition[column] for column in named]
    connection.execute(f'DELETE FROM "{table.name}" WHERE {condition}', values)
    insert_rows(connection, table, frame)


def insert_rows(connection: Connection, table: Table, frame: pd.DataFrame) -> None:
    """Within the open transaction: insert a frame that has the declared columns.

    Raises
    ------
    StorageError
        If a value does not fit its declared type; the caller's transaction must then be given up.
    """
    if frame.empty:
        return
    connection.register("incoming", _utc_times(frame))
    try:
        for column in table.columns:
            if frame[column.name].dtype.kind not in _NUMPY_KINDS.get(column.type, ""):
                _check_values(connection, table, column)
        selected = ", ".join(f'CAST("{c.name}" AS {c.type}) AS "{c.name}"' for c in table.columns)
        connection.execute(f'INSERT INTO "{table.name}" BY NAME SELECT {selected} FROM incoming')
    finally:
        connection.unregister("incoming")


def _utc_times(frame: pd.DataFrame) -> pd.DataFrame:
    """Times with a zone as UTC without one: the cast would use the zone of the machine."""
    zoned = frame.select_dtypes("datetimetz").columns
    return frame.assign(**{name: frame[name].dt.tz_convert("UTC").dt.tz_localize(None) for name in zoned})


def _check_values(connection: Connection, table: Table, column: Column) -> None:
    name, cast = f'"{column.name}"', f'TRY_CAST("{column.name}" AS {column.type})'
    unfit = f"{cast} IS NULL"
    if column.type in ("BIGINT", "INTEGER"):
        unfit += f" OR TRY_CAST({name} AS DOUBLE) <> {cast}"  # DuckDB would round
    row = connection.execute(
        f"SELECT CAST({name} AS VARCHAR) FROM incoming WHERE {name} IS NOT NULL AND ({unfit}) LIMIT 1"
    ).fetchone()
    if row:
        raise StorageError(
            "a value does not fit the declared type",
            where=f"table {table.name}, column {column.name}",
            found=repr(row[0]),
            expected=column.type,
        )
