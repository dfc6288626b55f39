"""Carrying all tables of a study from one database into another, and making sure that they arrived.

Nothing of the old database is changed or removed. The copy is made from a snapshot in a file of its own, in one
transaction, so that a migration that was cut off is simply begun again.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from poma_assets.science.errors import StorageError
from poma_assets.storage.connection import DUCKDB_SETTINGS, Connection, plain_errors
from poma_assets.storage.database_schema import ensure_tables, show_as_declared
from poma_assets.storage.hashing import frame_digest
from poma_assets.storage.lake_database import LakeDatabase
from poma_assets.storage.schema import TABLES
from poma_assets.storage.staging import work_folder
from poma_assets.storage.table_declaration import Table
from poma_assets.storage.warehouse import Warehouse

_ROWS_AT_ONCE = 1_000_000


@dataclass(frozen=True)
class TableContent:
    """How many rows a table has, and a hash of all its values, whatever their order."""

    rows: int
    digest: str


@dataclass(frozen=True)
class Migration:
    """What was carried over; ``set_aside`` is the former file at the target, under another name."""

    contents: Mapping[str, TableContent]
    was_there: bool = False
    set_aside: Path | None = None

    @property
    def rows(self) -> int:
        """Rows of all tables."""
        return sum(content.rows for content in self.contents.values())


def migrate_tables(source: Warehouse, target: Warehouse, *, replace: bool = False) -> Migration:
    """Copy all tables and compare row counts and hashes on both sides; nobody else may write meanwhile.

    Parameters
    ----------
    replace
        Whether tables of a DuckLake that hold something else may give way (its snapshots keep them).

    Raises
    ------
    StorageError
        If one of the two cannot be reached, the target holds something else, or the copy differs.
    """
    contents = table_contents(source)
    present = table_contents(target) if target.exists() else {}
    if present == contents:
        return Migration(contents, was_there=True)
    is_lake = isinstance(target.database, LakeDatabase)
    if is_lake and not replace and any(content.rows for content in present.values()):
        raise StorageError(
            "there are other tables already where the warehouse shall go",
            where=target.database.place,
            found=_differing(contents, present),
            fix="Is it the catalogue of another study? Name another schema or database. If they may give way, say "
            "--replace.",
        )
    with work_folder(target.path) as folder:
        snapshot = folder / target.path.name
        source.database.copy_to(snapshot)
        with plain_errors(snapshot), closing(duckdb.connect(str(snapshot), config=dict(DUCKDB_SETTINGS))) as connection:
            ensure_tables(connection, source.database.place)
            connection.execute("CHECKPOINT")
        if isinstance(target.database, LakeDatabase):
            with plain_errors(target.database.place):
                target.database.fill_from(snapshot)
            _require_equal(contents, table_contents(target), target.database.place)
            return Migration(contents)
        _require_equal(contents, table_contents(Warehouse(snapshot)), str(snapshot))
        return Migration(contents, set_aside=_put_into_place(snapshot, target.path))


def table_contents(warehouse: Warehouse) -> dict[str, TableContent]:
    """Row counts and hashes of all declared tables, at one moment; a million rows at a time are in memory."""
    with (
        plain_errors(warehouse.database.place),
        warehouse.database.reading("counting and hashing all rows") as connection,
    ):
        show_as_declared(connection, TABLES.values())
        return {name: _content(connection, table) for name, table in TABLES.items()}


def _content(connection: Connection, table: Table) -> TableContent:
    selected = ", ".join(f'"{name}"' for name in table.column_names)
    rows, digest = 0, hashlib.sha256()
    for condition, bounds in _batches(connection, table):
        frame = connection.execute(f'SELECT {selected} FROM "{table.name}" WHERE {condition}', bounds).df()
        rows += len(frame)
        digest.update(frame_digest(frame).encode())
    return TableContent(rows, digest.hexdigest())


def _batches(connection: Connection, table: Table) -> Iterator[tuple[str, list[object]]]:
    """Conditions that part the rows of a table by its first column; the same for the same content."""
    first = f'"{table.columns[0].name}"'
    groups = connection.execute(
        f'SELECT {first}, count(*) FROM "{table.name}" WHERE {first} IS NOT NULL GROUP BY 1 ORDER BY 1'
    ).fetchall()
    yield f"{first} IS NULL", []
    low, collected = None, 0
    for position, (value, rows) in enumerate(groups):
        low = value if low is None else low
        collected += rows
        if collected >= _ROWS_AT_ONCE or position == len(groups) - 1:
            yield f"{first} BETWEEN ? AND ?", [low, value]
            low, collected = None, 0


def _require_equal(before: Mapping[str, TableContent], after: Mapping[str, TableContent], place: str) -> None:
    if before != after:
        raise StorageError(
            "the copied tables are not those of the study; the study goes on using the old ones",
            where=place,
            found=_differing(before, after),
            fix="Does a run write into this study now? Run the command again when it has ended.",
        )


def _differing(before: Mapping[str, TableContent], after: Mapping[str, TableContent]) -> str:
    nothing = TableContent(0, "")
    return ", ".join(
        f"{name} with {after.get(name, nothing).rows:,} rows instead of {content.rows:,}"
        if after.get(name, nothing).rows != content.rows
        else f"{name} with other values"
        for name, content in before.items()
        if after.get(name, nothing) != content
    )


def _put_into_place(new: Path, path: Path) -> Path | None:
    """Rename the new file to its place; a former one gets a name with the time and stays."""
    aside = None
    with plain_errors(path):
        if path.exists():
            aside = path.with_name(f"{path.name}.before-{datetime.now(UTC):%Y%m%dT%H%M%S}")
            os.replace(path, aside)
        os.replace(new, path)
    return aside
