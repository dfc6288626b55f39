"""Gene-set services against a loopback server that speaks their formats."""

from __future__ import annotations

import gzip
import hashlib
import io
import itertools
import zipfile

import pytest
from loopback_server import content, hang_up, loopback, status

from poma_assets.science.errors import GeneSetError, InputError
from poma_assets.tools import gene_set_services
from poma_assets.tools.download import DownloadError, Patience
from poma_assets.tools.gene_set_services import SERVICES, fetch_gmt_file, fetch_kegg, service_of

QUICK = Patience(attempts=2, first_wait_s=0.01, timeout_s=5.0)
GMT = "SET_A\thttp://x\tIRF4\tMYC\nSET_B\thttp://x\tCRBN\n"

INFO = b"pathway          KEGG Pathway Database\npath             Release 116.0+/11-22, Nov 25\n"
PATHWAYS = (
    b"hsa00010\tGlycolysis / Gluconeogenesis - Homo sapiens (human)\n"
    b"hsa05202\tTranscriptional misregulation in cancer - Homo sapiens (human)\n"
)
LINKS = (
    b"hsa:3101\tpath:hsa00010\nhsa:10327\tpath:hsa00010\nhsa:99999999\tpath:hsa00010\n"
    b"hsa:4609\tpath:hsa05202\nhsa:88888888\tpath:hsa05202\n"
)
GENES = (
    b"hsa:3101\tCDS\t5:complement(1..2)\tHK3, HKIII; hexokinase 3\n"
    b"hsa:10327\tCDS\t1:1..2\tAKR1A1, ALR; aldo-keto reductase family 1 member A1\n"
    b"hsa:4609\tCDS\t8:1..2\tOUTDATED; MYC proto-oncogene\n"
    b"hsa:88888888\tCDS\t8:1..2\tNEWGENE; some new gene\n"
    b"hsa:99999999\tncRNA\t8:1..2\tuncharacterized LOC99999999\n"
)
SYMBOLS = {"3101": "HK3", "10327": "AKR1A1", "4609": "MYC"}


@pytest.fixture
def server(monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with loopback() as running:
        running.on("/info/pathway", content(INFO))
        running.on("/list/pathway/hsa", content(PATHWAYS))
        running.on("/link/pathway/hsa", content(LINKS, chunked=True))
        running.on("/list/hsa", content(GENES))
        yield running


def zipped(**files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return buffer.getvalue()


def test_kegg_is_asked_four_times_and_mapped_to_symbols(server):
    asked = []
    got = fetch_kegg(server.url + "/", "hsa", SYMBOLS, patience=QUICK, on_step=asked.append)
    assert got.gmt == (
        "hsa00010\tGlycolysis / Gluconeogenesis\tAKR1A1\tHK3\n"
        "hsa05202\tTranscriptional misregulation in cancer\tMYC\tNEWGENE\n"
    )
    assert (got.source, got.release, got.unmapped) == (server.url, "116.0+/11-22, Nov 25", ("hsa:99999999",))
    assert got.note == (
        "symbols of 5 genes: 3 by Entrez id from the shipped table, 1 from KEGG's own list, "
        "1 have none and are left out"
    )
    paths = ["/info/pathway", "/list/pathway/hsa", "/link/pathway/hsa", "/list/hsa"]
    assert [request.path for request in server.requests] == paths
    assert asked == [server.url + path for path in paths]


def test_kegg_is_asked_at_most_three_times_a_second(server):
    fetch_kegg(server.url, "hsa", SYMBOLS, patience=QUICK)
    times = [request.at_s for request in server.requests]
    assert all(later - earlier >= 1 / 3 for earlier, later in itertools.pairwise(times))


@pytest.fixture
def hurried(monkeypatch):
    monkeypatch.setattr(gene_set_services, "_KEGG_INTERVAL_S", 0.0)


def test_the_table_of_human_ids_is_not_used_for_other_organisms(server, hurried):
    server.on("/list/pathway/mmu", content(b"path:mmu00010\tGlycolysis - Mus musculus (house mouse)\n"))
    server.on("/link/pathway/mmu", content(b"path:mmu00010\tmmu:3101\npath:mmu00010\tmmu:5\n"))
    server.on("/list/mmu", content(b"mmu:3101\tHk9; hexokinase\nmmu:5\tGm5\n"))
    got = fetch_kegg(server.url, "mmu", SYMBOLS, patience=QUICK)
    assert got.gmt == "mmu00010\tGlycolysis\tHk9\n"
    assert got.unmapped == ("mmu:5",)


@pytest.mark.parametrize("code", [400, 404])
def test_an_unknown_organism_is_named(server, hurried, code):
    server.on("/list/pathway/xyz", status(code))
    with pytest.raises(
        DownloadError, match=r"KEGG does not know the organism 'xyz' \(found HTTP 40[04].*hsa \(human\)"
    ):
        fetch_kegg(server.url, "xyz", {}, patience=QUICK)


@pytest.mark.parametrize("organism", ["human", "hs", "HSA", "hsa/../x", ""])
def test_a_code_that_cannot_be_one_is_not_asked_for(server, organism):
    with pytest.raises(InputError, match="this is no organism of KEGG"):
        fetch_kegg(server.url, organism, {}, patience=QUICK)
    assert server.requests == []


def test_kegg_refusing_or_answering_a_web_page(server, hurried):
    server.on("/link/pathway/hsa", status(403))
    with pytest.raises(DownloadError, match=r"/link/pathway/hsa: the server refuses access"):
        fetch_kegg(server.url, "hsa", SYMBOLS, patience=QUICK)
    server.on("/link/pathway/hsa", content(b"<html>\n<body>maintenance</body>"))
    with pytest.raises(GeneSetError, match=r"/link/pathway/hsa, line 1: this is not a table of KEGG's service"):
        fetch_kegg(server.url, "hsa", SYMBOLS, patience=QUICK)


def test_kegg_breaking_off_is_asked_again(server, hurried):
    server.on("/list/hsa", content(GENES, chunked=True, cut_after=100), hang_up, content(GENES))
    got = fetch_kegg(server.url, "hsa", SYMBOLS, patience=Patience(attempts=5, first_wait_s=0.01))
    assert "NEWGENE" in got.gmt
    assert len(server.asked("/list/hsa")) == 3


@pytest.mark.parametrize(
    "body",
    [
        GMT.encode(),
        gzip.compress(GMT.encode(), mtime=0),
        gzip.compress(GMT[:20].encode(), mtime=0) + gzip.compress(GMT[20:].encode(), mtime=0),
        zipped(**{"folder/h.all.gmt": GMT, "readme.txt": "x", "__MACOSX/._h.gmt": "x"}),
        b"\xef\xbb\xbf" + GMT.encode(),
    ],
    ids=["plain", "gzip", "gzip of two members", "zip", "byte-order mark"],
)
def test_gmt_files_of_any_packing(server, body):
    url = server.on("/h.all.gmt", content(body, modified="Sun, 22 Nov 2026 10:00:00 GMT"))
    got = fetch_gmt_file(url, patience=QUICK)
    assert (got.gmt, got.source, got.unmapped) == (GMT, url, ())
    assert got.release == "file of Sun, 22 Nov 2026 10:00:00 GMT"


def test_reactome_has_its_ids_first(server):
    text = "Signaling by X\tR-HSA-177929\tEGF\tEGFR\nSignaling by X\tR-HSA-2\tMYC\n"
    url = server.on("/ReactomePathways.gmt.zip", content(zipped(**{"ReactomePathways.gmt": text})))
    got = fetch_gmt_file(url, patience=QUICK)
    assert got.gmt == "R-HSA-177929\tSignaling by X\tEGF\tEGFR\nR-HSA-2\tSignaling by X\tMYC\n"


def test_one_line_without_an_id_leaves_the_columns(server):
    text = "Signaling by X\tR-HSA-177929\tEGF\tEGFR\nown set\tna\tMYC\n"
    assert fetch_gmt_file(server.on("/a.gmt", content(text.encode())), patience=QUICK).gmt == text


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"\n<!DOCTYPE html><title>Sign in</title>", "the server answered with a web page"),
        (gzip.compress(GMT.encode(), mtime=0)[:-9], "the compressed file is damaged"),
        (zipped(**{"a.gmt": GMT})[:-30], "the compressed file is damaged"),
        (zipped(**{"a.gmt": GMT, "b.gmt": GMT}), "the zip archive is not one GMT file (found a.gmt, b.gmt"),
        (zipped(**{"a.txt": GMT}), "the zip archive is not one GMT file"),
        (b"SET\tx\t\xff", "not a text file in UTF-8 (found byte 0xff at offset 6"),
    ],
)
def test_what_is_no_gmt_file(server, body, words):
    url = server.on("/a", content(body))
    with pytest.raises(GeneSetError) as caught:
        fetch_gmt_file(url, patience=QUICK)
    assert str(caught.value).startswith(f"{url}: ")
    assert words in str(caught.value)


