"""The watched inbox: from names, sizes and times of files to proposed rows of the sample sheet, with remarks.

Also how rows are written below a sheet. Files are listed and sheets replaced in ``inbox_folder``.
"""

from __future__ import annotations

import csv
import io
import posixpath
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from poma_assets.science.errors import SampleSheetError
from poma_assets.science.fastq_pairs import ReadFile, is_fastq_name, plain_stem, read_files, sample_names
from poma_assets.science.tables import DelimitedTable, is_missing, natural_key, read_delimited, separator

QUIET_S = 60.0
"""Seconds for which a file must not have changed: a shorter pause may be one within its copying."""


@dataclass(frozen=True)
class InboxFile:
    """A file of the inbox; ``path`` as the sheet would name it, ``modified_s`` in seconds since 1970 (UTC)."""

    path: str
    size_bytes: int
    modified_s: float


@dataclass(frozen=True)
class ProposedRow:
    """One lane of a new sample; ``fastq_2`` is None for single-end reads, ``lane`` where the names have none."""

    sample: str
    lane: str | None
    fastq_1: str
    fastq_2: str | None


@dataclass(frozen=True)
class Remark:
    """Something about files that a person should know; they are proposed only if ``proposed``."""

    files: tuple[str, ...]
    what: str
    proposed: bool = False


@dataclass(frozen=True)
class Proposals:
    """Rows to add, in natural order of samples and lanes, and remarks."""

    rows: tuple[ProposedRow, ...]
    remarks: tuple[Remark, ...]

    @property
    def samples(self) -> tuple[str, ...]:
        """Names of the proposed samples, each once."""
        return tuple(dict.fromkeys(row.sample for row in self.rows))


def propose_rows(
    files: Sequence[InboxFile],
    sheet: DelimitedTable,
    *,
    listed: Collection[str],
    now_s: float,
    pattern: re.Pattern[str] | None = None,
) -> Proposals:
    """Find the samples of an inbox that are not in the sheet.

    Parameters
    ----------
    files
        All files of the inbox.
    sheet
        The sample sheet as it is.
    listed
        The files that it names, written as those of `files`.
    now_s
        The time, in seconds since 1970 (UTC).
    pattern
        Must match a whole file name, with the groups ``sample`` and, if there are such, ``read`` (1 or 2, also R1
        or R2) and ``lane``. Default: the names that `find_fastq_pairs` knows.

    Returns
    -------
    Proposals
        A sample is proposed only when all its files are whole, so that no lane of it is forgotten.
    """
    fresh = [file for file in files if is_fastq_name(file.path) and file.path not in listed]
    writable = [file for file in fresh if file.path.isprintable() and file.path == file.path.strip()]
    odd = sorted({file.path for file in fresh} - {file.path for file in writable})
    remarks = [Remark((path,), "the file name cannot be written into a table: rename the file") for path in odd]
    reads, unmatched = _described([file.path for file in writable], pattern)
    remarks += [Remark((path,), "the name does not match inbox.pattern of poma.yaml") for path in unmatched]
    by_path = {file.path: file for file in writable}
    names = sample_names(sorted({read.stem for read in reads}, key=natural_key))
    rows: list[ProposedRow] = []
    for stem, name in names.items():
        of_sample = [read for read in reads if read.stem == stem]
        problem = _clash(name, of_sample, sheet) or _unfinished(of_sample, by_path, now_s)
        found = _pairs(name, of_sample, single_end=_is_single_end(sheet)) if problem is None else problem
        if isinstance(found, Remark):
            remarks.append(found)
            continue
        rows += found
        if name != plain_stem(stem) and name != stem:
            what = f"{stem!r} is no valid or no distinct sample name: {name!r} is proposed"
            remarks.append(Remark(tuple(read.name for read in of_sample), what, proposed=True))
    rows.sort(key=lambda row: (natural_key(row.sample), row.lane or "", row.fastq_1))
    return Proposals(tuple(rows), tuple(remarks))


