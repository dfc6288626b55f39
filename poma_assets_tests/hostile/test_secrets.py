"""Passwords, tokens and secret addresses stand in no file of a study and on no screen."""

from __future__ import annotations

import gzip
import json
import sqlite3
import zipfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict
from datetime import date
from pathlib import Path

import duckdb
import pytest
from loopback_server import content, loopback, status
from secrets_of_a_run import ENVIRONMENT, LOGIN_PASSWORD, NOTIFICATIONS, PROXY_PASSWORD, SECRETS, TOKEN

from poma_assets.notification_channels import channels_of
from poma_assets.preflight import check_study
from poma_assets.resources import StudyResource
from poma_assets.science.errors import PomaError
from poma_assets.science.secret_texts import without_secrets
from poma_assets.storage.gene_set_cache import store_gene_sets
from poma_assets.tools.download import Patience, download
from poma_assets.tools.ena import resolve_accession
from poma_assets.tools.gene_set_services import fetch_gmt_file
from poma_assets.tools.machine_check import examine_machine
from poma_assets.tools.study_check import examine_study

ONCE = Patience(attempts=1, first_wait_s=0.0, timeout_s=5.0)


def leaks(text: str | bytes) -> list[str]:
    content_ = text.encode() if isinstance(text, str) else text
    return [secret for secret in SECRETS if secret.encode() in content_]


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)


def texts_of(path: Path) -> Iterator[bytes]:
    """What is in a file: as it lies there, unpacked, and the rows of databases, which are packed."""
    yield path.read_bytes()
    if path.suffix == ".gz":
        yield gzip.decompress(path.read_bytes())
    elif path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            yield from (archive.read(name) for name in archive.namelist())
    elif path.suffix == ".duckdb":
        with duckdb.connect(str(path), read_only=True) as connection:
            for (table,) in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall():
                yield str(connection.execute(f'SELECT * FROM "{table}"').fetchall()).encode()
    elif path.read_bytes()[:15] == b"SQLite format 3":
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            for (table,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
                yield str(database.execute(f'SELECT * FROM "{table}"').fetchall()).encode()


def test_a_run_leaves_no_secret_in_any_file_nor_on_the_screen(finished_study: Path) -> None:
    told = finished_study.with_name(f"{finished_study.name}.told").read_text()
    assert "wEbHoOk" in (finished_study / "poma.yaml").read_text()
    assert leaks(told) == []
    found = {
        str(path.relative_to(finished_study)): leaks(text)
        for path in sorted(finished_study.rglob("*"))
        if path.is_file() and path.name != "poma.yaml"
        for text in texts_of(path)
        if leaks(text)
    }
    assert found == {}


def test_check_doctor_and_notify_show_no_secret(
    study_copy: Path, environment: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (study_copy / "poma.yaml").open("a") as config:
        config.write(NOTIFICATIONS)
    study = StudyResource(root=str(study_copy))
    assert leaks("\n".join(line.text for line in check_study(study))) == []
    doctor = json.dumps([asdict(finding) for finding in (*examine_machine(), *examine_study(study_copy))])
    assert leaks(doctor) == []
    channels = channels_of(study.study.config.notifications, ENVIRONMENT)
    assert leaks("".join(f"{channel.name} {channel!r}" for channel in channels)) == []
    assert leaks(repr(study.study.config)) == []


@pytest.mark.parametrize("scheme", ["https", "htps"])
def test_an_address_with_a_login_is_refused_without_showing_it(tmp_path: Path, scheme: str) -> None:
    url = f"{scheme}://lab:{LOGIN_PASSWORD}@example.invalid/x?token={TOKEN}&a=b"
    with pytest.raises(PomaError) as caught:
        download(url, tmp_path / "x")
    assert leaks(str(caught.value)) == []
    assert f"{scheme}://***@example.invalid/x?token=***&a=b" in str(caught.value)


def test_ena_by_an_address_with_a_login(tmp_path: Path, environment: None) -> None:
    told: list[str] = []
    with pytest.raises(PomaError) as caught:
        resolve_accession("SRR1039508", tmp_path, patience=ONCE, tell=told.append)
    assert leaks(f"{caught.value} {told}") == []


def test_a_server_that_refuses_or_sends_elsewhere_gives_no_token_away(tmp_path: Path) -> None:
    with loopback() as server:
        path = f"/x?signature={TOKEN}"
        for answer in (
            status(404),
            status(403),
            status(503),
            status(302, {"Location": f"ftp://lab:{LOGIN_PASSWORD}@h/x?token={TOKEN}"}),
            content(b"short", announced=9),
        ):
            told: list[str] = []
            server.on(path, answer)
            with pytest.raises(PomaError) as caught:
                download(server.url + path, tmp_path / "x", patience=ONCE, on_wait=told.append)
            assert leaks(f"{caught.value} {told}") == []
        assert [leaks(path.read_bytes()) for path in tmp_path.rglob("*") if path.is_file()] in ([], [[]], [[], []])


def test_a_broken_download_keeps_no_token_beside_its_part(tmp_path: Path) -> None:
    with loopback() as server:
        path = f"/x?signature={TOKEN}"
        server.on(path, content(b"0123456789", etag='"1"', cut_after=4), status(404))
        with pytest.raises(PomaError):
            download(server.url + path, tmp_path / "x", patience=Patience(attempts=2, first_wait_s=0.0, timeout_s=5.0))
        kept = [path for path in tmp_path.iterdir() if path.is_file()]
        assert kept
        assert [leaks(path.read_bytes()) for path in kept] == [[]] * len(kept)
        server.on(path, content(b"0123456789", etag='"1"'))
        download(server.url + path, tmp_path / "x", patience=ONCE)
        assert (tmp_path / "x").read_bytes() == b"0123456789"
        assert server.asked(path)[-1].headers["Range"] == "bytes=4-"


def test_fetched_gene_sets_note_their_address_without_its_token(tmp_path: Path) -> None:
    steps: list[str] = []
    with loopback() as server:
        path = f"/own.gmt?X-Amz-Signature={TOKEN}&part=1"
        fetched = fetch_gmt_file(server.on(path, content(b"A\tb\tG1\n")), on_step=steps.append)
    store_gene_sets(tmp_path, "own", date(2026, 1, 1), fetched, licence="none")
    assert leaks(str(steps)) == []
    note = (tmp_path / "gene_sets" / "own.2026-01-01.json").read_text()
    assert leaks(note) == []
    assert "/own.gmt?X-Amz-Signature=***&part=1" in note


@pytest.mark.parametrize("form", ["{}", "{}/x", "{}:x", "#{}"])
def test_a_proxy_that_fails_gives_its_password_away_in_no_way_of_writing_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    monkeypatch.setenv("http_proxy", f"http://lab:{form.format(PROXY_PASSWORD)}@127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "")
    with pytest.raises(PomaError) as caught:
        download("http://example.invalid/x", tmp_path / "x", patience=ONCE)
    assert leaks(str(caught.value)) == []


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("see https://a:b@h/x and ftp://c@h", "see https://***@h/x and ftp://***@h"),
        ("https://h/x?api_key=1&b=2&sig=3#f", "https://h/x?api_key=***&b=2&sig=***#f"),
        ("https://h/filereport?accession=SRR1&fields=a,b", "https://h/filereport?accession=SRR1&fields=a,b"),
        ("mail a@b.org, no address", "mail a@b.org, no address"),
        ("https://h/a@b", "https://h/a@b"),
    ],
)
def test_what_is_hidden_of_an_address(text: str, shown: str) -> None:
    assert without_secrets(text) == shown
