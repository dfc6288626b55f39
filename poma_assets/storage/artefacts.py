"""Rows of the table ``artefacts``: every file that an asset keeps, with size, hash and what made it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from poma_assets.storage.connection import Connection
from poma_assets.storage.rows import insert_rows
from poma_assets.storage.schema import TABLES
from poma_assets.storage.step_output import FileArtefact

FileKey = tuple[str, str, str]
"""Asset, partition and role of a file."""


def artefact_rows(
    files: Mapping[str, FileArtefact],
    *,
    asset: str,
    partition: str,
    study_root: Path,
    run_id: str,
    sha256: Callable[[Path], str],
) -> pd.DataFrame:
    """One row per file, by role.

    Raises
    ------
    StorageError
        From ``sha256``, if a file is missing or cannot be read.
    """
    rows = []
    for role, file in sorted(files.items()):
        path = file.path.absolute()
        content = sha256(path)
        rows.append(
            {
                "asset": asset,
                "partition": partition,
                "role": role,
                "path": stored_path(path, study_root),
                "bytes": path.stat().st_size,
                "sha256": content,
                "tool": file.tool,
                "tool_version": file.tool_version,
                "run_id": run_id,
                "dropped_at": None,
            }
        )
    return pd.DataFrame(rows, columns=list(TABLES["artefacts"].column_names))


def stored_path(path: Path, study_root: Path) -> str:
    """The path as stored: relative to the study folder when inside it, so that a study may be moved."""
    path, root = path.absolute(), study_root.absolute()
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)


def absolute_path(stored: str, study_root: Path) -> Path:
    """The inverse of :func:`stored_path`."""
    return study_root.absolute() / stored


def exchange_files(connection: Connection, dropped: Iterable[FileKey], added: pd.DataFrame) -> None:
    """Within the open transaction: note that files are no longer kept, and add records of those that replace them.

    Parameters
    ----------
    dropped
        Files that are about to be deleted.
    added
        Rows of the table; a record of the same asset, partition and role gives way.
    """
    now = datetime.now(UTC).replace(tzinfo=None)
    gone = pd.DataFrame(list(dropped), columns=["asset", "partition", "role"], dtype=object)
    same = " AND ".join(f"artefacts.{name} = gone.{name}" for name in gone.columns)
    connection.register("gone", gone)
    connection.execute(f"UPDATE artefacts SET dropped_at = ? FROM gone WHERE {same} AND dropped_at IS NULL", [now])
    connection.unregister("gone")
    if not added.empty:
        connection.register("gone", added[list(gone.columns)])
        connection.execute(f"DELETE FROM artefacts USING gone WHERE {same}")
        connection.unregister("gone")
        insert_rows(connection, TABLES["artefacts"], added)
