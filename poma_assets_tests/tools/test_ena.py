"""Reads by accession, from a server that breaks off, is busy, slow, forgetful and sometimes wrong."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from ena_server import declare, file_path, report_path
from loopback_server import content, hang_up, loopback, status

from poma_assets.science.errors import AccessionError
from poma_assets.tools.download import DownloadError, Patience
from poma_assets.tools.ena import ADDRESS, are_there, ena_address, fetch_run, kept_runs, resolve_accession

RUN, FIRST, SECOND = "SRR1039508", "SRR1039508_1.fastq.gz", "SRR1039508_2.fastq.gz"
BODIES = {FIRST: bytes(range(256)) * 2000, SECOND: bytes(reversed(range(256))) * 1500}
QUICK = Patience(attempts=3, first_wait_s=0.01, longest_wait_s=2.0, timeout_s=5.0)


@pytest.fixture
def server(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with loopback() as running:
        monkeypatch.setenv("POMA_ENA_URL", f"{running.url}/ena/")
        yield running


def fetch(downloads, accession=RUN, lines=None):
    tell = (lines if lines is not None else []).append
    runs = resolve_accession(accession, downloads, patience=QUICK, tell=tell)
    return [path for run in runs for path in fetch_run(run, downloads, patience=QUICK, tell=tell)]


def content_of(paths):
    return {path.name: path.read_bytes() for path in paths}


def test_a_run_is_resolved_fetched_and_told(server, tmp_path):
    declare(server, RUN, {RUN: BODIES})
    lines = []
    paths = fetch(tmp_path, lines=lines)
    assert paths == [tmp_path / RUN / FIRST, tmp_path / RUN / SECOND]
    assert content_of(paths) == BODIES
    assert lines[0] == f"asking {server.url}{report_path(RUN)}"
    assert lines[1] == f"fetching {server.url}{file_path(RUN, FIRST)} (512.0 kB)"
    assert f"{FIRST}: 512.0 kB of 512.0 kB (100 %)" in lines
    note = json.loads((tmp_path / f"{RUN}.json").read_text())
    assert note["source"] == server.url + report_path(RUN)
    assert [file["size_bytes"] for file in note["runs"][0]["files"]] == [512_000, 384_000]


def test_all_runs_of_an_experiment_are_lanes(server, tmp_path):
    runs = {name: {f"{name}.fastq.gz": name.encode()} for name in ("SRR1000010", "SRR1000009")}
    declare(server, "SRX384345", runs, layout="SINGLE")
    assert [path.name for path in fetch(tmp_path, "SRX384345")] == ["SRR1000009.fastq.gz", "SRR1000010.fastq.gz"]


def test_what_is_there_is_not_fetched_again_and_needs_no_network(server, tmp_path):
    declare(server, RUN, {RUN: BODIES})
    assert kept_runs(RUN, tmp_path) is None
    fetch(tmp_path)
    assert are_there(kept_runs(RUN, tmp_path), tmp_path)
    asked = len(server.requests)
    server.answers.clear()
    lines = []
    assert content_of(fetch(tmp_path, lines=lines)) == BODIES
    assert (len(server.requests), lines) == (asked, [])


def test_a_file_that_was_damaged_later_is_fetched_again(server, tmp_path):
    declare(server, RUN, {RUN: BODIES})
    paths = fetch(tmp_path)
    paths[1].write_bytes(b"damaged")
    assert not are_there(kept_runs(RUN, tmp_path), tmp_path)
    assert content_of(fetch(tmp_path)) == BODIES
    assert len(server.asked(file_path(RUN, FIRST))) == 1


def test_broken_connections_and_busy_servers_are_outlasted_and_told(server, tmp_path):
    whole = BODIES[FIRST]
    parts = [content(whole, cut_after=100_000), status(503), content(whole, cut_after=150_000), hang_up, content(whole)]
    declare(server, RUN, {RUN: BODIES}, answers={FIRST: parts})
    report = server.answers[report_path(RUN)]
    server.answers[report_path(RUN)] = [status(503), *report]
    lines = []
    assert content_of(fetch(tmp_path, lines=lines)) == BODIES
    asked = [request.headers.get("Range") for request in server.asked(file_path(RUN, FIRST))]
    assert asked == [None, "bytes=100000-", "bytes=100000-", "bytes=250000-", "bytes=250000-"]
    assert any("the connection ended after 250,000 of 512,000 bytes; trying again" in line for line in lines)
    assert any("HTTP 503" in line and "filereport" in line for line in lines)


def test_a_server_without_ranges_is_asked_for_the_whole_file(server, tmp_path):
    whole = BODIES[FIRST]
    declare(
        server,
        RUN,
        {RUN: BODIES},
        answers={FIRST: [content(whole, cut_after=100_000, ranges=False), content(whole, ranges=False)]},
    )
    assert content_of(fetch(tmp_path)) == BODIES


def test_a_file_that_was_spoilt_once_is_fetched_once_more(server, tmp_path):
    spoilt = bytes(len(BODIES[FIRST]))
    declare(server, RUN, {RUN: BODIES}, answers={FIRST: [content(spoilt), content(BODIES[FIRST])]})
    lines = []
    assert content_of(fetch(tmp_path, lines=lines)) == BODIES
    assert any("does not have the checksum expected" in line and "Fetching it once more" in line for line in lines)


def test_a_file_that_stays_wrong_is_refused_and_not_kept(server, tmp_path):
    declare(server, RUN, {RUN: BODIES}, answers={SECOND: [content(bytes(len(BODIES[SECOND])))]})
    with pytest.raises(DownloadError, match="does not have the checksum expected"):
        fetch(tmp_path)
    assert (tmp_path / RUN / FIRST).is_file()
    assert not (tmp_path / RUN / SECOND).exists()


@pytest.mark.parametrize("answer", [status(204), status(400, body=b"bad"), content(b""), content(b"run_accession\n")])
def test_an_accession_that_ena_does_not_know_is_said_so_and_not_kept(server, tmp_path, answer):
    server.on(report_path("SRR9999999"), answer)
    with pytest.raises(AccessionError, match="knows no reads of SRR9999999"):
        fetch(tmp_path, "SRR9999999")
    assert kept_runs("SRR9999999", tmp_path) is None


def test_a_failed_download_is_continued_by_a_later_process(server, tmp_path):
    whole = BODIES[FIRST]
    cut = [content(whole, cut_after=100_000), hang_up, hang_up, hang_up, content(whole)]
    declare(server, RUN, {RUN: BODIES}, answers={FIRST: cut})
    with pytest.raises(DownloadError, match="100,000 bytes are kept"):
        fetch(tmp_path)
    assert content_of(fetch(tmp_path)) == BODIES
    assert server.asked(file_path(RUN, FIRST))[-1].headers["Range"] == "bytes=100000-"


_SCRIPT = """
import sys
from pathlib import Path
from poma_assets.tools.ena import fetch_run, resolve_accession
downloads = Path(sys.argv[1])
for run in resolve_accession("SRR1039508", downloads, tell=print):
    fetch_run(run, downloads, tell=print)
