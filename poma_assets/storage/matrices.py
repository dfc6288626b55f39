"""Long tables as matrices, filled piece by piece so that memory stays near the size of the matrix."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from poma_assets.science.errors import StorageError
from poma_assets.storage.connection import Connection
from poma_assets.storage.table_declaration import Table

_VECTORS_PER_PIECE = 1024  # of 2,048 rows each
_DIGITS = re.compile(r"(\d+)")


def fetch_matrix(
    connection: Connection,
    table: Table,
    row: str,
    column: str,
    value: str,
    condition: str,
    parameters: Sequence[Any],
    fill: float | None,
) -> pd.DataFrame:
    """Matrix of ``value`` with the distinct values of ``row`` as index and of ``column`` as columns.

    ``condition`` with its ``parameters`` restricts the rows of the table. See ``Warehouse.read_matrix``.
    """
    kinds = {declared.name: declared.type for declared in table.columns}
    if kinds[value] not in ("BIGINT", "INTEGER", "DOUBLE"):
        raise StorageError("a matrix needs a numeric column", where=f"table {table.name}", found=value)
    whole = kinds[value] != "DOUBLE" and (fill is None or float(fill).is_integer())
    fill = fill if fill is not None else (0 if whole else np.nan)
    restricted = f'(SELECT "{row}" AS r, "{column}" AS c, "{value}" AS v FROM "{table.name}" WHERE {condition})'
    rows = _index_labels(connection, "row_labels", "r", restricted, parameters)
    columns = _index_labels(connection, "column_labels", "c", restricted, parameters)
    matrix = np.full((len(columns), len(rows)), fill, dtype=np.int64 if whole else np.float64)
    seen = np.zeros(matrix.shape, dtype=bool)
    result = connection.execute(
        "SELECT column_labels.position AS c, row_labels.position AS r, v "
        f"FROM {restricted} long JOIN row_labels ON long.r = row_labels.label "
        "JOIN column_labels ON long.c = column_labels.label",
        list(parameters),
    )
    n_values = 0
    while len(piece := result.fetch_df_chunk(_VECTORS_PER_PIECE)):
        n_values += len(piece)
        cells = (piece["c"].to_numpy(), piece["r"].to_numpy())
        seen[cells] = True
        values = piece["v"].to_numpy(dtype=np.float64) if piece["v"].hasnans else piece["v"].to_numpy()
        known = ~np.isnan(values) if values.dtype.kind == "f" else slice(None)
        matrix[cells[0][known], cells[1][known]] = values[known]
    if n_values != np.count_nonzero(seen):
        raise _ambiguous(connection, table, restricted, parameters)
    return pd.DataFrame(matrix.T, index=pd.Index(rows, name=row), columns=pd.Index(columns, name=column), copy=False)


def natural_key(text: str) -> tuple[object, ...]:
    """Sort key that reads runs of digits as numbers: S2 before S10."""
    parts = _DIGITS.split(text)
    return (*((int(part), "") if i % 2 else (-1, part) for i, part in enumerate(parts)), (-2, text))


def _index_labels(
    connection: Connection, name: str, column: str, restricted: str, parameters: Sequence[Any]
) -> list[str]:
    """Distinct labels in natural order; kept in the temporary table ``name`` with their positions."""
    found = connection.execute(
        f"SELECT DISTINCT CAST({column} AS VARCHAR) FROM {restricted} WHERE {column} IS NOT NULL",
        list(parameters),
    ).fetchall()
    labels = sorted((label for (label,) in found), key=natural_key)
    frame = pd.DataFrame({"label": labels, "position": np.arange(len(labels), dtype=np.int32)})
    connection.register("incoming", frame)
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS SELECT label, position FROM incoming")
    connection.unregister("incoming")
    return labels


def _ambiguous(connection: Connection, table: Table, restricted: str, parameters: Sequence[Any]) -> StorageError:
    example = connection.execute(
        f"SELECT r, c, count(*) FROM {restricted} GROUP BY r, c HAVING count(*) > 1 ORDER BY r, c LIMIT 1",
        list(parameters),
    ).fetchone()
    found = f"{example[2]} values for {example[0]} in {example[1]}" if example else None
    return StorageError(
        "a cell of the matrix has several values",
        where=f"table {table.name}",
        found=found,
        fix="Restrict the rows, for example to one counter.",
    )
