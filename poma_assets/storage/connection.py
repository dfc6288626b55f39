"""Short-lived connections to a DuckDB file, each under the lock of its side file; errors in plain words."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import duckdb

from poma_assets.science.errors import StorageError
from poma_assets.storage import rollback_journal
from poma_assets.storage.lock import OnWait, Waiting, exclusive_lock, shared_lock

Connection = duckdb.DuckDBPyConnection

DUCKDB_SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    # One partition is small: a second thread only waits for the first, while other processes want the core.
    "threads": 1,
    # A commit goes straight into the file (a checkpoint), not first into the log and on close again.
    "checkpoint_threshold": "1KB",
    "auto_checkpoint_skip_wal_threshold": 0,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    # Names in SQL are tables, never Python variables of the caller.
    "python_enable_replacements": False,
    # Objects are read as text and cast to the declared type, instead of guessed from a sample of the rows.
    "pandas_analyze_sample": 0,
}
_OF_FILE = re.compile(r"could not (write|read|sync|open|truncate) file", re.IGNORECASE)
_FULL = re.compile(r"no space left|disk quota|file too large", re.IGNORECASE)
_DAMAGED = re.compile(r"corrupt|checksum .* does not match", re.IGNORECASE)
_FOREIGN_HOLDER = re.compile(r"lock is held in (?P<program>.*?) \(PID (?P<pid>\d+)\)")


@contextmanager
def writing(
    path: Path,
    *,
    describe: str,
    timeout_s: float,
    on_wait: OnWait | None,
    prepare: Callable[[Connection], None] | None = None,
) -> Iterator[Connection]:
    """Connect to ``path`` for writing, alone; the file and its folder are made if missing.

    ``prepare`` fills a new file before anybody can see it, so that no reader meets one without tables.
    What is not committed when the block ends is dropped. The write-ahead log is folded in on close.
    """
    with plain_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with exclusive_lock(lock_path(path), timeout_s=timeout_s, describe=describe, on_wait=on_wait):
            if not path.exists():
                _create(path, prepare)
            with _undone_if_killed(path, timeout_s, on_wait) as connection:
                yield connection


@contextmanager
def reading(path: Path, *, describe: str, timeout_s: float, on_wait: OnWait | None) -> Iterator[Connection]:
    """Connect to ``path`` for reading, beside other readers; a missing file reads as an empty database."""
    with plain_errors(path):
        if not path.exists():
            with closing(in_memory()) as connection:
                yield connection
            return
        with shared_lock(lock_path(path), timeout_s=timeout_s, describe=describe, on_wait=on_wait):
            if not _is_recoverable(path):
                with closing(_connect(path, True, timeout_s, on_wait)) as connection:
                    yield connection
                return
    # The log of a killed writer is replayed once, here, instead of by every reader.
    recovery = f"{describe}, after a killed write"
    with writing(path, describe=recovery, timeout_s=timeout_s, on_wait=on_wait) as connection:
        yield connection


@contextmanager
def closed_file(path: Path, *, describe: str, timeout_s: float, on_wait: OnWait | None) -> Iterator[None]:
    """Keep everybody out while nobody has the database open and all of it is in its one file."""
    with (
        plain_errors(path),
        exclusive_lock(lock_path(path), timeout_s=timeout_s, describe=describe, on_wait=on_wait),
    ):
        with _undone_if_killed(path, timeout_s, on_wait) as connection:
            connection.execute("CHECKPOINT")
        yield


def in_memory() -> Connection:
    """Connect to a new, empty database in memory."""
    return duckdb.connect(":memory:", config=dict(DUCKDB_SETTINGS))


def is_in_memory(connection: Connection) -> bool:
    """Whether a connection stands for a file that did not exist when it was opened (it may exist by now)."""
    rows = connection.execute("SELECT path FROM duckdb_databases() WHERE NOT internal").fetchall()
    return all(path is None for (path,) in rows)


def lock_path(path: Path) -> Path:
    """The side file that is locked in place of the database file."""
    return path.with_name(path.name + ".lock")


def log_path(path: Path) -> Path:
    """DuckDB's write-ahead log; it is there while a writer is, or after one that did not close."""
    return path.with_name(path.name + ".wal")


