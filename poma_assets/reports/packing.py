"""Columns of numbers packed for a page: whole numbers in three bytes, byte by byte, deflated, in base64.

A block is what the script `report_blocks.js` unpacks: the length of a JSON header (four bytes, little-endian), the
header, then the columns in its order. Numbers keep about four digits, which is more than a page shows; 20,000 genes
of a contrast take a tenth of the room that JSON takes. All digits are in ``study.duckdb``.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

if TYPE_CHECKING:
    from markupsafe import Markup

_MIDDLE = 1 << 23
_LARGEST = (1 << 24) - 1
_MISSING, _ZERO = 0, 1
LOG_STEP = 2.5e-4
"""Relative step of positive numbers: their error is at most half of it."""


@dataclass(frozen=True)
class PackedColumn:
    """A column of a block: what the header says of it, and its bytes."""

    header: dict[str, Any]
    data: bytes


def text_column(key: str, texts: Sequence[str]) -> PackedColumn:
    """Pack texts."""
    data = json.dumps(list(texts), ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    return PackedColumn({"key": key, "coding": "text", "bytes": len(data)}, data)


def code_column(key: str, words: pd.Series[Any], known: Sequence[str]) -> PackedColumn:
    """Pack one word of a short list per row; a word that is not in the list, or none, is an empty text."""
    codes = pd.Categorical(words.astype(object), categories=list(known)).codes
    return PackedColumn({"key": key, "coding": "code", "words": ["", *known]}, (codes + 1).astype(np.uint8).tobytes())


def linear_column(key: str, numbers: pd.Series[Any] | NDArray[Any], step: float) -> PackedColumn:
    """Pack numbers of either sign in equal steps; beyond 8 million steps they are cut off, infinities too."""
    values = np.asarray(pd.to_numeric(pd.Series(numbers), errors="coerce"), dtype=float)
    limited = np.clip(np.nan_to_num(values / step, nan=0.0, posinf=_MIDDLE, neginf=-_MIDDLE), 2 - _MIDDLE, _MIDDLE - 1)
    whole = np.where(np.isnan(values), _MISSING, np.rint(limited).astype(np.int64) + _MIDDLE)
    return PackedColumn({"key": key, "coding": "linear", "step": step}, _planes(whole))


def log_column(key: str, numbers: pd.Series[Any] | NDArray[Any]) -> PackedColumn:
    """Pack numbers of 0 or more with an equal relative error, such as p values and counts."""
    values = np.asarray(pd.to_numeric(pd.Series(numbers), errors="coerce"), dtype=float)
    values = np.where(values < 0, np.nan, values)
    with np.errstate(divide="ignore"):
        steps = np.log(values) / LOG_STEP
    finite = np.isfinite(steps)
    whole = np.where(finite, np.rint(np.where(finite, steps, 0)) + _MIDDLE, np.where(values == 0, _ZERO, _MISSING))
    return PackedColumn({"key": key, "coding": "log", "step": LOG_STEP}, _planes(whole.clip(0, _LARGEST)))


def _planes(whole: NDArray[Any]) -> bytes:
    """Lay out first all lowest bytes, then the middle and the highest ones: equal bytes side by side deflate well."""
    return whole.astype("<u4").view(np.uint8).reshape(-1, 4)[:, :3].T.tobytes()


def pack(rows: int, columns: Sequence[PackedColumn]) -> Markup:
    """Return a block as text that may stand in a ``<script>`` element: base64 has no markup in it."""
    from markupsafe import Markup

    header = json.dumps({"rows": rows, "columns": [column.header for column in columns]}).encode()
    body = b"".join([len(header).to_bytes(4, "little"), header, *(column.data for column in columns)])
    return Markup(base64.b64encode(zlib.compress(body, 7)).decode("ascii"))


def unpack(block: str) -> dict[str, list[Any]]:
    """Read a block back, for tests and for whoever wonders what a page holds; missing numbers are NaN."""
    body = zlib.decompress(base64.b64decode(block))
    start = 4 + int.from_bytes(body[:4], "little")
    header, columns = json.loads(body[4:start]), {}
    for column in header["columns"]:
        size = column.get("bytes", header["rows"] * (1 if column["coding"] == "code" else 3))
        data, start = body[start : start + size], start + size
        columns[column["key"]] = _values(column, data)
    return columns


def _values(column: dict[str, Any], data: bytes) -> list[Any]:
    if column["coding"] == "text":
        return list(json.loads(data))
    raw = np.frombuffer(data, np.uint8).astype(np.int64)
    if column["coding"] == "code":
        return [column["words"][code] for code in raw]
    low, middle, high = raw.reshape(3, -1)
    whole = low + (middle << 8) + (high << 16)
    numbers = (whole - _MIDDLE) * column["step"]
    if column["coding"] == "log":
        numbers = np.where(whole == _ZERO, 0.0, np.exp(numbers))
    return list(np.where(whole == _MISSING, np.nan, numbers))
