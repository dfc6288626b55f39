"""``poma gene-sets`` as a user meets it."""

from __future__ import annotations

import gzip
import json
import re
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime

import pytest
from loopback_server import content, loopback, status
from typer.testing import CliRunner

from poma_assets.cli.app import app
from poma_assets.cli.gene_sets import _configuration_line
from poma_assets.science.errors import GeneSetError, InputError
from poma_assets.tools import gene_set_services

TODAY = datetime.now(UTC).date().isoformat()
GMT = b"HALLMARK_X\thttps://x\tIRF4\tMYC\nHALLMARK_Y\thttps://y\tCRBN\n"


@pytest.fixture
def study(tmp_path, monkeypatch):
    folder = tmp_path / "study"
    folder.mkdir()
    (folder / "poma.yaml").write_text("name: try\ngene_sets: [go_bp, own.gmt]\n")
    (folder / "own.gmt").write_text("mine\tna\tMYC\tIRF4\n")
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def server(monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(gene_set_services, "_KEGG_INTERVAL_S", 0.0)
    with loopback() as running:
        running.on("/info/pathway", content(b"path  Release 116.0, Nov 25\n"))
        running.on("/list/pathway/hsa", content(b"hsa05202\tMisregulation - Homo sapiens (human)\n"))
        running.on(
            "/link/pathway/hsa", content(b"hsa:4609\tpath:hsa05202\nhsa:3662\tpath:hsa05202\nhsa:999999999\thsa05202\n")
        )
        running.on("/list/hsa", content(b"hsa:4609\tOLD; myc\nhsa:999999999\tuncharacterized\n"))
        running.on("/h.gmt", content(GMT))
        yield running


def run(*arguments):
    return CliRunner().invoke(app, ["gene-sets", *arguments], catch_exceptions=False, env={"COLUMNS": "200"})


def files(study):
    return sorted(path.name for path in (study / "gene_sets").iterdir())


def test_kegg_is_fetched_dated_hashed_and_its_line_is_told(study, server):
    result = run("fetch", "kegg", "--from", server.url)
    assert result.exit_code == 0
    name = f"kegg_hsa.{TODAY}"
    assert files(study) == [f"{name}.gmt.gz", f"{name}.json"]
    assert (
        gzip.decompress((study / "gene_sets" / f"{name}.gmt.gz").read_bytes())
        == b"hsa05202\tMisregulation\tIRF4\tMYC\n"
    )
    assert "academic use by academic users only" in result.stderr
    assert f"asking {server.url}/link/pathway/hsa" in result.stderr
    assert f"gene_sets/{name}.gmt.gz: 1 sets, 2 genes, release 116.0, Nov 25, SHA-256 " in result.stdout
    assert (
        "symbols of 3 genes: 2 by Entrez id from the shipped table, 0 from KEGG's own list, 1 have none"
        in result.stdout
    )
    assert f"gene_sets: [go_bp, own.gmt, gene_sets/{name}.gmt.gz]" in result.stdout


def test_a_second_fetch_on_one_day_asks_nobody_unless_forced(study, server):
    run("fetch", "hallmark", "--from", server.url + "/h.gmt")
    before = files(study)
    result = run("fetch", "hallmark", "--from", server.url + "/h.gmt")
    assert "fetched today already; --force fetches again" in result.stdout
    assert "gene_sets: [go_bp, own.gmt, gene_sets/hallmark." in result.stdout
    assert (len(server.requests), files(study)) == (1, before)
    server.on("/h.gmt", content(GMT + b"HALLMARK_Z\tna\tIKZF1\n"))
    assert "3 sets, 4 genes" in run("fetch", "hallmark", "--from", server.url + "/h.gmt", "--force").stdout
    assert (len(server.requests), files(study)) == (2, before)
    (study / "gene_sets" / before[0]).write_bytes(b"damaged")
    assert "3 sets, 4 genes" in run("fetch", "hallmark", "--from", server.url + "/h.gmt").stdout
    assert len(server.requests) == 3


def test_the_address_comes_from_the_environment(study, server, monkeypatch):
    monkeypatch.setenv("POMA_REACTOME_URL", server.on("/r", content(b"Apoptosis\tR-HSA-109581\tBAX\tBCL2\n")))
    result = json.loads(run("fetch", "reactome", "--json").stdout)
    assert result["name"] == f"gene_sets/reactome.{TODAY}.gmt.gz"
    assert (result["n_sets"], result["licence"], result["source"]) == (1, "CC0 (Reactome)", server.url + "/r")
    assert run("show", result["name"], "R-HSA-109581").stdout == "R-HSA-109581  Apoptosis: 2 genes\nBAX BCL2\n"


def test_two_addresses_of_one_name_do_not_overwrite_each_other(study, server):
    other = server.on("/other/h.gmt", content(GMT))
    run("fetch", server.url + "/h.gmt")
    with pytest.raises(InputError, match=r"were fetched today from another address.*--name"):
        run("fetch", other)
    run("fetch", other, "--name", "h2")
    assert files(study) == [f"h.{TODAY}.gmt.gz", f"h.{TODAY}.json", f"h2.{TODAY}.gmt.gz", f"h2.{TODAY}.json"]


def test_a_failed_fetch_leaves_nothing(study, server):
    with pytest.raises(GeneSetError, match="a web page"):
        run("fetch", server.on("/login.gmt", content(b"<html>")))
    server.on("/list/hsa", status(404))
    with pytest.raises(Exception, match="KEGG does not know"):
        run("fetch", "kegg", "--from", server.url)
    assert not (study / "gene_sets").exists()


def test_an_interrupted_fetch_leaves_nothing(study, server):
    def slow(handler):
        content(GMT, cut_after=5)(handler)
        handler.wfile.flush()
        time.sleep(20)

    url = server.on("/slow.gmt", slow)
    process = subprocess.Popen(
        [sys.executable, "-m", "poma_assets.cli.main", "gene-sets", "fetch", url],
        cwd=study, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    until = time.monotonic() + 20
    while not server.asked("/slow.gmt") and time.monotonic() < until:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert server.asked("/slow.gmt")
    assert process.returncode != 0
    assert not (study / "gene_sets").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["fetch", "keg"], "Did you mean 'kegg'"),
        (["fetch", "kegg", "--checksum", "md5:" + "0" * 32], "--checksum is for files"),
        (["fetch", "http://h/a.gmt", "--name", "../x"], "this cannot be the name of a file"),
        (["fetch", "ftp://h/a.gmt"], "not an address that can be fetched"),
        (["show", "go_bp", "no such process"], "no gene set has this id or name"),
        (["show", "kegg"], "Unknown gene sets"),
    ],
)
def test_wrong_input_is_answered(study, arguments, words):
    with pytest.raises(InputError, match=re.escape(words)):
        run(*arguments)


