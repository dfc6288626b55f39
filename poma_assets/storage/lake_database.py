"""The warehouse beyond one machine: DuckLake, a catalogue in PostgreSQL or SQLite and Parquet files in a shared folder.

What the lock and the rollback journal do for the embedded file, the transactions of the catalogue do here: a writer
that is killed leaves Parquet files that no catalogue names, and of two writers of the same rows one tries again.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import duckdb

from poma_assets.science.errors import StorageError, WarehouseLockedError
from poma_assets.storage.connection import Connection
from poma_assets.storage.database_schema import ensure_tables
from poma_assets.storage.embedded_database import Change
from poma_assets.storage.lake_attachment import LAKE, attached, literal
from poma_assets.storage.lake_catalogue import Catalogue
from poma_assets.storage.lock import OnWait, Waiting
from poma_assets.storage.schema import TABLES
from poma_assets.storage.table_copy import copy_table

_Result = TypeVar("_Result")

_KEPT = "7 days"
"""How long DuckLake keeps the files of former states."""

_CONFLICT = re.compile(r"conflict|serialize access|deadlock detected|database is locked|duplicate key", re.IGNORECASE)
_LOST = re.compile(
    r"server closed the connection|connection (to server .*)?(failed|refused|reset|has been closed)|no connection to "
    r"the server|terminating connection|could not connect|unable to connect|the database system is|SSL SYSCALL|"
    r"broken pipe",
    re.IGNORECASE,
)
_RUNS = re.compile(r"\banalyze\b", re.IGNORECASE)
_REFUSED = re.compile(
    r"authentication failed|no password supplied|(database|role) \S+ does not exist|no pg_hba", re.IGNORECASE
)


_MOST_OPEN = 4
_open: dict[tuple[Catalogue, Path], tuple[int, Connection, Path]] = {}
"""The instances of DuckDB that lakes are attached to: process, connection, folder of the Parquet files.

