"""The downloader against a server that breaks off, lies, asks to wait, sends elsewhere and changes its mind."""

from __future__ import annotations

import fcntl
import hashlib
import itertools
import shutil
import signal
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from loopback_server import content, hang_up, loopback, silence, status

from poma_assets.science.errors import InputError, StorageError
from poma_assets.tools.download import DownloadError, Patience, WrongFileError, download, fetch_text

BODY = bytes(range(256)) * 4000  # 1,024,000 bytes
QUICK = Patience(attempts=3, first_wait_s=0.01, longest_wait_s=2.0, timeout_s=5.0)
DAY = "Sun, 22 Nov 2026 10:00:00 GMT"


@pytest.fixture
def server(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with loopback() as running:
        yield running


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def sha256(body):
    return "sha256:" + hashlib.sha256(body).hexdigest()


def test_a_file_arrives_whole_and_nothing_else_is_left(server, tmp_path):
    url = server.on("/a.bin", content(BODY, etag='"1"', modified=DAY))
    seen = []
    got = download(url, tmp_path / "deep" / "a.bin", on_progress=lambda n, total: seen.append((n, total)))
    assert (got.path.read_bytes(), got.size_bytes, got.url, got.last_modified) == (BODY, len(BODY), url, DAY)
    assert names(tmp_path / "deep") == ["a.bin"]
    assert seen[-1] == (len(BODY), len(BODY))
    assert [n for n, _ in seen] == sorted({n for n, _ in seen})
    assert server.requests[0].headers["User-Agent"].startswith("poma-assets/")
    assert "Range" not in server.requests[0].headers


@pytest.mark.parametrize(("etag", "modified"), [('"v1"', None), (None, DAY), ('W/"weak"', DAY)])
def test_a_broken_connection_is_resumed_where_it_broke(server, tmp_path, etag, modified):
    same = {"etag": etag, "modified": modified}
    url = server.on(
        "/a", content(BODY, cut_after=300_000, **same), content(BODY, cut_after=1, **same), content(BODY, **same)
    )
    messages = []
    download(url, tmp_path / "a", patience=QUICK, on_wait=messages.append)
    assert (tmp_path / "a").read_bytes() == BODY
    assert [r.headers.get("Range") for r in server.requests] == [None, "bytes=300000-", "bytes=300001-"]
    assert server.requests[1].headers["If-Range"] == (DAY if modified else '"v1"')
    assert "the connection ended after 300,000 of 1,024,000 bytes; trying again in" in messages[0]


def test_progress_renews_the_attempts(server, tmp_path):
    pieces = [content(BODY, etag='"v"', cut_after=100_000) for _ in range(10)]
    url = server.on("/a", *pieces, content(BODY, etag='"v"'))
    download(url, tmp_path / "a", patience=Patience(attempts=2, first_wait_s=0.001))
    assert (tmp_path / "a").read_bytes() == BODY
    assert len(server.requests) == 11


def test_a_later_call_goes_on_from_what_a_failed_one_left(server, tmp_path):
    url = server.on("/a", content(BODY, etag='"v"', cut_after=300_000), hang_up)
    with pytest.raises(DownloadError) as caught:
        download(url, tmp_path / "a", patience=QUICK)
    text = str(caught.value)
    assert text.startswith(f"{url}: the download failed 3 times in a row (found ")
    assert "300,000 bytes are kept" in text
    assert names(tmp_path) == [".a.part", ".a.part.json"]
    server.on("/a", content(BODY, etag='"v"'))
    download(url, tmp_path / "a", patience=QUICK)
    assert server.requests[-1].headers["Range"] == "bytes=300000-"
    assert (tmp_path / "a").read_bytes() == BODY
    assert names(tmp_path) == ["a"]


def test_pieces_of_another_address_are_not_used(server, tmp_path):
    url = server.on("/a", content(BODY, etag='"v"', cut_after=300_000), hang_up)
    with pytest.raises(DownloadError):
        download(url, tmp_path / "a", patience=QUICK)
    other = server.on("/b", content(BODY[::-1], etag='"v"'))
    download(other, tmp_path / "a", patience=QUICK)
    assert (tmp_path / "a").read_bytes() == BODY[::-1]


def test_without_etag_and_date_the_file_is_fetched_anew(server, tmp_path):
    url = server.on("/a", content(BODY, cut_after=300_000), content(BODY))
    download(url, tmp_path / "a", patience=QUICK)
    assert [r.headers.get("Range") for r in server.requests] == [None, None]
    assert (tmp_path / "a").read_bytes() == BODY


def test_without_etag_and_date_a_checksum_allows_to_resume(server, tmp_path):
    url = server.on("/a", content(BODY, cut_after=300_000), content(BODY))
    download(url, tmp_path / "a", patience=QUICK, checksum=sha256(BODY))
    assert server.requests[1].headers["Range"] == "bytes=300000-"
    assert (tmp_path / "a").read_bytes() == BODY


@pytest.mark.parametrize("checksum", [None, sha256(BODY[::-1])])
def test_a_file_that_changes_between_the_attempts_is_not_pieced_together(server, tmp_path, checksum):
    url = server.on("/a", content(BODY, etag='"1"', cut_after=300_000), content(BODY[::-1], etag='"2"'))
    download(url, tmp_path / "a", patience=QUICK, checksum=checksum)
    assert (tmp_path / "a").read_bytes() == BODY[::-1]


def test_a_server_that_ignores_if_range_is_found_out(server, tmp_path):
    def careless(handler):
        handler.headers.replace_header("If-Range", '"2"')
        content(BODY[::-1], etag='"2"')(handler)

    url = server.on("/a", content(BODY, etag='"1"', cut_after=300_000), careless, content(BODY[::-1], etag='"2"'))
    download(url, tmp_path / "a", patience=QUICK)
    assert (tmp_path / "a").read_bytes() == BODY[::-1]
    assert len(server.requests) == 3


def test_pieces_of_two_versions_without_any_mark_are_found_by_the_checksum(server, tmp_path):
    url = server.on("/a", content(BODY, cut_after=300_000), content(BODY[::-1]), content(BODY[::-1]))
    download(url, tmp_path / "a", patience=QUICK, checksum=sha256(BODY[::-1]))
    assert (tmp_path / "a").read_bytes() == BODY[::-1]
    assert [r.headers.get("Range") for r in server.requests] == [None, "bytes=300000-", None]


def test_a_server_without_ranges_gives_the_whole_file_again(server, tmp_path):
    url = server.on("/a", content(BODY, etag='"1"', cut_after=300_000), content(BODY, etag='"1"', ranges=False))
    download(url, tmp_path / "a", patience=QUICK)
    assert (tmp_path / "a").read_bytes() == BODY


def test_a_file_that_became_shorter_is_fetched_anew(server, tmp_path):
    def shorter(handler):
        (status(416) if "Range" in handler.headers else content(b"short"))(handler)

    url = server.on("/a", content(BODY, etag='"1"', cut_after=300_000), shorter)
    download(url, tmp_path / "a", patience=QUICK)
    assert (tmp_path / "a").read_bytes() == b"short"


def test_a_server_that_announces_more_than_it_sends_is_given_up(server, tmp_path):
    url = server.on("/a", content(b"x" * 60, announced=100))
    with pytest.raises(
        DownloadError, match=r"failed 3 times in a row \(found the connection ended after 60 of 100 bytes"
    ):
        download(url, tmp_path / "a", patience=QUICK)
    assert names(tmp_path) == []


def test_a_chunked_answer_cut_off_is_not_taken_for_the_whole(server, tmp_path):
    url = server.on("/a", content(BODY, chunked=True, cut_after=5000), content(BODY, chunked=True))
    download(url, tmp_path / "a", patience=QUICK)
    assert (tmp_path / "a").read_bytes() == BODY


def test_the_server_is_given_the_time_it_asks_for(server, tmp_path):
    url = server.on("/a", status(503, {"Retry-After": "1"}), content(b"ok"))
    download(url, tmp_path / "a", patience=QUICK)
    first, second = server.requests
    assert 1.0 <= second.at_s - first.at_s < 10


def test_a_wait_may_be_asked_for_by_date(server, tmp_path):
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)
    url = server.on("/a", status(429, {"Retry-After": soon}), content(b"ok"))
    began = time.monotonic()
    download(url, tmp_path / "a", patience=Patience(first_wait_s=0.01, longest_wait_s=5))
    assert 0.9 < time.monotonic() - began < 10


