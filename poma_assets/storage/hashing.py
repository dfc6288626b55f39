"""Content hashes of files and frames, which say whether a result has changed."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from poma_assets.science.errors import StorageError

_BLOCK_BYTES = 8 * 1024 * 1024
_NULL_BITS = np.uint64(0x9E3779B97F4A7C15)
_ROW_FACTOR = np.uint64(0x100000001B3)
_NUMERIC_KINDS = {"boolean", "integer", "floating", "mixed-integer-float", "decimal"}
_CLOCK_TICK_NS = 50_000_000

_Hashes = npt.NDArray[np.uint64]


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal.

    Raises
    ------
    StorageError
        If the file is missing or cannot be read.
    """
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(_BLOCK_BYTES):
                digest.update(block)
    except OSError as error:
        raise _unreadable(path, error) from error
    return digest.hexdigest()


def frame_digest(frame: pd.DataFrame) -> str:
    """SHA-256 over the rows of a frame as a multiset: neither row nor column order nor index matters.

    Numbers are compared as 64-bit floats by their bits (1 and 1.0 are equal, 0.1 + 0.2 and 0.3 are not;
    whole numbers beyond 2**53 as text). NaN, None and NA are one value, apart from every text. The digest
    is the same in every process and run. Each row is reduced to 64 bits first: enough to see a change, not
    to resist an adversary.
    """
    columns = sorted(str(name) for name in frame.columns)
    if len(set(columns)) != frame.shape[1]:
        raise StorageError("a frame has two columns of one name", found=", ".join(columns))
    named = {str(name): frame[name] for name in frame.columns}
    return _digest_of_rows(columns, (_column_hashes(named[name]) for name in columns), len(frame))


def column_digests(matrix: pd.DataFrame) -> dict[str, str]:
    """Digest of each column of a matrix with its row labels: column -> `frame_digest` of the two.

    The labels are hashed once for all columns.
    """
    of_rows, labels = str(matrix.index.name), _column_hashes(matrix.index.to_series())
    digests = {}
    for name, column in matrix.items():
        hashes = {of_rows: labels, str(name): _column_hashes(column)}
        digests[str(name)] = _digest_of_rows(sorted(hashes), (hashes[part] for part in sorted(hashes)), len(matrix))
    return digests


def _digest_of_rows(columns: Sequence[str], hashes: Iterable[_Hashes], n_rows: int) -> str:
    """Digest of rows from the hashes of their columns, which are taken one at a time: they may be long."""
    rows = np.zeros(n_rows, dtype=np.uint64)
    for of_column in hashes:
        rows = _mix(rows * _ROW_FACTOR ^ of_column)
    rows.sort()
    digest = hashlib.sha256(json.dumps([columns, n_rows]).encode())
    digest.update(rows.astype("<u8").tobytes())
    return digest.hexdigest()