"""


def start(downloads):
    return subprocess.Popen([sys.executable, "-c", _SCRIPT, str(downloads)], stdout=subprocess.PIPE, text=True)


def test_a_killed_process_is_continued_by_the_next(server, tmp_path):
    whole = BODIES[FIRST]
    declare(server, RUN, {RUN: BODIES}, answers={FIRST: [content(whole, pause_s=5.0), content(whole)]})
    with start(tmp_path) as process:
        part = tmp_path / RUN / f".{FIRST}.part"
        deadline = time.monotonic() + 30
        while not (part.is_file() and part.stat().st_size) and time.monotonic() < deadline:
            time.sleep(0.02)
        os.kill(process.pid, signal.SIGKILL)
    left = part.stat().st_size
    assert 0 < left < len(whole)
    assert content_of(fetch(tmp_path)) == BODIES
    assert server.asked(file_path(RUN, FIRST))[1].headers["Range"] == f"bytes={left}-"


def test_two_processes_that_want_one_run_fetch_it_once(server, tmp_path):
    slow = {name: [content(body, pause_s=0.1)] for name, body in BODIES.items()}
    declare(server, RUN, {RUN: BODIES}, answers=slow)
    with start(tmp_path) as one, start(tmp_path) as two:
        assert (one.wait(), two.wait()) == (0, 0)
    assert {name: (tmp_path / RUN / name).read_bytes() for name in BODIES} == BODIES
    assert [len(server.asked(file_path(RUN, name))) for name in BODIES] == [1, 1]


def test_the_public_address_is_the_default_and_files_come_by_https(monkeypatch):
    from poma_assets.tools.ena import _scheme

    monkeypatch.delenv("POMA_ENA_URL", raising=False)
    assert ena_address() == ADDRESS
    assert _scheme(ADDRESS) == "https"
    assert _scheme("http://mirror.example/ena") == "https"
    assert _scheme("http://127.0.0.1:8080/ena") == _scheme("http://localhost") == "http"