def test_a_wait_longer_than_our_patience_is_told(server, tmp_path):
    url = server.on("/a", status(503, {"Retry-After": "3600"}))
    with pytest.raises(DownloadError, match=r"found HTTP 503 Service Unavailable.*try again in 3,600 s"):
        download(url, tmp_path / "a", patience=QUICK)
    assert len(server.requests) == 1


def test_waits_grow(server, tmp_path):
    url = server.on("/a", status(502), status(500), status(504), content(b"ok"))
    download(url, tmp_path / "a", patience=Patience(attempts=5, first_wait_s=0.2))
    times = [request.at_s for request in server.requests]
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert gaps[0] >= 0.1
    assert gaps[1] >= 0.2
    assert gaps[2] >= 0.4


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (404, "the server has no such file (found HTTP 404 Not Found). Correct the address."),
        (410, "the server has no such file"),
        (403, "the server refuses access (found HTTP 403 Forbidden)"),
        (400, "the server cannot answer this request (found HTTP 400 Bad Request)"),
        (304, "the server cannot answer this request (found HTTP 304 Not Modified)"),
    ],
)
def test_what_will_not_get_better_is_not_asked_again(server, tmp_path, code, words):
    (tmp_path / "a").write_bytes(b"old")
    url = server.on("/a", status(code))
    with pytest.raises(DownloadError) as caught:
        download(url, tmp_path / "a", patience=QUICK)
    assert str(caught.value).startswith(f"{url}: {words}")
    assert caught.value.exit_status == 1
    assert len(server.requests) == 1
    assert names(tmp_path) == ["a"]
    assert (tmp_path / "a").read_bytes() == b"old"


