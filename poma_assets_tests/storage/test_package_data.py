import gzip
import hashlib
import re

import pytest

from poma_assets.science.errors import GeneSetError, StorageError
from poma_assets.storage import package_data
from poma_assets.storage.package_data import (
    data_file,
    gene_set_path,
    read_gene_ids,
    read_gene_sets,
    shipped_gene_sets,
)

GMT = "a\tfirst\tG1\tG2\nb\tsecond\tG3\n"


def test_data_beside_the_package_in_a_checkout():
    path = data_file("gene_sets", "go_bp.symbols.gmt.gz")
    assert path.parts[-3:] == ("data", "gene_sets", "go_bp.symbols.gmt.gz")
    assert path.is_file()


def test_data_inside_the_package_in_a_wheel(tmp_path, monkeypatch):
    package = tmp_path / "site-packages" / "poma_assets"
    inside, beside = package / "data" / "x.tsv", package.parent / "data" / "x.tsv"
    for path in (inside, beside):
        path.parent.mkdir(parents=True)
        path.write_text("")
    monkeypatch.setattr(package_data, "_PACKAGE", package)
    assert data_file("x.tsv") == inside
    inside.unlink()
    assert data_file("x.tsv") == beside


@pytest.mark.parametrize("parts", [("gene_sets", "nothing.gmt"), ("gene_sets",)])
def test_absent_data_file(parts):
    with pytest.raises(StorageError, match=rf"^{'/'.join(parts)}: A data file of poma-assets is missing"):
        data_file(*parts)


def test_shipped_go_biological_process(tmp_path):
    collection = read_gene_sets("go_bp", tmp_path)
    assert collection.name == "go_bp"
    assert len(collection.sets) == 9006
    assert {len(s.genes) >= 5 and len(s.genes) <= 500 for s in collection.sets} == {True}
    terms = {s.term_id: s for s in collection.sets}
    assert terms["GO:0000012"].term_name == "single strand break repair"
    assert {"PARP1", "LIG4", "XRCC1"} <= set(terms["GO:0000012"].genes)
    # Genes of a term are genes of its ancestors: cellular response to, and response to type I interferon.
    assert set(terms["GO:0060337"].genes) <= set(terms["GO:0034340"].genes)
    markers = {"CRBN", "IKZF1", "IKZF3", "IRF4", "MYC", "CSNK1A1"}
    assert markers <= collection.genes


@pytest.mark.parametrize(
    ("name", "sets", "term", "term_name", "genes"),
    [
        ("go_mf", 1899, "GO:0061630", "ubiquitin protein ligase activity", {"MDM2", "CBL"}),
        ("go_cc", 1133, "GO:0080008", "Cul4-RING E3 ubiquitin ligase complex", {"CRBN", "DDB1", "CUL4A"}),
    ],
)
def test_shipped_go_function_and_component(tmp_path, name, sets, term, term_name, genes):
    collection = read_gene_sets(name, tmp_path)
    assert (collection.name, len(collection.sets)) == (name, sets)
    (found,) = [s for s in collection.sets if s.term_id == term]
    assert found.term_name == term_name
    assert genes <= set(found.genes)


def test_the_table_of_sources_tells_the_truth(tmp_path):
    sources = shipped_gene_sets()
    assert [source.name for source in sources] == ["go_bp", "go_mf", "go_cc"]
    for source in sources:
        collection = read_gene_sets(source.name, tmp_path)
        assert source.sha256 == collection.sha256
        assert (source.n_sets, source.n_genes) == (len(collection.sets), len(collection.genes))
        assert (source.date, source.licence) == ("2022-07-01", "CC BY 4.0 (Gene Ontology Consortium)")


