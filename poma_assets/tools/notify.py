"""Sending notifications: to a webhook by HTTP, by e-mail over SMTP. Tried three times, and never a reason to fail.

What they say is in ``science.notification_texts``.
"""

from __future__ import annotations

import smtplib
import ssl
import time
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from typing import Protocol

from poma_assets.science.errors import ToolError
from poma_assets.science.notification_texts import (
    IMPLICIT_TLS_PORT,
    Notification,
    email_subject,
    email_text,
    webhook_body,
    webhook_host,
)
from poma_assets.tools.http_request import TransientFailure, post_json

PASSWORD_VARIABLE = "POMA_SMTP_PASSWORD"
"""Environment variable that holds the password of the SMTP user."""


class NotificationError(ToolError):
    """A message could not be sent."""


class PartlySentError(NotificationError):
    """Some recipients of an e-mail were refused, the others have it: sending it again would repeat it to them."""


@dataclass(frozen=True)
class Attempts:
    """How often and how long a message is tried: seconds between tries (doubled), seconds without an answer.

    A sensor's tick must end within 60 s, so these are short.
    """

    tries: int = 3
    first_wait_s: float = 0.5
    timeout_s: float = 5.0


class Channel(Protocol):
    """A way to send messages; ``name`` may be shown."""

    @property
    def name(self) -> str: ...

    def send_once(self, message: Notification, timeout_s: float) -> None:
        """Try once.

        Raises
        ------
        TransientFailure
            It may be better later.
        PomaError
            It will not be.
        """


@dataclass(frozen=True)
class Webhook:
    """An incoming webhook. ``url`` is a secret: only its host is ever shown."""

    url: str = field(repr=False)

    @property
    def name(self) -> str:
        """What may be shown."""
        return f"webhook at {webhook_host(self.url)}"

    def send_once(self, message: Notification, timeout_s: float) -> None:
        """Post the message."""
        post_json(self.url, webhook_body(message), timeout_s, shown=self.name)


@dataclass(frozen=True)
class Mailbox:
    """An SMTP server that takes e-mails; TLS from the start at port 465, else by STARTTLS if ``starttls``."""

    to: tuple[str, ...]
    sender: str
    host: str
    port: int = 587
    starttls: bool = True
    user: str | None = None
    password: str | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        """What may be shown."""
        return f"e-mail to {', '.join(self.to)} by {self.host}:{self.port}"

    def send_once(self, message: Notification, timeout_s: float) -> None:
        """Hand the message to the server."""
        try:
            with closing(self._connected(timeout_s)) as server:
                if self.user is not None:
                    server.login(self.user, self.password or "")
                refused = server.send_message(self._email(message))
                # The server has the message: how it takes leave changes nothing.
                with suppress(OSError, smtplib.SMTPException):
                    server.quit()
        except ssl.SSLCertVerificationError as error:
            raise NotificationError(
                "the mail server's certificate cannot be verified", where=self.name, found=error.verify_message
            ) from error
        except smtplib.SMTPRecipientsRefused as error:
            if all(code < 500 for code, _ in error.recipients.values()):
                raise TransientFailure("; ".join(_words(*answer) for answer in error.recipients.values())) from error
            raise self._refused(error.recipients) from error
        except smtplib.SMTPResponseException as error:
            raise self._answer(error) from error
        except smtplib.SMTPServerDisconnected as error:
            raise TransientFailure("the connection ended in the middle") from error
        except smtplib.SMTPException as error:
            raise NotificationError("the mail server cannot be used", where=self.name, found=str(error)) from error
        except OSError as error:
            words = "no answer in time" if isinstance(error, TimeoutError) else error.strerror or str(error)
            raise TransientFailure(words[:1].lower() + words[1:]) from error
        if refused:
            raise self._refused(refused, PartlySentError)

    def _connected(self, timeout_s: float) -> smtplib.SMTP:
        context = ssl.create_default_context()
        if self.port == IMPLICIT_TLS_PORT:
            return smtplib.SMTP_SSL(self.host, self.port, timeout=timeout_s, context=context)
        server = smtplib.SMTP(self.host, self.port, timeout=timeout_s)
        try:
            if self.starttls:
                server.starttls(context=context)
        except (OSError, smtplib.SMTPException):
            server.close()
            raise
        return server

    def _email(self, message: Notification) -> EmailMessage:
        email = EmailMessage()
        email["Subject"] = email_subject(message)
        email["From"] = self.sender
        email["To"] = ", ".join(self.to)
        email["Date"] = formatdate()
        email["Message-ID"] = make_msgid(domain=self.sender.rpartition("@")[2])
        email["Auto-Submitted"] = "auto-generated"
        email.set_content(email_text(message), cte="quoted-printable")
        return email

    def _refused(
        self, recipients: dict[str, tuple[int, bytes]], kind: type[NotificationError] = NotificationError
    ) -> NotificationError:
        answers = "; ".join(f"{address}: {_words(code, text)}" for address, (code, text) in recipients.items())
        fix = "Correct the addresses under notifications.email in poma.yaml."
        return kind("the mail server refuses recipients", where=self.name, found=answers, fix=fix)

    def _answer(self, error: smtplib.SMTPResponseException) -> TransientFailure | NotificationError:
        found = _words(error.smtp_code, error.smtp_error)
        if 400 <= error.smtp_code < 500:
            return TransientFailure(found)
        if isinstance(error, smtplib.SMTPAuthenticationError):
            fix = f"Check 'user' in poma.yaml and the password in {PASSWORD_VARIABLE}."
            return NotificationError("the mail server refuses the login", where=self.name, found=found, fix=fix)
        return NotificationError("the mail server refuses the message", where=self.name, found=found)


def send(message: Notification, channel: Channel, attempts: Attempts | None = None) -> None:
    """Send a message through one channel, trying again where that may help.

    Raises
    ------
    PomaError
        It did not go; the text names the channel, of a webhook by its host only.
    """
    attempts = attempts or Attempts()
    for attempt in range(1, attempts.tries + 1):
        try:
            channel.send_once(message, attempts.timeout_s)
            return
        except TransientFailure as failure:
            if attempt == attempts.tries:
                what = f"the message could not be sent in {attempts.tries} tries"
                raise NotificationError(what, where=channel.name, found=failure.found) from failure
        time.sleep(attempts.first_wait_s * 2 ** (attempt - 1))


def send_to_all(
    message: Notification, channels: Sequence[Channel], attempts: Attempts | None = None
) -> dict[str, ToolError | None]:
    """Send a message through every channel; one that fails keeps no other back.

    Returns
    -------
    dict
        Name of the channel -> None, or why it failed.
    """
    results: dict[str, ToolError | None] = {}
    for channel in channels:
        try:
            send(message, channel, attempts)
            results[channel.name] = None
        except ToolError as error:
            results[channel.name] = error
    return results


def _words(code: int, text: bytes | str) -> str:
    decoded = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    return f"{code} {' '.join(decoded.split())}"
