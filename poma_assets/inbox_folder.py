"""The inbox of a study on disk: its files listed, proposals written, accepted rows appended to the sample sheet."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from poma_assets.config import CONFIG_NAME, Study
from poma_assets.science.errors import ConfigError, InputError, SampleSheetError
from poma_assets.science.inbox import (
    InboxFile,
    Proposals,
    ProposedRow,
    addition,
    propose_rows,
    read_sheet_rows,
    written_rows,
)
from poma_assets.science.sample_sheet import parse_sample_sheet
from poma_assets.science.tables import is_missing, listing, near_miss
from poma_assets.storage.staging import move_into_place, plain_storage_errors, work_folder
from poma_assets.storage.text_files import read_text

PROPOSALS_NAME = "proposed_samples.tsv"
BACKUP_SUFFIX = ".bak"
_NOT_AT_THE_START = re.compile(r"[^A-Za-z0-9/._]")


def find_proposals(study: Study, *, now_s: float) -> Proposals:
    """Compare the inbox with the sample sheet; ``now_s`` in seconds since 1970 (UTC).

    Raises
    ------
    ConfigError
        No inbox is configured.
    InputError
        There is no such folder, or the sheet is no table.
    """
    config = study.config.inbox
    if config is None:
        raise ConfigError("no inbox is configured", where=CONFIG_NAME, fix="Write:\ninbox: {folder: path/of/the/inbox}")
    folder = study.root / Path(config.folder).expanduser()
    if not folder.is_dir():
        fix = f"Make it, or correct inbox.folder in {CONFIG_NAME}"
        raise InputError("the inbox is no folder", where=str(folder), fix=fix)
    sheet = read_sheet_rows(read_text(study.samples_path), study.display(study.samples_path))
    pattern = re.compile(config.pattern) if config.pattern is not None else None
    base = study.samples_path.parent
    cells = [row.cells.get(column, "") for row in sheet.rows for column in ("fastq_1", "fastq_2")]
    listed = {_as_written(study.resolve_unit_path(cell), base) for cell in cells if not is_missing(cell)}
    return propose_rows(list(_files(folder, base)), sheet, listed=listed, now_s=now_s, pattern=pattern)


def write_proposals(study: Study, proposals: Proposals) -> Path | None:
    """Write the proposed rows as a sheet of their own, or remove it where there are none; return where it is."""
    target = study.root / PROPOSALS_NAME
    if not proposals.rows:
        with plain_storage_errors(target):
            target.unlink(missing_ok=True)
        return None
    columns = read_sheet_rows(read_text(study.samples_path), study.display(study.samples_path)).columns
    text = written_rows(proposals.rows, columns, delimiter="\t", line_end="\n", header=True)
    content = text.encode("utf-8")
    if not target.is_file() or target.read_bytes() != content:
        _replace(target, content)
    return target


def chosen_rows(proposals: Proposals, samples: Sequence[str]) -> list[ProposedRow]:
    """Return the proposed rows of some samples.

    Raises
    ------
    InputError
        A sample is not proposed.
    """
    for name in samples:
        if name not in proposals.samples:
            alike = near_miss(name, proposals.samples)
            fix = f"Did you mean {alike!r}?" if alike else "`poma inbox` shows what is proposed, and why others are not"
            raise InputError(
                f"sample {name!r} is not proposed", expected=listing(proposals.samples), where="--accept", fix=fix
            )
    return [row for row in proposals.rows if row.sample in samples]


def append_rows(study: Study, rows: Sequence[ProposedRow]) -> Path:
    """Append rows to the sample sheet; its bytes so far stay as they are, and are kept in a backup beside it.

    Returns
    -------
    pathlib.Path
        The backup.

    Raises
    ------
    SampleSheetError
        The sheet would not be valid with them, or has been changed meanwhile; it is left alone.
    StorageError
        The disk refuses.
    """
    path = study.samples_path.resolve()
    source = study.display(study.samples_path)
    text, before = read_text(path), path.read_bytes()
    if before.startswith(b"\x1f\x8b"):
        fix = "Give the sheet uncompressed"
        raise SampleSheetError("a compressed sheet cannot be appended to", where=source, fix=fix)
    added = addition(text, rows, source=source)
    parse_sample_sheet(text + added, source=source, files_required=study.config.count_matrix is None)
    backup = path.with_name(path.name + BACKUP_SUFFIX)
    _replace(backup, before, like=path)
    if path.read_bytes() != before:
        raise SampleSheetError("the sheet has been changed meanwhile", where=source, fix="Try again")
    _replace(path, before + added.encode("utf-8"), like=path)
    return backup


def _replace(target: Path, content: bytes, like: Path | None = None) -> None:
    with work_folder(target) as folder, plain_storage_errors(target):
        made = folder / target.name
        made.write_bytes(content)
        if like is not None:
            shutil.copymode(like, made)
        move_into_place({made: target})


def _files(folder: Path, sheet_folder: Path) -> Iterator[InboxFile]:
    """Every file below the inbox but hidden ones, which copying programs use for what is not whole yet."""
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(place) / name
            if name.startswith(".") or not path.is_file():
                continue
            with suppress(FileNotFoundError):  # moved away while we look
                status = path.stat()
                yield InboxFile(_as_written(path, sheet_folder), status.st_size, status.st_mtime)


def _as_written(path: Path, sheet_folder: Path) -> str:
    """Relative to the sheet where it lies below it; never beginning like a formula, an option or a home folder."""
    absolute, base = Path(os.path.abspath(path)), Path(os.path.abspath(sheet_folder))
    text = str(absolute.relative_to(base)) if absolute.is_relative_to(base) else str(absolute)
    return f"./{text}" if _NOT_AT_THE_START.match(text) else text
