"""Attaching a DuckLake: making it where there is none, and making sure that it is that of this study.

The Parquet files of a lake are in a folder of a unique name below the study's results. The catalogue knows the folder;
a study that was moved, or that another machine mounts elsewhere, is known by that name.
"""

from __future__ import annotations

import os
import re
import sqlite3
import uuid
from contextlib import closing
from pathlib import Path

import duckdb

from poma_assets.science.errors import StorageError
from poma_assets.storage.connection import Connection, in_memory
from poma_assets.storage.duckdb_extensions import load_extensions
from poma_assets.storage.lake_catalogue import Catalogue

LAKE = "lake"
"""The name under which DuckDB knows the attached lake."""

_INLINED_ROWS = 1000
"""A write of fewer rows goes into the catalogue itself, instead of into a Parquet file of its own."""

_NO_LAKE = re.compile(r"Existing DuckLake .* does not exist")
_NO_SCHEMA = re.compile(r"Schema with name .* not found")
_OTHER_FOLDER = re.compile(r"does not match existing data path")


def attached(catalogue: Catalogue, folder: Path, *, read_only: bool = False) -> tuple[Connection, Path]:
    """A new instance of DuckDB with the lake attached and in use, and the folder of its Parquet files.

    Parameters
    ----------
    folder
        Where the study keeps Parquet files; that of the lake is in it.

    Raises
    ------
    StorageError
        If the catalogue is that of another study, or a package is missing.
    duckdb.Error
        If the catalogue cannot be reached.
    """
    if catalogue.kind == "sqlite":
        Path(catalogue.address).parent.mkdir(parents=True, exist_ok=True)
    as_it_is = ["CREATE_IF_NOT_EXISTS false", *(["READ_ONLY"] if read_only else [])]
    connection = in_memory()
    try:
        load_extensions(connection, "ducklake", catalogue.kind)
        try:
            _attach(connection, catalogue, *as_it_is)
        except (duckdb.InvalidInputException, duckdb.BinderException) as error:
            if not (_NO_LAKE.search(str(error)) or _NO_SCHEMA.search(str(error))):
                raise
            _make(catalogue, folder)
            _attach(connection, catalogue, *as_it_is)
        own = _own_folder(catalogue, folder, _stored_folder(connection))
        if own != _stored_folder(connection):
            connection.execute(f"DETACH {LAKE}")
            moved = [f"DATA_PATH {literal(f'{own}{os.sep}')}", "OVERRIDE_DATA_PATH true"]
            _attach(connection, catalogue, *moved, *(["READ_ONLY"] if read_only else []))
        connection.execute(f"USE {LAKE}")
    except BaseException:
        connection.close()
        raise
    return connection, own


def literal(text: str) -> str:
    """A text as SQL writes it."""
    return "'" + text.replace("'", "''") + "'"


def _attach(connection: Connection, catalogue: Catalogue, *options: str) -> None:
    own = [f"META_SCHEMA {literal(catalogue.schema)}"] if catalogue.schema else []
    own.append(f"DATA_INLINING_ROW_LIMIT {_INLINED_ROWS}")
    address = literal(f"ducklake:{catalogue.kind}:{catalogue.address}")
    connection.execute(f"ATTACH {address} AS {LAKE} ({', '.join([*options, *own])})")


def _make(catalogue: Catalogue, folder: Path) -> None:
    """Make an empty lake, unless another process is faster."""
    data = folder / uuid.uuid4().hex
    with closing(in_memory()) as connection:
        load_extensions(connection, "ducklake", catalogue.kind)
        if catalogue.schema:  # DuckLake leaves it to others to make it
            connection.execute(f"ATTACH {literal(catalogue.address)} AS catalogue (TYPE postgres)")
            connection.execute(f'CREATE SCHEMA IF NOT EXISTS catalogue."{catalogue.schema}"')
            connection.execute("DETACH catalogue")
        data.mkdir(parents=True)
        try:
            _attach(connection, catalogue, f"DATA_PATH {literal(f'{data}{os.sep}')}")
        except duckdb.Error as error:
            data.rmdir()
            if not _OTHER_FOLDER.search(str(error)):
                raise
    if catalogue.kind == "sqlite":
        with closing(sqlite3.connect(catalogue.address, timeout=60)) as database:
            database.execute("PRAGMA journal_mode = WAL")  # a reader does not keep writers out


def _stored_folder(connection: Connection) -> Path:
    row = connection.execute(f"SELECT data_path FROM ducklake_settings('{LAKE}')").fetchone()
    return Path(row[0]) if row else Path()


def _own_folder(catalogue: Catalogue, folder: Path, stored: Path) -> Path:
    """The folder of the lake's files here.

    Raises
    ------
    StorageError
        If it is not below this study, or still lies below another one as well.
    """
    own = folder / stored.name
    if own == stored or (own.is_dir() and not stored.is_dir()):
        return own
    raise StorageError(
        "the catalogue of the warehouse belongs to another study",
        where=catalogue.text,
        found=f"Parquet files in {stored}",
        expected=f"a folder in {folder}",
        fix="Give this study a schema of its own: add 'schema=NAME' to 'warehouse' in poma.yaml.",
    )
