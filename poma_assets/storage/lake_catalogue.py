"""What ``warehouse:`` in ``poma.yaml`` may say: the embedded file, or where the catalogue of a DuckLake is.

Text in, a catalogue out. A password has no place here: the PostgreSQL client reads it from the environment
(``PGPASSWORD``) or from a password file (``PGPASSFILE``, ``~/.pgpass``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from poma_assets.science.tables import near_miss

EMBEDDED = "duckdb"
"""The default: one DuckDB file in the study folder."""

LAKE_FOLDER = "lake"
"""Folder of the Parquet files, in the results of a study."""

_POSTGRES, _SQLITE, _LAKE = "ducklake:postgres:", "ducklake:sqlite:", "ducklake:"
_EXAMPLE = f"'{_POSTGRES}host=db.lab dbname=poma schema=my_study'"
_SECRETS = ("password", "passwd", "pwd", "sslpassword")
_KEYS = (
    *("host", "hostaddr", "port", "dbname", "user", "service", "passfile", "schema", "application_name"),
    *("connect_timeout", "sslmode", "sslrootcert", "sslcert", "sslkey", "target_session_attrs"),
)
_VALUE = re.compile(r"[A-Za-z0-9._/:,~@+-]+")
_SCHEMA = re.compile(r"[a-z_][a-z0-9_]*")


@dataclass(frozen=True)
class Catalogue:
    """Where DuckLake keeps its catalogue.

    ``address`` is what DuckDB attaches, without a secret: a connection string of PostgreSQL or the path of an SQLite
    file. ``schema`` is the schema of the PostgreSQL database, so that several studies may share one database.
    """

    kind: Literal["postgres", "sqlite"]
    address: str
    schema: str = ""

    @property
    def text(self) -> str:
        """The catalogue as people read and write it."""
        schema = f" schema={self.schema}" if self.schema else ""
        return f"ducklake:{self.kind}:{self.address}{schema}"


def parse_catalogue(text: str, root: Path | None = None) -> Catalogue | None:
    """Read the setting ``warehouse``; None for the embedded file.

    Parameters
    ----------
    root
        The study folder, where relative paths begin.

    Raises
    ------
    ValueError
        With what is wrong in words; never with what may be a secret.
    """
    if text == EMBEDDED:
        return None
    if text.startswith(_POSTGRES):
        return _postgres(text.removeprefix(_POSTGRES))
    if text.startswith(_SQLITE) and len(text) > len(_SQLITE):
        path = Path(text.removeprefix(_SQLITE)).expanduser()
        return Catalogue("sqlite", str(path if root is None else root / path))
    if text.startswith(_LAKE):
        raise ValueError(
            f"a catalogue that several processes may write: {_EXAMPLE}, or {_SQLITE}FILE on one machine's disk"
        )
    raise ValueError(f"{EMBEDDED} (one file in the study folder), or a DuckLake such as {_EXAMPLE}")


def _postgres(text: str) -> Catalogue:
    if "://" in text:
        raise ValueError(f"keys and values instead of an address with ://, such as {_EXAMPLE}")
    given: dict[str, str] = {}
    for part in text.split():
        key, equals, value = part.partition("=")
        if key.lower() in _SECRETS:
            raise ValueError(
                "no password: put it into PGPASSWORD or a password file (PGPASSFILE), where no report or log shows it"
            )
        if key not in _KEYS:
            alike = near_miss(key, _KEYS)
            raise ValueError(f"one of {', '.join(_KEYS)} before '='" + (f"; is {alike!r} meant?" if alike else ""))
        if not equals or not _VALUE.fullmatch(value) or key in given:
            raise ValueError(f"one plain value for {key!r}, such as {key}=value, without quotes")
        given[key] = value
    schema = given.pop("schema", "")
    if schema and not _SCHEMA.fullmatch(schema):
        raise ValueError("schema=NAME of small letters, digits and underscores")
    return Catalogue("postgres", " ".join(f"{key}={value}" for key, value in given.items()), schema)
