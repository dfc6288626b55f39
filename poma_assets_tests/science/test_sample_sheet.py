import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from poma_assets.science.errors import PomaError, SampleSheetError
from poma_assets.science.look_alikes import appearance
from poma_assets.science.sample_sheet import parse_sample_sheet
from poma_assets.storage.schema import TABLES

NF_CORE = """sample,fastq_1,fastq_2,strandedness
CONTROL_REP1,AEG588A1_S1_L002_R1_001.fastq.gz,AEG588A1_S1_L002_R2_001.fastq.gz,auto
CONTROL_REP1,AEG588A1_S1_L003_R1_001.fastq.gz,AEG588A1_S1_L003_R2_001.fastq.gz,auto
TREATED,AEG588A4_S4_L003_R1_001.fastq.gz,,reverse
"""
HEADER = "sample\tfastq_1\tfastq_2\tstrandedness"


def error_of(text: str, source: str = "samples.tsv") -> str:
    with pytest.raises(SampleSheetError) as caught:
        parse_sample_sheet(text, source=source)
    return str(caught.value)


def rows(*cells: str, header: str = "sample,fastq_1") -> str:
    return "\n".join([header, *cells]) + "\n"


def test_nf_core_sheet_unchanged() -> None:
    sheet = parse_sample_sheet(NF_CORE, source="samplesheet.csv")
    assert list(sheet.samples["sample_id"]) == ["CONTROL_REP1", "TREATED"]
    assert list(sheet.samples["strandedness"]) == ["auto", "reverse"]
    assert list(sheet.units["unit"]) == [1, 2, 1]
    assert list(sheet.units["sheet_line"]) == [2, 3, 4]
    assert sheet.units["fastq_2"].tolist()[2] is None
    assert sheet.samples["treatment"].tolist() == [None, None]
    assert tuple(sheet.samples.columns) == TABLES["samples"].column_names
    assert tuple(sheet.units.columns) == TABLES["sequencing_units"].column_names


def test_further_nf_core_columns_are_metadata() -> None:
    text = (
        NF_CORE.replace("strandedness\n", "strandedness,seq_platform,genome_bam\n")
        .replace("auto\n", "auto,ILLUMINA,\n")
        .replace("reverse\n", "reverse,,x.bam\n")
    )
    table = parse_sample_sheet(text, source="s.csv").design_table()
    assert table.to_dict("index") == {
        "CONTROL_REP1": {"seq_platform": "ILLUMINA", "genome_bam": None},
        "TREATED": {"seq_platform": None, "genome_bam": "x.bam"},
    }


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("delimiter", ["\t", ","])
@pytest.mark.parametrize("bom", ["", "\ufeff"])
def test_spellings_of_one_table_read_alike(end: str, delimiter: str, bom: str) -> None:
    lines = [
        "",
        "sample,fastq_1,treatment,time_h",
        "",
        " S1 ,a.fq.gz ,DMSO\u00a0,24",
        ",,,",
        "S2,b.fq.gz,pom 1,6.5",
    ]
    text = bom + end.join(line.replace(",", delimiter) for line in lines) + end
    sheet = parse_sample_sheet(text, source="sheet.txt")
    assert list(sheet.samples["sample_id"]) == ["S1", "S2"]
    assert list(sheet.samples["treatment"]) == ["DMSO", "pom 1"]
    assert list(sheet.samples["time_h"]) == [24.0, 6.5]
    assert list(sheet.units["sheet_line"]) == [4, 6]


def test_quoted_csv_fields_keep_commas_quotes_and_line_numbers() -> None:
    text = 'sample,fastq_1,note\nA,a.fq.gz,"one, ""two""\nthree"\nB,b.fq.gz,\n'
    sheet = parse_sample_sheet(text, source="s.csv")
    assert sheet.design_table()["note"].tolist() == ['one, "two"\nthree', None]
    assert list(sheet.units["sheet_line"]) == [2, 4]