@pytest.mark.parametrize("pack", [gzip.compress, lambda text: zipped(**{"a.gmt": text})])
def test_a_file_that_unpacks_to_too_much(server, monkeypatch, pack):
    monkeypatch.setattr(gene_set_services, "_LARGEST_TEXT_BYTES", 1000)
    url = server.on("/a", content(pack(b"x" * 1001)))
    with pytest.raises(GeneSetError, match="larger than allowed"):
        fetch_gmt_file(url, patience=QUICK)


def test_a_checksum_is_kept_to(server):
    url = server.on("/a.gmt", content(GMT.encode()))
    digest = hashlib.sha256(GMT.encode()).hexdigest()
    assert fetch_gmt_file(url, checksum=f"sha256:{digest}", patience=QUICK).gmt == GMT
    with pytest.raises(DownloadError, match="does not have the checksum"):
        fetch_gmt_file(url, checksum="sha256:" + "0" * 64, patience=QUICK)


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("https://h/x/c2.cp.v2024.1.Hs.symbols.gmt", "c2.cp.v2024.1.Hs.symbols"),
        ("https://h/Own%20sets%20(2).GMT.gz?version=3", "Own_sets_2"),
        ("https://h/download?id=4", "download"),
        ("https://h", "gene_sets"),
        ("https://h/..%2f..%2fetc.gmt", "etc"),
        ("https://h/kegg.gmt", "kegg"),
    ],
)
def test_an_address_gives_a_name(address, name):
    service = service_of(address)
    assert (service.name, service.address) == (name, address)
    assert service is not SERVICES["kegg"]


def test_the_address_of_a_service_may_be_given(monkeypatch):
    kegg = service_of("kegg")
    monkeypatch.delenv("POMA_KEGG_URL", raising=False)
    assert kegg.address_or("") == "https://rest.kegg.jp"
    monkeypatch.setenv("POMA_KEGG_URL", "http://mirror/kegg/")
    assert kegg.address_or("") == "http://mirror/kegg"
    assert kegg.address_or("http://given") == "http://given"
    with pytest.raises(
        InputError, match=r"found 'halmark'; expected kegg, hallmark, reactome.*Did you mean 'hallmark'"
    ):
        service_of("halmark")
