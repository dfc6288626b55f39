"""Fetching files over HTTP: streamed, resumed, repeated, checked, and put in place as a whole.

What the files mean is not known here; single requests are in ``http_request``.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import random
import re
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import BinaryIO

from poma_assets.science.bsd_sum import BsdSum
from poma_assets.science.errors import InputError, StorageError
from poma_assets.science.secret_texts import without_secrets
from poma_assets.storage.staging import plain_storage_errors
from poma_assets.tools.http_request import (
    DownloadError,
    RangeRefused,
    TransientFailure,
    open_url,
    read_some,
    require_web_address,
)
from poma_assets.tools.partial_file import PartialFile, partial_file

__all__ = ["Download", "DownloadError", "Patience", "WrongFileError", "download", "download_checked", "fetch_text"]

OnProgress = Callable[[int, int | None], None]
OnWait = Callable[[str], None]

_BLOCK_BYTES = 256 * 1024
_LARGEST_TEXT_BYTES = 64 * 1024**2
_CHECKSUM = re.compile(r"(md5:[0-9a-f]{32}|sha256:[0-9a-f]{64}|bsd:\d{1,5} \d+)", re.IGNORECASE)
_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")


@dataclass(frozen=True)
class Patience:
    """How long a download keeps trying.

    Attributes
    ----------
    attempts
        Requests in a row that may fail without any further byte; a request that brings the file forward does
        not count.
    first_wait_s, longest_wait_s
        Seconds before the second request, doubled each time up to the longest. A server that asks for a longer
        wait (``Retry-After``) ends the download with a message.
    timeout_s
        Seconds without an answer, or without a further byte.
    """

    attempts: int = 5
    first_wait_s: float = 1.0
    longest_wait_s: float = 60.0
    timeout_s: float = 60.0


@dataclass(frozen=True)
class Download:
    """A finished download.

    Attributes
    ----------
    path
        The file.
    url
        The address in the end, after redirects; the address asked for where nothing had to be fetched.
    size_bytes
        Size of the file.
    last_modified
        What the server says about the file's age, as it writes it; empty where it says nothing.
    """

    path: Path
    url: str
    size_bytes: int
    last_modified: str


def download(
    url: str,
    target: Path,
    *,
    checksum: str | None = None,
    expected_bytes: int | None = None,
    max_bytes: int | None = None,
    patience: Patience | None = None,
    on_progress: OnProgress | None = None,
    on_wait: OnWait | None = None,
) -> Download:
    """Fetch a file; ``target`` keeps its old content or gets the whole new one.

    What has arrived lies in a hidden file beside the target (``.NAME.part``). A broken connection, a later call and
    another process go on from there by a Range request, if the server can tell that its file has not changed in
    between (ETag or Last-Modified), or if a checksum will tell. A target that has the checksum already is not
    fetched again.

    Parameters
    ----------
    url
        An http or https address. Redirects are followed to such addresses only, never from https to http.
    target
        The file; its folder is made if missing.
    checksum
        ``"sha256:..."`` or ``"md5:..."`` in hexadecimal, or ``"bsd:SUM BLOCKS"`` as the program ``sum`` prints them.
    expected_bytes, max_bytes
        Size that the file must have; size that it must not exceed.
    patience
        Repeats and timeouts.
    on_progress
        Called with the bytes at hand and the whole size (None if the server does not say).
    on_wait
        Called with a sentence before a request is repeated.

    Raises
    ------
    InputError
        The address or the checksum has not the right form.
    DownloadError
        The server refuses, or goes on failing, or the file is not the one expected.
    StorageError
        The disk is full, the folder cannot be written, or another process is fetching the same file.
    """
    require_web_address(url)
    wanted = _Expectation(url, _parse_checksum(checksum), expected_bytes, max_bytes)
    if checksum and target.is_file() and wanted.has_checksum(target):
        return Download(target, url, target.stat().st_size, "")
    with plain_storage_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        with partial_file(target) as partial:
            transfer = _Transfer(wanted, partial, patience or Patience(), on_progress, on_wait)
            try:
                transfer.run()
            except BaseException:
                if not transfer.resume_headers():
                    partial.remove()
                raise
            partial.forget()
            os.replace(partial.path, target)
    return Download(target, transfer.final_url, target.stat().st_size, transfer.last_modified)


def download_checked(
    url: str,
    target: Path,
    *,
    checksum: str,
    expected_bytes: int | None = None,
    patience: Patience | None = None,
    on_progress: OnProgress | None = None,
    tell: OnWait,
) -> Download:
    """As `download`; a file that arrived with another checksum, spoilt by a proxy or a disk, is fetched once more."""
    get = partial(
        download,
        url,
        target,
        checksum=checksum,
        expected_bytes=expected_bytes,
        patience=patience,
        on_progress=on_progress,
        on_wait=tell,
    )
    try:
        return get()
    except WrongFileError as error:
        tell(f"{error} Fetching it once more.")
        return get()


def fetch_text(
    url: str,
    *,
    max_bytes: int = _LARGEST_TEXT_BYTES,
    patience: Patience | None = None,
    on_wait: OnWait | None = None,
) -> str:
    """Fetch a text in UTF-8 of at most ``max_bytes``.

    Raises
    ------
    InputError, DownloadError, StorageError
        As `download`; DownloadError also if the answer is not text.
    """
    with tempfile.TemporaryDirectory(prefix="poma-fetch-") as folder:
        path = Path(folder) / "answer"
        download(url, path, max_bytes=max_bytes, patience=patience, on_wait=on_wait)
        content = path.read_bytes()
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DownloadError("the answer is not a text in UTF-8", where=url, found=str(error)) from error


class WrongFileError(DownloadError):
    """What has arrived, or was announced, is not what was expected."""


@dataclass(frozen=True)
class _Expectation:
    """What is to be fetched."""

    url: str
    checksum: tuple[str, str] | None
    expected_bytes: int | None
    max_bytes: int | None

    def has_checksum(self, path: Path) -> bool:
        if self.checksum is None:
            return True
        algorithm, digest = self.checksum
        with path.open("rb") as file:
            if algorithm == "bsd":
                return _bsd_sum(file) == digest
            return hashlib.file_digest(file, algorithm).hexdigest() == digest

    def check_size(self, size: int) -> None:
        """Refuse a file of the wrong size, announced or received."""
        if self.expected_bytes is not None and size != self.expected_bytes:
            raise self._wrong("the file on the server has another size", f"{size:,} bytes", self.expected_bytes)
        self.check_limit(size)

    def check_limit(self, size: int) -> None:
        if self.max_bytes is not None and size > self.max_bytes:
            raise self._wrong("the file is larger than allowed", f"{size:,} bytes or more", self.max_bytes)

    def _wrong(self, what: str, found: str, expected: int) -> DownloadError:
        return WrongFileError(
            what, where=self.url, found=found, expected=f"{expected:,} bytes", fix="Check that the address is right."
        )


@dataclass
class _Transfer:
    """Requests, one after another, until the file is whole."""

    wanted: _Expectation
    partial: PartialFile
    patience: Patience
    on_progress: OnProgress | None
    on_wait: OnWait | None
    final_url: str = ""
    last_modified: str = ""
    _resumed: bool = field(default=False, init=False)

    def run(self) -> None:
        """Fetch until whole and right."""
        failures, furthest = 0, 0
        while True:
            try:
                self._request()
                self._check_whole()
                return
            except TransientFailure as failure:
                if isinstance(failure, RangeRefused):
                    self.partial.empty()
                failures = 1 if self.partial.size > furthest else failures + 1
                furthest = max(furthest, self.partial.size)
                self._wait(failure, failures)
            except WrongFileError:
                self.partial.empty()
                raise

    def _request(self) -> None:
        url = self.wanted.url
        headers = self.resume_headers()
        with open_url(url, headers, self.patience.timeout_s) as response:
            self.final_url = response.geturl()
            self.last_modified = response.headers.get("Last-Modified", "")
            self._accept(response, resuming=bool(headers))
            while block := read_some(url, response, _BLOCK_BYTES):
                self.partial.file.write(block)
                self.wanted.check_limit(self.partial.size)
                if self.on_progress is not None:
                    self.on_progress(self.partial.size, self.partial.total_bytes)
        self.partial.file.flush()

    def resume_headers(self) -> dict[str, str]:
        """Ask for the rest only where a change of the server's file would be seen."""
        partial = self.partial
        if not partial.size or not partial.is_of(self.wanted.url):
            return {}
        if partial.validator:
            return {"Range": f"bytes={partial.size}-", "If-Range": partial.validator}
        return {"Range": f"bytes={partial.size}-"} if self.wanted.checksum else {}

    def _accept(self, response: http.client.HTTPResponse, *, resuming: bool) -> None:
        """Go on where the answer continues what we have; begin anew where it is the whole file."""
        validator = _validator(response)
        if response.status == 206 and resuming:
            match = _CONTENT_RANGE.match(response.headers.get("Content-Range", ""))
            total = int(match[2]) if match and match[2] != "*" else self.partial.total_bytes
            same = validator in ("", self.partial.validator) and total == self.partial.total_bytes
            if match and int(match[1]) == self.partial.size and same:
                self._resumed = True
                return
            self.partial.empty()
            raise TransientFailure("the file on the server has changed meanwhile")
        if response.status == 204:
            raise DownloadError("the server has nothing at this address", where=self.wanted.url, found="HTTP 204")
        if response.status != 200:
            self.partial.empty()
            raise TransientFailure(f"an answer that was not asked for: HTTP {response.status}")
        length = response.headers.get("Content-Length", "")
        total = int(length) if length.isdigit() else None
        self._resumed = False
        self.partial.begin(self.wanted.url, validator, total)
        if total is not None:
            self.wanted.check_size(total)
            self._check_room(total)

    def _check_room(self, needed: int) -> None:
        folder = self.partial.path.parent
        free = shutil.disk_usage(folder).free
        if free < needed:
            raise StorageError(
                "there is not enough room for the download",
                where=str(folder),
                found=f"{free / 1e6:,.0f} MB free",
                expected=f"{needed / 1e6:,.0f} MB",
                fix="Make room on that disk and try again.",
            )

    def _check_whole(self) -> None:
        """Refuse a file that is cut off or not the one expected."""
        size, total = self.partial.size, self.partial.total_bytes
        if total is not None and size < total:
            raise TransientFailure(f"the connection ended after {size:,} of {total:,} bytes")
        if total is not None and size > total:
            self.partial.empty()
            raise TransientFailure(f"{size:,} bytes arrived where {total:,} were announced")
        self.wanted.check_size(size)
        self.partial.file.flush()
        os.fsync(self.partial.file.fileno())
        if self.wanted.has_checksum(self.partial.path):
            return
        if self._resumed:
            self.partial.empty()
            raise TransientFailure("the pieces do not have the checksum together")
        raise WrongFileError(
            "the file does not have the checksum expected",
            where=self.wanted.url,
            expected=":".join(self.wanted.checksum or ()),
            fix="The file on the server has changed, or the checksum belongs to another file.",
        )

    def _wait(self, failure: TransientFailure, failures: int) -> None:
        """Wait before the next request, or give up."""
        patience = self.patience
        asked_s = failure.wait_s
        if failures >= patience.attempts or (asked_s is not None and asked_s > patience.longest_wait_s):
            kept = f"{self.partial.size:,} bytes are kept and used then. " if self.resume_headers() else ""
            later = f"in {asked_s:,.0f} s" if asked_s is not None else "later"
            raise DownloadError(
                f"the download failed {failures} times in a row" if failures > 1 else "the download failed",
                where=self.wanted.url,
                found=failure.found,
                fix=f"Check the network, and try again {later}. {kept}".strip(),
            ) from failure
        # Many processes that failed at one moment must not all come back at one moment.
        pause_s = min(patience.longest_wait_s, patience.first_wait_s * 2.0 ** (failures - 1)) * random.uniform(0.5, 1)
        pause_s = pause_s if asked_s is None else max(asked_s, pause_s)
        if self.on_wait is not None:
            self.on_wait(without_secrets(f"{self.wanted.url}: {failure.found}; trying again in {pause_s:.1f} s"))
        time.sleep(pause_s)


def _validator(response: http.client.HTTPResponse) -> str:
    """What identifies the version of a file byte by byte: a strong ETag, else the time of its last change."""
    etag: str = response.headers.get("ETag", "")
    return etag if etag and not etag.startswith("W/") else response.headers.get("Last-Modified", "")


def _parse_checksum(text: str | None) -> tuple[str, str] | None:
    if text is None:
        return None
    if not _CHECKSUM.fullmatch(text):
        raise InputError(
            "this is not a checksum", found=repr(text), expected="sha256:<64 hexadecimal digits> or md5:<32>"
        )
    algorithm, _, digest = text.lower().partition(":")
    return algorithm, digest


def _bsd_sum(file: BinaryIO) -> str:
    found = BsdSum()
    while block := file.read(_BLOCK_BYTES):
        found.update(block)
    return found.text
