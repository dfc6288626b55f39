import gzip
import hashlib
import runpy
import sqlite3
from pathlib import Path

import pytest

BUILD = runpy.run_path(str(Path(__file__).parents[2] / "data" / "gene_sets" / "build.py"))


@pytest.fixture
def databases(tmp_path):
    """The tables of org.Hs.eg.sqlite and GO.sqlite that the build reads: terms of 4, 5, 500 and 501 genes."""
    org, go = tmp_path / "org.sqlite", tmp_path / "go.sqlite"
    with sqlite3.connect(org) as connection:
        connection.executescript(
            """CREATE TABLE genes (_id INTEGER, gene_id TEXT);
            CREATE TABLE gene_info (_id INTEGER, gene_name TEXT, symbol TEXT);
            CREATE TABLE ensembl (_id INTEGER, ensembl_id TEXT);
            CREATE TABLE go_bp_all (_id INTEGER, go_id TEXT, evidence TEXT);
            CREATE TABLE go_mf_all (_id INTEGER, go_id TEXT, evidence TEXT);
            CREATE TABLE go_cc_all (_id INTEGER, go_id TEXT, evidence TEXT);
            CREATE TABLE metadata (name TEXT, value TEXT);"""
        )
        ids = range(1, 502)
        connection.executemany("INSERT INTO genes VALUES (?, ?)", [(i, str(i * 10)) for i in ids])
        connection.executemany("INSERT INTO gene_info VALUES (?, '', ?)", [(i, f"S{502 - i:03d}") for i in ids])
        connection.executemany("INSERT INTO ensembl VALUES (?, ?)", [(100, "E1"), (9, "E3"), (9, "E2")])
        for term, size in (("GO:4", 4), ("GO:3", 5), ("GO:2", 500), ("GO:1", 501)):
            rows = [(i, term, evidence) for i in range(1, size + 1) for evidence in ("IEA", "IDA")]
            connection.executemany("INSERT INTO go_bp_all VALUES (?, ?, ?)", rows)
        for table, term in (("go_mf_all", "GO:5"), ("go_cc_all", "GO:6")):
            connection.executemany(f"INSERT INTO {table} VALUES (?, ?, 'IDA')", [(i, term) for i in range(1, 7)])
    with sqlite3.connect(go) as connection:
        connection.execute("CREATE TABLE metadata (name TEXT, value TEXT)")
        connection.execute("INSERT INTO metadata VALUES ('GOSOURCEDATE', '2022-07-01')")
        connection.execute("CREATE TABLE go_term (go_id TEXT, term TEXT, ontology TEXT)")
        terms = [(f"GO:{n}", f"process {n}", "BP") for n in range(1, 5)]
        terms += [("GO:5", "function 5", "MF"), ("GO:6", "component 6", "CC")]
        connection.executemany("INSERT INTO go_term VALUES (?, ?, ?)", terms)
    return org, go


def test_terms_of_5_to_500_genes_sorted_and_without_duplicates(databases):
    lines = [line.split("\t") for line in BUILD["gene_set_lines"](*databases, "BP")]
    assert [(line[0], line[1], len(line) - 2) for line in lines] == [
        ("GO:2", "process 2", 500),
        ("GO:3", "process 3", 5),
    ]
    assert lines[1][2:] == ["S497", "S498", "S499", "S500", "S501"]


@pytest.mark.parametrize(("ontology", "term", "name"), [("MF", "GO:5", "function 5"), ("CC", "GO:6", "component 6")])
def test_each_ontology_reads_its_own_tables(databases, ontology, term, name):
    (line,) = BUILD["gene_set_lines"](*databases, ontology)
    assert line.split("\t") == [term, name, "S496", "S497", "S498", "S499", "S500", "S501"]


def test_the_same_databases_give_the_same_bytes(databases):
    files = BUILD["build"](*databases)
    assert files == BUILD["build"](*databases)
    assert sorted(files) == [
        "go_bp.symbols.gmt.gz",
        "go_cc.symbols.gmt.gz",
        "go_mf.symbols.gmt.gz",
        "human_gene_ids.tsv.gz",
        "sources.tsv",
    ]
    header, *rows = files["sources.tsv"].decode().splitlines()
    assert header.split("\t") == ["name", "file", "n_sets", "n_genes", "source", "date", "licence", "sha256"]
    # GO:2 has 500 genes and holds those of GO:3.
    assert [row.split("\t")[:4] for row in rows] == [
        ["go_bp", "go_bp.symbols.gmt.gz", "2", "500"],
        ["go_mf", "go_mf.symbols.gmt.gz", "1", "6"],
        ["go_cc", "go_cc.symbols.gmt.gz", "1", "6"],
    ]
    fields = rows[1].split("\t")
    assert fields[5:7] == ["2022-07-01", "CC BY 4.0 (Gene Ontology Consortium)"]
    assert fields[7] == hashlib.sha256(gzip.decompress(files["go_mf.symbols.gmt.gz"])).hexdigest()


def test_gene_ids_in_order_of_the_entrez_number(databases):
    assert BUILD["gene_id_lines"](databases[0]) == [
        "entrez_id\tgene_symbol\tensembl_gene_id",
        "90\tS493\tE2",
        "90\tS493\tE3",
        "1000\tS402\tE1",
    ]


def test_gzip_is_reproducible_and_has_no_time():
    content = BUILD["gzip_lines"](["a\tb", "c"])
    assert content == BUILD["gzip_lines"](["a\tb", "c"])
    assert content[4:8] == b"\x00" * 4
    assert gzip.decompress(content) == b"a\tb\nc\n"


def test_check_finds_a_difference(tmp_path, capsys):
    files = {"x.gz": BUILD["gzip_lines"](["a"])}
    assert BUILD["write_or_check"](files, tmp_path, check=False) == 0
    assert BUILD["write_or_check"](files, tmp_path, check=True) == 0
    assert BUILD["write_or_check"]({"x.gz": BUILD["gzip_lines"](["b"])}, tmp_path, check=True) == 1
    assert "differs" in capsys.readouterr().err
    assert BUILD["write_or_check"]({"new.tsv": b"a"}, tmp_path, check=True) == 1
    assert "new.tsv is missing" in capsys.readouterr().err
