import hashlib

import pytest

from poma_assets.science.enrichment.gmt import GeneSet, parse_gmt
from poma_assets.science.errors import GeneSetError


def parse(text):
    return parse_gmt(text, name="mine", source="mine.gmt")


def test_id_name_and_genes_are_kept_in_the_order_of_the_file():
    text = "GO:0006955\timmune response\tIRF4\tB2M\nGO:0008283\tcell population proliferation\tMYC\n"
    collection = parse(text)
    assert collection.sets == (
        GeneSet("GO:0006955", "immune response", ("IRF4", "B2M")),
        GeneSet("GO:0008283", "cell population proliferation", ("MYC",)),
    )
    assert (collection.name, collection.source) == ("mine", "mine.gmt")
    assert collection.genes == {"IRF4", "B2M", "MYC"}
    assert collection.sha256 == hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize(
    ("first", "second", "name"),
    [
        ("HALLMARK_HYPOXIA", "http://www.gsea-msigdb.org/cards/HALLMARK_HYPOXIA", "HALLMARK_HYPOXIA"),
        ("HALLMARK_HYPOXIA", "> https://www.gsea-msigdb.org", "HALLMARK_HYPOXIA"),
        ("apoptotic process (GO:0006915)", "", "apoptotic process (GO:0006915)"),
        ("Platelet activation Homo sapiens hsa04611", "", "Platelet activation Homo sapiens hsa04611"),
        ("hsa04610", "na", "hsa04610"),
        ("hsa04610", "NA", "hsa04610"),
        ("hsa04610", "natural killer cells", "natural killer cells"),
    ],
)
def test_forms_of_msigdb_enrichr_and_kegg(first, second, name):
    (gene_set,) = parse(f"{first}\t{second}\tA\tB\t\t\n").sets
    assert gene_set == GeneSet(first, name, ("A", "B"))


def test_duplicate_genes_collapse_and_enrichr_weights_go():
    (gene_set,) = parse("s\t\tTP53,1.0\tMYC,0.25\tTP53\tMYC\tA,2e-05\tHLA-A\n").sets
    assert gene_set.genes == ("TP53", "MYC", "A", "HLA-A")


def test_byte_order_mark_crlf_blank_lines_and_missing_last_newline():
    collection = parse("\ufeffa\tfirst\tG1\tG2\r\n\r\n  \nb\tsecond\tG3")
    assert [s.term_id for s in collection.sets] == ["a", "b"]
    assert [s.genes for s in collection.sets] == [("G1", "G2"), ("G3",)]


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a\tx\tG1\nb\tG2\n", 2, "at least three fields (found 2 in 'b\\tG2'"),
        ("\na description GENE1 GENE2\n", 2, "Separate the fields by tabs"),
        ("a\tx\tG1\n\nb\ty\tG2\na\tz\tG3\n", 4, "'a' is there twice (found the same id on line 1"),
        ("a\tx\tG1\nb\ty\t\t \n", 2, "'b' has no genes"),
        ("a\tx\tG1\n\ty\tG1\n", 2, "has no name"),
        ("a\tx\tG1\nPK\x00\x01\n", 2, "not a text file"),
    ],
)
def test_errors_name_file_and_line(text, line, words):
    with pytest.raises(GeneSetError) as error:
        parse(text)
    assert str(error.value).startswith(f"mine.gmt, line {line}: ")
    assert words in str(error.value)
    assert error.value.exit_status == 2


@pytest.mark.parametrize("text", ["", "\n\n", "\ufeff"])
def test_empty_file(text):
    with pytest.raises(GeneSetError, match=r"^mine\.gmt: The file has no gene sets"):
        parse(text)