def test_the_list_of_a_study(study, server):
    run("fetch", "hallmark", "--from", server.url + "/h.gmt")
    (study / "poma.yaml").write_text(
        f"name: try\ngene_sets: [go_cc, own.gmt, gone.gmt, gene_sets/hallmark.{TODAY}.gmt.gz]\n"
    )
    rows = {row["name"]: row for row in json.loads(run("list", "--json").stdout)}
    assert list(rows) == ["go_bp", "go_mf", "go_cc", f"gene_sets/hallmark.{TODAY}.gmt.gz", "own.gmt", "gone.gmt"]
    assert [row["used"] for row in rows.values()] == [False, False, True, True, True, True]
    assert [row["state"] for row in rows.values()] == ["ok"] * 5 + ["unreadable"]
    assert (rows["go_bp"]["n_sets"], rows["go_bp"]["date"]) == (9006, "2022-07-01")
    assert (rows["own.gmt"]["n_sets"], rows["own.gmt"]["n_genes"]) == (1, 2)
    (study / "gene_sets" / f"hallmark.{TODAY}.gmt.gz").write_bytes(gzip.compress(b"a\tb\tC\n"))
    text = run("list").stdout
    assert re.search(rf"hallmark.{TODAY}.*changed", text)
    assert re.search(r"^ \* +go_cc +1,133 +11,598 +Gene Ontology CC", text, re.MULTILINE)
    assert re.search(r"^ +go_bp +9,006", text, re.MULTILINE)


def test_outside_a_study_the_shipped_sets_are_listed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert [row["name"] for row in json.loads(run("list", "--json").stdout)] == ["go_bp", "go_mf", "go_cc"]
    with pytest.raises(InputError, match="poma init"):
        run("fetch", "kegg")


def test_a_set_is_found_by_id_name_or_a_part_of_it(study):
    by_id = run("show", "go_cc", "go:0080008").stdout
    assert by_id == run("show", "go_cc", "Cul4-RING E3 ubiquitin ligase complex").stdout
    assert "CRBN" in by_id
    several = run("show", "go_bp", "type I interferon").stdout
    assert "response to type I interferon" in several
    assert re.search(r"^\d+ sets", several, re.MULTILINE)
    assert "9,006 sets (the first 20 are shown)" in run("show", "go_bp").stdout
    assert json.loads(run("show", "own.gmt", "--json").stdout) == [
        {"term_id": "mine", "term_name": "mine", "genes": ["MYC", "IRF4"]}
    ]


def test_the_line_for_the_configuration():
    def line(present):
        return _configuration_line(present, "gene_sets/kegg_hsa.2026-11-22.gmt.gz", "kegg_hsa")

    assert line(["go_bp"]) == "gene_sets: [go_bp, gene_sets/kegg_hsa.2026-11-22.gmt.gz]"
    assert line([]) == "gene_sets: [gene_sets/kegg_hsa.2026-11-22.gmt.gz]"
    assert line(["gene_sets/kegg_hsa.2026-11-22.gmt.gz"]) is None
    assert line(["gene_sets/kegg_hsa.2025-01-02.gmt.gz", "a, b.gmt", "gene_sets/kegg_hsa.2024-01-02.gmt.gz"]) == (
        "gene_sets: [gene_sets/kegg_hsa.2026-11-22.gmt.gz, 'a, b.gmt']"
    )