def _mix(values: _Hashes) -> _Hashes:
    """Spread the bits (the finaliser of SplitMix64: Steele, Lea and Flood 2014)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def _column_hashes(column: pd.Series) -> _Hashes:
    missing = column.isna().to_numpy(dtype=bool)
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        hashes = column.astype("datetime64[ns]").to_numpy().view(np.int64).astype(np.uint64)
    elif _is_numeric(column):
        hashes = _number_hashes(column, missing)
    else:
        hashes = _text_hashes(column)
    return _mix(np.where(missing, _NULL_BITS, hashes))


def _is_numeric(column: pd.Series) -> bool:
    if column.dtype == object:
        return pd.api.types.infer_dtype(column, skipna=True) in _NUMERIC_KINDS
    return bool(pd.api.types.is_numeric_dtype(column.dtype))  # includes boolean


def _number_hashes(column: pd.Series, missing: npt.NDArray[np.bool_]) -> _Hashes:
    if pd.api.types.is_integer_dtype(column.dtype):
        whole = column.fillna(0)
        if len(whole) and (whole.max() > 2**53 or whole.min() < -(2**53)):
            return _text_hashes(column)
    values = np.where(missing, 0.0, column.to_numpy(dtype=np.float64, na_value=np.nan)) + 0.0  # -0.0 becomes 0.0
    bits: _Hashes = values.view(np.uint64)
    return bits


def _text_hashes(column: pd.Series) -> _Hashes:
    codes, uniques = pd.factorize(column.astype(object), use_na_sentinel=True)
    table = [hashlib.blake2b(str(value).encode(), digest_size=8).digest() for value in uniques]
    hashes = np.frombuffer(b"".join(table) or bytes(8), dtype="<u8").astype(np.uint64)
    return hashes[np.maximum(codes, 0)]


class HashCache:
    """SHA-256 of files, remembered by path, size, times and inode; safe with several processes.

    Parameters
    ----------
    path
        The cache, an SQLite file, for example ``results/.hashes``. It may be deleted at any time; where it
        cannot be used the files are simply hashed again.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._known: dict[str, tuple[str, str]] = {}
        self._read_all: bool | None = None
        self._by_identity = False
        self.looked_at: set[Path] = set()
        """The files whose hash was asked for."""

    def sha256(self, path: Path) -> str:
        """SHA-256 of a file, from the cache if the file has not been touched since."""
        path = path.absolute()
        self.looked_at.add(path)
        identity = file_identity(path)
        if self._by_identity:
            return identity
        remembered = self._recall(str(path), identity)
        if remembered is not None and remembered[0] == identity:
            return remembered[1]
        if self._read_all is not None and self._is_sure(identity, remembered):
            return f"not read: {identity}"
        value = file_sha256(path)
        self.remember(path, identity, value)
        return value

    @contextmanager
    def at_a_glance(self, *, read_unknown: bool) -> Iterator[None]:
        """Within the block, `sha256` reads no file that is certainly not what it was: one of another size.

        Its value is then a text that equals no hash. With ``read_unknown`` false, files that were never read are
        not read either.
        """
        before, self._read_all = self._read_all, read_unknown
        try:
            yield
        finally:
            self._read_all = before

    @contextmanager
    def by_identity(self) -> Iterator[None]:
        """Within the block, `sha256` gives the `file_identity` instead: the same whether anybody has read the file."""
        self._by_identity = True
        try:
            yield
        finally:
            self._by_identity = False

    def remember(self, path: Path, identity: str, sha256: str) -> None:
        """Keep the hash of a file that had this `file_identity` before it was read, if it still has it."""
        path = path.absolute()
        if identity != file_identity(path) or not _is_settled(path):
            return
        self._known[str(path)] = (identity, sha256)
        with self._cache() as cache, suppress(sqlite3.Error):
            if cache is not None:
                cache.execute("INSERT OR REPLACE INTO hashes VALUES (?, ?, ?)", (str(path), identity, sha256))
                cache.commit()

    def _recall(self, path: str, identity: str) -> tuple[str, str] | None:
        """Identity and hash of a file as it was last read, by this process or another."""
        remembered = self._known.get(path)
        # Of thousands of files that nobody has read, none is asked for by itself.
        if (remembered is None or remembered[0] != identity) and (self._read_all is not False or not self._known):
            self._known |= self._stored(None if not self._known else path)
        return self._known.get(path)

    def _stored(self, path: str | None) -> dict[str, tuple[str, str]]:
        """What the cache holds of one file, or of all."""
        with self._cache() as cache, suppress(sqlite3.Error):
            if cache is not None:
                sql = "SELECT path, identity, sha256 FROM hashes WHERE ? IS NULL OR path = ?"
                return {name: (known, value) for name, known, value in cache.execute(sql, (path, path))}
        return {}

    def _is_sure(self, identity: str, remembered: tuple[str, str] | None) -> bool:
        """Whether a file is certainly other than remembered, without reading it."""
        if remembered is None:
            return not self._read_all
        return remembered[0].partition(":")[0] != identity.partition(":")[0]

    @contextmanager
    def _cache(self) -> Iterator[sqlite3.Connection | None]:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(self.path, timeout=60)
        except (OSError, sqlite3.Error):
            yield None
            return
        with closing(connection):
            try:
                connection.execute(
                    "CREATE TABLE IF NOT EXISTS hashes (path TEXT PRIMARY KEY, identity TEXT, sha256 TEXT)"
                )
            except sqlite3.Error:
                usable = None
            else:
                usable = connection
            yield usable


def file_identity(path: Path) -> str:
    """Size, times and inode of a file: as long as they are the same, so is its content.

    Raises
    ------
    StorageError
        If the file is missing or cannot be read.
    """
    try:
        status = path.stat()
    except OSError as error:
        raise _unreadable(path, error) from error
    return f"{status.st_size}:{status.st_mtime_ns}:{status.st_ctime_ns}:{status.st_dev}:{status.st_ino}"


def _is_settled(path: Path) -> bool:
    """Whether a later change must show in the file's times (they have the grain of the kernel's clock)."""
    return time.time_ns() - path.stat().st_mtime_ns > _CLOCK_TICK_NS


def _unreadable(path: Path, error: OSError) -> StorageError:
    return StorageError(
        "the file cannot be read",
        where=str(path),
        found=error.strerror or str(error),
        fix="Check that it exists and that you may read it.",
    )
