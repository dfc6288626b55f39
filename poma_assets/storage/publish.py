"""The published copy of the warehouse, ``study.duckdb``: for people and notebooks, who may open it freely."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import closing
from pathlib import Path

import duckdb

from poma_assets.storage.connection import log_path, plain_errors
from poma_assets.storage.database_schema import ensure_tables
from poma_assets.storage.lock import exclusive_lock
from poma_assets.storage.published_views import create_views
from poma_assets.storage.warehouse import Warehouse


def publish_study_database(warehouse: Warehouse, target: Path, *, asset: str = "") -> int:
    """Replace ``target`` by a whole copy of the warehouse, with views for people; all at once.

    Who has the old copy open goes on reading the old one. The copy keeps the comments on tables and columns.

    Parameters
    ----------
    asset
        The step that publishes. Its own records tell of the copy before this one, so they are left out: the same study
        gives the same copy, however often it was published.

    Returns
    -------
    int
        Size of the copy in bytes.

    Raises
    ------
    StorageError
        If the folder cannot be written or the disk is full; the old copy then stays.
    """
    with plain_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        lock = target.with_name(f".{target.name}.lock")
    with plain_errors(target), exclusive_lock(lock, describe=f"publishing {target.name}"):
        for leftover in target.parent.glob(f".{target.name}-*/"):
            shutil.rmtree(leftover, ignore_errors=True)
        folder = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
        try:
            copy = folder / target.name
            warehouse.database.copy_to(copy)
            with closing(duckdb.connect(str(copy))) as connection:
                ensure_tables(connection, warehouse.database.place)
                create_views(connection)
                for table in ("steps", "artefacts"):
                    connection.execute(f'DELETE FROM "{table}" WHERE asset = ?', [asset])
                connection.execute("CHECKPOINT")
            size = copy.stat().st_size
            _sync(copy)
            os.replace(copy, target)
            # The log of somebody who wrote into the old copy does not belong to the new one.
            log_path(target).unlink(missing_ok=True)
            _sync(target.parent)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    return size


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
