"""Exports of a study for other programs: all tables as Parquet or CSV, AnnData, a folder for SummarizedExperiment.

An export is made from a snapshot of the warehouse, in a folder under another name that is renamed when it is whole.
Every export holds a manifest; only a folder that has one (or is empty) is ever replaced.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from poma_assets.science.errors import InputError, StorageError
from poma_assets.science.spreadsheet_cells import FORMULA_PATTERN
from poma_assets.storage.anndata_export import write_anndata
from poma_assets.storage.connection import plain_errors
from poma_assets.storage.publish import publish_study_database
from poma_assets.storage.schema import TABLES
from poma_assets.storage.staging import staged_directory, work_folder
from poma_assets.storage.summarized_experiment import write_summarized_experiment
from poma_assets.storage.table_declaration import Table
from poma_assets.storage.warehouse import Warehouse

MANIFEST = "poma_export.json"


@dataclass(frozen=True)
class Export:
    """What was written: the folder, and file name -> rows (samples for files that hold a matrix)."""

    folder: Path
    files: Mapping[str, int]


def export_study(
    warehouse: Warehouse, target: Path, format_name: str, *, about: Mapping[str, Any], force: bool = False
) -> Export:
    """Write the study's results into a new folder; it is there as a whole or not at all.

    Parameters
    ----------
    target
        The folder to make.
    format_name
        One of `FORMATS`.
    about
        What the manifest and the metadata say of the study: JSON-able values.
    force
        Replace an earlier export.

    Raises
    ------
    InputError
        If the format is unknown, or there is something at ``target`` that may not be replaced.
    StorageError
        If there are no results yet, or the folder cannot be written.
    """
    if format_name not in FORMATS:
        raise InputError("--format is unknown", found=format_name, expected=", ".join(FORMATS))
    _check_target(target, force=force)
    if not warehouse.exists():
        fix = "Run `poma run` first."
        raise StorageError("there are no results to export yet", where=str(warehouse.path.parent), fix=fix)
    with work_folder(target) as folder:
        snapshot = folder / "study.duckdb"
        publish_study_database(warehouse, snapshot)
        about = {**about, "format": format_name, "made_at": datetime.now(UTC).isoformat(timespec="seconds")}
        with staged_directory(target) as staging:
            files = FORMATS[format_name](snapshot, staging, about)
            manifest = {**about, "files": files}
            (staging / MANIFEST).write_text(json.dumps(manifest, indent=2, default=str) + "\n", encoding="utf-8")
    return Export(target, files)


def _check_target(target: Path, *, force: bool) -> None:
    if not target.exists():
        return
    if not target.is_dir() or target.is_symlink():
        raise InputError("the export needs a folder", where=str(target), found="a file or a link", fix="Name another.")
    if not any(target.iterdir()):
        return
    is_export = (target / MANIFEST).is_file()
    if is_export and force:
        return
    fix = "Say --force to replace this export, or name another folder." if is_export else "Name a new folder."
    found = "an earlier export" if is_export else "a folder with other files, which is never replaced"
    raise InputError("there is something already", where=str(target), found=found, fix=fix)


def _write_parquet(snapshot: Path, folder: Path, about: Mapping[str, Any]) -> dict[str, int]:
    return _copy_tables(snapshot, folder, "parquet", "(FORMAT parquet, COMPRESSION zstd)", guarded=False)


def _write_csv(snapshot: Path, folder: Path, about: Mapping[str, Any]) -> dict[str, int]:
    return _copy_tables(snapshot, folder, "csv", "(FORMAT csv, HEADER)", guarded=True)


def _copy_tables(snapshot: Path, folder: Path, suffix: str, options: str, *, guarded: bool) -> dict[str, int]:
    """Write every table to a file of its name, rows in the order of their columns; file -> rows."""
    files = {}
    with plain_errors(folder), closing(duckdb.connect(str(snapshot), read_only=True)) as connection:
        for name, table in TABLES.items():
            target = folder / f"{name}.{suffix}"
            order = ", ".join(f'"{column}"' for column in table.column_names)
            selected = _guarded_columns(table) if guarded else order
            sql = f'SELECT {selected} FROM (SELECT * FROM "{name}" ORDER BY {order})'
            row = connection.execute(f"COPY ({sql}) TO {_literal(str(target))} {options}").fetchone()
            files[target.name] = int(row[0]) if row else 0
    return files


def _guarded_columns(table: Table) -> str:
    """The columns, texts that a spreadsheet would run as formulas with a leading apostrophe."""
    pattern, selected = _literal(FORMULA_PATTERN), []
    for column in table.columns:
        name = f'"{column.name}"'
        if column.type == "VARCHAR":
            selected.append(
                f"CASE WHEN regexp_matches({name}, {pattern}) THEN '''' || {name} ELSE {name} END AS {name}"
            )
        else:
            selected.append(name)
    return ", ".join(selected)


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _write_h5ad(snapshot: Path, folder: Path, about: Mapping[str, Any]) -> dict[str, int]:
    return {"study.h5ad": write_anndata(Warehouse(snapshot), folder / "study.h5ad", about)}


def _write_experiment(snapshot: Path, folder: Path, about: Mapping[str, Any]) -> dict[str, int]:
    return write_summarized_experiment(Warehouse(snapshot), folder, about)


_Writer = Callable[[Path, Path, Mapping[str, Any]], dict[str, int]]

FORMATS: Mapping[str, _Writer] = {
    "parquet": _write_parquet,
    "csv": _write_csv,
    "h5ad": _write_h5ad,
    "summarizedexperiment": _write_experiment,
}
"""Name on the command line -> what writes it."""
