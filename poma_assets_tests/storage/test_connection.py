"""Making a new database file: all of it is in the one file, and a failure leaves nothing beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

from poma_assets.storage.connection import Connection, reading, writing


def _fill_the_log_only(connection: Connection) -> None:
    """Commit rows that stay in the log on close too, as when the checkpoint on close fails for want of space."""
    connection.execute("PRAGMA disable_checkpoint_on_shutdown")
    connection.execute("SET checkpoint_threshold = '1GB'")
    connection.execute("CREATE TABLE counted AS SELECT range AS number FROM range(1000)")


def test_a_new_file_holds_all_that_was_prepared_and_no_log_stays_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"

    with writing(path, describe="test", timeout_s=1, on_wait=None, prepare=_fill_the_log_only):
        pass

    with reading(path, describe="test", timeout_s=1, on_wait=None) as connection:
        assert connection.execute("SELECT count(*) FROM counted").fetchone() == (1000,)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["warehouse.duckdb", "warehouse.duckdb.lock"]


def test_a_new_file_that_could_not_be_prepared_leaves_neither_file_nor_log(tmp_path: Path) -> None:
    def fail(connection: Connection) -> None:
        _fill_the_log_only(connection)
        raise OSError(28, "No space left on device")

    with (
        pytest.raises(Exception, match="the disk is full"),
        writing(tmp_path / "warehouse.duckdb", describe="test", timeout_s=1, on_wait=None, prepare=fail),
    ):
        pass

    assert [file.name for file in tmp_path.iterdir()] == ["warehouse.duckdb.lock"]
