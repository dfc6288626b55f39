"""Undo of a DuckDB checkpoint that a killed process left half done.

A checkpoint of DuckDB leaves data blocks alone but writes metadata blocks again in their place, 256 KiB at a time. The
kernel stops such a write in its middle when the process is killed, and the file can then not be opened any more
(measured in docs/decisions/0012-rollback-journal.md). So the blocks that may be written in place are kept beside the
database while somebody writes, as SQLite does with its rollback journal, and are put back by whoever comes next.
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

_HEADERS = 3 * 4096  # the main header, and two headers of which the one with the higher iteration holds
_HEADER_AT = (4096, 8192)
_HEADER = struct.Struct("<6Q")  # check sum, iteration, metadata block, free list, number of blocks, size of a block


@dataclass(frozen=True)
class _State:
    iteration: int
    block_size: int


def journal_path(path: Path) -> Path:
    """The journal of a database; it is there while somebody writes, or after one that was killed."""
    return path.with_name(path.name + ".undo")


def unfinished_path(path: Path) -> Path:
    """The journal while it is written; left by a process that was killed at that, it is of no use."""
    return path.with_name(path.name + ".undo.new")


def save(path: Path, blocks: Sequence[int]) -> None:
    """Keep the headers and these blocks of a database that nobody writes; whole or not at all.

    Parameters
    ----------
    path
        The database; every change of it is in its file.
    blocks
        The metadata blocks (``block_id`` of ``pragma_metadata_info()``).
    """
    journal, new = journal_path(path), unfinished_path(path)
    with path.open("rb") as database, new.open("wb") as file:
        state = _state(database)
        places = [(0, _HEADERS)]
        places += [(_HEADERS + block * state.block_size, state.block_size) for block in sorted(set(blocks))]
        description = {"iteration": state.iteration, "places": places}
        file.write(json.dumps(description).encode() + b"\n")
        for offset, length in places:
            database.seek(offset)
            file.write(database.read(length))
        file.flush()
        os.fsync(file.fileno())
    os.replace(new, journal)


def is_left(path: Path) -> bool:
    """Whether a journal lies beside a database."""
    return journal_path(path).exists()


def discard(path: Path) -> None:
    """Remove the journal: the checkpoint is complete, or none was begun."""
    journal_path(path).unlink(missing_ok=True)
    unfinished_path(path).unlink(missing_ok=True)


def roll_back(path: Path) -> None:
    """Put the kept blocks back if the checkpoint was not completed, and remove the journal.

    The header is the last that a checkpoint writes: if it moved on, all of the new state is in the file, and old data
    may have been cut off already. What stands in the write-ahead log belongs to the state found and is left to DuckDB.
    Being killed here changes nothing: the next one does the same again.
    """
    if not is_left(path):
        return
    with journal_path(path).open("rb") as journal, path.open("r+b") as database:
        description = json.loads(journal.readline())
        if _state(database).iteration == description["iteration"]:
            for offset, length in description["places"]:
                database.seek(offset)
                database.write(journal.read(length))
            database.flush()
            os.fsync(database.fileno())
    discard(path)


def _state(database: BinaryIO) -> _State:
    headers = []
    for offset in _HEADER_AT:
        database.seek(offset)
        headers.append(_HEADER.unpack(database.read(_HEADER.size)))
    newest = max(headers, key=lambda fields: fields[1])
    return _State(iteration=newest[1], block_size=newest[5])