def written_rows(
    rows: Sequence[ProposedRow], columns: Sequence[str], *, delimiter: str, line_end: str, header: bool = False
) -> str:
    """Write rows in the columns of a sheet; those that nothing is known of stay empty."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator=line_end)
    if header:
        writer.writerow(columns)
    for row in rows:
        cells = {
            "sample": row.sample,
            "fastq_1": row.fastq_1,
            "fastq_2": row.fastq_2 or "",
            "strandedness": "auto",
            "lane": row.lane or "",
        }
        writer.writerow([cells.get("lane" if column.casefold() == "lane" else column, "") for column in columns])
    return text.getvalue()


def addition(text: str, rows: Sequence[ProposedRow], *, source: str) -> str:
    """Return what must be appended to the text of a sheet to add rows: its separator, columns and line ends.

    Raises
    ------
    SampleSheetError
        The sheet cannot be read, or has no column for the reads.
    """
    sheet = read_sheet_rows(text, source)
    needed = ["sample", "fastq_1", *(["fastq_2"] if any(row.fastq_2 for row in rows) else [])]
    for column in needed:
        if column not in sheet.columns:
            raise SampleSheetError(
                f"the sheet has no column {column!r}",
                where=f"{source}, line {sheet.line}",
                found=", ".join(sheet.columns),
                fix="Add the column, empty where there is nothing to say",
            )
    first = re.search(r"\r\n|\n|\r", text)
    line_end = first.group() if first else "\n"
    delimiter = separator(text, source=source, error=SampleSheetError, what="sample sheet")
    begin = "" if text.endswith(("\n", "\r")) else line_end
    return begin + written_rows(rows, sheet.columns, delimiter=delimiter, line_end=line_end)


def read_sheet_rows(text: str, source: str) -> DelimitedTable:
    """Read a sheet as a table alone: one without samples, or with a row to mend, can be added to.

    Raises
    ------
    SampleSheetError
        It is no table.
    """
    return read_delimited(text, source=source, error=SampleSheetError, what="sample sheet")


def shown(text: str) -> str:
    """Return a file name for messages: with escapes where it holds what cannot be printed."""
    return text if text.isprintable() else ascii(text)


def _described(paths: Sequence[str], pattern: re.Pattern[str] | None) -> tuple[list[ReadFile], list[str]]:
    """Describe the reads that the names tell of; also the names that the pattern does not match."""
    if pattern is None:
        return read_files(paths), []
    reads, unmatched = [], []
    for path in sorted(paths, key=natural_key):
        folder, name = posixpath.split(path)
        match = pattern.fullmatch(name)
        groups = match.groupdict() if match else {}
        number = re.fullmatch(r"\D*([12])", groups.get("read") or "1")
        if not groups.get("sample") or number is None:
            unmatched.append(path)
            continue
        lane, mate = groups.get("lane") or "", int(number[1])
        reads.append(ReadFile(path, folder, groups["sample"], lane, mate, "", bool(groups.get("read"))))
    return reads, unmatched


def _clash(name: str, reads: Sequence[ReadFile], sheet: DelimitedTable) -> Remark | None:
    known = {row.cells.get("sample", "").casefold(): row for row in sheet.rows}
    row = known.get(name.casefold())
    if row is None:
        return None
    what = (
        f"the sheet has a sample {row.cells['sample']!r} already (line {row.line}): add the row by hand, with the same "
        "metadata, if these are further lanes of it; otherwise rename the files"
    )
    return Remark(tuple(read.name for read in reads), what)


def _unfinished(reads: Sequence[ReadFile], files: Mapping[str, InboxFile], now_s: float) -> Remark | None:
    # A clock that is wrong by hours must not hide a file for as long: only what is near the present is in motion.
    moving = [read.name for read in reads if abs(now_s - files[read.name].modified_s) < QUIET_S]
    if moving:
        return Remark(tuple(moving), f"still changing: modified less than {QUIET_S:.0f} s ago")
    empty = [read.name for read in reads if files[read.name].size_bytes == 0]
    return Remark(tuple(empty), "the file is empty") if empty else None


def _pairs(name: str, reads: Sequence[ReadFile], *, single_end: bool) -> list[ProposedRow] | Remark:
    lanes: dict[tuple[str, str, str], dict[int, str]] = {}
    numbered = any(read.numbered for read in reads)
    for read in reads:
        mates = lanes.setdefault((read.folder, read.lane, read.chunk), {})
        if read.mate in mates:
            what = f"two files for read {read.mate} of the same sample and lane: keep one, or name the lanes _L001, ..."
            return Remark((mates[read.mate], read.name), what)
        mates[read.mate] = read.name
    for mates in lanes.values():
        if 1 not in mates or (2 not in mates and numbered and not single_end):
            missing = 2 if 1 in mates else 1
            hint = " (if they are single-end, add the row by hand)" if missing == 2 else ""
            return Remark(tuple(mates.values()), f"no mate: read {missing} of the pair is not there{hint}")
    return [ProposedRow(name, lane or None, mates[1], mates.get(2)) for (_, lane, _), mates in lanes.items()]


def _is_single_end(sheet: DelimitedTable) -> bool:
    """Whether all reads of the sheet are single-end."""
    of_reads = [row for row in sheet.rows if not is_missing(row.cells.get("fastq_1"))]
    return bool(of_reads) and all(is_missing(row.cells.get("fastq_2")) for row in of_reads)