@pytest.mark.parametrize("algorithm", ["md5", "sha256"])
def test_a_target_with_the_checksum_is_not_fetched_again(server, tmp_path, algorithm):
    url = server.on("/a", content(BODY))
    checksum = f"{algorithm}:{hashlib.new(algorithm, BODY).hexdigest().upper()}"
    download(url, tmp_path / "a", checksum=checksum)
    download(url, tmp_path / "a", checksum=checksum)
    assert len(server.requests) == 1
    (tmp_path / "a").write_bytes(BODY[:-1])
    download(url, tmp_path / "a", checksum=checksum)
    assert len(server.requests) == 2
    assert (tmp_path / "a").read_bytes() == BODY


def test_a_wrong_checksum_leaves_the_old_file(server, tmp_path):
    (tmp_path / "a").write_bytes(b"old")
    url = server.on("/a", content(BODY, etag='"1"'))
    with pytest.raises(DownloadError, match=r"does not have the checksum expected \(expected sha256:0{64}\)"):
        download(url, tmp_path / "a", checksum="sha256:" + "0" * 64, patience=QUICK)
    assert names(tmp_path) == ["a"]
    assert (tmp_path / "a").read_bytes() == b"old"


@pytest.mark.parametrize("checksum", ["abc", "sha256:abc", "sha1:" + "0" * 40, "md5:" + "g" * 32])
def test_a_checksum_must_look_like_one(tmp_path, checksum):
    with pytest.raises(InputError, match="this is not a checksum"):
        download("http://127.0.0.1/a", tmp_path / "a", checksum=checksum)


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("limit", [{"max_bytes": len(BODY) - 1}, {"expected_bytes": len(BODY) + 1}])
def test_sizes_that_are_not_allowed(server, tmp_path, chunked, limit):
    url = server.on("/a", content(BODY, etag='"1"', chunked=chunked))
    with pytest.raises(DownloadError, match=r"larger than allowed|has another size"):
        download(url, tmp_path / "a", patience=QUICK, **limit)
    assert names(tmp_path) == []
    assert len(server.requests) == 1
    download(url, tmp_path / "a", patience=QUICK, max_bytes=len(BODY), expected_bytes=len(BODY))


def test_an_endless_answer_is_left_at_the_limit(server, tmp_path):
    url, seen = server.on("/a", content(BODY, chunked=True)), []
    with pytest.raises(DownloadError, match="larger than allowed"):
        download(url, tmp_path / "a", max_bytes=1000, on_progress=lambda n, total: seen.append(n))
    assert seen == []


