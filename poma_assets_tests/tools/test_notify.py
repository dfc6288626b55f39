"""Sending to servers that take it, break, ask to wait and refuse."""

from __future__ import annotations

import email
import email.policy
import json

import pytest
from loopback_server import hang_up, loopback, silence, status
from smtp_server import mail_server

from poma_assets.science.errors import ToolError
from poma_assets.science.notification_texts import Notification
from poma_assets.tools.notify import Attempts, Mailbox, PartlySentError, Webhook, send, send_to_all

MESSAGE = Notification("failure", "mm", "process_sample failed", ("alignments: Größe",))
QUICK = Attempts(first_wait_s=0.001, timeout_s=5.0)


@pytest.fixture
def server(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with loopback() as running:
        yield running


@pytest.fixture
def mail():
    with mail_server() as running:
        yield running


def mailbox(mail, **changes):
    settings = {"to": ("a@example.org", "b@example.org"), "sender": "poma@example.org", "starttls": False}
    return Mailbox(**{**settings, "host": "127.0.0.1", "port": mail.port, **changes})


def test_a_webhook_gets_json(server):
    send(MESSAGE, Webhook(server.on("/hook", status(204))), QUICK)
    (request,) = server.asked("/hook")
    assert request.headers["Content-Type"] == "application/json"
    assert json.loads(request.body)["text"] == "mm: process_sample failed\nalignments: Größe"


def test_what_may_pass_is_tried_three_times(server):
    send(MESSAGE, Webhook(server.on("/hook", status(503), hang_up, status(200))), QUICK)
    assert len(server.asked("/hook")) == 3
    with pytest.raises(ToolError, match=r"webhook at 127.0.0.1.*3 tries.*HTTP 429"):
        send(MESSAGE, Webhook(server.on("/full", status(429))), QUICK)
    assert len(server.asked("/full")) == 3


def test_a_silent_server_ends_with_a_message(server):
    with pytest.raises(ToolError, match="no answer in time"):
        send(MESSAGE, Webhook(server.on("/hook", silence(1.0))), Attempts(tries=1, timeout_s=0.05))


@pytest.mark.parametrize("code", [302, 307, 400, 403, 404])
def test_a_refusal_is_not_repeated_and_the_address_is_not_told(server, code):
    url = server.on("/SECRET", status(code, {"Location": server.url + "/elsewhere"}))
    with pytest.raises(ToolError) as caught:
        send(MESSAGE, Webhook(url), QUICK)
    assert f"HTTP {code}" in str(caught.value)
    assert "SECRET" not in str(caught.value) + repr(Webhook(url)) + repr(caught.value.__cause__)
    assert [request.path for request in server.requests] == ["/SECRET"]


def test_an_e_mail_arrives_with_its_headers(mail):
    send(MESSAGE, mailbox(mail, user="poma", password="word"), QUICK)
    got = email.message_from_bytes(mail.mails[0], policy=email.policy.default)
    assert (got["Subject"], got["From"]) == ("[poma] mm: process_sample failed", "poma@example.org")
    assert got["To"] == "a@example.org, b@example.org"
    assert "alignments: Größe" in got.get_content()
    assert any(line.startswith("AUTH PLAIN") for line in mail.commands)


def test_a_busy_mail_server_is_tried_again_and_a_refusal_is_not(mail):
    mail.answers["MAIL"] = ["451 busy", "451 busy"]
    send(MESSAGE, mailbox(mail), QUICK)
    assert len(mail.mails) == 1
    mail.answers["RCPT"] = ["450 come back later"] * 2
    send(MESSAGE, mailbox(mail), QUICK)
    assert len(mail.mails) == 2
    mail.answers["RCPT"] = ["550 nobody"] * 2
    with pytest.raises(ToolError, match=r"refuses recipients.*550 nobody"):
        send(MESSAGE, mailbox(mail), QUICK)
    assert len(mail.mails) == 2


def test_a_mail_that_reached_some_is_told_apart(mail):
    mail.answers["RCPT"] = ["250 fine", "550 nobody"]
    with pytest.raises(PartlySentError, match=r"b@example\.org: 550 nobody"):
        send(MESSAGE, mailbox(mail), QUICK)
    assert len(mail.mails) == 1


def test_a_wrong_password_and_missing_encryption_are_said(mail):
    mail.answers["AUTH"] = ["535 no"] * 2
    with pytest.raises(ToolError, match=r"refuses the login.*POMA_SMTP_PASSWORD"):
        send(MESSAGE, mailbox(mail, user="poma", password="word"), QUICK)
    with pytest.raises(ToolError, match="STARTTLS extension not supported"):
        send(MESSAGE, mailbox(mail, starttls=True), QUICK)
    assert mail.mails == []
    assert "word" not in repr(mailbox(mail, password="word"))


def test_one_channel_that_fails_keeps_no_other_back(server, mail):
    broken = Webhook(server.on("/gone", status(410)))
    results = send_to_all(MESSAGE, [broken, mailbox(mail)], QUICK)
    assert [error is None for error in results.values()] == [False, True]
    assert len(mail.mails) == 1
