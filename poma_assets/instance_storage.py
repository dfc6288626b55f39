"""Dagster's run and event storage in SQLite, as Dagster makes it, without the work that it repeats.

Dagster makes a new SQL engine for every event that it stores, whose statements are compiled anew, and loads all its
migrations for the file of every run (docs/decisions/0014-cost-of-a-run.md). Here engines are kept, and a new file is
stamped with a revision that was found once. Files and tables are the same: a study may change between the two.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from alembic.script import ScriptDirectory
from dagster._core.storage.base_storage import DagsterStorage
from dagster._core.storage.event_log.schema import SqlEventLogStorageMetadata
from dagster._core.storage.event_log.sqlite import sqlite_event_log
from dagster._core.storage.event_log.sqlite.sqlite_event_log import INDEX_SHARD_NAME, SqliteEventLogStorage
from dagster._core.storage.runs.sqlite.sqlite_run_storage import SqliteRunStorage
from dagster._core.storage.schedules.sqlite.sqlite_schedule_storage import SqliteScheduleStorage
from dagster._core.storage.sql import get_alembic_config
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage
from dagster._serdes import ConfigurableClassData
from sqlalchemy import create_engine, inspect, text
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

from poma_assets.science.errors import StorageError

_BUSY_TIMEOUT_S = 60.0
_MOST_ENGINES = 32
_PARTITION_SEEN_FOR_S = 1.0
_MAKE_VERSION_TABLE = "CREATE TABLE IF NOT EXISTS alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"
_STAMP = "INSERT OR IGNORE INTO alembic_version VALUES (:revision)"


class StudyInstanceStorage(DagsterSqliteStorage):
    """The storage of a study's Dagster home."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        history = Path(base_dir) / "history"
        self.base_dir = base_dir
        self._inst_data = inst_data
        self._run_storage = _RunStorage.from_local(f"{history}{os.sep}")
        self._event_log_storage = _EventLogStorage(f"{history / 'runs'}{os.sep}")
        self._schedule_storage = SqliteScheduleStorage.from_local(str(Path(base_dir) / "schedules"))
        DagsterStorage.__init__(self)  # type: ignore[no-untyped-call, arg-type]

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        """No settings: the files lie in the Dagster home."""
        return {}

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData, config_value: Mapping[str, Any]
    ) -> StudyInstanceStorage:
        """Open the storage of the Dagster home in the environment."""
        return cls.from_local(os.environ["DAGSTER_HOME"], inst_data=inst_data)


class _RunStorage(SqliteRunStorage):
    @contextmanager
    def connect(self) -> Generator[Connection]:
        with _engine(self._conn_string).begin() as connection:
            yield connection


class _EventLogStorage(SqliteEventLogStorage):
    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._seen_partitions: dict[tuple[str, str], float] = {}

    def has_dynamic_partition(self, partitions_def_name: str, partition_key: str) -> bool:
        """Whether there is such a partition. Dagster asks 80 times in the run of a sample, several times an event."""
        key, now = (partitions_def_name, partition_key), time.monotonic()
        if now - self._seen_partitions.get(key, -math.inf) < _PARTITION_SEEN_FOR_S:
            return True
        if found := super().has_dynamic_partition(partitions_def_name, partition_key):
            self._seen_partitions[key] = now
        return found

    def delete_dynamic_partition(self, partitions_def_name: str, partition_key: str) -> None:
        """Delete a partition; it is gone at once for this process, and within a second for the others."""
        super().delete_dynamic_partition(partitions_def_name, partition_key)
        self._seen_partitions.pop((partitions_def_name, partition_key), None)

    @contextmanager
    def _connect(self, shard: str) -> Generator[Connection]:
        with self._db_lock:
            engine = _engine(self.conn_string_for_shard(shard))
            if shard not in self._initialized_dbs:
                if shard == INDEX_SHARD_NAME:
                    self._initdb(engine)
                else:
                    self._make_run_file(engine)
                self._initialized_dbs.add(shard)
            with engine.begin() as connection:
                yield connection

    def _make_run_file(self, engine: Engine) -> None:
        try:
            with engine.connect() as connection:
                if inspect(connection).has_table("alembic_version"):
                    return
                SqlEventLogStorageMetadata.create_all(connection)
                connection.execute(text("PRAGMA journal_mode=WAL;"))
                connection.execute(text(_MAKE_VERSION_TABLE))
                connection.execute(text(_STAMP), {"revision": _newest()})
                connection.commit()
        except OperationalError:
            self._initdb(engine)  # another process makes it at the same time: Dagster knows how to wait for it


@lru_cache(maxsize=1)
def _newest() -> str:
    """The newest revision of the event log's tables."""
    config = get_alembic_config(sqlite_event_log.__file__)
    return str(ScriptDirectory.from_config(config).as_revision_number("head"))


@lru_cache(maxsize=_MOST_ENGINES)
def _engine(connection_string: str) -> Engine:
    # Without a pool no connection is kept: only the statements that were compiled.
    return create_engine(connection_string, poolclass=NullPool, connect_args={"timeout": _BUSY_TIMEOUT_S})


@contextmanager
def plain_history_errors(home: Path) -> Generator[None]:
    """Say in plain words that the run history cannot be read or written, for example on a full disk.

    Raises
    ------
    StorageError
    """
    try:
        yield
    except OperationalError as error:
        raise StorageError(
            "the run history cannot be read or written",
            where=str(home),
            found=str(error.orig),
            fix="Is the disk full, or the folder read-only? Mend that and run again; the steps that finished are kept.",
        ) from error
