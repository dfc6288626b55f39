"""What notifications say, also where the names in them are hostile."""

from __future__ import annotations

import json
from email.message import EmailMessage

import pytest

from poma_assets.science.notification_texts import (
    Notification,
    email_subject,
    email_text,
    failure_notification,
    is_webhook_address,
    verdict_change_notification,
    webhook_body,
    webhook_host,
)

CHANGE = {
    "contrast_id": "pom",
    "gene_symbol": "IRF4",
    "verdict": "contradicted",
    "sub_verdict": "absent",
    "previous_verdict": "confirmed",
    "previous_sub_verdict": "strong",
    "cause": "S07 was excluded",
    "run_id": "r2",
}


def test_a_failure_names_job_sample_step_and_reason():
    message = failure_notification(
        "mm", job="process_sample", run_id="0123456789", partition="S7", failures=[("alignments", "no room")]
    )
    body = json.loads(webhook_body(message))
    assert body["text"] == "mm: process_sample of S7 failed (run 01234567)\nalignments: no room"
    assert body["steps"] == [{"step": "alignments", "message": "no room"}]
    assert (body["event"], body["study"], body["run_id"], body["partition"]) == ("failure", "mm", "0123456789", "S7")


def test_changed_verdicts_are_one_message_that_is_cut_off_but_counted():
    body = json.loads(webhook_body(verdict_change_notification("mm", [CHANGE] * 25)))
    lines = body["text"].split("\n")
    assert lines[0] == "mm: 25 verdicts changed"
    assert lines[1] == "IRF4 in pom: confirmed (strong) -&gt; contradicted (absent): S07 was excluded"
    assert lines[-1] == "... and 5 more"
    assert (body["n_changes"], len(body["changes"])) == (25, 20)
    assert body["changes"][0]["previous_verdict"] == "confirmed"


def test_no_text_of_the_study_adds_a_header():
    message = Notification("test", "mm\r\nBcc: all@example.org\u2028X: y", "h\x00\n\nbody", ("a\nb",))
    email = EmailMessage()
    email["Subject"] = email_subject(message)
    email.set_content(email_text(message))
    assert email["Subject"] == "[poma] mm Bcc: all@example.org X: y: h body"
    assert set(email.keys()) == {"Subject", "Content-Type", "Content-Transfer-Encoding", "MIME-Version"}
    assert "a b" in email_text(message).split("\n")


def test_mentions_are_escaped_for_people_only_and_long_texts_are_cut():
    body = json.loads(webhook_body(Notification("test", "<!channel> & co", "x" * 9, ("y" * 900,))))
    assert body["text"].startswith("&lt;!channel&gt; &amp; co: ")
    assert body["study"] == "<!channel> & co"
    assert body["text"].endswith("y" * 600 + "...")
    assert len(email_subject(Notification("test", "s" * 500, "h"))) == 150
    assert json.loads(webhook_body(Notification("test", "\udcff", "h")))["text"] == "?: h"


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("https://hooks.example.org/services/T0/B0", True),
        ("https://hooks.example.org:8443/x", True),
        ("http://127.0.0.1:9/x", True),
        ("http://hooks.example.org/x", False),
        ("https://user:word@example.org/x", False),
        ("https:///x", False),
        ("https://example.org/a b", False),
        ("https://example.org/a\n", False),
        ("https://example.org:port/", False),
        ("file:///etc/passwd", False),
        ("", False),
    ],
)
def test_which_addresses_a_webhook_may_have(url, allowed):
    assert is_webhook_address(url) is allowed


def test_of_an_address_only_the_host_is_shown():
    assert webhook_host("https://hooks.example.org/services/SECRET?key=SECRET") == "hooks.example.org"
