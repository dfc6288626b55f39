"""Reading text files of users, plain or gzip: whole, bounded in size, never from a pipe or a device; plain errors."""

from __future__ import annotations

import gzip
import io
import os
import stat
import zlib
from pathlib import Path

from poma_assets.science.errors import CountsError, InputError

LARGEST_TEXT_BYTES = 256 * 1024**2
"""Size, unpacked, of the largest table that people write by hand or configure with, and of gene sets."""

LARGEST_STUDY_FILE_BYTES = 64 * 1024**2
"""Size of the largest configuration, sheet or contrasts file: 100,000 lanes take 20 MB."""

LARGEST_GENE_SETS_BYTES = 1024**3
"""Size, unpacked, of the largest file of gene sets."""

LARGEST_COUNTS_BYTES = 2 * 1024**3
"""Size, unpacked, of the largest table of counts: 60,000 genes x 8,000 samples."""

_GZIP_MAGIC = b"\x1f\x8b"
_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)
_ENCODINGS = (
    (b"\xff\xfe\x00\x00", "UTF-32"),
    (b"\x00\x00\xfe\xff", "UTF-32"),
    (b"\xff\xfe", "UTF-16 (a spreadsheet's 'Unicode text')"),
    (b"\xfe\xff", "UTF-16"),
    (b"PK\x03\x04", "a spreadsheet or zip file"),
    (b"\xd0\xcf\x11\xe0", "an old spreadsheet (.xls)"),
    (b"%PDF", "a PDF"),
)


def read_text(
    path: Path,
    *,
    source: str | None = None,
    what: str = "the file",
    error: type[InputError] = InputError,
    fix: str | None = "Correct the path.",
    max_bytes: int = LARGEST_TEXT_BYTES,
) -> str:
    """Read a UTF-8 text file, gzip or plain; a byte order mark is dropped.

    Parameters
    ----------
    path
        The file.
    source, what
        Its name and what it is, for messages.
    error
        The error to raise.
    fix
        What to do if it does not exist.
    max_bytes
        Size, unpacked, that it must not exceed.

    Raises
    ------
    InputError
        As the given class: the file does not exist, is no ordinary file, cannot be read, is larger than allowed, a
        damaged gzip file, or not text.
    """
    where = source or str(path)
    return decoded(
        _content(path, where, what, error, fix, max_bytes), source=where, what=what, error=error, max_bytes=max_bytes
    )


def read_counts_text(path: Path) -> str:
    """Read a table of counts, which may be large (`LARGEST_COUNTS_BYTES`); errors as of `read_text`, `CountsError`."""
    return read_text(path, what="the table of counts", error=CountsError, max_bytes=LARGEST_COUNTS_BYTES)


def refuse_special_file(
    path: Path, *, where: str, what: str = "the file", error: type[InputError] = InputError
) -> None:
    """Refuse what reading could wait for, or never come to the end of: pipes, devices, sockets, folders.

    Raises
    ------
    InputError
        As the given class. A file that is not there is passed over.
    """
    try:
        mode = path.stat().st_mode
    except OSError:
        return
    if not stat.S_ISREG(mode):
        raise _special(mode, where, what, error)


def decoded(
    content: bytes,
    *,
    source: str,
    what: str = "the file",
    error: type[InputError] = InputError,
    max_bytes: int = LARGEST_TEXT_BYTES,
) -> str:
    """The text of a file's bytes, which may be gzip; parameters and errors as of `read_text`."""
    data = _unpacked(content, source, what, error, max_bytes) if content[:2] == _GZIP_MAGIC else content
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        found = next((name for magic, name in _ENCODINGS if data.startswith(magic)), None)
        line = data.count(b"\n", 0, problem.start) + 1
        raise error(
            f"{what} is {found}" if found else f"{what} is not encoded as UTF-8",
            where=source if found else f"{source}, line {line}",
            found=None if found else f"byte 0x{data[problem.start]:02x}",
            expected="plain text in UTF-8",
            fix="Save it as CSV UTF-8 or tab-separated text (UTF-8), not as a spreadsheet.",
        ) from problem


def _content(path: Path, where: str, what: str, error: type[InputError], fix: str | None, max_bytes: int) -> bytes:
    try:
        # Opening a named pipe would wait for somebody who writes into it.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            mode = os.fstat(descriptor).st_mode
            if not stat.S_ISREG(mode):
                raise _special(mode, where, what, error)
            with open(descriptor, "rb", closefd=False) as file:
                content = file.read(max_bytes + 1)
        finally:
            os.close(descriptor)
    except FileNotFoundError as problem:
        raise error(f"{what} does not exist", where=where, fix=fix) from problem
    except ValueError as problem:  # a NUL in the path
        raise error(f"{what} does not exist", where=repr(where), fix=fix) from problem
    except OSError as problem:
        raise error(f"{what} cannot be read: {problem.strerror}", where=where) from problem
    if len(content) > max_bytes:
        raise _too_large(where, what, error, max_bytes)
    return content


def _unpacked(content: bytes, where: str, what: str, error: type[InputError], max_bytes: int) -> bytes:
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(content)) as file:
            data = file.read(max_bytes + 1)
    except (EOFError, zlib.error, gzip.BadGzipFile) as problem:
        raise error(
            "the compressed file is damaged or cut off", where=where, found=str(problem), fix="Copy it again."
        ) from problem
    if len(data) > max_bytes:
        raise _too_large(where, what, error, max_bytes)
    return data


def _special(mode: int, where: str, what: str, error: type[InputError]) -> InputError:
    kind = next((name for is_kind, name in _KINDS if is_kind(mode)), "something else")
    return error(f"{what} is no ordinary file", where=where, found=kind, fix="Name a file.")


def _too_large(where: str, what: str, error: type[InputError], max_bytes: int) -> InputError:
    return error(
        f"{what} is larger than any such file",
        where=where,
        found=f"more than {max_bytes:,} bytes (unpacked)",
        fix="Is this the right file? A small compressed file that unpacks to so much was made to do harm.",
    )
