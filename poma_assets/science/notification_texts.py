"""What notifications say: the JSON for webhooks, subject and text of e-mails, and what a webhook address may be.

Texts only; sending them is the work of ``tools.notify``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from poma_assets.science.markers.history import change_sentence

ENVIRONMENT_PREFIX = "env:"
"""Begins a webhook setting that names an environment variable."""

WEBHOOK_RULE = "https://HOST/PATH, or env:NAME for an address in the environment variable NAME"

LOOPBACK_HOSTS = ("127.0.0.1", "::1", "localhost")
"""This machine: nothing that is sent there needs encryption."""

IMPLICIT_TLS_PORT = 465
"""SMTP port where the connection is encrypted from the start."""

_MAX_LINES = 20
_MAX_LINE_LENGTH = 600
_MAX_SUBJECT_LENGTH = 150
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


@dataclass(frozen=True)
class Notification:
    """One message.

    Attributes
    ----------
    event
        ``failure``, ``verdict_change`` or ``test``.
    study
        Name of the study.
    headline
        What happened, in one line.
    lines
        The details, one line each.
    details
        The same for programs: values of JSON.
    """

    event: str
    study: str
    headline: str
    lines: tuple[str, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)


def failure_notification(
    study: str, *, job: str, run_id: str, partition: str | None, failures: Sequence[tuple[str, str]]
) -> Notification:
    """Tell of a failed run; ``failures`` are (step, message) pairs."""
    of_partition = f" of {partition}" if partition else ""
    details = {
        "job": job,
        "run_id": run_id,
        "partition": partition,
        "steps": [{"step": step, "message": message} for step, message in failures[:_MAX_LINES]],
    }
    lines = tuple(f"{step}: {message}" for step, message in failures)
    return Notification("failure", study, f"{job}{of_partition} failed (run {run_id[:8]})", lines, details)


def verdict_change_notification(study: str, changes: Sequence[Mapping[Any, Any]]) -> Notification:
    """Tell of changed verdicts; ``changes`` are rows of ``verdict_history``."""
    names = ("contrast_id", "gene_symbol", "previous_verdict", "verdict", "cause", "run_id")
    count = f"{len(changes)} verdicts" if len(changes) != 1 else "1 verdict"
    details = {
        "n_changes": len(changes),
        "changes": [{name: _plain(row[name]) for name in names} for row in changes[:_MAX_LINES]],
    }
    return Notification("verdict_change", study, f"{count} changed", tuple(map(change_sentence, changes)), details)


def trial_notification(study: str) -> Notification:
    """Tell that notifications of the study arrive."""
    return Notification("test", study, "this is a test", ("Notifications of this study arrive here.",))


def webhook_body(message: Notification) -> bytes:
    """Write the message as JSON: ``text`` for people, as incoming webhooks read it, and fields for programs.

    Characters that chat programs take as mark-up or mentions (``&``, ``<``, ``>``) are escaped in ``text`` only.
    """
    text = "\n".join([f"{_one_line(message.study)}: {_one_line(message.headline)}", *_lines(message)])
    for character, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        text = text.replace(character, entity)
    fields = {"event": message.event, "study": message.study, **message.details}
    return json.dumps({"text": text, **fields}, allow_nan=False).encode("ascii")


def email_subject(message: Notification) -> str:
    """Return one line without control characters, so that no text of the study can add a header."""
    subject = _one_line(f"[poma] {message.study}: {message.headline}")
    return subject if len(subject) <= _MAX_SUBJECT_LENGTH else subject[: _MAX_SUBJECT_LENGTH - 3] + "..."


def email_text(message: Notification) -> str:
    """Return the text of an e-mail."""
    heading = f"Study {_one_line(message.study)}: {_one_line(message.headline)}"
    return "\n".join([heading, "", *_lines(message), "", "`poma status` and `poma ui` show more.", ""])


def is_webhook_address(url: str) -> bool:
    """Whether messages may be posted there: https, or http to this machine; no user name, no odd characters."""
    try:
        parts = urlsplit(url)
        port_is_valid = parts.port is None or parts.port > 0
    except ValueError:
        return False
    plain = bool(re.fullmatch(r"[!-~]+", url)) and port_is_valid and "@" not in parts.netloc and bool(parts.hostname)
    return plain and (parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK_HOSTS))


def webhook_host(url: str) -> str:
    """Return what may be shown of a webhook address: its host. The rest is a password."""
    return urlsplit(url).hostname or "unknown host"


def _lines(message: Notification) -> list[str]:
    lines = [_one_line(line) for line in message.lines]
    shown = [line if len(line) <= _MAX_LINE_LENGTH else line[:_MAX_LINE_LENGTH] + "..." for line in lines[:_MAX_LINES]]
    return [*shown, f"... and {len(lines) - _MAX_LINES} more"] if len(lines) > _MAX_LINES else shown


def _one_line(text: str) -> str:
    # A lone surrogate (from an undecodable file name) can be encoded neither in JSON as UTF-8 nor in an e-mail.
    text = text.encode("utf-8", "replace").decode("utf-8")
    return " ".join(_CONTROL.sub(" ", text).split())


def _plain(value: object) -> str | None:
    return value if isinstance(value, str) else None
