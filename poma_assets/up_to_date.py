"""A stamp that says that nothing of a study is to do, as long as none of the files that were looked at is touched.

To plan, `poma run` loads the study, Dagster and the warehouse, which takes seconds; most nights nothing is to do. Only
the standard library may be imported here, and the stamp may be deleted at any time.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

_STAMP = ".up_to_date.json"
_VARIABLES = ("PATH", "PYTHONPATH")
_OUR_VARIABLES = "POMA_"

Identity = list[int] | None
"""Size, times, device and inode; None where there is no file."""


def is_up_to_date(results: Path) -> bool:
    """Whether a stamp is there and everything that it names is as it was."""
    try:
        stamp = json.loads((results / _STAMP).read_text(encoding="utf-8"))
        if stamp["results"] != os.path.abspath(results) or stamp["surroundings"] != _SURROUNDINGS:
            return False  # also in a copy of a study, whose stamp names the files of the other
        return all(_names(folder) == names for folder, names in stamp["folders"].items()) and all(
            _identity(path) == identity for path, identity in stamp["files"].items()
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def stamp(
    results: Path,
    *,
    folders: Iterable[Path],
    inputs: Iterable[Path],
    outputs: Iterable[Path],
    began_ns: int | None = None,
) -> bool:
    """Say that everything is up to date; return whether it can be said.

    It cannot where an input was touched since ``began_ns``, for it may have been read before that, nor on a full disk.

    Parameters
    ----------
    folders
        Where the study's own files lie: all files in them are inputs, and new ones may mean something.
    inputs
        Files that planning looked at, also those that were not there.
    outputs
        Files that steps made.
    began_ns
        When this process may have begun to read the study, in nanoseconds since the epoch: by default when this module
        was imported, which the command line does first of all.
    """
    began_ns = _IMPORTED_NS if began_ns is None else began_ns
    files: dict[str, Identity] = {}
    listings = {os.path.abspath(folder): _names(folder) for folder in folders}
    listed = {os.path.join(folder, name) for folder, names in listings.items() for name in names}
    for path in {*map(os.path.abspath, inputs), *listed, *_installation()}:
        files[path] = identity = _identity(path)
        if identity is not None and max(identity[1], identity[2]) >= began_ns:
            return False
    files |= {path: _identity(path) for path in map(os.path.abspath, outputs)}
    where = {"results": os.path.abspath(results), "surroundings": _SURROUNDINGS}
    text = json.dumps({**where, "folders": listings, "files": files})
    new = results / f"{_STAMP}.new"
    try:
        new.write_text(text, encoding="utf-8")
        os.replace(new, results / _STAMP)
    except OSError:  # a full disk, say: then the next run plans, and finds nothing to do
        return False
    return True


def remove(results: Path) -> None:
    """Take the stamp away: something will be made."""
    (results / _STAMP).unlink(missing_ok=True)


def _identity(path: str) -> Identity:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_dev, status.st_ino]


def _names(folder: str | Path) -> list[str]:
    """The files of a folder, without those of the folders in it."""
    with os.scandir(folder) as entries:
        return sorted(entry.name for entry in entries if not entry.is_dir())


def _surroundings() -> str:
    """What of the process may change what is made, besides files; a digest, for some of it is secret."""
    chosen = [name for name in os.environ if name in _VARIABLES or name.startswith(_OUR_VARIABLES)]
    values = {"python": sys.version, "prefix": sys.prefix, **{name: os.environ[name] for name in sorted(chosen)}}
    return hashlib.sha256(json.dumps(values).encode("utf-8", "surrogateescape")).hexdigest()


def _installation() -> Iterator[str]:
    """This package's files; the folders in which other packages and programs are exchanged."""
    for folder, folders, names in os.walk(os.path.dirname(os.path.abspath(__file__))):
        folders[:] = [name for name in folders if name != "__pycache__"]
        yield folder
        yield from (os.path.join(folder, name) for name in names)
    yield from (path for path in sys.path if path.endswith("site-packages"))
    yield from filter(None, os.environ.get("PATH", "").split(os.pathsep))


_IMPORTED_NS = time.time_ns()
_SURROUNDINGS = _surroundings()  # on import: later the command line sets variables of its own
