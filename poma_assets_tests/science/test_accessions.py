"""Which accessions a sheet may name, and what is said of others."""

from __future__ import annotations

import pytest

from poma_assets.science.accessions import check_accession, is_run
from poma_assets.science.errors import SampleSheetError
from poma_assets.science.sample_sheet import parse_sample_sheet


def answer(text):
    with pytest.raises(SampleSheetError) as caught:
        check_accession(text, where="s.tsv, line 2, column accession", error=SampleSheetError)
    assert caught.value.where == "s.tsv, line 2, column accession"
    return str(caught.value)


@pytest.mark.parametrize(
    "accession",
    ["SRR1039508", "ERR000916", "DRR123456", "SRR12345678", "SRX384345", "SRS508568", "SAMN02422669"]
    + ["SAMEA104228123", "SAMD00012345"],
)
def test_accessions_of_reads_are_taken(accession):
    check_accession(accession, where="", error=SampleSheetError)


def test_a_run_is_told_from_what_holds_runs():
    assert is_run("SRR1039508")
    assert not is_run("SRX384345")
    assert not is_run("SAMN02422669")
    assert not is_run("../SRR1039508")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("PRJNA229998", ["a project holds many samples", "Write the run accessions (SRR...) of the project"]),
        ("SRP033351", ["a project holds many samples"]),
        ("GSM1275862", ["GEO holds no reads of its own", "SRX or SRR accession that GEO's page"]),
        ("gse52778", ["GEO holds no reads of its own"]),
        ("SRA091867", ["a submission or an analysis"]),
        ("EGAF00001234567", ["controlled access", "fastq_1"]),
        ("phs000424.v8.p2", ["controlled access"]),
        ("srr1039508", ["not in capital letters", "Write SRR1039508"]),
        ("SRR1039508;SRR1039509", ["several accessions", "one row for each run, with the same sample name"]),
        ("SRR1039508, SRR1039509", ["several accessions"]),
        ("SRR12", ["no accession of reads", "Look for missing or added digits"]),
        ("SRR1039508/..", ["no accession of reads"]),
        ("https://www.ebi.ac.uk/ena/browser/view/SRR1039508", ["no accession of reads"]),
    ],
)
def test_what_is_no_accession_of_reads_is_answered_with_what_to_write(text, says):
    message = answer(text)
    for part in says:
        assert part in message
    assert "expected a run (SRR, ERR, DRR), an experiment" in message


def sheet(*lines, header="sample,fastq_1,fastq_2,counts,accession"):
    return "\n".join([header, *lines]) + "\n"


def refused(text):
    with pytest.raises(SampleSheetError) as caught:
        parse_sample_sheet(text, source="s.csv")
    return str(caught.value)


def test_a_sheet_of_accessions_alone_has_units_of_accessions():
    parsed = parse_sample_sheet(
        sheet("A,SRR1039508,7", "A,SRR1039509,7", "B,SAMN02422669,", header="sample,accession,rin"), source="s.csv"
    )
    assert list(parsed.samples["sample_id"]) == ["A", "B"]
    units = parsed.units[["sample_id", "unit", "fastq_1", "counts", "accession", "sheet_line"]]
    assert units.to_numpy(dtype=object).tolist() == [
        ["A", 1, None, None, "SRR1039508", 2],
        ["A", 2, None, None, "SRR1039509", 3],
        ["B", 1, None, None, "SAMN02422669", 4],
    ]
    assert "accession" not in parsed.design_table().columns


def test_files_accessions_and_counts_may_stand_in_one_sheet():
    units = parse_sample_sheet(
        sheet("A,a_1.fq.gz,a_2.fq.gz,,", "A,,,,SRR1039508", "B,,,b.txt,NA", "C,,,-,ERR000916"), source="s.csv"
    ).units
    assert units["accession"].tolist() == [None, "SRR1039508", None, "ERR000916"]


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (["A,,,,PRJNA229998"], ["s.csv, line 2, column accession: PRJNA229998 names no reads"]),
        (
            ["A,a.fq.gz,,,SRR1039508"],
            ["s.csv, line 2, column accession", "SRR1039508 beside a.fq.gz", "can be called 'run_accession'"],
        ),
        (["A,,,a.txt,SRR1039508"], ["both an accession and files", "beside a.txt"]),
        (
            ["A,,,,SRR1039508", "B,,,,SRR1039508"],
            ["line 3, column accession: the same accession is given for two samples, 'A' (line 2) and 'B'"],
        ),
        (["A,,,,SRR1039508", "A,,,,SRR1039508"], ["line 3", "'A' has the same accession already in line 2"]),
        (["A,,,,SRR1039508", "A,,,a.txt,"], ["line 3", "only reads are merged"]),
        (["A,,,,"], ["neither reads nor a count table nor an accession"]),
    ],
)
def test_wrong_rows_are_named_with_line_and_column(lines, says):
    message = refused(sheet(*lines))
    for part in says:
        assert part in message


def test_the_column_is_known_by_one_name():
    assert "expected 'accession'" in refused(sheet("A,SRR1039508", header="sample,Accession"))
