"""One HTTP request, GET or POST: which addresses and redirects are allowed, and what a failure means.

Proxies come from the environment (``http_proxy``, ``https_proxy``, ``no_proxy``). Repeating requests and writing
files belong to ``download``.
"""

from __future__ import annotations

import http.client
import re
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

from poma_assets import __version__
from poma_assets.science.errors import InputError, ToolError

_AGENT = f"poma-assets/{__version__}"
_TRANSIENT_STATUSES = (408, 425, 429, 500, 502, 503, 504)
_ASCII_URL = re.compile(r"[!-~]+")


class DownloadError(ToolError):
    """A server did not give what was asked for."""


class TransientFailure(Exception):
    """A failure that may pass: the request can be repeated.

    Attributes
    ----------
    found
        What happened, for people.
    wait_s
        Seconds that the server asks to wait, or None.
    """

    def __init__(self, found: str, wait_s: float | None = None) -> None:
        self.found = found
        self.wait_s = wait_s
        super().__init__(found)


class RangeRefused(TransientFailure):
    """The server's file ends before the byte that was asked for."""


def require_web_address(url: str) -> None:
    """Refuse everything that is not a plain http or https address.

    Raises
    ------
    InputError
        Another scheme, no host, a user name or password in it, or characters that must be percent-encoded.
    """
    if not _is_web_address(url):
        raise InputError(
            "this is not an address that can be fetched",
            found=repr(url),
            expected="http://host/path or https://host/path, without user name, spaces or accented letters",
        )


def _is_web_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        port_is_valid = parts.port is None or parts.port > 0
    except ValueError:
        return False
    plain = bool(_ASCII_URL.fullmatch(url)) and port_is_valid
    return plain and parts.scheme in ("http", "https") and bool(parts.hostname) and "@" not in parts.netloc


def open_url(url: str, headers: Mapping[str, str], timeout_s: float) -> http.client.HTTPResponse:
    """Send a GET request and return the answer, its body unread.

    Raises
    ------
    TransientFailure
        The network failed, or the server says that it may be better later.
    DownloadError
        The server refuses, or redirects to where we do not follow.
    """
    opener = _web_opener(_WebRedirects())
    request = urllib.request.Request(url, headers={"User-Agent": _AGENT, "Accept-Encoding": "identity", **headers})
    try:
        response: http.client.HTTPResponse = opener.open(request, timeout=timeout_s)
    except urllib.error.HTTPError as error:
        error.close()
        raise _status_failure(url, error) from error
    except (OSError, http.client.HTTPException) as error:
        raise _network_failure(url, error) from error
    return response


def post_json(url: str, body: bytes, timeout_s: float, *, shown: str) -> None:
    """Post JSON; what the server answers is passed over, and redirects are not followed.

    Parameters
    ----------
    shown
        What messages call the server: the address itself may be a secret.

    Raises
    ------
    TransientFailure
        The network failed, or the server says that it may be better later.
    DownloadError
        The server does not take it.
    """
    opener = _web_opener()
    headers = {"User-Agent": _AGENT, "Content-Type": "application/json"}
    request = urllib.request.Request(url, data=body, headers=headers, method="POST")
    try:
        opener.open(request, timeout=timeout_s).close()
    except urllib.error.HTTPError as error:
        error.close()
        found = f"HTTP {error.code} {error.reason}".strip()
        if error.code in _TRANSIENT_STATUSES:
            raise TransientFailure(found) from error
        fix = "Check the address where it was made."
        raise DownloadError("the server does not take the message", where=shown, found=found, fix=fix) from error
    except (OSError, http.client.HTTPException) as error:
        raise _network_failure(shown, error) from error


def read_some(url: str, response: http.client.HTTPResponse, most_bytes: int) -> bytes:
    """What has arrived of the body, at most ``most_bytes``; empty at its end.

    Raises
    ------
    TransientFailure, DownloadError
        As `open_url`.
    """
    try:
        return response.read1(most_bytes)
    except (OSError, http.client.HTTPException) as error:
        raise _network_failure(url, error) from error


def _web_opener(*further: urllib.request.BaseHandler) -> urllib.request.OpenerDirector:
    """Http and https only; without a further handler a redirect is an error."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        *further,
    ):
        opener.add_handler(handler)
    return opener


class _WebRedirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects to http and https, but not from an encrypted to a plain connection."""

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        downgraded = req.full_url.startswith("https:") and newurl.startswith("http:")
        if downgraded or not _is_web_address(newurl):
            raise DownloadError(
                "the server sends us to an address that we do not follow",
                where=req.full_url,
                found=newurl,
                expected="an address that begins with https://" if downgraded else "a web address",
                fix="Give the final address, if you trust it.",
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _status_failure(url: str, error: urllib.error.HTTPError) -> TransientFailure | DownloadError:
    found = f"HTTP {error.code} {error.reason}".strip()
    if error.code in _TRANSIENT_STATUSES:
        return TransientFailure(found, _retry_after_s(error.headers.get("Retry-After")))
    if error.code == 416:
        return RangeRefused("the file on the server is shorter than what has arrived")
    if error.code in (404, 410):
        return DownloadError("the server has no such file", where=url, found=found, fix="Correct the address.")
    if error.code in (401, 403, 407):
        fix = "Check whether the service asks for a login, limits how often it is used, or is barred by your network."
        return DownloadError("the server refuses access", where=url, found=found, fix=fix)
    return DownloadError(
        "the server cannot answer this request", where=url, found=found, fix="Check the address in a web browser."
    )


def _retry_after_s(text: str | None) -> float | None:
    """Seconds of a ``Retry-After`` header, which holds a number or a date (RFC 9110, section 10.2.3)."""
    if text is None:
        return None
    if text.strip().isdigit():
        return float(text)
    with suppress(ValueError, TypeError):
        moment = parsedate_to_datetime(text)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return max(0.0, (moment - datetime.now(UTC)).total_seconds())
    return None


def _network_failure(url: str, error: Exception) -> TransientFailure | DownloadError:
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(reason, ssl.SSLCertVerificationError):
        return DownloadError(
            "the server's certificate cannot be verified",
            where=url,
            found=reason.verify_message,
            fix="If your institution's proxy signs connections, name its certificate file in SSL_CERT_FILE.",
        )
    if isinstance(reason, TimeoutError):
        return TransientFailure("no answer in time")
    if isinstance(reason, http.client.IncompleteRead):
        return TransientFailure("the connection ended in the middle")
    if isinstance(reason, http.client.InvalidURL):
        # Its text holds a part of the address, which may be that of a proxy with its password.
        fix = "Check the address, and http_proxy and https_proxy in the environment."
        return DownloadError("the address, or that of the proxy, cannot be used", where=url, fix=fix)
    words = str(getattr(reason, "strerror", None) or reason or type(reason).__name__)
    return TransientFailure(words[:1].lower() + words[1:] if words[1:2].islower() else words)
