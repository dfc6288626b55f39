"""Dagster's run and event storage in SQLite, as Dagster makes it, with its SQL engines kept between calls.

Dagster makes a new engine for every event that it stores, and a new engine compiles each statement anew
(docs/decisions/0014-cost-of-a-run.md). Files and tables are the same, so that a study may change between the two.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from dagster._core.storage.runs.sqlite.sqlite_run_storage import SqliteRunStorage
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage
from dagster._serdes import ConfigurableClassData
from sqlalchemy import create_engine
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.pool import NullPool

_BUSY_TIMEOUT_S = 60.0
_MOST_ENGINES = 32


class StudyInstanceStorage(DagsterSqliteStorage):
    """The storage of a study's Dagster home."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(base_dir, inst_data=inst_data)
        history = Path(base_dir) / "history"
        self._run_storage = _RunStorage.from_local(f"{history}{os.sep}")
        self._event_log_storage = _EventLogStorage(f"{history / 'runs'}{os.sep}")

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
    @contextmanager
    def _connect(self, shard: str) -> Generator[Connection]:
        with self._db_lock:
            engine = _engine(self.conn_string_for_shard(shard))
            if shard not in self._initialized_dbs:
                self._initdb(engine)
                self._initialized_dbs.add(shard)
            with engine.begin() as connection:
                yield connection


@lru_cache(maxsize=_MOST_ENGINES)
def _engine(connection_string: str) -> Engine:
    # Without a pool no connection is kept: only the statements that were compiled.
    return create_engine(connection_string, poolclass=NullPool, connect_args={"timeout": _BUSY_TIMEOUT_S})
