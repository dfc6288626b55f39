"""Reads from the European Nucleotide Archive: an accession is resolved once, its files are fetched and kept.

``downloads/ACCESSION.json`` says what an accession was resolved to, ``downloads/RUN/`` has the files. With both at
hand nothing is asked of the network. What ENA's answers mean is known in ``science/ena_report.py``.
"""

from __future__ import annotations

import ipaddress
import json
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from poma_assets.science.accessions import is_run
from poma_assets.science.ena_report import (
    REPORT_FIELDS,
    ArchiveFile,
    ArchiveRun,
    parse_file_report,
    unknown_accession,
)
from poma_assets.science.secret_texts import without_secrets
from poma_assets.storage.lock import exclusive_lock
from poma_assets.storage.staging import make_folder, write_whole_text
from poma_assets.tools.download import DownloadError, Patience, download_checked, fetch_text
from poma_assets.tools.transfer_log import Tell, TransferLog, size_text

ADDRESS = "https://www.ebi.ac.uk/ena/portal/api"
ADDRESS_VARIABLE = "POMA_ENA_URL"
"""Environment variable that names another base address of ENA's portal."""

_LONGEST_DOWNLOAD_S = 7 * 24 * 3600.0


def ena_address() -> str:
    """Base address of ENA's portal: that of the environment, else the public one."""
    return (os.environ.get(ADDRESS_VARIABLE, "") or ADDRESS).rstrip("/")


def resolve_accession(
    accession: str, downloads: Path, *, patience: Patience | None = None, tell: Tell
) -> list[ArchiveRun]:
    """The runs of an accession with their files: as kept in ``downloads``, else asked of ENA and kept.

    Parameters
    ----------
    accession
        Run, experiment or sample.
    downloads
        Folder of all downloads of the study.
    patience
        Repeats and timeouts.
    tell
        Called with a sentence about what is done.

    Raises
    ------
    AccessionError
        ENA does not know the accession, or has no FASTQ files of it.
    DownloadError
        ENA does not answer.
    """
    kept = kept_runs(accession, downloads)
    if kept is not None:
        return kept
    source = (
        f"{ena_address()}/filereport?accession={accession}&result=read_run&fields={','.join(REPORT_FIELDS)}&format=tsv"
    )
    tell(without_secrets(f"asking {source}"))
    try:
        text = fetch_text(source, patience=patience, on_wait=tell)
    except DownloadError as error:
        # ENA says in three ways that it does not know an accession; the third is a table without rows.
        if str(error.found).startswith(("HTTP 204", "HTTP 400", "HTTP 404")):
            raise unknown_accession(accession, source) from error
        raise
    runs = parse_file_report(text, accession=accession, source=source)
    note = {
        "accession": accession,
        "source": without_secrets(source),
        "date": datetime.now(UTC).date().isoformat(),
        "runs": [asdict(run) for run in runs],
    }
    write_whole_text(_note_path(accession, downloads), json.dumps(note, indent=2) + "\n")
    return runs


def kept_runs(accession: str, downloads: Path) -> list[ArchiveRun] | None:
    """What an accession was resolved to before; None if that is not known, or the note cannot be read."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        note = json.loads(_note_path(accession, downloads).read_text(encoding="utf-8"))
        runs = [
            ArchiveRun(run["run_accession"], tuple(ArchiveFile(**file) for file in run["files"]))
            for run in note["runs"]
        ]
        # A note may have come with the study: what it says becomes names of folders and files.
        return runs if runs and all(map(_is_sound, runs)) else None
    return None


def _is_sound(run: ArchiveRun) -> bool:
    names = (f"{run.run_accession}.fastq.gz", f"{run.run_accession}_1.fastq.gz", f"{run.run_accession}_2.fastq.gz")
    return is_run(run.run_accession) and len(run.files) in (1, 2) and all(file.name in names for file in run.files)


def run_files(run: ArchiveRun, downloads: Path) -> list[Path]:
    """Where the files of a run lie, or will lie."""
    return [downloads / run.run_accession / file.name for file in run.files]


def are_there(runs: Sequence[ArchiveRun], downloads: Path) -> bool:
    """Whether all files of these runs are there in their full size; their content is not read."""
    return all(
        path.is_file() and path.stat().st_size == file.size_bytes
        for run in runs
        for path, file in zip(run_files(run, downloads), run.files, strict=True)
    )


def fetch_run(run: ArchiveRun, downloads: Path, *, patience: Patience | None = None, tell: Tell) -> list[Path]:
    """Fetch the files of a run; one that is there with the right MD5 is not fetched again.

    Another process that fetches the same run is waited for.

    Returns
    -------
    list of Path
        First reads, and second reads if there are any.

    Raises
    ------
    DownloadError
        The server refuses or goes on failing, or gives a file with another checksum twice.
    StorageError
        The disk is full or cannot be written.
    """
    folder = downloads / run.run_accession
    make_folder(folder)
    lock = folder / ".lock"
    with exclusive_lock(lock, timeout_s=_LONGEST_DOWNLOAD_S, describe=f"fetching {run.run_accession}", on_wait=tell):
        return [_fetch(file, folder / file.name, patience, tell) for file in run.files]


def _fetch(file: ArchiveFile, target: Path, patience: Patience | None, tell: Tell) -> Path:
    url = f"{_scheme(ena_address())}://{file.path}"
    if not target.is_file():
        tell(f"fetching {without_secrets(url)} ({size_text(file.size_bytes)})")
    download_checked(
        url,
        target,
        checksum=f"md5:{file.md5}",
        expected_bytes=file.size_bytes,
        patience=patience,
        on_progress=TransferLog(file.name, tell),
        tell=tell,
    )
    return target


def _scheme(address: str) -> str:
    """ENA's hosts of files speak https; a server on this machine speaks what its address says."""
    parts = urlsplit(address)
    host = parts.hostname or ""
    with suppress(ValueError):
        if ipaddress.ip_address(host).is_loopback:
            return parts.scheme
    return parts.scheme if host == "localhost" else "https"


def _note_path(accession: str, downloads: Path) -> Path:
    return downloads / f"{accession}.json"
