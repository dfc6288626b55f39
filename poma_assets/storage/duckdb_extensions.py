"""Extensions of DuckDB, loaded from the Python packages that bring them: nothing is fetched from the network."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import duckdb

from poma_assets.science.errors import StorageError
from poma_assets.storage.connection import Connection

_FILES = {"ducklake": "ducklake", "postgres": "postgres_scanner", "sqlite": "sqlite_scanner"}


def load_extensions(connection: Connection, *names: str) -> None:
    """Load extensions from the packages ``duckdb-extension-...``.

    Raises
    ------
    StorageError
        If a package is not installed, or is made for another version of DuckDB.
    """
    for name in names:
        connection.load_extension(str(extension_file(_FILES[name])))


def extension_file(name: str) -> Path:
    """The file of an extension in its Python package."""
    package = f"duckdb_extension_{name}"
    found = importlib.util.find_spec(package)
    for folder in (found.submodule_search_locations or ()) if found else ():
        for path in sorted(Path(folder).rglob(f"{name}.duckdb_extension")):
            return path
    raise StorageError(
        f"the package {package.replace('_', '-')} is not installed",
        where="a warehouse on DuckLake",
        expected=f"version {duckdb.__version__}, as DuckDB itself",
        fix="Install the packages for clusters: pip install -r .ci/requirements-cluster.txt (docs/deployment.md).",
    )
