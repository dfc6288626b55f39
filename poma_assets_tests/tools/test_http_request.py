"""Addresses, redirects, proxies and certificates: where requests may go."""

from __future__ import annotations

import ssl
import urllib.error
import urllib.request

import pytest
from loopback_server import content, loopback, status

from poma_assets.science.errors import InputError
from poma_assets.tools.download import DownloadError, Patience, download
from poma_assets.tools.http_request import _network_failure, _WebRedirects

QUICK = Patience(attempts=3, first_wait_s=0.01, longest_wait_s=2.0, timeout_s=5.0)


@pytest.fixture
def server(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with loopback() as running:
        yield running


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_redirects_are_followed_and_told(server, tmp_path, code):
    final = server.on("/new", content(b"here"))
    url = server.on("/old", status(code, {"Location": "/new"}))
    assert download(url, tmp_path / "a", patience=QUICK).url == final
    assert (tmp_path / "a").read_bytes() == b"here"


@pytest.mark.parametrize(
    "location", ["file:///etc/hostname", "ftp://127.0.0.1/a", "data:text/plain,hello", "http://u:p@h/"]
)
def test_redirects_to_other_than_the_web_are_refused(server, tmp_path, location):
    url = server.on("/old", status(302, {"Location": location}))
    with pytest.raises(DownloadError):
        download(url, tmp_path / "a", patience=QUICK)
    assert len(server.requests) == 1
    assert names(tmp_path) == []


def test_an_endless_redirect_ends(server, tmp_path):
    url = server.on("/loop", status(302, {"Location": "/loop"}))
    with pytest.raises(DownloadError, match="HTTP 302"):
        download(url, tmp_path / "a", patience=QUICK)


def test_an_encrypted_address_does_not_lead_to_a_plain_one():
    request = urllib.request.Request("https://host/a")
    with pytest.raises(DownloadError, match="begins with https"):
        _WebRedirects().redirect_request(request, None, 302, "Found", {}, "http://host/a")
    assert _WebRedirects().redirect_request(request, None, 302, "Found", {}, "https://host/b").full_url.endswith("/b")


@pytest.mark.parametrize(
    "url",
    ["ftp://host/a", "file:///etc/passwd", "/a", "host/a", "http://", "http://u:p@host/a", "http://h/a b", "http://h/é",
     "http://h:99999/a", "http://h/a\r\nX: y", ""],
)  # fmt: skip
def test_other_addresses_are_refused(url, tmp_path):
    with pytest.raises(InputError, match="not an address that can be fetched"):
        download(url, tmp_path / "a")
    assert names(tmp_path) == []


def test_the_proxy_of_the_environment_is_asked(server, tmp_path, monkeypatch):
    monkeypatch.setenv("http_proxy", server.url)
    server.on("http://sequences.invalid/a", content(b"by proxy"))
    download("http://sequences.invalid/a", tmp_path / "a", patience=QUICK)
    assert (tmp_path / "a").read_bytes() == b"by proxy"
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    download(server.on("/direct", content(b"direct")), tmp_path / "b", patience=QUICK)
    assert [request.path for request in server.requests] == ["http://sequences.invalid/a", "/direct"]


def test_a_certificate_that_cannot_be_verified_is_not_tried_again():
    problem = ssl.SSLCertVerificationError("x")
    problem.verify_message = "self-signed certificate"
    failure = _network_failure("https://h/a", urllib.error.URLError(problem))
    assert isinstance(failure, DownloadError)
    assert "SSL_CERT_FILE" in str(failure)
