"""The sensors that tell people, over a real instance and a web server on the loopback interface."""

from __future__ import annotations

import json

import dagster as dg
import pandas as pd
import pytest
from loopback_server import loopback, status

from poma_assets.notification_channels import channels_of
from poma_assets.notification_sensors import failed_run_notifier, verdict_change_notifier
from poma_assets.resources import StudyResource
from poma_assets.science.errors import ConfigError, StorageError
from poma_assets.storage.schema import TABLES
from poma_assets.storage.step_output import StepOutput
from poma_assets.study_config import NOT_ANALYSIS, parse_config
from poma_assets.vocabulary import LAUNCHER_TAG


@pytest.fixture
def server(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with loopback() as running:
        running.on("/hook", status(200))
        yield running


@pytest.fixture
def instance():
    with dg.instance_for_test() as made:
        yield made


@pytest.fixture
def study(tmp_path, server):
    configure(tmp_path, server)
    (tmp_path / "results").mkdir()
    return StudyResource(root=str(tmp_path))


def configure(folder, server, on="[failure, verdict_change]"):
    (folder / "poma.yaml").write_text(
        f"name: mm\ncount_matrix: c.csv\nnotifications: {{webhook: '{server.url}/hook', on: {on}}}\n"
    )


@dg.op
def alignments():
    raise StorageError("the disk is full", where="results")


@dg.job
def process_sample():
    alignments()


def failed_run(instance, **tags):
    result = process_sample.execute_in_process(instance=instance, raise_on_error=False, tags=tags)
    return dg.build_run_status_sensor_context(
        sensor_name="failed_run_notifier",
        dagster_event=result.get_run_failure_event(),
        dagster_instance=instance,
        dagster_run=result.dagster_run,
    ).for_run_failure()


def test_a_failed_run_is_told_with_the_plain_message_of_its_step(instance, server, study):
    assert failed_run_notifier(failed_run(instance, **{"dagster/partition": "S7"}), study=study) is None
    body = json.loads(server.asked("/hook")[0].body)
    assert body["text"].startswith("mm: process_sample of S7 failed (run ")
    assert body["steps"] == [{"step": "alignments", "message": "results: the disk is full."}]


def test_runs_of_a_terminal_and_studies_that_do_not_ask_are_not_told(instance, server, study, tmp_path):
    skipped = failed_run_notifier(failed_run(instance, **{LAUNCHER_TAG: "1"}), study=study)
    assert "poma run" in skipped.skip_message
    configure(tmp_path, server, on="verdict_change")
    assert "not configured" in failed_run_notifier(failed_run(instance), study=study).skip_message
    (tmp_path / "poma.yaml").write_text("name: mm\nnotifications: {webhook: 'env:NO_SUCH_VARIABLE'}\n")
    assert "NO_SUCH_VARIABLE" in failed_run_notifier(failed_run(instance), study=study).skip_message
    assert server.requests == []


def test_a_message_that_cannot_be_sent_is_a_warning(instance, server, study):
    server.on("/hook", status(404))
    assert failed_run_notifier(failed_run(instance), study=study) is None
    assert len(server.asked("/hook")) == 1


def record(study, run, at, contrast="pom", **verdicts):
    """Store changes of a run: marker = (before, now)."""
    rows = [
        {
            **dict.fromkeys(TABLES["verdict_history"].column_names),
            "contrast_id": contrast,
            "hypothesis_id": f"{marker}_drug",
            "gene_symbol": marker,
            "previous_verdict": before,
            "verdict": now,
            "sub_verdict": "strong",
            "cause": "S7 was excluded",
            "run_id": run,
            "recorded_at": pd.Timestamp(at),
        }
        for marker, (before, now) in verdicts.items()
    ]
    study.warehouse.write(
        StepOutput(tables={"verdict_history": pd.DataFrame(rows)}),
        asset="verdict_history",
        partition=contrast,
        study_root=study.study.root,
        fingerprint="f",
        data_version="v",
        inputs={},
        run_id=run,
        partition_values={"verdict_history": {"contrast_id": contrast, "run_id": run}},
    )


def tick(instance, study, cursor):
    context = dg.build_sensor_context(instance=instance, cursor=cursor)
    result = verdict_change_notifier(context, study=study)
    return result.skip_reason.skip_message, result.cursor


def test_changed_verdicts_are_told_once_in_one_message(instance, server, study):
    record(study, "r1", "2025-03-01 10:00", IRF4=("inconclusive", "confirmed"))
    message, cursor = tick(instance, study, None)
    assert "From now on" in message
    record(study, "r2", "2025-03-02 10:00", IRF4=("confirmed", "contradicted"), MYC=(None, "confirmed"))
    record(study, "r2", "2025-03-02 10:01", "res", MYC=("confirmed", "inconclusive"), KLF2=("confirmed", "confirmed"))
    message, cursor = tick(instance, study, cursor)
    assert message == "Told: 2 verdicts changed."
    assert tick(instance, study, cursor)[0] == "No verdict has changed."
    (request,) = server.asked("/hook")
    changes = json.loads(request.body)["changes"]
    assert [(row["gene_symbol"], row["contrast_id"]) for row in changes] == [("IRF4", "pom"), ("MYC", "res")]


def test_a_row_that_was_stored_late_is_not_missed(instance, server, study):
    _, cursor = tick(instance, study, None)
    record(study, "r2", "2025-03-02 10:05", IRF4=("confirmed", "contradicted"))
    _, cursor = tick(instance, study, cursor)
    record(study, "r2", "2025-03-02 10:01", "res", MYC=("confirmed", "inconclusive"))
    message, cursor = tick(instance, study, cursor)
    assert message == "Told: 1 verdict changed."
    assert tick(instance, study, cursor)[0] == "No verdict has changed."
    assert len(server.asked("/hook")) == 2


def test_a_message_that_no_channel_took_comes_with_the_next_tick(instance, server, study):
    _, cursor = tick(instance, study, None)
    record(study, "r2", "2025-03-02 10:05", IRF4=("confirmed", "contradicted"))
    server.on("/hook", status(404), status(200))
    message, kept = tick(instance, study, cursor)
    assert (kept, "tried again" in message) == (cursor, True)
    assert tick(instance, study, kept)[0] == "Told: 1 verdict changed."


def test_switching_off_forgets_where_it_was(instance, server, study, tmp_path):
    _, cursor = tick(instance, study, None)
    configure(tmp_path, server, on="failure")
    record(study, "r2", "2025-03-02 10:05", IRF4=("confirmed", "contradicted"))
    message, cursor = tick(instance, study, cursor)
    assert "not configured" in message
    configure(tmp_path, server)
    assert "From now on" in tick(instance, study, cursor)[0]
    assert server.requests == []


def channels(section, **environment):
    return channels_of(parse_config(f"name: mm\nnotifications: {section}\n").notifications, environment)


def test_nothing_is_told_by_default():
    assert channels_of(parse_config("name: mm\n").notifications, {}) == []


def test_channels_come_from_the_configuration_and_the_environment():
    email = "{to: a@example.org, from: p@example.org, smtp_host: m.example.org, user: u}"
    hook, mail = channels(
        f"{{webhook: 'env:HOOK', email: {email}}}", HOOK="https://h.example.org/S", POMA_SMTP_PASSWORD="w"
    )
    assert (hook.name, hook.url) == ("webhook at h.example.org", "https://h.example.org/S")
    assert (mail.name, mail.password, mail.port) == ("e-mail to a@example.org by m.example.org:587", "w", 587)
    with pytest.raises(ConfigError, match="POMA_SMTP_PASSWORD"):
        channels(f"{{email: {email}}}")
    with pytest.raises(ConfigError) as caught:
        channels("{webhook: 'env:HOOK'}", HOOK="http://h.example.org/SECRET")
    assert "'HOOK' holds no address" in str(caught.value)
    assert "SECRET" not in str(caught.value)


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ("{webhook: 'http://h.example.org/SECRET'}", "https://HOST/PATH"),
        ("{webhook: {url: 'https://h.example.org/SECRET'}}", "a text"),
        ("https://h.example.org/SECRET", "keys and values"),
        ("{webhook: 'https://h.example.org/SECRET', on: [failures]}", "'failure' or 'verdict_change'"),
        ("{web_hook: 'https://h.example.org/SECRET'}", "Did you mean 'webhook'"),
        ("{webhook: 'https://h.example.org/SECRET'\n", "line"),
        ("{email: {to: [], from: a@b.org, smtp_host: m}}", "at least 1"),
        ('{email: {to: ["a@b.org\\nBcc: x@y.org"], from: a@b.org, smtp_host: m}}', "an e-mail address"),
        ("{email: {to: a@b.org, from: a@b.org, smtp_host: m.org, starttls: false, user: u}}", "unencrypted"),
        ("{email: {to: a@b.org, sender: a@b.org, smtp_host: m.org}}", "from"),
    ],
)
def test_a_wrong_section_is_refused_and_no_address_is_shown(section, words):
    with pytest.raises(ConfigError) as caught:
        parse_config(f"name: mm\nnotifications: {section}\n")
    text = str(caught.value)
    assert words in text
    assert "SECRET" not in text + str(caught.value.__cause__)


def test_what_reports_and_logs_print_of_the_configuration_holds_no_address():
    config = parse_config("name: mm\nnotifications: {webhook: 'https://h.example.org/SECRET'}\ninbox: {folder: in}\n")
    assert "SECRET" not in repr(config)
    printed = config.model_dump(mode="json", exclude=set(NOT_ANALYSIS))
    assert {"notifications", "inbox"}.isdisjoint(printed)
    assert printed["name"] == "mm"
