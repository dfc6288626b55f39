"""The warehouse beyond one machine: DuckLake, a catalogue in PostgreSQL (or SQLite) and Parquet files on a shared folder.

What the lock and the rollback journal do for the embedded file, the transactions of the catalogue do here: a writer
that is killed leaves Parquet files that no catalogue names, and of two writers of the same rows one tries again.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import duckdb

from poma_assets.science.errors import StorageError
from poma_assets.storage.connection import DUCKDB_SETTINGS, Connection
from poma_assets.storage.database_schema import ensure_tables
from poma_assets.storage.duckdb_extensions import load_extensions
from poma_assets.storage.embedded_database import Change
from poma_assets.storage.lake_catalogue import Catalogue
from poma_assets.storage.lock import OnWait, Waiting
from poma_assets.storage.schema import TABLES
from poma_assets.storage.table_copy import copy_table

_Result = TypeVar("_Result")

LAKE = "lake"
"""The name under which DuckDB knows the attached lake."""

_INLINED_ROWS = 1000
"""A write of fewer rows goes into the catalogue itself, instead of into a Parquet file of its own."""

_CONFLICT = re.compile(r"conflict|serialize access|deadlock detected|database is locked|duplicate key", re.IGNORECASE)
_LOST = re.compile(
    r"server closed the connection|connection (to server .*)?(failed|refused|reset|has been closed)|no connection to the "
    r"server|terminating connection|could not connect|unable to connect|the database system is|SSL SYSCALL|broken pipe",
    re.IGNORECASE,
)
_REFUSED = re.compile(r"authentication failed|no password supplied|does not exist|no pg_hba", re.IGNORECASE)


_NO_SCHEMA = re.compile(r"Schema with name .* not found")


class LakeDatabase:
    """A DuckLake with the tables of one study.

    Parameters
    ----------
    catalogue
        Where its catalogue is.
    data
        Folder of the Parquet files; shared by all machines, on each wherever it is mounted.
    timeout_s
        Seconds to try again where others write the same rows, or the catalogue cannot be reached.
    on_wait
        Called with a message that says why.
    """

    def __init__(self, catalogue: Catalogue, data: Path, timeout_s: float, on_wait: OnWait | None) -> None:
        self.catalogue = catalogue
        self.data = data
        self.timeout_s = timeout_s
        self.on_wait = on_wait
        self._open: tuple[int, Connection] | None = None

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
        with closing(self._again(lambda: self._begun(self._attached(read_only=True)))) as connection:
            yield connection

    def seal(self, connection: Connection) -> None:
        """Leave the Parquet files to read, and forbid everything else outside."""
        connection.execute("SET allowed_directories = ?", [[f"{self.data}{os.sep}"]])
        connection.execute("SET enable_external_access = false")

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
        with closing(self._again(lambda: self._attached(read_only=True))) as connection:
            connection.execute(f"ATTACH {_literal(str(copy))} AS copied")
            connection.execute("USE copied")
            connection.begin()
            ensure_tables(connection, str(copy))
            for table in TABLES.values():
                copy_table(connection, table, source=LAKE, target="copied")
            connection.commit()

    def fill_from(self, file: Path) -> None:
        """Replace the rows of all tables by those of a DuckDB file, in one transaction."""

        def once() -> None:
            with closing(self._attached()) as connection:
                connection.execute(f"ATTACH {_literal(str(file))} AS source (READ_ONLY)")
                connection.begin()
                ensure_tables(connection, self.place)
                for table in TABLES.values():
                    copy_table(connection, table, source="source", target=LAKE)
                connection.commit()

        self._again(once)

    def close(self) -> None:
        """Give the connections to the catalogue back."""
        if self._open is not None and self._open[0] == os.getpid():
            self._open[1].close()
        self._open = None

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
                    waiting.pause(f"the catalogue cannot be reached: {_first_line(text)}")
                elif _CONFLICT.search(text):
                    waiting.pause("other processes write the same rows")
                else:
                    raise

    def _cursor(self) -> Connection:
        """A connection of this process's own instance; made once, for attaching takes its time."""
        if self._open is None or self._open[0] != os.getpid():
            self._open = (os.getpid(), self._attached())
        cursor = self._open[1].cursor()
        cursor.execute(f"USE {LAKE}")
        return cursor

    @staticmethod
    def _begun(connection: Connection) -> Connection:
        connection.begin()
        return connection

    def _attached(self, *, read_only: bool = False) -> Connection:
        """A new instance of DuckDB with the lake attached and in use."""
        self.data.mkdir(parents=True, exist_ok=True)
        connection = duckdb.connect(":memory:", config=dict(DUCKDB_SETTINGS))
        try:
            load_extensions(connection, "ducklake", self.catalogue.kind)
            options = [
                f"DATA_PATH {_literal(f'{self.data}{os.sep}')}",
                "OVERRIDE_DATA_PATH true",
                f"DATA_INLINING_ROW_LIMIT {_INLINED_ROWS}",
            ]
            if self.catalogue.schema:
                options.append(f"META_SCHEMA {_literal(self.catalogue.schema)}")
            if read_only:
                options.append("READ_ONLY")
            address = _literal(f"ducklake:{self.catalogue.kind}:{self.catalogue.address}")
            attach = f"ATTACH {address} AS {LAKE} ({', '.join(options)})"
            try:
                connection.execute(attach)
            except duckdb.BinderException as error:
                if not _NO_SCHEMA.search(str(error)):
                    raise
                self._make_schema(connection)
                connection.execute(attach)
            connection.execute(f"USE {LAKE}")
        except BaseException:
            connection.close()
            raise
        return connection

    def _make_schema(self, connection: Connection) -> None:
        """Make the schema of the study in the PostgreSQL database, which DuckLake leaves to others."""
        connection.execute(f"ATTACH {_literal(self.catalogue.address)} AS catalogue (TYPE postgres)")
        connection.execute(f'CREATE SCHEMA IF NOT EXISTS catalogue."{self.catalogue.schema}"')
        connection.execute("DETACH catalogue")

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


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
