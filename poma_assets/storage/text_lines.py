"""Large text files (genome, annotation) line by line, plain or gzip: no line may fill the memory."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from poma_assets.science.errors import ReferenceFilesError
from poma_assets.storage.text_files import refuse_special_file

LONGEST_LINE_BYTES = 16 * 1024**2
LONGEST_SEQUENCE_LINE_BYTES = 1024**3
"""Some genomes have a whole chromosome on one line; the largest chromosomes of plants come near this."""

_BLOCK_BYTES = 128 * 1024


@contextmanager
def text_lines(path: Path, *, longest_line_bytes: int = LONGEST_LINE_BYTES) -> Iterator[Iterator[str]]:
    """Open a text file for one pass; what is not UTF-8 is replaced.

    Raises
    ------
    ReferenceFilesError
        It is no ordinary file, cannot be read, is a damaged gzip file, or has a line longer than allowed.
    """
    refuse_special_file(path, where=str(path), error=ReferenceFilesError)
    opener: Any = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rb") as file:
            guarded = io.BufferedReader(_Guarded(file, path, longest_line_bytes), _BLOCK_BYTES)
            with io.TextIOWrapper(guarded, encoding="utf-8", errors="replace") as lines:
                yield lines
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ReferenceFilesError(
            "the compressed file is damaged or cut off",
            where=str(path),
            found=str(error),
            expected="a complete gzip file",
            fix="Download or copy it again.",
        ) from error
    except OSError as error:
        raise ReferenceFilesError(f"the file cannot be read: {error.strerror or error}", where=str(path)) from error


class _Guarded(io.RawIOBase):
    """Passes bytes on as long as there is a line end among them now and then."""

    def __init__(self, file: IO[bytes], path: Path, longest_line_bytes: int) -> None:
        self._file, self._path, self._longest = file, path, longest_line_bytes
        self._since_line_end = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        block = self._file.read(len(buffer))
        size = len(block)
        buffer[:size] = block
        end = max(block.rfind(b"\n"), block.rfind(b"\r") if self._since_line_end else -1)
        self._since_line_end = size - end - 1 if end >= 0 else self._since_line_end + size
        if self._since_line_end > self._longest:
            raise ReferenceFilesError(
                "a line is longer than any line of such a file",
                where=str(self._path),
                found=f"more than {self._longest:,} bytes without a line end",
                fix="Is this the right file, and whole? A compressed file that unpacks to this was made to do harm.",
            )
        return size
