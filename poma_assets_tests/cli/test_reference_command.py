"""``poma reference`` as a user meets it, with tiny references on the loopback interface."""

from __future__ import annotations

import gzip
import hashlib
import json
import subprocess

import pytest
import yaml
from loopback_server import content, loopback, status
from typer.testing import CliRunner

from poma_assets.cli.app import app
from poma_assets.science.errors import ConfigError, InputError, ReferenceFilesError
from poma_assets.tools import download as download_module
from poma_assets.tools.download import DownloadError

FASTA = gzip.compress(b">chr1\nACGTACGTTGCA\n" * 3000, mtime=0)
GTF = gzip.compress(b'chr1\tHAVANA\texon\t1\t9\t.\t+\t.\tgene_id "G1"; transcript_id "T1";\n' * 50, mtime=0)
HUMAN = "/gencode/Gencode_human/release_47"
FA, GT = "GRCh38.primary_assembly.genome.fa.gz", "gencode.v47.primary_assembly.annotation.gtf.gz"
ENSEMBL_FA = "/ensembl/release-113/fasta/homo_sapiens/dna/Homo_sapiens.GRCh38.dna.primary_assembly.fa.gz"
ENSEMBL_GTF = "/ensembl/release-113/gtf/homo_sapiens/Homo_sapiens.GRCh38.113.gtf.gz"


