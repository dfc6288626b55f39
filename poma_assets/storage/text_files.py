"""Reading text files, plain or gzip, with plain errors."""

from __future__ import annotations

import gzip
from pathlib import Path

from poma_assets.science.errors import InputError


def read_text(path: Path) -> str:
    """Read a UTF-8 text file, gzip or plain; a byte order mark is dropped.

    Raises
    ------
    InputError
        If the file does not exist, is a damaged gzip file, or is not text.
    """
    try:
        data = path.read_bytes()
        text = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
        return text.decode("utf-8-sig")
    except FileNotFoundError as error:
        raise InputError("the file does not exist", where=str(path), fix="Correct the path.") from error
    except (EOFError, gzip.BadGzipFile) as error:
        raise InputError("the compressed file is damaged or cut off", where=str(path), fix="Copy it again.") from error
    except UnicodeDecodeError as error:
        raise InputError(
            "the file is not UTF-8 text",
            where=str(path),
            found=f"byte 0x{error.object[error.start]:02x} at offset {error.start}",
            fix="Save it as UTF-8 (CSV or TSV), not as a spreadsheet.",
        ) from error