@pytest.mark.parametrize(
    "name",
    ["go_bp.symbols.gmt.gz", "go_mf.symbols.gmt.gz", "go_cc.symbols.gmt.gz", "human_gene_ids.tsv.gz"],
)
def test_readme_has_the_hash_of_the_shipped_file(name):
    readme = data_file("gene_sets", "README.md").read_text()
    (stated,) = re.findall(rf"`([0-9a-f]{{64}})` \| `{re.escape(name)}`, unpacked", readme)
    assert hashlib.sha256(gzip.decompress(data_file("gene_sets", name).read_bytes())).hexdigest() == stated


def test_gene_ids_hold_each_marker_once():
    table = read_gene_ids()
    assert table.shape == (40_102, 3)
    assert list(table.columns) == ["entrez_id", "gene_symbol", "ensembl_gene_id"]
    ids = table.set_index("gene_symbol")
    assert ids.loc["IRF4"].tolist() == ["3662", "ENSG00000137265"]
    assert ids.loc["MYC"].tolist() == ["4609", "ENSG00000136997"]
    assert "NA" not in set(table["entrez_id"])


def test_path_of_gene_sets_as_the_study_names_them(tmp_path):
    assert gene_set_path("go_cc", tmp_path) == data_file("gene_sets", "go_cc.symbols.gmt.gz")
    assert gene_set_path("gene_sets/kegg_hsa.2026-11-22.gmt.gz", tmp_path) == (
        tmp_path / "gene_sets" / "kegg_hsa.2026-11-22.gmt.gz"
    )
    assert gene_set_path("/elsewhere/own.GMT", tmp_path).as_posix() == "/elsewhere/own.GMT"
    with pytest.raises(GeneSetError, match="poma gene-sets fetch"):
        gene_set_path("hallmark", tmp_path)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("hallmark.v7.gmt", GMT.encode()),
        ("hallmark.v7.gmt.gz", gzip.compress(GMT.encode(), mtime=0)),
        ("hallmark.v7.GMT", GMT.encode()),
        ("hallmark.v7.gmt", gzip.compress(GMT.encode(), mtime=0)),
    ],
)
def test_file_of_the_user_relative_to_the_study(tmp_path, name, content):
    (tmp_path / "sets").mkdir()
    (tmp_path / "sets" / name).write_bytes(content)
    collection = read_gene_sets(f"sets/{name}", tmp_path)
    assert collection.name == "hallmark.v7"
    assert collection.source == str(tmp_path / "sets" / name)
    assert [s.genes for s in collection.sets] == [("G1", "G2"), ("G3",)]
    assert collection.sha256 == hashlib.sha256(GMT.encode()).hexdigest()
    assert read_gene_sets(str(tmp_path / "sets" / name), tmp_path / "elsewhere") == collection


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (gzip.compress(GMT.encode() * 50, mtime=0)[:-9], "the compressed file is damaged or cut off"),
        (b"\x1f\x8b\x08\x00garbage that is no deflate stream", "the compressed file is damaged or cut off"),
        (b"a\tfirst\tG1\nb\tsecond\t\xff\xfe\n", "line 2: the gene-set file is not encoded as UTF-8 (found byte 0xff"),
        (b"a\tfirst\tG1\nb\n", "line 2: A gene set needs at least three fields"),
        (b"", "The file has no gene sets"),
    ],
)
def test_damaged_files_are_named(tmp_path, content, words):
    path = tmp_path / "mine.gmt.gz"
    path.write_bytes(content)
    with pytest.raises(GeneSetError) as error:
        read_gene_sets("mine.gmt.gz", tmp_path)
    assert str(error.value).startswith(str(path))
    assert words in str(error.value)


def test_missing_file_and_unknown_name(tmp_path):
    with pytest.raises(GeneSetError, match="the gene-set file does not exist"):
        read_gene_sets("sets.gmt", tmp_path)
    with pytest.raises(GeneSetError, match=r"found 'kegg'; expected go_bp, go_mf, go_cc or the path"):
        read_gene_sets("kegg", tmp_path)
    (tmp_path / "folder.gmt").mkdir()
    with pytest.raises(GeneSetError, match="the gene-set file is no ordinary file"):
        read_gene_sets("folder.gmt", tmp_path)