@pytest.fixture
def server(monkeypatch, tmp_path):
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("POMA_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(download_module.Patience, "__init__", quick_patience(download_module.Patience))
    with loopback() as running:
        monkeypatch.setenv("POMA_GENCODE_URL", f"{running.url}/gencode/")
        monkeypatch.setenv("POMA_ENSEMBL_URL", f"{running.url}/ensembl")
        sums = [f"{hashlib.md5(body).hexdigest()}  {name}\n" for name, body in ((FA, FASTA), (GT, GTF))]
        running.on(f"{HUMAN}/MD5SUMS", content(f"{'0' * 32}  gencode.v47.annotation.gtf.gz\n{''.join(sums)}".encode()))
        running.on(f"{HUMAN}/{FA}", content(FASTA, etag='"v"'))
        running.on(f"{HUMAN}/{GT}", content(GTF, etag='"v"'))
        for path, body in ((ENSEMBL_FA, FASTA), (ENSEMBL_GTF, GTF)):
            folder, _, name = path.rpartition("/")
            running.on(path, content(body, etag='"v"'))
            running.on(f"{folder}/CHECKSUMS", content(f"{sum_of(body)} {name}\n".encode()))
        yield running


def quick_patience(patience):
    original = patience.__init__

    def quick(self, attempts=3, first_wait_s=0.01, longest_wait_s=1.0, timeout_s=5.0):
        original(self, attempts, first_wait_s, longest_wait_s, timeout_s)

    return quick


def sum_of(body):
    """What the program ``sum`` of this machine prints: an implementation that is not ours."""
    return subprocess.run(["sum"], input=body, capture_output=True, check=True).stdout.decode().strip()


def run(*arguments):
    return CliRunner().invoke(app, ["reference", *arguments], catch_exceptions=False, env={"COLUMNS": "250"})


def test_gencode_is_fetched_checked_and_its_lines_are_told(server, tmp_path):
    result = run("fetch", "gencode", "--release", "47")
    folder = tmp_path / "cache" / "references" / "gencode-47-human"
    assert (folder / FA).read_bytes() == FASTA
    assert (folder / GT).read_bytes() == GTF
    assert yaml.safe_load(result.stdout.partition("\n")[2]) == {
        "reference": {"genome": str(folder / FA), "annotation": str(folder / GT)}
    }
    assert f"fetching {server.url}{HUMAN}/{FA}" in result.stderr
    note = json.loads((folder / "reference.json").read_text())
    assert note["genome"]["checksum"] == f"md5:{hashlib.md5(FASTA).hexdigest()}"


def test_ensembl_is_checked_by_bsd_sums(server, tmp_path):
    run("fetch", "ensembl", "--release", "113")
    folder = tmp_path / "cache" / "references" / "ensembl-113-human"
    note = json.loads((folder / "reference.json").read_text())
    checksum, blocks = sum_of(FASTA).split()
    assert note["genome"]["checksum"] == f"bsd:{int(checksum)} {blocks}"
    assert (folder / note["annotation"]["name"]).read_bytes() == GTF


def test_a_second_fetch_asks_nobody_and_mends_what_was_damaged(server, tmp_path):
    run("fetch", "gencode", "--release", "47")
    asked = len(server.requests)
    run("fetch", "gencode", "--release", "v47")
    assert len(server.requests) == asked
    folder = tmp_path / "cache" / "references" / "gencode-47-human"
    (folder / GT).write_bytes(b"damaged")
    assert "damaged: fetch it again" in run("list").stdout
    run("fetch", "gencode", "--release", "47")
    assert (folder / GT).read_bytes() == GTF
    assert [request.path for request in server.requests[asked:]] == [f"{HUMAN}/{GT}"]


@pytest.mark.parametrize(
    ("service", "release", "path"), [("gencode", "47", f"{HUMAN}/{FA}"), ("ensembl", "113", ENSEMBL_FA)]
)
def test_a_corrupted_file_is_fetched_once_more_then_refused(server, tmp_path, service, release, path):
    spoilt = FASTA[:100] + bytes([FASTA[100] ^ 1]) + FASTA[101:]
    server.on(path, content(spoilt))
    with pytest.raises(DownloadError, match="does not have the checksum expected"):
        run("fetch", service, "--release", release)
    assert len(server.asked(path)) == 2
    folder = tmp_path / "cache" / "references" / f"{service}-{release}-human"
    assert not (folder / path.rpartition("/")[2]).exists()
    assert "none in" in run("list").stdout
    server.on(path, content(spoilt), content(FASTA))
    assert "Fetching it once more" in run("fetch", service, "--release", release).stderr
    assert (folder / path.rpartition("/")[2]).read_bytes() == FASTA


def test_broken_connections_are_resumed(server, tmp_path):
    path = f"{HUMAN}/{FA}"
    server.on(path, content(FASTA, cut_after=60), status(503), content(FASTA))
    run("fetch", "gencode", "--release", "47")
    assert [request.headers.get("Range") for request in server.asked(path)] == [None, "bytes=60-", "bytes=60-"]
    assert (tmp_path / "cache" / "references" / "gencode-47-human" / FA).read_bytes() == FASTA


def test_a_release_that_is_not_there_is_said_so(server):
    with pytest.raises(ReferenceFilesError, match="there is no such release"):
        run("fetch", "gencode", "--release", "999")
    with pytest.raises(InputError, match="Did you mean 'ensembl'"):
        run("fetch", "ensemble")


def test_the_default_release_is_said(server):
    folder = "/gencode/Gencode_human/release_49"
    server.on(f"{folder}/MD5SUMS", content(b""))
    with pytest.raises(ReferenceFilesError, match="does not name GRCh38"):
        run("fetch", "gencode")
    assert [request.path for request in server.requests] == [f"{folder}/MD5SUMS"]


def test_a_study_without_reference_gets_its_lines(server, tmp_path):
    study = tmp_path / "study"
    study.mkdir()
    (study / "poma.yaml").write_text("# mine\nname: x\n")
    result = run("fetch", "gencode", "--release", "47", "--study", str(study))
    assert "names it now" in result.stdout
    written = yaml.safe_load((study / "poma.yaml").read_text())
    assert written["reference"]["genome"].endswith(f"gencode-47-human/{FA}")
    assert (study / "poma.yaml").read_text().startswith("# mine\nname: x\nreference:\n")
    asked = len(server.requests)
    with pytest.raises(ConfigError, match="names a reference already"):
        run("fetch", "ensembl", "--release", "113", "--study", str(study))
    assert len(server.requests) == asked


def test_what_was_fetched_is_listed(server, tmp_path):
    assert "none in" in run("list").stdout
    run("fetch", "gencode", "--release", "47")
    run("fetch", "ensembl", "--release", "113")
    rows = json.loads(run("list", "--json").stdout)
    assert [(row["service"], row["release"], row["organism"], row["whole"]) for row in rows] == [
        ("ensembl", "113", "human", True),
        ("gencode", "47", "human", True),
    ]
    table = run("list").stdout
    assert str(tmp_path / "cache" / "references" / "gencode-47-human") in table
