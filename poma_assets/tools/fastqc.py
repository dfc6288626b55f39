"""Read quality by FastQC (GPL-3; Andrews, Babraham Bioinformatics)."""

from __future__ import annotations

import os
import re
import zipfile
from collections.abc import Sequence
from pathlib import Path

from poma_assets.science.errors import ToolError
from poma_assets.storage.staging import move_into_place, work_folder
from poma_assets.tools.command import CommandRecord, no_output_error, run_command
from poma_assets.tools.versions import tool_version

SMALL_FILE_BYTES = 16 * 1024**2
"""Files below this (about 200,000 reads) are given to a JVM that starts quickly: first compiler only, serial
collector. Measured with FastQC 0.11.9 on reads of 100 bases, CPU seconds, quick against normal: 20,000 reads
1.0 to 1.9, 100,000 1.8 to 2.6, 250,000 3.1 to 3.4, 500,000 5.0 to 4.4; memory 150 against 200 MiB or more."""

_QUICK_JVM = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
_SUFFIXES = (".gz", ".bz2", ".txt", ".fastq", ".fq", ".csfastq", ".sam", ".bam")
_DATA_FILE = re.compile(r"(^|/)fastqc_data\.txt$")


def run_fastqc(files: Sequence[Path], output_dir: Path, *, threads: int, log_path: Path) -> CommandRecord:
    """Run FastQC on several files in one JVM.

    Parameters
    ----------
    files
        FASTQ files with different base names.
    output_dir
        Gets ``*_fastqc.html`` and ``*_fastqc.zip`` of each file, when all are complete; other files in it
        stay.
    threads
        Files read at once; each costs FastQC 250 MB (0.11) to 512 MB (0.12) of Java heap.

    Raises
    ------
    ToolError
        FastQC failed or left an incomplete report.
    """
    environment = None
    if max(path.stat().st_size for path in files) < SMALL_FILE_BYTES:
        own = os.environ.get("JAVA_TOOL_OPTIONS", "")
        environment = {"JAVA_TOOL_OPTIONS": f"{own} {_QUICK_JVM}".strip()}
    with work_folder(output_dir) as folder:
        argv: list[str | Path] = ["fastqc", "-q", "-t", str(min(threads, len(files))), "-o", folder, *files]
        record = run_command(argv, log_path=log_path, tool="FastQC", version=tool_version("fastqc"), env=environment)
        made: dict[Path, Path] = {}
        for html, archive in fastqc_outputs(folder, files).values():
            if not html.is_file():
                raise no_output_error("FastQC", f"report {html.name}", output_dir, log_path)
            read_fastqc_data(archive)
            made |= {html: output_dir / html.name, archive: output_dir / archive.name}
        move_into_place(made)
    return record


def fastqc_outputs(output_dir: Path, files: Sequence[Path]) -> dict[Path, tuple[Path, Path]]:
    """Paths of FastQC's outputs: file -> (HTML, ZIP). Names follow FastQC's rule; nothing is looked up."""
    outputs = {}
    for path in files:
        name = path.name
        for suffix in _SUFFIXES:
            name = name.removesuffix(suffix)
        outputs[path] = (output_dir / f"{name}_fastqc.html", output_dir / f"{name}_fastqc.zip")
    return outputs


def read_fastqc_data(zip_path: Path) -> str:
    """Return ``fastqc_data.txt`` out of FastQC's ZIP.

    Raises
    ------
    ToolError
        The ZIP is missing, damaged or without data.
    """
    try:
        with zipfile.ZipFile(zip_path) as archive:
            name = next((name for name in archive.namelist() if _DATA_FILE.search(name)), None)
            if name is not None:
                return archive.read(name).decode(errors="replace")
    except (OSError, zipfile.BadZipFile) as error:
        raise ToolError(
            f"the report of FastQC cannot be read: {error}", where=str(zip_path), fix="Run FastQC again."
        ) from error
    raise ToolError("the report of FastQC has no fastqc_data.txt", where=str(zip_path), fix="Run FastQC again.")