def test_a_silent_server_is_given_up(server, tmp_path):
    url = server.on("/a", silence(1.0))
    with pytest.raises(DownloadError, match="found no answer in time"):
        download(url, tmp_path / "a", patience=Patience(attempts=2, first_wait_s=0.01, timeout_s=0.1))


def test_nobody_there(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/a"
        with pytest.raises(
            DownloadError, match=r"found connection refused\). Check the network, and try again later\.$"
        ):
            download(url, tmp_path / "a", patience=QUICK)


def test_a_full_disk_is_told_before_it_is_full(server, tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage)
    url = server.on("/a", content(BODY, etag='"1"'))
    with pytest.raises(StorageError, match=r"not enough room for the download \(found 0 MB free; expected 1 MB"):
        download(url, tmp_path / "a", patience=QUICK)


@pytest.mark.parametrize("lock", [fcntl.LOCK_EX, fcntl.LOCK_SH])
def test_two_processes_do_not_write_one_file(server, tmp_path, lock):
    url = server.on("/a", content(BODY))
    with (tmp_path / ".a.part").open("ab") as other:
        fcntl.flock(other, lock)
        with pytest.raises(StorageError, match="another process is fetching this file"):
            download(url, tmp_path / "a", patience=QUICK)
    download(url, tmp_path / "a", patience=QUICK)
    assert (tmp_path / "a").read_bytes() == BODY


def test_a_killed_download_is_continued_by_the_next(server, tmp_path):
    def slow(handler):
        content(BODY, etag='"v"', cut_after=500_000)(handler)
        handler.wfile.flush()
        time.sleep(20)

    url = server.on("/a", slow)
    program = f"""
from pathlib import Path
from poma_assets.tools.download import download
download({url!r}, Path({str(tmp_path / "a")!r}))
"""
    process = subprocess.Popen([sys.executable, "-c", program])
    try:
        partial, until = tmp_path / ".a.part", time.monotonic() + 10
        while not (partial.exists() and partial.stat().st_size > 200_000) and time.monotonic() < until:
            time.sleep(0.02)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert not (tmp_path / "a").exists()
    kept = partial.stat().st_size
    server.on("/a", content(BODY, etag='"v"'))
    download(url, tmp_path / "a", patience=QUICK)
    assert server.requests[-1].headers["Range"] == f"bytes={kept}-"
    assert (tmp_path / "a").read_bytes() == BODY


def test_text(server):
    url = server.on("/t", content("Gen β\n".encode()))
    assert fetch_text(url, patience=QUICK) == "Gen β\n"
    server.on("/t", content(b"\xff\xfe"))
    with pytest.raises(DownloadError, match="not a text in UTF-8"):
        fetch_text(url, patience=QUICK)
    server.on("/t", content(b"too long"))
    with pytest.raises(DownloadError, match="larger than allowed"):
        fetch_text(url, patience=QUICK, max_bytes=7)


def test_an_empty_file_is_a_file(server, tmp_path):
    download(server.on("/a", content(b"")), tmp_path / "a", patience=QUICK)
    assert (tmp_path / "a").read_bytes() == b""


def test_a_bsd_sum_is_a_checksum_too(server, tmp_path):
    printed = subprocess.run(["sum"], input=BODY, capture_output=True, check=True).stdout.split()
    checksum = f"bsd:{int(printed[0])} {int(printed[1])}"
    url = server.on("/a", content(BODY, cut_after=300_000), content(BODY))
    download(url, tmp_path / "a", checksum=checksum, patience=QUICK)
    download(url, tmp_path / "a", checksum=checksum)
    assert [request.headers.get("Range") for request in server.requests] == [None, "bytes=300000-"]
    server.on("/b", content(BODY[::-1]))
    with pytest.raises(WrongFileError, match=f"expected {checksum}"):
        download(server.url + "/b", tmp_path / "b", checksum=checksum, patience=QUICK)


def test_an_answer_without_content_is_no_file(server, tmp_path):
    url = server.on("/a", status(204))
    with pytest.raises(DownloadError, match=r"nothing at this address \(found HTTP 204\)"):
        download(url, tmp_path / "a", patience=QUICK)
    assert names(tmp_path) == []
    assert len(server.requests) == 1
