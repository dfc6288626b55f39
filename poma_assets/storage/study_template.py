"""Writing the first files of a new study: poma.yaml, a sheet of the reads there are, a contrasts file to fill in.

What only people know bears the mark of ``science.unfilled``, so that nothing runs before it is filled in.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import yaml

from poma_assets.science.count_tables import parse_count_table
from poma_assets.science.errors import FastqError, InputError, ReferenceFilesError, SampleSheetError
from poma_assets.science.fastq_pairs import FASTQ_SUFFIXES, find_fastq_pairs, is_fastq_name
from poma_assets.science.sample_sheet import parse_sample_sheet
from poma_assets.science.tables import is_missing, listing, read_delimited
from poma_assets.science.unfilled import FILL_IN
from poma_assets.storage.text_files import read_counts_text, read_text

_READ_COLUMNS = ("sample", "fastq_1", "fastq_2", "strandedness")
_HUMAN_COLUMNS = ("cell_line", "cell_context", "sensitivity", "treatment", "dose_um", "time_h", "replicate", "batch")
_OTHER_COLUMNS = ("treatment", "replicate", "batch")
_QUALITY_COLUMNS = ("rin", "a260_a280")
_MUST_BE_FILLED_IN = ("cell_line", "cell_context", "treatment", "replicate")
_CONTRAST_COLUMNS = ("id", "variable", "reference", "target", "blocking", "subset")
_UNASSIGNED = "undetermined"
"""How the names of files begin that hold the reads of no sample."""

Row = dict[str, str]


def write_study_template(
    directory: Path,
    *,
    name: str,
    organism: str,
    profile: str,
    genome: Path | None,
    annotation: Path | None,
    rows: Sequence[Row] = (),
    count_matrix: Path | None = None,
) -> dict[Path, str]:
    """Write ``poma.yaml``, ``samples.tsv`` and ``contrasts.tsv``; refuse to overwrite any of them.

    Parameters
    ----------
    rows
        Rows of the sheet, as from `rows_of_reads`, `rows_of_nf_core` or `rows_of_counts`.
    count_matrix
        The table of counts that the study begins at, instead of reads; it needs no reference.

    Returns
    -------
    dict
        Path -> what was written into it.

    Raises
    ------
    InputError
        If a study is there already, or a named file does not exist.
    """
    paths = [directory / file for file in ("poma.yaml", "samples.tsv", "contrasts.tsv")]
    for path in paths:
        if path.exists():
            raise InputError(
                "there is a study already", where=str(path), fix="Name another folder, or remove the file."
            )
    for given, what in ((genome, "--genome"), (annotation, "--annotation")):
        if given is not None and not given.is_file():
            raise ReferenceFilesError("the file does not exist", where=str(given), expected=f"a file for {what}")
    config: dict[str, object] = {"name": name, "organism": organism}
    if count_matrix is not None:
        config["count_matrix"] = as_written(count_matrix, directory)
    reference = _reference(genome, annotation, directory, is_needed=count_matrix is None)
    config |= {**({"reference": reference} if reference else {}), "profile": profile}
    if organism != "human":
        config["gene_sets"] = []
    directory.mkdir(parents=True, exist_ok=True)
    paths[0].write_text(yaml.safe_dump(config, sort_keys=False, allow_unicode=True), encoding="utf-8")
    paths[1].write_text(_sheet(rows, organism), encoding="utf-8")
    contrast = ["my_contrast", "treatment", FILL_IN, FILL_IN, "", ""]
    paths[2].write_text(_table([_CONTRAST_COLUMNS, contrast]), encoding="utf-8")
    return {
        paths[0]: ", ".join(config),
        paths[1]: _told(rows),
        paths[2]: "one comparison to fill in: reference and target are two values of the column treatment",
    }


def rows_of_counts(count_matrix: Path) -> list[Row]:
    """Rows of a sheet for the samples of a table of counts, genes x samples.

    Raises
    ------
    InputError
        If there is no such file.
    CountsError
        If it is no table of counts.
    """
    # Decimals are told by the check of the study, which knows `round_counts`.
    matrix = parse_count_table(read_counts_text(count_matrix), source=str(count_matrix), round_fractional=True)
    return [{"sample": str(sample)} for sample in matrix.counts.columns]


def rows_of_reads(reads: Path, directory: Path) -> tuple[list[Row], list[str]]:
    """Rows of a sheet in ``directory`` for the FASTQ files in and below a folder, and files that were left out.

    Raises
    ------
    InputError
        If there is no such folder.
    FastqError
        If there are no FASTQ files, or their names do not pair.
    """
    if not reads.is_dir():
        raise InputError("the folder does not exist", where=str(reads), expected="a folder with FASTQ files")
    found = list(_fastq_files(reads))
    names = [name for name in found if not Path(name).name.lower().startswith(_UNASSIGNED)]
    if not names:
        raise FastqError(
            "there are no FASTQ files in the folder",
            where=str(reads),
            expected=f"names that end in {', '.join(FASTQ_SUFFIXES)}, there or in a folder below",
        )
    rows = [
        {
            "sample": pair.sample,
            "fastq_1": as_written(reads / pair.fastq_1, directory),
            "fastq_2": as_written(reads / pair.fastq_2, directory) if pair.fastq_2 else "",
            "strandedness": "auto",
        }
        for pair in find_fastq_pairs(names)
    ]
    return rows, sorted(set(found) - set(names))


def rows_of_nf_core(sheet: Path, directory: Path) -> list[Row]:
    """Rows of a sheet in ``directory`` for a sample sheet of nf-core/rnaseq; further columns are kept.

    Relative paths start at the folder of that sheet, or at the current one, as Nextflow has it.

    Raises
    ------
    SampleSheetError
        If it is no such sheet, or a file that it names is not there.
    """
    text = read_text(sheet)
    parse_sample_sheet(text, source=str(sheet))
    table = read_delimited(text, source=str(sheet), error=SampleSheetError, what="sample sheet")
    rows = []
    for row in table.rows:
        cells = {column: "" if is_missing(cell) else cell for column, cell in row.cells.items()}
        for column in ("fastq_1", "fastq_2"):
            if cells.get(column):
                where = f"{sheet}, line {row.line}, column {column}"
                cells[column] = as_written(_existing_file(cells[column], sheet.parent, where), directory)
        rows.append({**cells, "strandedness": cells.get("strandedness") or "auto"})
    return rows


def as_written(path: Path, directory: Path) -> str:
    """Relative where it lies below the study; else absolute, so that moving the study does not break it."""
    absolute, root = Path(os.path.abspath(path)), Path(os.path.abspath(directory))
    return str(absolute.relative_to(root)) if absolute.is_relative_to(root) else str(absolute)


def _fastq_files(folder: Path) -> list[str]:
    """FASTQ files in and below a folder, relative to it; hidden ones are passed over."""
    names = []
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        names += [
            str((Path(place) / name).relative_to(folder))
            for name in sorted(files)
            if is_fastq_name(name) and not name.startswith(".")
        ]
    return names


def _existing_file(written: str, folder: Path, where: str) -> Path:
    if "://" in written:
        fix = "Addresses are not fetched: download the file and write its path, or give an accession."
        raise SampleSheetError("the file is not on this machine", where=where, found=written, fix=fix)
    candidates = [folder / Path(written).expanduser(), Path.cwd() / Path(written).expanduser()]
    for path in candidates:
        if path.is_file():
            return path
    raise SampleSheetError(
        f"there is no file {written!r}",
        where=where,
        found=f"no {listing(dict.fromkeys(str(path) for path in candidates))}",
        fix="Correct the path, or give absolute ones.",
    )


def _reference(
    genome: Path | None, annotation: Path | None, directory: Path, *, is_needed: bool
) -> dict[str, str] | None:
    """The section of the configuration; what must be named and is not bears the mark."""
    named = {"genome": genome, "annotation": annotation}
    marked = {"genome": f"{FILL_IN}: path of the genome FASTA", "annotation": f"{FILL_IN}: path of the annotation GTF"}
    return {
        key: as_written(path, directory) if path else marked[key] for key, path in named.items() if path or is_needed
    }


def _told(rows: Sequence[Row]) -> str:
    n_samples = len({row["sample"] for row in rows})
    units = f"{len(rows)} sequencing units of " if any(row.get("fastq_1") for row in rows) else ""
    return f"{units}{n_samples} samples" if rows else "a header; one row for each sample or lane"


def _sheet(rows: Sequence[Row], organism: str) -> str:
    """The sheet: columns as given, then those that are missing; what must be filled in bears the mark."""
    own = _HUMAN_COLUMNS if organism == "human" else _OTHER_COLUMNS
    given = list(dict.fromkeys(column for row in rows for column in row))
    further = [column for column in given if column not in _READ_COLUMNS]
    read_columns = _READ_COLUMNS if not rows or "fastq_1" in given else ("sample",)
    columns = list(dict.fromkeys([*read_columns, *further, *own, *_QUALITY_COLUMNS]))
    blank = {column: FILL_IN for column in _MUST_BE_FILLED_IN if column not in given}
    return _table([columns, *([{**blank, **row}.get(column, "") for column in columns] for row in rows)])


def _table(lines: Sequence[Sequence[str]]) -> str:
    return "".join("\t".join(line) + "\n" for line in lines)
