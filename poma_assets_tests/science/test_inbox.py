"""What is proposed for the files of an inbox, and how it is written below a sheet."""

from __future__ import annotations

import re

import pytest

from poma_assets.science.errors import SampleSheetError
from poma_assets.science.inbox import InboxFile, ProposedRow, addition, propose_rows, read_sheet_rows, shown
from poma_assets.science.sample_sheet import parse_sample_sheet

NOW_S = 1_000_000.0
SHEET = "sample\tfastq_1\tfastq_2\nS1\tin/S1_R1.fastq.gz\tin/S1_R2.fastq.gz\n"


def propose(*paths, sheet=SHEET, pattern=None, changing=(), empty=(), ahead_s=0.0):
    files = [
        InboxFile(path, 0 if path in empty else 9, NOW_S - (10 if path in changing else 60) + ahead_s) for path in paths
    ]
    table = read_sheet_rows(sheet, "samples.tsv")
    listed = {row.cells.get(name, "") for row in table.rows for name in ("fastq_1", "fastq_2")}
    compiled = re.compile(pattern) if pattern else None
    return propose_rows(files, table, listed=listed, now_s=NOW_S, pattern=compiled)


def whats(proposals):
    return [remark.what for remark in proposals.remarks]


def test_pairs_and_lanes_that_the_sheet_does_not_name_are_proposed():
    names = [f"in/S{n}_S{n + 3}_L00{lane}_R{mate}_001.fastq.gz" for n in (10, 2) for lane in (2, 1) for mate in (2, 1)]
    found = propose("in/S1_R1.fastq.gz", "in/S1_R2.fastq.gz", "in/readme.txt", *names)
    assert [(row.sample, row.lane) for row in found.rows] == [
        ("S2", "L001"),
        ("S2", "L002"),
        ("S10", "L001"),
        ("S10", "L002"),
    ]
    assert found.rows[0].fastq_2 == "in/S2_S5_L001_R2_001.fastq.gz"
    assert (found.samples, found.remarks) == (("S2", "S10"), ())


def test_a_file_without_mate_holds_the_sample_back():
    found = propose("in/S2_L001_R1.fq", "in/S2_L001_R2.fq", "in/S2_L002_R1.fq", "in/S3_R2.fq", "in/S4.fq")
    assert found.samples == ("S4",)
    assert [remark.files for remark in found.remarks] == [("in/S2_L002_R1.fq",), ("in/S3_R2.fq",)]
    assert "read 2 of the pair is not there" in found.remarks[0].what
    assert "read 1 of the pair is not there" in found.remarks[1].what


def test_in_a_single_end_study_first_reads_are_enough():
    found = propose("in/S2_R1.fq", sheet="sample,fastq_1,fastq_2\nS1,in/a.fq,\n")
    assert found.rows == (ProposedRow("S2", None, "in/S2_R1.fq", None),)


@pytest.mark.parametrize("changing", ["in/S2_R1.fq", "in/S2_R2.fq"])
def test_files_that_still_change_are_waited_for(changing):
    found = propose("in/S2_R1.fq", "in/S2_R2.fq", "in/S3_R1.fq", "in/S3_R2.fq", changing=[changing])
    assert found.samples == ("S3",)
    assert found.remarks[0].files == (changing,)
    assert "still changing" in found.remarks[0].what


def test_a_clock_that_is_ahead_hides_nothing_for_long_and_an_empty_file_is_no_sample():
    assert propose("in/S2_R1.fq", "in/S2_R2.fq", ahead_s=7200.0).samples == ("S2",)
    found = propose("in/S2_R1.fq", "in/S2_R2.fq", empty=["in/S2_R2.fq"])
    assert (found.rows, whats(found)) == ((), ["the file is empty"])


@pytest.mark.parametrize("name", ["S1", "s1"])
def test_a_sample_that_the_sheet_has_is_left_to_a_person(name):
    found = propose(f"in/run2/{name}_R1.fq", f"in/run2/{name}_R2.fq")
    assert found.rows == ()
    assert "the sheet has a sample 'S1' already (line 2)" in found.remarks[0].what


