"""The database behind a warehouse: what is asked of it, and the embedded one, a DuckDB file under a lock."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

import duckdb

from poma_assets.storage.connection import Connection, closed_file, is_in_memory, reading, writing
from poma_assets.storage.database_schema import ensure_tables
from poma_assets.storage.lock import OnWait

Change = Callable[[Connection], None]
"""What one transaction does. It may be tried again, so it must do the same every time."""


class Database(Protocol):
    """A database that holds the declared tables of one study."""

    @property
    def place(self) -> str:
        """Where it is, for messages; without secrets."""

    @property
    def file(self) -> Path | None:
        """The one file that all of it is in; None if there is no such file."""

    def exists(self) -> bool:
        """Whether anything was ever stored."""

    def reading(self, describe: str) -> AbstractContextManager[Connection]:
        """Connect for reading: one state of all tables within the block."""

    def querying(self, held: Connection | None) -> AbstractContextManager[Connection]:
        """Connect for SQL of somebody else, over a connection that is thrown away and that can change nothing."""

    def seal(self, connection: Connection) -> None:
        """Take from a connection for queries what the declared tables do not need: other files, other databases."""

    def require_reading(self, sql: str, statements: Sequence[duckdb.Statement]) -> None:
        """Refuse what `seal` cannot keep from writing."""

    def change(self, describe: str, body: Change) -> None:
        """Do ``body`` in one transaction: all of it or nothing."""

    def generation(self, connection: Connection) -> object | None:
        """What stays the same as long as tables are only added; None for a stand-in that holds nothing."""

    def copy_to(self, copy: Path) -> None:
        """Write all tables, as they are at one moment, into a new DuckDB file; none if nothing was stored."""


@dataclass(frozen=True)
class EmbeddedDatabase:
    """One DuckDB file.

    Parameters
    ----------
    path
        The file; it is made by the first write.
    timeout_s
        Seconds to wait for another process that holds it.
    on_wait
        Called with a message that names the holder.
    """

    path: Path
    timeout_s: float
    on_wait: OnWait | None

    @property
    def place(self) -> str:
        """The path."""
        return str(self.path)

    @property
    def file(self) -> Path | None:
        """The path."""
        return self.path

    def exists(self) -> bool:
        """Whether the file is there."""
        return self.path.exists()

    @contextmanager
    def reading(self, describe: str) -> Iterator[Connection]:
        """Connect beside other readers; writers wait."""
        with reading(self.path, describe=describe, timeout_s=self.timeout_s, on_wait=self.on_wait) as connection:
            yield connection

    @contextmanager
    def querying(self, held: Connection | None) -> Iterator[Connection]:
        """Connect for reading only; over the connection that is open, if there is one."""
        if held is not None:
            yield held
            return
        with self.reading("a query") as connection:
            if is_in_memory(connection):
                ensure_tables(connection, self.place)
            yield connection

    def seal(self, connection: Connection) -> None:
        """Forbid everything outside the file."""
        connection.execute("SET enable_external_access = false")

    def require_reading(self, sql: str, statements: Sequence[duckdb.Statement]) -> None:
        """Refuse nothing: the connection can only read."""

    def change(self, describe: str, body: Change) -> None:
        """Do ``body`` in one transaction, alone."""
        prepare = partial(ensure_tables, place=self.place)
        with writing(
            self.path, describe=describe, timeout_s=self.timeout_s, on_wait=self.on_wait, prepare=prepare
        ) as connection:
            connection.begin()
            body(connection)
            connection.commit()

    def generation(self, connection: Connection) -> object | None:
        """The inode of the file."""
        return None if is_in_memory(connection) else self.path.stat().st_ino

    def copy_to(self, copy: Path) -> None:
        """Copy the file while nobody has it open."""
        if not self.path.exists():
            return
        describe = f"publishing {copy.name}"
        with closed_file(self.path, describe=describe, timeout_s=self.timeout_s, on_wait=self.on_wait):
            shutil.copyfile(self.path, copy)
