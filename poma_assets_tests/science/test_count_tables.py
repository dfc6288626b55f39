"""Count tables: what each counter writes, what people write, and what is refused with its line."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poma_assets.science.count_tables import (
    parse_count_table,
    parse_featurecounts,
    parse_featurecounts_summary,
    parse_htseq_counts,
    parse_sample_counts,
)
from poma_assets.science.errors import CountsError

FEATURECOUNTS = """\
# Program:featureCounts v2.0.3; Command:"featureCounts" "-p" "S1.bam"
Geneid\tChr\tStart\tEnd\tStrand\tLength\tS1.bam
ENSG00000137265.16\t6;6\t10;300\t200;411\t+;+\t302\t17
ENSG00000136997.22\t8\t5\t100\t+\t96\t0
novel.1\t8\t5\t100\t-\t96\t5
"""
HTSEQ = "ENSG00000137265\t17\nENSG00000136997\t0\n__no_feature\t9\n__ambiguous\t1\n__not_aligned\t0\n"
STAR = "N_unmapped\t9\t9\t9\nN_noFeature\t1\t1\t1\nIRF4\t150\t10\t141\nMYC\t3\t1\t2\n"


def as_dict(counts: pd.Series) -> dict[str, int]:
    assert counts.index.name == "gene_id"
    assert counts.dtype == np.int64
    return counts.to_dict()


def test_featurecounts():
    counts = parse_featurecounts(FEATURECOUNTS, source="x")
    assert as_dict(counts) == {"ENSG00000137265": 17, "ENSG00000136997": 0, "novel.1": 5}
    assert as_dict(parse_sample_counts(FEATURECOUNTS, source="x").counts) == as_dict(counts)


def test_featurecounts_of_several_samples_is_a_matrix():
    text = "".join(
        line + ("\tS2.bam" if line.startswith("Geneid") else "" if line.startswith("#") else "\t2") + "\n"
        for line in FEATURECOUNTS.splitlines()
    )
    assert parse_count_table(text, source="x").counts.to_dict("list") == {"S1.bam": [17, 0, 5], "S2.bam": [2, 2, 2]}
    with pytest.raises(CountsError, match=r"not a featureCounts table of one sample \(found 2 columns"):
        parse_featurecounts(text, source="x")


def test_a_transposed_matrix_is_named_by_its_ensembl_ids():
    text = "sample\tENSG00000137265.16\tENSG00000136997.22\tENSG00000133703\nS1\t17\t0\t5\nS2\t2\t1\t0.5\n"
    with pytest.raises(
        CountsError, match=r"x: the count matrix is transposed: .* \(found the rows S1, S2; the columns EN"
    ):
        parse_count_table(text, source="x")


def test_featurecounts_summary():
    text = "Status\tS1.bam\nAssigned\t22\nUnassigned_Unmapped\t0\nUnassigned_NoFeatures\t4\n"
    expected = {"Assigned": 22, "Unassigned_Unmapped": 0, "Unassigned_NoFeatures": 4}
    assert parse_featurecounts_summary(text, source="x") == expected
    with pytest.raises(CountsError, match="not a summary"):
        parse_featurecounts_summary("Status\tS1\nOther\t1\n", source="x")


def test_htseq():
    counts, summary = parse_htseq_counts(HTSEQ, source="x")
    assert as_dict(counts) == {"ENSG00000137265": 17, "ENSG00000136997": 0}
    assert summary == {"__no_feature": 9, "__ambiguous": 1, "__not_aligned": 0}
    assert as_dict(parse_sample_counts(HTSEQ, source="x").counts) == as_dict(counts)


def test_htseq_with_gene_names():
    text = "ENSG00000137265\tIRF4\t17\nENSG00000136997\tMYC\t0\n__no_feature\t\t9\n"
    counts, summary = parse_htseq_counts(text, source="x")
    assert (as_dict(counts), summary) == (
        {"ENSG00000137265": 17, "ENSG00000136997": 0},
        {"__no_feature": 9},
    )


def test_htseq_without_its_last_lines_is_incomplete():
    with pytest.raises(CountsError, match="output of htseq-count is not complete"):
        parse_htseq_counts("ENSG00000137265\t17\n", source="x")


@pytest.mark.parametrize(
    ("strandedness", "expected"),
    [
        ("unstranded", {"IRF4": 150, "MYC": 3}),
        ("forward", {"IRF4": 10, "MYC": 1}),
        ("reverse", {"IRF4": 141, "MYC": 2}),
        ("auto", {"IRF4": 141, "MYC": 2}),
    ],
)
def test_star_column(strandedness, expected):
    assert as_dict(parse_sample_counts(STAR, source="x", strandedness=strandedness).counts) == expected


@pytest.mark.parametrize(
    "text",
    [
        "IRF4\t3\nMYC\t0\n",
        "gene\tcount\nIRF4\t3\nMYC\t0\n",
        "gene_id,S1\nIRF4,3\nMYC,0",
        '\ufeff"gene","S1"\r\n"IRF4","3"\r\n"MYC","0"\r\n\r\n',
        "# a remark\nIRF4\t3.0\nMYC\t0.0\n",
    ],
)
def test_two_columns(text):
    assert as_dict(parse_sample_counts(text, source="x").counts) == {"IRF4": 3, "MYC": 0}


def test_unknown_kind_of_table():
    with pytest.raises(CountsError, match=r"not recognised \(found 4 columns"):
        parse_sample_counts("gene\tS1\tS2\tS3\nIRF4\t1\t2\t3\n", source="x")


@pytest.mark.parametrize(
    "text",
    [
        "gene_id\tS 1\t2-S\nIRF4\t3\t4\nMYC\t0\t1\n",
        "gene_id,gene_name,S 1,2-S\nIRF4,Irf4,3,4\nMYC,,0,1\n",
        'S 1\t2-S\nIRF4\t3\t4\n"MYC"\t0\t1\n',
        '"","S 1","2-S"\n"IRF4",3,4\n"MYC",0,1\n',
    ],
)
def test_matrix(text):
    matrix = parse_count_table(text, source="x").counts
    assert matrix.index.name == "gene_id"
    assert (matrix.dtypes == np.int64).all()
    assert matrix.to_dict() == {"S 1": {"IRF4": 3, "MYC": 0}, "2-S": {"IRF4": 4, "MYC": 1}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "x: the table is empty"),
        ("# only a remark\n", "x: the table is empty"),
        ("gene\tS1\tS2\n", "the table has no rows"),
        ("gene\tgene_name\nIRF4\tirf4\n", "no column of counts"),
        ("gene\tS1\tS1\nIRF4\t1\t2\n", r"line 1: a column is there twice \(found S1"),
        (
            "gene\tS1\nIRF4\t1\nMYC\t2\nIRF4\t3\n",
            r"line 4: a gene is there twice.*\(found IRF4, which is in line 2",
        ),
        ("gene\tS1\tS2\nIRF4\t1\t2\nMYC\t3\t-1\n", r"line 3, column S2: a count is negative \(found -1"),
        (
            "gene\tS1\tS2\nIRF4\t1.5\t2\nMYC\t3\t1\n",
            r"line 2, column S1: counts with decimals.*1.5; values with decimals: 1 of 4;.*round_counts: true",
        ),
        ("gene\tS1\tS2\nIRF4\t1\t2\nMYC\t3\tNA\n", "line 3, column S2: a count is missing"),
        ("gene\tS1\tS2\nIRF4\t1\t2\nMYC\t\t4\n", "line 3, column S1: a count is missing"),
        ("gene\tS1\tS2\nIRF4\t1\t2\nMYC\tinf\t4\n", r"line 3, column S1: .*found inf"),
        ("gene\tS1\tS2\nIRF4\t1\t2\nMYC\tmany\t4\n", r"line 3, column S1: a count is not a number \(found 'many'"),
        ("gene\tS1\tS2\nIRF4\t1\t2\nMYC\t3\n", r"line 3: the row has another number of columns \(found 2"),
        ("gene\tS1\tS2\nIRF4\t1\t2\nMYC\t3\t4\t5\n", r"line 3: .* \(found 4 columns; expected 3"),
        ("gene\tS1\nIRF4\t1\n\nMYC\t2\n", "line 3: the row is empty"),
        ("gene\tS1\nIRF4\t1\n\t2\n", "line 3: the name in the column gene is empty"),
        ("gene\tS1\nENSG00000136997.1\t1\nENSG00000136997.2\t2\n", "differ only in their version"),
        ("# remark\ngene\tS1\nIRF4\t1\nMYC\t-2\n", "line 4, column S1"),
    ],
)
def test_refused_matrices(text, message):
    with pytest.raises(CountsError, match=message):
        parse_count_table(text, source="x")


@pytest.mark.parametrize(
    ("gene_id", "stripped"),
    [
        ("ENSG00000137265.16", "ENSG00000137265"),
        ("ENSMUSG00000022346.18", "ENSMUSG00000022346"),
        ("ENSG00000182378.15_PAR_Y", "ENSG00000182378_PAR_Y"),
        ("ENSG00000137265", "ENSG00000137265"),
        ("AC012345.1", "AC012345.1"),
        ("YAL001.1", "YAL001.1"),
    ],
)
def test_versions_of_ensembl_ids_only(gene_id, stripped):
    assert list(parse_sample_counts(f"{gene_id}\t3\n", source="x").counts.index) == [stripped]


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 2**40), min_size=3, max_size=3), min_size=1, max_size=20),
    st.sampled_from("\t,"),
)
def test_any_matrix_comes_back_as_written(rows, separator):
    lines = [separator.join(["gene_id", "a", "b", "c"])]
    lines += [separator.join([f"G{i}", *map(str, row)]) for i, row in enumerate(rows)]
    matrix = parse_count_table("\n".join(lines), source="x").counts
    assert matrix.to_numpy().tolist() == rows
