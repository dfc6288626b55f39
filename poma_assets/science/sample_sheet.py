"""The sample sheet: one row per sequencing unit (lane), samples and their metadata.

Parsing and validation of the text alone; whether the files named there exist is decided in ``config``.
The columns ``sample, fastq_1, fastq_2, strandedness`` are those of nf-core/rnaseq 3.x.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from poma_assets.science.accessions import check_accession
from poma_assets.science.errors import SampleSheetError
from poma_assets.science.fastq_pairs import FASTQ_SUFFIXES, is_fastq_name
from poma_assets.science.sheet_values import refuse_odd_values
from poma_assets.science.tables import (
    IDENTIFIER_RULE,
    DelimitedTable,
    Row,
    identifier_problem,
    is_missing,
    listing,
    near_miss,
    read_delimited,
)
from poma_assets.science.unfilled import refuse_unfilled

STRANDEDNESS = ("auto", "forward", "reverse", "unstranded")
SENSITIVITY = ("sensitive", "resistant", "unknown")
NUMERIC_COLUMNS = ("dose_um", "time_h", "rin", "a260_a280")
"""Standard metadata columns that hold numbers: micromolar, hours, RNA integrity number, ratio."""

_TEXT_COLUMNS = ("cell_line", "cell_context", "sensitivity", "treatment", "replicate", "batch", "donor")
METADATA_COLUMNS = (*_TEXT_COLUMNS[:4], "dose_um", "time_h", *_TEXT_COLUMNS[4:], "rin", "a260_a280")
_SOURCES = ("fastq_1", "fastq_2", "counts", "accession")
_UNIT_COLUMNS = ("sample", *_SOURCES, "strandedness")
# What sheets of nf-core/fetchngs and sequencing centres record of a lane, not of a sample.
_LANE_COLUMNS = frozenset(
    {"lane", "unit", "run", "run_accession", "flowcell", "flow_cell", "read_group", "barcode", "index"}
    | {"fastq_md5", "md5", "md5_1", "md5_2", "fastq_bytes", "fastq_ftp", "read_count", "base_count"}
)
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


@dataclass(frozen=True, eq=False)
class SampleSheet:
    """A validated sheet.

    Attributes
    ----------
    samples
        One row per sample in the order of the sheet; the columns of the table ``samples``. ``metadata`` is a
        JSON object of the texts of all metadata columns of the sheet, null where nothing was recorded.
    units
        One row per lane; the columns of the table ``sequencing_units``.
    """

    samples: pd.DataFrame
    units: pd.DataFrame

    def design_table(self) -> pd.DataFrame:
        """Every metadata column of the sheet as written, one row per sample (index ``sample_id``).

        Texts, with None where nothing was recorded; the standard numeric columns as floats (NaN).
        """
        records = [json.loads(text) for text in self.samples["metadata"]]
        columns = list(records[0]) if records else []
        index = pd.Index(self.samples["sample_id"], name="sample_id")
        table = pd.DataFrame(index=index, columns=columns, dtype=object)
        for column in columns:
            values = [record[column] for record in records]
            if column in NUMERIC_COLUMNS:
                table[column] = np.array([np.nan if value is None else float(value) for value in values])
            else:
                table[column] = pd.Series(values, index=index, dtype=object)
        return table


def parse_sample_sheet(text: str, *, source: str, files_required: bool = True) -> SampleSheet:
    """Read and validate a sample sheet.

    Parameters
    ----------
    text
        Content of the file, CSV or TSV.
    source
        Its name, for messages and to recognise the separator.
    files_required
        Every row must name reads or a count table; false for a study that gives a whole count matrix.

    Raises
    ------
    SampleSheetError
        Naming file, line, column, what was found, what was expected and what to do.
    """
    table = read_delimited(text, source=source, error=SampleSheetError, what="sample sheet")
    _check_columns(table, source, files_required)
    if not table.rows:
        raise SampleSheetError(
            "the sample sheet has a header and no samples",
            where=source,
            expected="one row for each sample or lane below the header",
        )
    refuse_unfilled(table, source=source, error=SampleSheetError)
    refuse_odd_values(table, [name for name in table.columns if name not in _UNIT_COLUMNS], source=source)
    lanes: dict[str, list[Row]] = {}
    for row in table.rows:
        _check_row(row, table.columns, source, files_required)
        lanes.setdefault(row.cells["sample"], []).append(row)
    _check_ids_differ(lanes, source)
    _check_files_differ(table.rows, source)
    for rows in lanes.values():
        _check_lanes_agree(rows, table.columns, source)
    metadata = [column for column in table.columns if column not in _UNIT_COLUMNS]
    samples = [_sample(sample, rows, metadata) for sample, rows in lanes.items()]
    units = [_unit(row, number) for rows in lanes.values() for number, row in enumerate(rows, start=1)]
    return SampleSheet(_samples_frame(samples), pd.DataFrame(units))


def _check_columns(table: DelimitedTable, source: str, files_required: bool) -> None:
    where = f"{source}, line {table.line}"
    if "sample" not in table.columns:
        raise _missing_column("'sample'", ("sample",), table, where)
    _check_standard_spelling(table.columns, where)
    names = ("fastq_1", "counts", "accession")
    if files_required and not set(names) & set(table.columns):
        raise _missing_column("'fastq_1' (or 'counts', or 'accession')", names, table, where)


def _missing_column(what: str, names: Sequence[str], table: DelimitedTable, where: str) -> SampleSheetError:
    alike = next((hit for name in names if (hit := near_miss(name, table.columns))), None)
    fix = f"Write the column names in the first line, for example {','.join(_UNIT_COLUMNS[:3])},strandedness"
    if len(table.columns) == 1 and len(table.columns[0].split()) > 1:
        fix = "Separate the columns with tabs or commas, not with spaces"
    elif alike:
        fix = f"Rename the column {alike!r}"
    return SampleSheetError(
        f"there is no column {what}", where=where, found=f"columns {listing(table.columns)}", fix=fix
    )


def _check_standard_spelling(columns: Sequence[str], where: str) -> None:
    """A standard column in another spelling would be taken for a further one and do nothing."""
    standard = {re.sub("[^a-z0-9]", "", name): name for name in (*_UNIT_COLUMNS, *METADATA_COLUMNS)}
    for column in columns:
        meant = standard.get(re.sub("[^a-z0-9]", "", column.casefold()))
        if not meant and column not in METADATA_COLUMNS:
            meant = near_miss(column, ("fastq_2", "strandedness"), cutoff=0.85)
        if meant and meant != column and meant not in columns:
            raise SampleSheetError(
                f"column {column!r} is not known by that name",
                where=where,
                found=repr(column),
                expected=repr(meant),
                fix="Rename the column; a column under another name is only kept as a remark",
            )


def _check_row(row: Row, columns: Sequence[str], source: str, files_required: bool) -> None:
    line = f"{source}, line {row.line}"
    _check_sample_id(row.cells["sample"], f"{line}, column sample")
    _check_files(row, line, files_required)
    _check_choice(row, "strandedness", STRANDEDNESS, line)
    _check_choice(row, "sensitivity", SENSITIVITY, line)
    for column in NUMERIC_COLUMNS:
        if column in columns and not is_missing(row.cells[column]):
            _check_number(column, row.cells[column], f"{line}, column {column}")


def _check_sample_id(sample: str, where: str) -> None:
    if is_missing(sample):
        raise SampleSheetError("the sample has no name", where=where, found=repr(sample), expected=IDENTIFIER_RULE)
    problem = identifier_problem(sample)
    if problem:
        raise SampleSheetError(
            f"the sample name {problem}",
            where=where,
            found=repr(sample),
            expected=IDENTIFIER_RULE,
            fix="Rename the sample; a longer name for people can stand in a column of its own",
        )


def _check_files(row: Row, line: str, files_required: bool) -> None:
    first, second, counts, accession = (_cell(row, name) for name in _SOURCES)
    if accession:
        _check_accession(accession, first or second or counts, f"{line}, column accession")
        return
    if counts and (first or second):
        raise SampleSheetError(
            "the row names both reads and a count table",
            where=f"{line}, column counts",
            found=f"{counts} beside {first or second}",
            expected="one of the two",
            fix="Empty 'counts' to start from the reads, or the FASTQ columns to start from the counts",
        )
    if not first and not counts and (files_required or second):
        raise SampleSheetError(
            "the first reads are missing"
            if second
            else "the row names neither reads nor a count table nor an accession",
            where=f"{line}, column fastq_1",
            found="an empty cell",
            expected="the path of a FASTQ file, relative to the sheet",
            fix="Give single-end reads in 'fastq_1', or a table of counts in the column 'counts'",
        )
    if first and second and _same_path(first, second):
        raise SampleSheetError(
            "first and second reads are the same file",
            where=f"{line}, column fastq_2",
            found=second,
            expected="the R2 file that belongs to fastq_1",
            fix="Leave 'fastq_2' empty for single-end reads",
        )
    for column, path in (("fastq_1", first), ("fastq_2", second)):
        if path and not is_fastq_name(path):
            raise SampleSheetError(
                "the file name is not that of a FASTQ file",
                where=f"{line}, column {column}",
                found=repr(path),
                expected=f"a name ending in {', '.join(FASTQ_SUFFIXES)}",
                fix="Give counts in the column 'counts'; turn BAM files into FASTQ first (samtools fastq)",
            )


def _check_accession(accession: str, beside: str | None, where: str) -> None:
    if beside:
        raise SampleSheetError(
            "the row names both an accession and files",
            where=where,
            found=f"{accession} beside {beside}",
            expected="one of the two",
            fix="Empty 'accession' to use the files, or the columns of files to fetch the reads; a column that only "
            "records where the files came from can be called 'run_accession'",
        )
    check_accession(accession, where=where, error=SampleSheetError)


def _check_choice(row: Row, column: str, choices: Sequence[str], line: str) -> None:
    value = _cell(row, column)
    if value is None or value in choices:
        return
    meant = near_miss(value, choices)
    raise SampleSheetError(
        f"{column} {value!r} is not known",
        where=f"{line}, column {column}",
        found=repr(value),
        expected=f"one of {', '.join(choices)}",
        fix=f"Write {meant!r}" if meant else None,
    )


def _check_number(column: str, text: str, where: str) -> None:
    if not _NUMBER.fullmatch(text) or not np.isfinite(float(text)):
        comma = re.fullmatch(r"\d+,\d+", text)
        raise SampleSheetError(
            f"{column} is not a number",
            where=where,
            found=repr(text),
            expected="a number with a decimal point and without unit, or an empty cell if not recorded",
            fix=f"Write {text.replace(',', '.')}" if comma else None,
        )
    if float(text) < 0:
        raise SampleSheetError(f"{column} is negative", where=where, found=text, expected="0 or more")
    if column == "rin" and float(text) > 10:
        raise SampleSheetError(
            "rin is above 10", where=where, found=text, expected="an RNA integrity number from 0 to 10"
        )


def _check_ids_differ(lanes: dict[str, list[Row]], source: str) -> None:
    by_folded: dict[str, str] = {}
    for sample, rows in lanes.items():
        other = by_folded.setdefault(sample.casefold(), sample)
        if other != sample:
            raise SampleSheetError(
                "two samples differ only in upper and lower case",
                where=f"{source}, line {rows[0].line}, column sample",
                found=f"{sample!r}, and {other!r} in line {lanes[other][0].line}",
                expected="names that differ on every file system",
                fix="Write the name in one way if both rows are lanes of one sample, otherwise rename one",
            )


def _check_files_differ(rows: Sequence[Row], source: str) -> None:
    seen: dict[str, Row] = {}
    for row in rows:
        for column in _SOURCES:
            path = _cell(row, column)
            if path is None:
                continue
            other = seen.setdefault(posixpath.normpath(path), row)
            if other is not row:
                raise _repeated_file(row, other, column, path, source)


def _repeated_file(row: Row, other: Row, column: str, path: str, source: str) -> SampleSheetError:
    where = f"{source}, line {row.line}, column {column}"
    what = "accession" if column == "accession" else "file"
    sample, first = row.cells["sample"], other.cells["sample"]
    if sample != first:
        return SampleSheetError(
            f"the same {what} is given for two samples, {first!r} (line {other.line}) and {sample!r}",
            where=where,
            found=path,
            expected=f"every {what} at one sample only",
            fix=f"Give each sample its own {what}",
        )
    return SampleSheetError(
        f"duplicated sample row: sample {sample!r} has the same {what} already in line {other.line}",
        where=where,
        found=path,
        expected=f"a different {what} in every lane of a sample",
        fix="Delete the repeated row, or rename the sample if it is another one",
    )


def _check_lanes_agree(rows: Sequence[Row], columns: Sequence[str], source: str) -> None:
    first = rows[0]
    for row in rows[1:]:
        if _cell(row, "counts") or _cell(first, "counts") or not (_cell(row, "fastq_1") or _cell(row, "accession")):
            raise SampleSheetError(
                f"sample {row.cells['sample']!r} has a second row, and only reads are merged",
                where=f"{source}, line {row.line}, column sample",
                found=f"rows in lines {first.line} and {row.line}",
                expected="one row per sample where counts are given",
                fix="Rename one of the two samples, or delete one of the rows",
            )
        # How an accession is laid out is known when it has been resolved.
        by_files = _cell(row, "fastq_1") and _cell(first, "fastq_1")
        if by_files and (_cell(row, "fastq_2") is None) != (_cell(first, "fastq_2") is None):
            raise SampleSheetError(
                f"sample {row.cells['sample']!r} mixes single-end and paired-end lanes",
                where=f"{source}, line {row.line}, column fastq_2",
                found=f"{row.cells.get('fastq_2') or 'empty'}; in line {first.line} "
                f"{first.cells.get('fastq_2') or 'empty'}",
                expected="all lanes of a sample paired, or all single-end",
                fix="Add the missing R2 file, or leave fastq_2 empty in all lanes of the sample",
            )
        for column in columns:
            if column in ("sample", *_SOURCES) or column.casefold() in _LANE_COLUMNS:
                continue
            _check_cell_agrees(row, first, column, source)


def _check_cell_agrees(row: Row, first: Row, column: str, source: str) -> None:
    here, there = row.cells[column], first.cells[column]
    same = here == there or (is_missing(here) and is_missing(there))
    if not same:
        raise SampleSheetError(
            f"the lanes of sample {row.cells['sample']!r} disagree in column {column!r}",
            where=f"{source}, line {row.line}, column {column}",
            found=f"{here!r}; in line {first.line} {there!r}",
            expected="the same value in all rows of a sample",
            fix="Correct one of the two lines, or rename the sample if they are two samples",
        )


def _sample(sample: str, rows: Sequence[Row], columns: Sequence[str]) -> dict[str, object]:
    metadata: dict[str, str | None] = {}
    for column in columns:
        values = [value for row in rows if (value := _cell(row, column)) is not None]
        metadata[column] = ";".join(dict.fromkeys(values)) if values else None
    record: dict[str, object] = {
        "sample_id": sample,
        "strandedness": _cell(rows[0], "strandedness") or "auto",
    }
    for column in METADATA_COLUMNS:
        value = metadata.get(column)
        record[column] = float(value) if value is not None and column in NUMERIC_COLUMNS else value
    record["metadata"] = json.dumps(metadata, ensure_ascii=False)
    return record


def _samples_frame(records: Sequence[dict[str, object]]) -> pd.DataFrame:
    frame = pd.DataFrame(list(records), dtype=object)
    return frame.astype(dict.fromkeys(NUMERIC_COLUMNS, "float64"))


def _unit(row: Row, number: int) -> dict[str, object]:
    sources = {column: _cell(row, column) for column in _SOURCES}
    return {"sample_id": row.cells["sample"], "unit": number, **sources, "sheet_line": row.line}


def _cell(row: Row, column: str) -> str | None:
    value = row.cells.get(column)
    return None if is_missing(value) else value


def _same_path(one: str, other: str) -> bool:
    return posixpath.normpath(one) == posixpath.normpath(other)