@pytest.mark.parametrize("cell", ["", "NA", "N/A", "n/a", "-", "NaN", "not recorded"])
def test_missing_is_not_recorded(cell: str) -> None:
    text = rows(f"A,a.fq.gz,{cell},{cell}", "B,b.fq.gz,9.1,x", header="sample,fastq_1,rin,batch")
    samples = parse_sample_sheet(text, source="s.csv").samples
    assert np.isnan(samples["rin"][0])
    assert samples["batch"][0] is None
    assert json.loads(samples["metadata"][0]) == {"rin": None, "batch": None}


def test_words_that_may_be_levels_are_not_missing() -> None:
    text = rows("A,a.fq.gz,none", "B,b.fq.gz,null", header="sample,fastq_1,treatment")
    assert list(parse_sample_sheet(text, source="s.csv").samples["treatment"]) == ["none", "null"]


def test_design_table_types_and_texts() -> None:
    text = rows("A,a.fq.gz,0.50,01,T.47D", "B,b.fq.gz,,2,MM.1S", header="sample,fastq_1,dose_um,passage,cell_line")
    table = parse_sample_sheet(text, source="s.csv").design_table()
    assert list(table.columns) == ["dose_um", "passage", "cell_line"]
    assert table.index.name == "sample_id"
    assert table["dose_um"].dtype == np.float64
    assert table["dose_um"].isna().tolist() == [False, True]
    assert table["passage"].tolist() == ["01", "2"]
    assert json.loads(parse_sample_sheet(text, source="s.csv").samples["metadata"][0])["dose_um"] == "0.50"


def test_lane_columns_may_differ_between_lanes() -> None:
    text = rows("A,a.fq.gz,SRR1", "A,b.fq.gz,SRR2", header="sample,fastq_1,run_accession")
    assert parse_sample_sheet(text, source="s.csv").design_table()["run_accession"].tolist() == ["SRR1;SRR2"]


def test_counts_instead_of_reads_and_a_count_matrix() -> None:
    sheet = parse_sample_sheet(rows("A,c/a.txt", "B,c/b.txt", header="sample,counts"), source="s.csv")
    assert sheet.units["counts"].tolist() == ["c/a.txt", "c/b.txt"]
    assert sheet.units["fastq_1"].tolist() == [None, None]
    bare = parse_sample_sheet("sample\nA\nB\n", source="s.tsv", files_required=False)
    assert list(bare.samples["sample_id"]) == ["A", "B"]
    assert bare.units[["fastq_1", "fastq_2", "counts"]].isna().all(axis=None)


def test_whole_messages() -> None:
    assert error_of(rows("A,a.fq.gz", "../x,b.fq.gz"), "samples.csv") == (
        "samples.csv, line 3, column sample: the sample name is not a valid name (found "
        "'../x'; expected letters, "
        "digits, '.', '_' and '-', beginning with a letter or digit, at most 100 characters). "
        "Rename the sample; "
        "a longer name for people can stand in a column of its own"
    )
    assert error_of(f"{HEADER}\nA\ta_R1.fq.gz\ta_R2.fq.gz\treversed\n") == (
        "samples.tsv, line 2, column strandedness: strandedness 'reversed' is not known (found 'reversed'; "
        "expected one of auto, forward, reverse, unstranded). Write 'reverse'"
    )
    assert error_of(rows("A,a.fq.gz,x", "A,b.fq.gz,y", header="sample,fastq_1,batch"), "s.csv") == (
        "s.csv, line 3, column batch: the lanes of sample 'A' disagree in column 'batch' "
        "(found 'y'; in line 2 "
        "'x'; expected the same value in all rows of a sample). Correct one of the two lines, or rename the "
        "sample if they are two samples"
    )
    assert error_of(rows("A,a.fq.gz,7,5", header="sample,fastq_1,rin"), "s.csv") == (
        "s.csv, line 2: the row has too many fields (found 4 fields; expected 3 fields, as in the header "
        "(sample, fastq_1, rin)). Leave a cell empty where nothing is recorded, and put "
        "quotes around a value "
        "that holds the separator"
    )


