"""Counts as people have them: exports of R, spreadsheets, RSEM and salmon, with symbols and annotation beside."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from poma_assets.science.count_tables import CountMatrix, parse_count_table, parse_sample_counts
from poma_assets.science.errors import CountsError
from poma_assets.storage.text_files import read_text

COUNTS = {"S 1": {"ENSG00000137265": 3, "ENSG00000136997": 0}, "2-S": {"ENSG00000137265": 4, "ENSG00000136997": 1}}
SYMBOLS = {"ENSG00000137265": "IRF4", "ENSG00000136997": "MYC"}
SALMON = "Name\tLength\tEffectiveLength\tTPM\tNumReads\n{0}\t900\t700.1\t600000.5\t{1}\nENSG2\t90\t70\t399999.5\t7\n"
RSEM = (
    "gene_id\ttranscript_id(s)\tlength\teffective_length\texpected_count\tTPM\tFPKM\n"
    "ENSG00000137265.15\tT1,T2\t900.00\t700.00\t812.37\t1.5\t1.2\nENSG2\tT3\t90\t70\t7.00\t0\t0\n"
)

MATRICES = {
    "tsv": "gene_id\tS 1\t2-S\nENSG00000137265.15\t3\t4\nENSG00000136997\t0\t1\n",
    "R write.csv": '"","S 1","2-S"\n"ENSG00000137265",3,4\n"ENSG00000136997",0,1\n',
    "R write.table": '"S 1"\t"2-S"\n"ENSG00000137265"\t3\t4\n"ENSG00000136997"\t0\t1\n',
    "R write.csv of a tibble": '"","gene_id","S 1","2-S"\n"1","ENSG00000137265",3,4\n"2","ENSG00000136997",0,1\n',
    "comments, BOM and CRLF": (
        "\ufeff# by us\r\n\r\nGeneid,S 1,2-S\r\nENSG00000137265.15,3,4\r\nENSG00000136997.2,0,1\r\n\r\n"
    ),
    "blanks around": "gene_id , S 1 , 2-S\nENSG00000137265.15, 3, 4\nENSG00000136997 ,0,1\n",
    "whole numbers with a point": "gene\tS 1\t2-S\nENSG00000137265\t3.0\t4.0\nENSG00000136997\t0.0\t1\n",
    "merged htseq-count": "gene\tS 1\t2-S\nENSG00000137265\t3\t4\nENSG00000136997\t0\t1\n__no_feature\t9\t9\n",
    "merged STAR": "gene\tS 1\t2-S\nN_unmapped\t9\t9\nENSG00000137265\t3\t4\nENSG00000136997\t0\t1\n",
}
WITH_SYMBOLS = {
    "beside": "gene_id\tgene_name\tS 1\t2-S\nENSG00000137265.15\tIRF4\t3\t4\nENSG00000136997\tMYC\t0\t1\n",
    "symbols first": "symbol,ensembl_gene_id,S 1,2-S\nIRF4,ENSG00000137265,3,4\nMYC,ENSG00000136997,0,1\n",
    "annotation between": (
        "Geneid\tChr\tStart\tEnd\tStrand\tLength\tgene_name\tS 1\t2-S\n"
        "ENSG00000137265\t6;6\t10;30\t20;41\t+;+\t302\tIRF4\t3\t4\nENSG00000136997\t8\t5\t10\t+\t96\tMYC\t0\t1\n"
    ),
    "annotation behind": (
        'gene_id,S 1,2-S,description,SYMBOL,gene_biotype\nENSG00000137265,3,4,"factor 4, interferon",IRF4,x\n'
        "ENSG00000136997,0,1,myc,MYC,x\n"
    ),
    "numbers about genes": "gene_id\tsymbol\tentrezid\tlength\tS 1\t2-S\n"
    "ENSG00000137265\tIRF4\t3662\t302\t3\t4\nENSG00000136997\tMYC\t4609\t96\t0\t1\n",
}


def read(text: str, **options: bool) -> CountMatrix:
    return parse_count_table(text, source="m", **options)


@pytest.mark.parametrize("text", MATRICES.values(), ids=MATRICES)
def test_matrices_without_symbols(text: str) -> None:
    matrix = read(text)
    assert matrix.counts.to_dict() == COUNTS
    assert list(matrix.counts.index) == list(SYMBOLS)
    assert matrix.gene_names is None


@pytest.mark.parametrize("text", WITH_SYMBOLS.values(), ids=WITH_SYMBOLS)
def test_matrices_with_symbols_and_annotation(text: str) -> None:
    matrix = read(text)
    assert matrix.counts.to_dict() == COUNTS
    assert matrix.gene_names is not None
    assert matrix.gene_names.to_dict() == SYMBOLS
    assert matrix.notes == ()


def test_rows_and_columns_that_are_left_out_are_told() -> None:
    assert read(MATRICES["merged htseq-count"]).notes == ("m: rows that are not genes were left out: __no_feature",)
    matrix = read("gene_id\tS1\tremark\nENSG1\t3\tgood\nENSG2\t4\t\n")
    assert matrix.counts.to_dict("list") == {"S1": [3, 4]}
    assert matrix.notes == ("m: columns without numbers were left out: remark",)


def test_genes_without_symbol_are_not_in_the_names() -> None:
    matrix = read("gene_id,symbol,S1\nENSG1,,1\nENSG2,NA,2\nENSG3,1-Mar,3\nENSG4,MYC,4\n")
    assert matrix.gene_names is not None
    assert matrix.gene_names.to_dict() == {"ENSG4": "MYC"}
    assert matrix.notes[0].startswith("m: one of the gene symbols looks like dates that a spreadsheet made")


def test_spreadsheet_dates_among_the_ids() -> None:
    assert "2 gene ids look like dates" in read("gene,S1\n1-Mar,1\n2-Sep,2\nMYC,3\n").notes[0]
    with pytest.raises(CountsError, match=r"a gene is there twice \(found 1-Mar, .*turned gene symbols into dates"):
        read("gene,S1\n1-Mar,1\n1-Mar,2\nMYC,3\n")


def test_par_y_genes_stay_apart() -> None:
    matrix = read("gene\tS1\nENSG00000182378.15\t1\nENSG00000182378.15_PAR_Y\t2\n")
    assert matrix.counts["S1"].to_dict() == {"ENSG00000182378": 1, "ENSG00000182378_PAR_Y": 2}
    with pytest.raises(CountsError, match=r"only in their version \(found ENSG00000182378.15, ENSG00000182378.16"):
        read("gene\tS1\nENSG00000182378.15\t1\nENSG00000182378.16\t2\n")


def test_estimates_are_rounded_only_when_asked() -> None:
    text = "gene\tS1\tS2\nA\t100.4\t7\nB\t33\t20.5\n"
    with pytest.raises(CountsError, match=r"line 2, column S1: .*estimated counts.*`round_counts: true` in poma.yaml"):
        read(text)
    matrix = read(text, round_fractional=True)
    assert matrix.counts.to_dict("list") == {"S1": [100, 33], "S2": [7, 20]}
    assert matrix.notes == (
        "m: 2 of 4 counts had decimals and were rounded to whole numbers; "
        "the largest change is 0.5 (m, line 3, column S2)",
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("gene;S1;S2\nA;1;2\n", "m, line 1: the table is separated by semicolons"),
        ("gene,S1\nA,1,5\n", r"m, line 2: the row has another number of columns .*decimal points and without"),
        ("gene\tS1\nA\t1,5\nB\t2\n", r"line 2, column S1: a number is written with a comma \(found '1,5'"),
        ('gene,S1\nA,"1,234"\nB,2\n', r"line 2, column S1: a number is written with a comma \(found '1,234'"),
        ("gene\tS1\nA\tTRUE\nB\tFALSE\n", r"line 2, column S1: a count is not a number \(found 'True'"),
        ("gene\tS1\nA\t9007199254740993\n", "line 2, column S1: a count is too large"),
        ("gene\tS1\nA\t1e16\nB\t0.5\n", "line 2, column S1: a count is too large"),
        ("gene\tS1\nA\t99999999999999999999999\n", "line 2, column S1: a count is too large"),
        ("gene\tS1\tS2\nA\t2.5\t-1.1\nB\t0\t3.5\n", "line 2, column S1: these are not counts: values below 0 with"),
        ("gene\tS1\tS2\nA\t2.5\t1.1\nB\t0\t3.5\n", "line 2, column S1: these are not counts: .*logarithms"),
        ("gene\tS1\nA\t999999.5\nB\t0.5\n", "line 2, column S1: these are not counts: every sample sums to 1,000,000"),
        ("target_id\tlength\teff_length\test_counts\ttpm\nT1\t9\t7\t3.5\t1\n", "kallisto's abundance.tsv: it counts"),
    ],
)
def test_refused_in_words(text: str, message: str) -> None:
    with pytest.raises(CountsError, match=message):
        read(text)


def test_salmon_counts_transcripts_or_genes() -> None:
    with pytest.raises(CountsError, match=r"salmon's quant.sf: it counts transcripts.*quant.genes.sf"):
        parse_sample_counts(SALMON.format("ENST00000380956.9", 812), source="q")
    with pytest.raises(CountsError, match="q, line 2, column NumReads: counts with decimals"):
        parse_sample_counts(SALMON.format("ENSG1", 812.37), source="q")
    sample = parse_sample_counts(SALMON.format("ENSG1", 812.37), source="q", round_fractional=True)
    assert (sample.counts.to_dict(), sample.program) == ({"ENSG1": 812, "ENSG2": 7}, "salmon")
    assert "1 of 2 counts had decimals" in sample.notes[0]


def test_rsem() -> None:
    with pytest.raises(CountsError, match="r, line 2, column expected_count: counts with decimals"):
        parse_sample_counts(RSEM, source="r")
    sample = parse_sample_counts(RSEM, source="r", round_fractional=True)
    assert (sample.counts.to_dict(), sample.program) == ({"ENSG00000137265": 812, "ENSG2": 7}, "RSEM")
    isoforms = RSEM.replace("gene_id\ttranscript_id(s)", "transcript_id\tgene_id")
    with pytest.raises(CountsError, match=r"RSEM's isoforms.results: it counts transcripts"):
        parse_sample_counts(isoforms, source="r")


def test_two_columns_of_estimates() -> None:
    assert parse_sample_counts("A,100.5\nB,33\n", source="t", round_fractional=True).counts.to_dict() == {
        "A": 100,
        "B": 33,
    }
    with pytest.raises(CountsError, match="t, line 1, column count: counts with decimals"):
        parse_sample_counts("A,100.5\nB,33\n", source="t")


def test_compressed_files_are_read(tmp_path: Path) -> None:
    path = tmp_path / "counts.csv.gz"
    path.write_bytes(gzip.compress(MATRICES["comments, BOM and CRLF"].encode()))
    assert parse_count_table(read_text(path), source=path.name).counts.to_dict() == COUNTS
