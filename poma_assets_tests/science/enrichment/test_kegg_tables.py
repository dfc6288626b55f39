import pytest

from poma_assets.science.enrichment.gmt import parse_gmt
from poma_assets.science.enrichment.kegg_tables import (
    kegg_gene_sets,
    parse_gene_symbols,
    parse_links,
    parse_pathways,
    parse_release,
)
from poma_assets.science.errors import GeneSetError


@pytest.mark.parametrize("prefix", ["", "path:"])
def test_pathways_of_older_and_newer_answers(prefix):
    text = (
        f"{prefix}hsa00010\tGlycolysis / Gluconeogenesis - Homo sapiens (human)\n"
        f"{prefix}hsa04621\tNOD-like receptor signaling pathway - Homo sapiens (human)\n"
        f"{prefix}hsa05322\tSystemic lupus erythematosus - Homo sapiens (human)\n"
    )
    assert parse_pathways(text, "hsa", source="s") == {
        "hsa00010": "Glycolysis / Gluconeogenesis",
        "hsa04621": "NOD-like receptor signaling pathway",
        "hsa05322": "Systemic lupus erythematosus",
    }


@pytest.mark.parametrize(
    ("names", "short"),
    [
        (["Mismatch repair - Escherichia coli K-12", "A - Escherichia coli K-12"], ["Mismatch repair", "A"]),
        (["Glycolysis - Mus musculus (house mouse)"], ["Glycolysis"]),
        (["Th1 and Th2 cell differentiation"], ["Th1 and Th2 cell differentiation"]),
        (["Bio - lacto series - Homo sapiens", "A series - Homo sapiens"], ["Bio - lacto series", "A series"]),
        (["Biosynthesis - lacto series", "A series"], ["Biosynthesis - lacto series", "A series"]),
        (["Biosynthesis - globo series", "Glycolysis"], ["Biosynthesis - globo series", "Glycolysis"]),
    ],
)  # fmt: skip
def test_the_name_of_the_organism_is_cut_off(names, short):
    text = "\n".join(f"hsa{number:05d}\t{name}" for number, name in enumerate(names))
    assert list(parse_pathways(text, "hsa", source="s").values()) == short


def test_links_in_either_direction():
    forward = "hsa:10327\tpath:hsa00010\nhsa:124\tpath:hsa00010\nhsa:10327\tpath:hsa00040\nhsa:124\tpath:hsa00010\n"
    backward = "path:hsa00010\thsa:10327\r\nhsa00010\thsa:124\r\n\r\npath:hsa00040\thsa:10327\r\n"
    expected = {"hsa00010": ("10327", "124"), "hsa00040": ("10327",)}
    assert parse_links(forward, "hsa", source="s") == expected
    assert parse_links(backward, "hsa", source="s") == expected


def test_links_of_genes_named_by_locus():
    assert parse_links("sce:YAL038W\tpath:sce00010\n", "sce", source="s") == {"sce00010": ("YAL038W",)}


def test_symbols_of_older_and_newer_answers():
    text = (
        "hsa:3101\tHK3, HKIII, HXK3; hexokinase 3\n"
        "hsa:10327\tCDS\t1:45550543..45570051\tAKR1A1, ALR; aldo-keto reductase family 1 member A1\n"
        "hsa:102466751\tmiRNA\t1:complement(17369..17436)\tMIR6859-1, hsa-mir-6859-1; microRNA 6859-1\n"
        "hsa:100287010\tCDS\t1:1..2\tuncharacterized LOC100287010\n"
        "hsa:107985728\tncRNA\t1:1..2\t\n"
    )
    assert parse_gene_symbols(text, "hsa", source="s") == {
        "3101": "HK3",
        "10327": "AKR1A1",
        "102466751": "MIR6859-1",
    }


def test_release():
    text = (
        "pathway          KEGG Pathway Database\n"
        "path             Release 116.0+/11-22, Nov 25\n"
        "                 Kanehisa Laboratories\n"
    )
    assert parse_release(text) == "116.0+/11-22, Nov 25"
    assert parse_release("no such word") == ""


def test_gene_sets_by_symbol_with_what_could_not_be_mapped():
    result = kegg_gene_sets(
        pathways={"hsa00020": "TCA", "hsa00010": "Glycolysis", "hsa09999": "without genes"},
        links={"hsa00020": ("5", "4"), "hsa00010": ("1", "2", "3", "4"), "hsa00030": ("1",), "hsa00040": ("5",)},
        kegg_symbols={"1": "OLD1", "2": "B", "4": "A"},
        symbol_by_entrez={"1": "NEW1", "6": "Z", "3": "A"},
        source="s",
    )
    assert result.gmt == "hsa00010\tGlycolysis\tA\tB\tNEW1\nhsa00020\tTCA\tA\nhsa00030\thsa00030\tNEW1\n"
    assert (result.n_pathways, result.n_genes, result.n_by_table, result.n_by_kegg) == (3, 5, 2, 2)
    assert result.without_symbol == ("5",)
    assert [s.term_name for s in parse_gmt(result.gmt, name="k", source="s").sets] == ["Glycolysis", "TCA", "hsa00030"]


def test_nothing_with_a_symbol():
    with pytest.raises(GeneSetError, match="no pathway has a gene with a symbol"):
        kegg_gene_sets({}, {"hsa00010": ("1",)}, {}, {}, source="s")


@pytest.mark.parametrize("parse", [parse_pathways, parse_links, parse_gene_symbols])
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "KEGG's answer is empty"),
        ("\n \n", "KEGG's answer is empty"),
        ("<!DOCTYPE html>\n<title>Login</title>", "https://k/x, line 1: this is not a table of KEGG's service"),
        ("\nmmu:1\tmmu00010", "https://k/x, line 2"),
    ],
)
def test_other_answers_are_refused_with_their_place(parse, text, words):
    with pytest.raises(GeneSetError) as caught:
        parse(text, "hsa", source="https://k/x")
    assert words in str(caught.value)