BAD = {
    "empty": ("", ["samples.csv", "empty"]),
    "blank lines only": ("\n\n\n", ["empty"]),
    "header only": ("sample,fastq_1\n", ["a header and no samples"]),
    "no sample column": ("name,fastq_1\nA,a.fq.gz\n", ["line 1", "no column 'sample'", "name, fastq_1"]),
    "near miss": ("Sample,fastq_1\nA,a.fq.gz\n", ["no column 'sample'", "Rename the column 'Sample'"]),
    "header after blank line": ("\nsampel,fastq_1\nA,a.fq.gz\n", ["line 2", "Rename the column 'sampel'"]),
    "no reads column": ("sample,reads\nA,a.fq.gz\n", ["no column 'fastq_1' (or 'counts', or 'accession')"]),
    "spaces": ("sample fastq_1\nA a.fq.gz\n", ["Separate the columns with tabs or commas, not with spaces"]),
    "semicolons": ("sample;fastq_1\nA;a.fq.gz\n", ["separated by semicolons", "commas (CSV) or tabs"]),
    "odd spelling": (
        "sample,fastq1\nA,a.fq.gz\n",
        ["'fastq1' is not known by that name", "expected 'fastq_1'"],
    ),
    "R2 under another name": (
        "sample,fastq_1,fastq_r2\nA,a.fq.gz,b.fq.gz\n",
        ["'fastq_r2' is not known by that name", "'fastq_2'"],
    ),
    "dose spelling": ("sample,fastq_1,Dose_uM\nA,a.fq.gz,1\n", ["found 'Dose_uM'; expected 'dose_um'"]),
    "twice a column": (
        "sample,fastq_1,sample\nA,a.fq.gz,A\n",
        ["'sample' is there twice", "columns 1 and 3"],
    ),
    "nameless column": ("sample,,fastq_1\nA,x,a.fq.gz\n", ["column 2 has no name"]),
    "too few fields": ("sample,fastq_1\nA\n", ["line 2", "too few fields", "1 fields", "2 fields"]),
    "value beyond header": ("sample,fastq_1,,\nA,a.fq.gz,,x\n", ["line 2", "too many fields"]),
    "no sample": (rows("A,a.fq.gz", ",b.fq.gz"), ["line 3, column sample", "the sample has no name"]),
    "NA sample": (rows("NA,b.fq.gz"), ["the sample has no name", "'NA'"]),
    "newline in sample": (rows('"A\nB",b.fq.gz'), ["line 2, column sample", r"found 'A\nB'"]),
    "space in sample": (rows("A B,b.fq.gz"), ["found 'A B'"]),
    "leading dash": (rows("-A,b.fq.gz"), ["found '-A'"]),
    "long sample": (rows(f"{'A' * 101},b.fq.gz"), ["is longer than 100 characters"]),
    "range": (rows("A...B,b.fq.gz"), ["contains '...'"]),
    "case": (
        rows("Abc,a.fq.gz", "ABC,b.fq.gz"),
        ["line 3", "only in upper and lower case", "'Abc' in line 2"],
    ),
    "same row twice": (
        rows("A,a.fq.gz", "B,b.fq.gz", "A,./a.fq.gz"),
        ["line 4, column fastq_1", "duplicated sample row: sample 'A' has the same file already in line 2"],
    ),
    "file of two samples": (
        rows("A,a.fq.gz", "B,x/../a.fq.gz"),
        ["line 3", "the same file is given for two samples, 'A' (line 2) and 'B'", "found x/../a.fq.gz"],
    ),
    "R2 of one is R1 of another": (
        rows("A,a.fq.gz,b.fq.gz", "B,b.fq.gz,c.fq.gz", header="sample,fastq_1,fastq_2"),
        ["line 3, column fastq_1", "two samples"],
    ),
    "no reads": (rows("A,"), ["line 2, column fastq_1", "neither reads nor a count table"]),
    "R2 alone": (rows("A,,b.fq.gz", header="sample,fastq_1,fastq_2"), ["the first reads are missing"]),
    "R1 is R2": (
        rows("A,b.fq.gz,./b.fq.gz", header="sample,fastq_1,fastq_2"),
        ["line 2, column fastq_2", "the same file", "Leave 'fastq_2' empty for single-end reads"],
    ),
    "bam": (rows("A,a.bam"), ["column fastq_1", "'a.bam'", ".fastq.gz, .fq.gz, .fastq, .fq"]),
    "reads and counts": (
        rows("A,a.fq.gz,c.txt", header="sample,fastq_1,counts"),
        ["column counts", "both reads and a count table"],
    ),
    "mixed ends": (
        rows("A,a.fq.gz,b.fq.gz", "A,c.fq.gz,", header="sample,fastq_1,fastq_2"),
        ["line 3, column fastq_2", "mixes single-end and paired-end lanes", "in line 2 b.fq.gz"],
    ),
    "two count tables": (
        rows("A,a.txt", "A,b.txt", header="sample,counts"),
        ["line 3", "second row, and only reads are merged"],
    ),
    "sensitivity": (
        rows("A,a.fq.gz,Resistant", header="sample,fastq_1,sensitivity"),
        ["column sensitivity", "sensitive, resistant, unknown", "Write 'resistant'"],
    ),
    "unit in number": (
        rows("A,a.fq.gz,24h", header="sample,fastq_1,time_h"),
        ["time_h is not a number", "'24h'"],
    ),
    "decimal comma": (rows('A,a.fq.gz,"9,1"', header="sample,fastq_1,rin"), ["'9,1'", "Write 9.1"]),
    "infinite": (rows("A,a.fq.gz,inf", header="sample,fastq_1,dose_um"), ["dose_um is not a number"]),
    "underscore": (rows("A,a.fq.gz,1_0", header="sample,fastq_1,dose_um"), ["dose_um is not a number"]),
    "negative": (rows("A,a.fq.gz,-1", header="sample,fastq_1,a260_a280"), ["a260_a280 is negative"]),
    "RIN 91": (rows("A,a.fq.gz,91", header="sample,fastq_1,rin"), ["rin is above 10"]),
    "NUL": ("sample,fastq_1\nA,a\0.fq.gz\n", ["line 2", "control character", r"'\x00'"]),
    "open quote": ('sample,fastq_1\nA,"a.fq.gz\nB,b.fq.gz\n', ["line 2", "Close every quotation mark"]),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_sheet_is_refused_in_words(name: str) -> None:
    text, parts = BAD[name]
    message = error_of(text, "samples.csv")
    assert message.startswith("samples.csv")
    for part in parts:
        assert part in message


SHEETS = st.lists(
    st.tuples(
        st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,8}", fullmatch=True).filter(lambda text: text.lower() != "na"),
        st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "Zs")), max_size=8),
    ),
    min_size=1,
    max_size=6,
    # Notes that differ in nothing that can be seen are refused.
    unique_by=(lambda row: row[0].casefold(), lambda row: appearance(row[1])),
)


@given(SHEETS)
def test_any_metadata_text_survives(records: list[tuple[str, str]]) -> None:
    written = pd.DataFrame(
        [(sample, f"{sample}.fq.gz", note) for sample, note in records], columns=["sample", "fastq_1", "note"]
    ).to_csv(index=False)
    table = parse_sample_sheet(written, source="s.csv").design_table()
    assert list(table.index) == [sample for sample, _ in records]
    for (_, note), stored in zip(records, table["note"], strict=True):
        assert stored is None or (note.strip() and stored in note)


@given(st.text(max_size=200))
def test_any_text_gives_a_sheet_or_a_typed_error(text: str) -> None:
    try:
        sheet = parse_sample_sheet(text, source="s.csv")
    except PomaError as problem:
        message = str(problem)
    else:
        message = "s.csv" if len(sheet.samples) else "a sheet without samples"
    assert message.startswith("s.csv")
