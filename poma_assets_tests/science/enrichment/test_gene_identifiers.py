import pytest

from poma_assets.science.enrichment.gene_identifiers import map_collection, parse_gene_ids
from poma_assets.science.enrichment.gmt import parse_gmt
from poma_assets.science.errors import InputError
from poma_assets.storage.package_data import data_file
from poma_assets.storage.text_files import read_text

TABLE = """entrez_id\tgene_symbol\tensembl_gene_id
3662\tIRF4\tENSG00000137265
4609\tMYC\tENSG00000136997
4904\tYBX1\tENSG00000065978
51185\tCRBN\tENSG00000113851
51185\tCRBN\tENSG00000999999
79630\tC1orf54\tENSG00000118292
55768\tNGLY1\tENSG00000151092
100\tADA\t
"""
KNOWN = {"IRF4", "MYC", "NSEP1", "CRBN", "C1orf54", "ENSG00000151092"}
BY_GENE_ID = {
    "ENSG00000137265": "IRF4",
    "ENSG00000136997": "MYC",
    "ENSG00000065978.19": "NSEP1",  # the study's annotation has the old symbol of YBX1
    "ENSG00000999999": "CRBN",
    "ENSG00000118292": "C1orf54",
    "ENSG00000151092": "ENSG00000151092",  # no symbol in the annotation
}


@pytest.fixture(scope="module")
def table():
    return parse_gene_ids(TABLE, source="ids.tsv")


def mapped(genes, table, **options):
    collection = parse_gmt("s\tname of s\t" + "\t".join(genes) + "\n", name="KEGG", source="kegg.gmt")
    result = map_collection(collection, table, KNOWN, **options)
    (gene_set,) = result.collection.sets
    assert (gene_set.term_id, gene_set.term_name) == ("s", "name of s")
    assert (result.collection.name, result.collection.sha256) == ("KEGG", collection.sha256)
    return result, gene_set.genes


@pytest.mark.parametrize(
    ("genes", "kind"),
    [
        (["IRF4", "MYC"], "symbol"),
        (["ENSG00000137265.12", "ENSG00000136997"], "ensembl"),
        (["3662", "4609"], "entrez"),
        (["hsa:3662", "ncbi-geneid:4609"], "entrez"),
    ],
)
def test_every_kind_of_id_reaches_the_names_of_the_study(genes, kind, table):
    result, names = mapped(genes, table)
    assert names == ("IRF4", "MYC")
    assert (result.kind, result.n_genes, result.n_mapped, result.unmapped_examples) == (kind, 2, 2, ())
    assert result.note is None


def test_mixed_ids_are_read_one_by_one(table):
    result, names = mapped(["MYC", "hsa:3662", "ENSG00000113851"], table)
    assert names == ("MYC", "IRF4", "CRBN")
    assert result.kind == "mixed"


def test_two_names_of_one_gene_are_one_gene(table):
    result, names = mapped(["3662", "IRF4", "ENSG00000137265"], table)
    assert names == ("IRF4",)
    assert (result.n_genes, result.n_mapped) == (3, 3)


def test_renamed_genes_and_genes_without_symbol_are_found_by_the_gene_id(table):
    genes = ["YBX1", "4904", "ENSG00000065978", "NGLY1", "55768"]
    assert mapped(genes, table)[1] == ("ENSG00000151092",)
    result, names = mapped(genes, table, symbol_by_gene_id=BY_GENE_ID)
    assert names == ("NSEP1", "ENSG00000151092")
    assert result.n_mapped == 5


def test_what_is_not_mapped_is_counted_and_named(table):
    genes = ["IRF4", "ADA", "999999", "ENSG00000000001", "ZZZ3", "AAA1", "BBB2"]
    result, names = mapped(genes, table)
    assert names == ("IRF4",)
    assert (result.n_genes, result.n_mapped, result.n_other_case) == (7, 1, 0)
    assert result.unmapped_examples == ("999999", "AAA1", "ADA", "BBB2", "ENSG00000000001")
    assert result.note == (
        "6 of 7 genes of KEGG are not in the study's annotation, e.g. 999999, AAA1, ADA, BBB2, ENSG00000000001."
    )


def test_mouse_symbols_are_told_and_not_taken_for_human_ones(table):
    result, names = mapped(["Irf4", "Myc", "CRBN", "Xist"], table)
    assert names == ("CRBN",)
    assert result.n_other_case == 2
    assert "2 of them differ in capital letters only: are the gene sets of the study's organism?" in result.note


def test_open_reading_frames_in_capitals(table):
    assert mapped(["C1ORF54"], table)[1] == ("C1orf54",)


def test_a_set_without_any_gene_of_the_study_stays_empty(table):
    result, names = mapped(["NOWHERE1", "NOWHERE2"], table)
    assert names == ()
    assert result.n_mapped == 0


def test_the_shipped_table():
    table = parse_gene_ids(read_text(data_file("gene_sets", "human_gene_ids.tsv.gz")), source="shipped")
    assert table.symbol_by_entrez["3662"] == "IRF4"
    assert table.symbols_by_ensembl["ENSG00000137265"] == ("IRF4",)
    assert table.ensembl_by_symbol["CRBN"] == ("ENSG00000113851",)
    assert len(table.symbol_by_entrez) > 35_000


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "ids.tsv, line 1: The table of gene ids has other columns (found nothing"),
        ("entrez\tsymbol\n", "found entrez, symbol; expected entrez_id, gene_symbol, ensembl_gene_id"),
        (TABLE + "1\tA1BG\n", "ids.tsv, line 10: A row has another number of fields (found 2; expected 3)"),
    ],
)
def test_tables_that_are_refused(text, words):
    with pytest.raises(InputError) as error:
        parse_gene_ids(text, source="ids.tsv")
    assert words in str(error.value)