def test_invalid_names_get_valid_and_distinct_ones():
    found = propose("in/MM 1.S (pom)_R1.fq", "in/MM 1.S (pom)_R2.fq", "in/NA_R1.fq", "in/NA_R2.fq")
    assert found.samples == ("MM_1.S_pom", "sample_NA")
    assert whats(found)[0] == "'MM 1.S (pom)' is no valid or no distinct sample name: 'MM_1.S_pom' is proposed"
    assert all(remark.proposed for remark in found.remarks)
    same = propose("in/a b_R1.fq", "in/a b_R2.fq", "in/a+b_R1.fq", "in/a+b_R2.fq")
    assert len({name.casefold() for name in same.samples}) == 2


@pytest.mark.parametrize("name", ["a\tb.fq", "a\nb.fq", "a\x1b[31m.fq", "\udcff.fq", "a\u202eb.fq"])
def test_names_that_no_table_can_hold_are_left(name):
    found = propose(f"in/{name}")
    assert found.rows == ()
    assert "rename the file" in found.remarks[0].what
    assert shown(name).isprintable()


def test_two_files_for_the_same_read_are_not_guessed_about():
    found = propose("in/S2_R1.fq", "in/S2_R1.fastq", "in/S2_R2.fq")
    assert found.rows == ()
    assert "two files for read 1" in found.remarks[0].what


def test_an_own_pattern_reads_sample_lane_and_read():
    pattern = r"\d+_(?P<sample>[^_]+)_lane(?P<lane>\d)_(?P<read>[FR]?[12])\.fq\.gz"
    found = propose(
        "in/77_A1_lane1_F1.fq.gz",
        "in/77_A1_lane1_R2.fq.gz",
        "in/78_A1_lane2_1.fq.gz",
        "in/78_A1_lane2_2.fq.gz",
        "in/other_R1.fq.gz",
        pattern=pattern,
    )
    assert [(row.sample, row.lane, row.fastq_1[:6], row.fastq_2[:6]) for row in found.rows] == [
        ("A1", "1", "in/77_", "in/77_"),
        ("A1", "2", "in/78_", "in/78_"),
    ]
    assert [remark.files for remark in found.remarks] == [("in/other_R1.fq.gz",)]


ROWS = (
    ProposedRow("S2", "L001", 'in/a,b "c".fq', "in/d.fq"),
    ProposedRow("S2", "L002", "in/e.fq", "in/f.fq"),
)


@pytest.mark.parametrize(
    ("sheet", "expected"),
    [
        (SHEET, 'S2\t"in/a,b ""c"".fq"\tin/d.fq\nS2\tin/e.fq\tin/f.fq\n'),
        (SHEET.rstrip("\n"), '\nS2\t"in/a,b ""c"".fq"\tin/d.fq\nS2\tin/e.fq\tin/f.fq\n'),
        (
            "fastq_2,rin,sample,Lane,fastq_1,strandedness\r\nb.fq,9,S1,1,a.fq,auto\r\n",
            'in/d.fq,,S2,L001,"in/a,b ""c"".fq",auto\r\nin/f.fq,,S2,L002,in/e.fq,auto\r\n',
        ),
        ("sample,fastq_1,fastq_2", '\nS2,"in/a,b ""c"".fq",in/d.fq\nS2,in/e.fq,in/f.fq\n'),
    ],
)
def test_rows_are_added_as_the_sheet_is_written(sheet, expected):
    assert addition(sheet, ROWS, source="samples.tsv") == expected
    units = parse_sample_sheet(sheet + expected, source="samples.tsv").units
    assert units["fastq_1"].tolist()[-2:] == ['in/a,b "c".fq', "in/e.fq"]


def test_a_sheet_without_a_column_for_the_reads_is_said():
    with pytest.raises(SampleSheetError, match="no column 'fastq_2'"):
        addition("sample,fastq_1\nS1,a.fq\n", ROWS, source="samples.csv")
