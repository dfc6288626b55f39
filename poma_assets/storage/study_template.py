"""Writing the first files of a new study: poma.yaml, a sheet from the FASTQ files found, an empty contrasts file."""

from __future__ import annotations

import os
from pathlib import Path

import yaml

from poma_assets.science.errors import FastqError, InputError, ReferenceFilesError
from poma_assets.science.fastq_pairs import find_fastq_pairs
from poma_assets.science.reference_lines import UNNAMED

SHEET_COLUMNS = (
    "sample",
    "fastq_1",
    "fastq_2",
    "strandedness",
    "cell_line",
    "cell_context",
    "sensitivity",
    "treatment",
    "dose_um",
    "time_h",
    "replicate",
    "batch",
    "rin",
    "a260_a280",
)
CONTRAST_COLUMNS = ("id", "variable", "reference", "target", "blocking", "subset")
_FASTQ_SUFFIXES = (".fastq.gz", ".fq.gz", ".fastq", ".fq")


def write_study_template(
    directory: Path,
    *,
    name: str,
    organism: str,
    profile: str,
    reads: Path | None,
    genome: Path | None,
    annotation: Path | None,
) -> dict[Path, str]:
    """Write ``poma.yaml``, ``samples.tsv`` and ``contrasts.tsv``; refuse to overwrite any of them.

    Returns
    -------
    dict
        Path -> what was written into it.

    Raises
    ------
    InputError
        If a study is there already, or a named file or folder does not exist.
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
    rows = _sheet_rows(directory, reads) if reads is not None else []
    config: dict[str, object] = {
        "name": name,
        "organism": organism,
        "reference": {
            "genome": _relative(genome, directory) if genome else f"{UNNAMED}: path of the genome FASTA",
            "annotation": _relative(annotation, directory) if annotation else f"{UNNAMED}: path of the annotation GTF",
        },
        "profile": profile,
    }
    if organism != "human":
        config["gene_sets"] = []
    directory.mkdir(parents=True, exist_ok=True)
    lines = ["\t".join(row.get(column, "") for column in SHEET_COLUMNS) for row in rows]
    paths[0].write_text(yaml.safe_dump(config, sort_keys=False, allow_unicode=True), encoding="utf-8")
    paths[1].write_text("\n".join(["\t".join(SHEET_COLUMNS), *lines]) + "\n", encoding="utf-8")
    paths[2].write_text("\t".join(CONTRAST_COLUMNS) + "\n", encoding="utf-8")
    return {
        paths[0]: "name, organism, reference, profile",
        paths[1]: f"{len(rows)} sequencing units of {len({row['sample'] for row in rows})} samples",
        paths[2]: "a header; one line per comparison, for example: pom_24h  treatment  DMSO  pomalidomide",
    }


def _sheet_rows(directory: Path, reads: Path) -> list[dict[str, str]]:
    if not reads.is_dir():
        raise InputError("the folder does not exist", where=str(reads), expected="a folder with FASTQ files")
    names = sorted(path.name for path in reads.iterdir() if path.name.endswith(_FASTQ_SUFFIXES))
    if not names:
        raise FastqError(
            "there are no FASTQ files in the folder",
            where=str(reads),
            expected=f"names that end in {', '.join(_FASTQ_SUFFIXES)}",
        )
    return [
        {
            "sample": pair.sample,
            "fastq_1": _relative(reads / pair.fastq_1, directory),
            "fastq_2": _relative(reads / pair.fastq_2, directory) if pair.fastq_2 else "",
            "strandedness": "auto",
        }
        for pair in find_fastq_pairs(names)
    ]


def _relative(path: Path, directory: Path) -> str:
    """Relative where it lies below the study; else absolute, so that moving the study does not break it."""
    absolute, root = Path(os.path.abspath(path)), Path(os.path.abspath(directory))
    return str(absolute.relative_to(root)) if absolute.is_relative_to(root) else str(absolute)
