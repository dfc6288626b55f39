"""Fetching reference genomes of GENCODE and Ensembl into the cache that studies share.

Which files a release has is known in ``science/reference_releases.py``. A release's folder has its two files and
``reference.json``, a note of where they came from; with all three at hand nothing is asked of the network.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from poma_assets.science.errors import ReferenceFilesError
from poma_assets.science.reference_releases import SERVICES, ReferenceFile, ReferenceRelease, find_checksum
from poma_assets.science.secret_texts import without_secrets
from poma_assets.storage.cache_folder import cache_folder
from poma_assets.storage.lock import exclusive_lock
from poma_assets.storage.staging import make_folder, write_whole_text
from poma_assets.tools.download import DownloadError, OnProgress, Patience, download_checked, fetch_text

NOTE = "reference.json"
_LONGEST_DOWNLOAD_S = 24 * 3600.0

Tell = Callable[[str], None]
OnFile = Callable[[str], OnProgress | None]


@dataclass(frozen=True)
class FetchedFile:
    """A fetched file: its name in the folder, where it came from, and what it was checked by."""

    name: str
    url: str
    checksum: str
    size_bytes: int


@dataclass(frozen=True)
class FetchedReference:
    """A release in the cache."""

    service: str
    release: str
    organism: str
    date: str
    genome: FetchedFile
    annotation: FetchedFile

    @property
    def folder(self) -> Path:
        """Where its files lie."""
        return references_folder() / f"{self.service}-{self.release}-{self.organism}"

    @property
    def genome_path(self) -> Path:
        """The FASTA."""
        return self.folder / self.genome.name

    @property
    def annotation_path(self) -> Path:
        """The GTF."""
        return self.folder / self.annotation.name

    @property
    def is_whole(self) -> bool:
        """Whether both files are there in their full size; their content is not read."""
        files = ((self.genome_path, self.genome), (self.annotation_path, self.annotation))
        return all(path.is_file() and path.stat().st_size == file.size_bytes for path, file in files)


def references_folder() -> Path:
    """Folder of all fetched references."""
    return cache_folder("references")


def fetch_reference(
    release: ReferenceRelease,
    *,
    patience: Patience | None = None,
    tell: Tell,
    on_file: OnFile = lambda name: None,
) -> FetchedReference:
    """Fetch a release into the cache; files that are there with the right checksum are not fetched again.

    Another process that fetches the same release is waited for.

    Parameters
    ----------
    release
        What to fetch.
    patience
        Repeats and timeouts.
    tell
        Called with a sentence about what is done.
    on_file
        Called with each file's name before it is fetched or checked; returns who is told of its progress.

    Raises
    ------
    ReferenceFilesError
        The service has no such release, or no checksum of a file.
    DownloadError
        It does not answer, or gives a file with another checksum twice.
    StorageError
        The disk is full or cannot be written.
    """
    service = SERVICES[release.service]
    address = (os.environ.get(service.variable, "") or service.address).rstrip("/")
    folder = references_folder() / release.key
    make_folder(folder)
    describe = f"fetching {release.key}"
    with exclusive_lock(folder / ".lock", timeout_s=_LONGEST_DOWNLOAD_S, describe=describe, on_wait=tell):
        kept = _read_note(folder)
        fetch = _Fetch(address, folder, patience, tell, on_file)
        genome = fetch.file(release.genome, kept.genome if kept else None)
        annotation = fetch.file(release.annotation, kept.annotation if kept else None)
        date = kept.date if kept else datetime.now(UTC).date().isoformat()
        fetched = FetchedReference(release.service, release.release, release.organism, date, genome, annotation)
        if fetched != kept:
            _write_note(fetched)
    return fetched


def fetched_references() -> list[FetchedReference]:
    """The references in the cache, by name; what has no note that can be read is left out."""
    folder = references_folder()
    notes = [_read_note(path) for path in sorted(folder.iterdir())] if folder.is_dir() else []
    return [note for note in notes if note is not None]


@dataclass(frozen=True)
class _Fetch:
    """Files of one release, one after another."""

    address: str
    folder: Path
    patience: Patience | None
    tell: Tell
    on_file: OnFile

    def file(self, file: ReferenceFile, kept: FetchedFile | None) -> FetchedFile:
        url = f"{self.address}/{file.path}"
        checksum = kept.checksum if kept else self._checksum(file)
        target = self.folder / file.name
        self.tell(f"checking {target}" if target.is_file() else without_secrets(f"fetching {url}"))
        download_checked(
            url,
            target,
            checksum=checksum,
            patience=self.patience,
            on_progress=self.on_file(file.name),
            tell=self.tell,
        )
        return FetchedFile(file.name, kept.url if kept else without_secrets(url), checksum, target.stat().st_size)

    def _checksum(self, file: ReferenceFile) -> str:
        source = f"{self.address}/{file.checksums}"
        self.tell(without_secrets(f"asking {source}"))
        try:
            text = fetch_text(source, patience=self.patience, on_wait=self.tell)
        except DownloadError as error:
            if str(error.found).startswith("HTTP 404"):
                raise ReferenceFilesError(
                    "there is no such release",
                    where=source,
                    found=error.found,
                    fix="Give another one with --release; the newest may be out later than you think.",
                ) from error
            raise
        return find_checksum(text, file.name, source=source)


def _read_note(folder: Path) -> FetchedReference | None:
    with suppress(OSError, ValueError, KeyError, TypeError):
        note = json.loads((folder / NOTE).read_text(encoding="utf-8"))
        genome, annotation = (FetchedFile(**note.pop(name)) for name in ("genome", "annotation"))
        return FetchedReference(**note, genome=genome, annotation=annotation)
    return None


def _write_note(fetched: FetchedReference) -> None:
    write_whole_text(fetched.folder / NOTE, json.dumps(asdict(fetched), indent=2) + "\n")
