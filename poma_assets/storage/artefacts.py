"""Rows of the table ``artefacts``: every file that an asset keeps, with size, hash and what made it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pandas as pd

from poma_assets.storage.schema import TABLES
from poma_assets.storage.step_output import FileArtefact


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