Every Dagster run makes its own `Warehouse`; attaching for each would cost more than its writes.
"""


class LakeDatabase:
    """A DuckLake with the tables of one study.

    Parameters
    ----------
    catalogue
        Where its catalogue is.
    folder
        Where the study keeps Parquet files; shared by all machines, on each wherever it is mounted.
    timeout_s
        Seconds to try again where others write the same rows, or the catalogue cannot be reached.
    on_wait
        Called with a message that says why.
    """

    def __init__(self, catalogue: Catalogue, folder: Path, timeout_s: float, on_wait: OnWait | None) -> None:
        self.catalogue = catalogue
        self.folder = folder
        self.timeout_s = timeout_s
        self.on_wait = on_wait
        self._data = folder

    @property
    def place(self) -> str:
        """The catalogue, as written in ``poma.yaml``."""
        return self.catalogue.text

    @property
    def file(self) -> Path | None:
        """None: the tables are in many files and a catalogue."""
        return None

    def exists(self) -> bool:
        """Whether the lake has tables."""
        with self.reading("looking whether anything is stored") as connection:
            sql = "SELECT count(*) FROM duckdb_tables() WHERE database_name = ?"
            row = connection.execute(sql, [LAKE]).fetchone()
            return bool(row and row[0])

    @contextmanager
    def reading(self, describe: str) -> Iterator[Connection]:
        """Connect for reading: the state of one moment, whatever others write meanwhile."""
        with closing(self._again(lambda: self._begun(self._cursor()))) as connection:
            try:
                yield connection
            finally:
                _roll_back(connection)

    @contextmanager
    def querying(self, held: Connection | None) -> Iterator[Connection]:
        """Connect by a connection of its own, that can only read."""
        self._again(self._cursor).close()  # makes the catalogue, if there is none
        with closing(self._again(lambda: self._begun(self._attach(read_only=True)))) as connection:
            yield connection

    def seal(self, connection: Connection) -> None:
        """Leave the Parquet files to read, and forbid everything else outside."""
        connection.execute("SET allowed_directories = ?", [[f"{self._data}{os.sep}"]])
        connection.execute("SET enable_external_access = false")

    def require_reading(self, sql: str, statements: Sequence[duckdb.Statement]) -> None:
        """Refuse COPY, which could write among the Parquet files.

        Raises
        ------
        StorageError
            If a statement is of that kind.
        """
        kinds = [statement.type for statement in statements]
        explained_by_running = duckdb.StatementType.EXPLAIN in kinds and _RUNS.search(sql)
        if explained_by_running or not set(kinds) <= {duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN}:
            raise StorageError(
                "the warehouse is read-only for queries",
                where=self.place,
                expected="SELECT, FROM, WITH, SHOW, DESCRIBE, SUMMARIZE or EXPLAIN",
            )

    def change(self, describe: str, body: Change) -> None:
        """Do ``body`` in one transaction; again, if another writer was faster or the connection was lost."""

        def once() -> None:
            with closing(self._begun(self._cursor())) as connection:
                try:
                    body(connection)
                    connection.commit()
                except BaseException:
                    _roll_back(connection)
                    raise

        self._again(once)

    def generation(self, connection: Connection) -> object | None:
        """Always the same."""
        return LAKE

    def copy_to(self, copy: Path) -> None:
        """Write all tables into a new DuckDB file."""
        with closing(self._again(lambda: self._attach(read_only=True))) as connection:
            connection.execute(f"ATTACH {literal(str(copy))} AS copied")
            connection.execute("USE copied")
            connection.begin()
            ensure_tables(connection, str(copy))
            for table in TABLES.values():
                copy_table(connection, table, source=LAKE, target="copied")
            connection.commit()
        self._again(self._tidy)

    def fill_from(self, file: Path) -> None:
        """Replace the rows of all tables by those of a DuckDB file, in one transaction."""

        def once() -> None:
            with closing(self._attach()) as connection:
                connection.execute(f"ATTACH {literal(str(file))} AS source (READ_ONLY)")
                connection.begin()
                ensure_tables(connection, self.place)
                for table in TABLES.values():
                    copy_table(connection, table, source="source", target=LAKE)
                connection.commit()

        self._again(once)

    def close(self) -> None:
        """Give the connections to the catalogue back."""
        process, connection, _ = _open.pop((self.catalogue, self.folder), (0, None, None))
        if connection is not None and process == os.getpid():
            connection.close()

    def _tidy(self) -> None:
        """Delete Parquet files that no state of the last days needs, and those that killed writers left."""
        old = f"older_than => now() - INTERVAL '{_KEPT}'"
        with closing(self._cursor()) as connection:
            for name in ("expire_snapshots", "cleanup_old_files", "delete_orphaned_files"):
                connection.execute(f"CALL ducklake_{name}('{LAKE}', {old})").fetchall()

    def _again(self, attempt: Callable[[], _Result]) -> _Result:
        """Do something until neither another writer nor a lost connection is in the way, or the time is up."""
        waiting = Waiting(self.place, self.timeout_s, self.on_wait)
        while True:
            try:
                return attempt()
            except duckdb.Error as error:
                text = str(error)
                if _REFUSED.search(text):
                    raise self._refused(text) from error
                if _LOST.search(text):
                    self.close()
                    self._wait(waiting, text)
                elif _CONFLICT.search(text):
                    waiting.pause("other processes write the same rows")
                else:
                    raise

    def _wait(self, waiting: Waiting, text: str) -> None:
        """Wait for a database server that does not answer."""
        try:
            waiting.pause(f"the catalogue cannot be reached: {_first_line(text)}")
        except WarehouseLockedError as error:
            raise StorageError(
                "the catalogue of the warehouse cannot be reached",
                where=self.place,
                found=_first_line(text),
                fix="Start the database server, or check its address in poma.yaml; then run again: nothing is lost.",
            ) from error

    def _cursor(self) -> Connection:
        """A connection of this process's own instance; made once, for attaching takes its time."""
        key = (self.catalogue, self.folder)
        process, connection, self._data = _open.get(key, (0, None, self._data))
        if connection is None or process != os.getpid():
            connection = self._attach()
            if len(_open) >= _MOST_OPEN:
                _open.pop(next(iter(_open)))
            _open[key] = (os.getpid(), connection, self._data)
        cursor = connection.cursor()
        cursor.execute(f"USE {LAKE}")
        return cursor

    @staticmethod
    def _begun(connection: Connection) -> Connection:
        """Begin a transaction, which sees the state of now: asked for at once, so that a lost connection shows here."""
        connection.begin()
        connection.execute(f"FROM ducklake_current_snapshot('{LAKE}')").fetchall()
        return connection

    def _attach(self, *, read_only: bool = False) -> Connection:
        connection, self._data = attached(self.catalogue, self.folder, read_only=read_only)
        return connection

    def _refused(self, text: str) -> StorageError:
        return StorageError(
            "the catalogue of the warehouse refuses",
            where=self.place,
            found=_first_line(text),
            fix="Check the address in poma.yaml, that the database is there, and the password in PGPASSWORD or in the "
            "password file (PGPASSFILE, ~/.pgpass).",
        )


def _roll_back(connection: Connection) -> None:
    with suppress(duckdb.Error):
        connection.rollback()


def _first_line(text: str) -> str:
    return next((line.strip() for line in text.splitlines() if line.strip()), text)
