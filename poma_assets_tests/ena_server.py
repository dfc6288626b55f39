"""ENA on the loopback interface: file reports of the runs that a test declares, and their files."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from loopback_server import Answer, Loopback, content

FIELDS = "run_accession,fastq_ftp,fastq_md5,fastq_bytes,library_layout"


def report_path(accession: str) -> str:
    """Path and query of the request for an accession."""
    return f"/ena/filereport?accession={accession}&result=read_run&fields={FIELDS}&format=tsv"


def report_row(server: Loopback, run: str, files: Mapping[str, bytes], layout: str) -> str:
    """A line of the report: ENA writes hosts and paths without a scheme."""
    host = server.url.removeprefix("http://")
    cells = (
        [run, *(";".join(f(name, body) for name, body in files.items()) for f in _columns(host, run)), layout]
        if files
        else [run, "", "", "", layout]
    )
    return "\t".join(cells)


def _columns(host: str, run: str):
    return (
        lambda name, body: f"{host}/vol1/fastq/{run}/{name}",
        lambda name, body: hashlib.md5(body).hexdigest(),
        lambda name, body: str(len(body)),
    )


def declare(
    server: Loopback,
    accession: str,
    runs: Mapping[str, Mapping[str, bytes]],
    *,
    answers: Mapping[str, Sequence[Answer]] | None = None,
    layout: str = "PAIRED",
) -> None:
    """Answer for an accession with these runs and their files; ``answers``: other ones for some files by name."""
    rows = [report_row(server, run, files, layout) for run, files in runs.items()]
    server.on(report_path(accession), content("\n".join([FIELDS.replace(",", "\t"), *rows, ""]).encode()))
    for run, files in runs.items():
        for name, body in files.items():
            server.on(file_path(run, name), *((answers or {}).get(name) or [content(body, etag='"v"')]))


def file_path(run: str, name: str) -> str:
    """Path of a file on the server."""
    return f"/vol1/fastq/{run}/{name}"