def left_by_a_killed_writer(path: Path) -> tuple[Path, ...]:
    """The files that lie beside the database only while somebody writes, or after one that was killed."""
    return log_path(path), rollback_journal.journal_path(path), rollback_journal.unfinished_path(path)


@contextmanager
def _undone_if_killed(path: Path, timeout_s: float, on_wait: OnWait | None) -> Iterator[Connection]:
    """Connect for one transaction; one that is cut off is undone here, by the next writer, or by the next reader."""
    rollback_journal.roll_back(path)
    if log_path(path).exists():
        _fold_in_log(path, timeout_s, on_wait)
    try:
        with closing(_connect(path, False, timeout_s, on_wait)) as connection:
            rollback_journal.save(path, _metadata_blocks(connection))
            yield connection
    finally:
        # Does nothing after a commit: the header of the file has moved on.
        rollback_journal.roll_back(path)


def _fold_in_log(path: Path, timeout_s: float, on_wait: OnWait | None) -> None:
    with closing(_connect(path, True, timeout_s, on_wait)) as connection:
        blocks = _metadata_blocks(connection)
    rollback_journal.save(path, blocks)
    with closing(_connect(path, False, timeout_s, on_wait)) as connection:
        connection.execute("CHECKPOINT")
    rollback_journal.discard(path)


def _metadata_blocks(connection: Connection) -> list[int]:
    return [block for (block,) in connection.execute("SELECT block_id FROM pragma_metadata_info()").fetchall()]


def _is_recoverable(path: Path) -> bool:
    left = any(file.exists() for file in left_by_a_killed_writer(path))
    return left and os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)


def _create(path: Path, prepare: Callable[[Connection], None] | None) -> None:
    """Make an empty database; under another name first, for half a header cannot be opened again."""
    new = path.with_name(path.name + ".new")
    _remove_new(new)
    try:
        with closing(duckdb.connect(str(new), config=dict(DUCKDB_SETTINGS))) as connection:
            if prepare is not None:
                prepare(connection)
            # On close a checkpoint that fails is passed over in silence, and what it held stays in the log.
            connection.execute("CHECKPOINT")
        os.replace(new, path)
    finally:
        _remove_new(new)


def _remove_new(new: Path) -> None:
    for file in (new, log_path(new)):
        file.unlink(missing_ok=True)


def _connect(path: Path, read_only: bool, timeout_s: float, on_wait: OnWait | None) -> Connection:
    waiting = Waiting(str(path), timeout_s, on_wait)
    while True:
        try:
            return duckdb.connect(str(path), read_only=read_only, config=dict(DUCKDB_SETTINGS))
        except duckdb.IOException as error:
            holder = _FOREIGN_HOLDER.search(str(error))
            if holder is None:
                raise
            waiting.pause(f"opened by another program: process {holder['pid']} ({holder['program']})")


@contextmanager
def plain_errors(path: Path | str) -> Iterator[None]:
    """Turn errors of DuckDB and the file system into :class:`StorageError`."""
    try:
        yield
    except duckdb.Error as error:
        text = str(error).strip() or type(error).__name__
        # A commit that fails for want of space is reported as an error of the transaction.
        if isinstance(error, (duckdb.IOException, duckdb.FatalException)) or _OF_FILE.search(text):
            raise _file_error(path, text) from error
        raise StorageError("DuckDB refused", where=str(path), found=" ".join(text.split())) from error
    except OSError as error:
        raise _file_error(Path(error.filename or path), error.strerror or str(error)) from error


def _file_error(path: Path | str, text: str) -> StorageError:
    where, found = str(path), text.splitlines()[0]
    if _DAMAGED.search(text):
        return StorageError(
            "the database is damaged",
            where=where,
            found=found,
            expected="a file that only this platform wrote, on a disk without errors",
            fix="Put a backup in its place; or rename the file and run again: every table is then made again.",
        )
    if _FULL.search(text):
        return StorageError(
            "the disk is full",
            where=where,
            found=found,
            fix="Free some space and run again; what was stored before is untouched.",
        )
    if "not a valid DuckDB database" in text:
        return StorageError(
            "the file is not a DuckDB database",
            where=where,
            fix="Move it away; the pipeline makes a new one.",
        )
    return StorageError(
        "the file or its folder cannot be read or written",
        where=where,
        found=found,
        expected="a folder that you may write",
        fix="Change the permissions, or move the study to a folder that you may write.",
    )
