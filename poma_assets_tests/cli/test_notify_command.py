"""``poma notify`` as a person meets it."""

from __future__ import annotations

import json

import pytest
from loopback_server import loopback, status
from typer.testing import CliRunner

from poma_assets.cli.app import app
from poma_assets.science.errors import ConfigError


@pytest.fixture
def run(tmp_path, monkeypatch):
    for name in ("POMA_STUDY", "DAGSTER_HOME", "http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, "")

    def invoke(config, *arguments):
        (tmp_path / "poma.yaml").write_text(config)
        return CliRunner().invoke(app, ["notify", "--study", str(tmp_path), *arguments], catch_exceptions=False)

    return invoke


@pytest.mark.parametrize("arguments", [(), ("--test",)])
def test_without_configuration_it_says_what_to_write(run, arguments):
    with pytest.raises(ConfigError, match=r"no notifications are configured(?s:.)*webhook: env:POMA_WEBHOOK") as caught:
        run("name: mm\n", *arguments)
    assert caught.value.exit_status == 2


def test_a_test_message_goes_to_every_channel_and_a_failure_shows_in_the_status(run):
    with loopback() as server:
        config = (
            f"name: mm\nnotifications:\n  webhook: {server.on('/SECRET', status(200), status(403))}\n  on: failure\n"
        )
        result = run(config, "--test")
        assert (result.exit_code, result.stdout) == (0, "sent: webhook at 127.0.0.1\n")
        assert json.loads(server.requests[0].body)["event"] == "test"
        assert run(config).stdout == "webhook at 127.0.0.1: failure\n"
        result = run(config, "--test")
        assert (result.exit_code, len(server.requests)) == (1, 2)
        assert "HTTP 403" in result.output
        assert "SECRET" not in result.output


def test_channels_and_what_became_of_a_test_message_are_told_to_programs(run):
    with loopback() as server:
        config = (
            f"name: mm\nnotifications:\n  webhook: {server.on('/SECRET', status(200), status(403))}\n  on: failure\n"
        )
        assert json.loads(run(config, "--json").stdout) == [{"channel": "webhook at 127.0.0.1", "events": ["failure"]}]
        result = run(config, "--test", "--json")
        sent = {"channel": "webhook at 127.0.0.1", "sent": True, "error": None}
        assert (result.exit_code, json.loads(result.stdout)) == (0, [sent])
        result = run(config, "--test", "--json")
        ((told,), status_now) = json.loads(result.stdout), result.exit_code
        assert (status_now, told["sent"], "HTTP 403" in told["error"]) == (1, False, True)
        assert "SECRET" not in result.output
