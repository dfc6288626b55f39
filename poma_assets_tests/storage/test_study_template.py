from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import yaml

from poma_assets.config import load_sample_sheet, load_study
from poma_assets.science.contrasts_file import parse_contrasts
from poma_assets.science.errors import ContrastError, FastqError, InputError, SampleSheetError
from poma_assets.science.sample_sheet import parse_sample_sheet
from poma_assets.storage.study_template import rows_of_counts, rows_of_nf_core, rows_of_reads, write_study_template


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("")


def written(directory: Path, organism: str = "human", **changes: object) -> pd.DataFrame:
    write_study_template(
        directory, name="s", organism=organism, profile="human_poly_a", genome=None, annotation=None, **changes
    )
    return pd.read_csv(directory / "samples.tsv", sep="\t", dtype=str, keep_default_na=False)


def test_what_only_people_know_is_marked_and_refused_until_it_is_filled_in(tmp_path):
    touch(tmp_path / "reads", "A_R1.fastq.gz", "A_R2.fastq.gz", "B_R1.fastq.gz", "B_R2.fastq.gz")
    rows, left_out = rows_of_reads(tmp_path / "reads", tmp_path)
    sheet = written(tmp_path, rows=rows)
    assert left_out == []
    assert list(sheet.columns[sheet.eq("FILL IN").all()]) == ["cell_line", "cell_context", "treatment", "replicate"]
    assert sheet.loc[0, ["rin", "batch", "dose_um"]].tolist() == ["", "", ""]
    assert sheet["fastq_2"].tolist() == ["reads/A_R2.fastq.gz", "reads/B_R2.fastq.gz"]
    text = (tmp_path / "samples.tsv").read_text()
    message = "line 2, column cell_line: 8 cells are still to be filled in .*the columns cell_line, cell_context, treat"
    with pytest.raises(SampleSheetError, match=message):
        parse_sample_sheet(text, source="samples.tsv")
    parse_sample_sheet(text.replace("FILL IN", "x"), source="samples.tsv")
    contrasts = (tmp_path / "contrasts.tsv").read_text()
    with pytest.raises(ContrastError, match="line 2, column reference: 2 cells are still to be filled in"):
        parse_contrasts(contrasts, source="contrasts.tsv")
    done = contrasts.replace("FILL IN", "DMSO", 1).replace("FILL IN", "POM")
    assert parse_contrasts(done, source="contrasts.tsv")[0].target == "POM"
    assert "FILL IN" in yaml.safe_load((tmp_path / "poma.yaml").read_text())["reference"]["genome"]


def test_one_cell_that_was_forgotten_is_named(tmp_path):
    text = "sample\tfastq_1\ttreatment\nA\ta.fastq\tDMSO\nB\tb.fastq\tfill_in\n"
    with pytest.raises(SampleSheetError, match="line 3, column treatment: 1 cell is still to be filled in"):
        parse_sample_sheet(text, source="samples.tsv")


def test_reads_are_found_below_the_folder_and_lanes_of_two_runs_are_one_sample(tmp_path):
    touch(tmp_path / "reads", "run1/A_S1_L001_R1_001.fastq.gz", "run1/A_S1_L001_R2_001.fastq.gz")
    touch(tmp_path / "reads", "run2/A_S1_L001_R1_001.fastq.gz", "run2/A_S1_L001_R2_001.fastq.gz")
    touch(tmp_path / "reads", "run2/Undetermined_S0_L001_R1_001.fastq.gz", ".hidden/B_R1.fastq.gz", "notes.txt")
    rows, left_out = rows_of_reads(tmp_path / "reads", tmp_path / "study")
    assert [row["sample"] for row in rows] == ["A", "A"]
    assert [row["fastq_1"] for row in rows] == [
        str(tmp_path / "reads" / run / "A_S1_L001_R1_001.fastq.gz") for run in ("run1", "run2")
    ]
    assert left_out == ["run2/Undetermined_S0_L001_R1_001.fastq.gz"]


def test_a_folder_without_reads_is_told(tmp_path):
    touch(tmp_path / "reads", "Undetermined_R1.fastq.gz", "notes.txt")
    with pytest.raises(FastqError, match="no FASTQ files"):
        rows_of_reads(tmp_path / "reads", tmp_path)
    with pytest.raises(InputError, match="the folder does not exist"):
        rows_of_reads(tmp_path / "nowhere", tmp_path)


def test_a_sheet_of_nf_core_is_taken_over_with_its_units_and_further_columns(tmp_path):
    touch(tmp_path / "nf", "data/A_1.fastq.gz", "data/A_2.fastq.gz", "data/A2_1.fastq.gz", "data/A2_2.fastq.gz")
    touch(tmp_path / "nf", "data/B.fastq.gz")
    sheet = tmp_path / "nf" / "samplesheet.csv"
    sheet.write_text(
        "sample,fastq_1,fastq_2,strandedness,treatment,seq_platform\n"
        "A,data/A_1.fastq.gz,data/A_2.fastq.gz,reverse,DMSO,ILLUMINA\n"
        "A,data/A2_1.fastq.gz,data/A2_2.fastq.gz,reverse,DMSO,ILLUMINA\n"
        f"B,{tmp_path}/nf/data/B.fastq.gz,,,POM,ILLUMINA\n"
    )
    made = written(tmp_path / "study", organism="fly", rows=rows_of_nf_core(sheet, tmp_path / "study"))
    assert made["sample"].tolist() == ["A", "A", "B"]
    assert made["fastq_1"].tolist() == [f"{tmp_path}/nf/data/{name}.fastq.gz" for name in ("A_1", "A2_1", "B")]
    assert made["strandedness"].tolist() == ["reverse", "reverse", "auto"]
    assert made["treatment"].tolist() == ["DMSO", "DMSO", "POM"]
    assert made["replicate"].tolist() == ["FILL IN"] * 3
    assert list(made.columns).count("seq_platform") == 1
    assert "cell_line" not in made.columns
    text = (tmp_path / "study" / "samples.tsv").read_text().replace("FILL IN", "1")
    assert len(parse_sample_sheet(text, source="samples.tsv").units) == 3


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("s3://bucket/A_1.fastq.gz", "not on this machine"),
        ("data/A_1.fastq.gz", "line 2, column fastq_1: there is no file"),
    ],
)
def test_files_of_an_nf_core_sheet_that_are_not_here_are_told(tmp_path, cell, message):
    sheet = tmp_path / "samplesheet.csv"
    sheet.write_text(f"sample,fastq_1,fastq_2,strandedness\nA,{cell},,auto\n")
    with pytest.raises(SampleSheetError, match=message):
        rows_of_nf_core(sheet, tmp_path / "study")


def test_a_table_of_counts_gives_its_samples_and_needs_no_reference(tmp_path):
    counts = tmp_path / "counts.tsv"
    counts.write_text("gene_id\tsymbol\tA\tB\nENSG1\tIRF4\t5\t7\nENSG2\tMYC\t0\t1\n")
    made = written(tmp_path / "study", rows=rows_of_counts(counts), count_matrix=counts)
    assert made["sample"].tolist() == ["A", "B"]
    assert "fastq_1" not in made.columns
    config = yaml.safe_load((tmp_path / "study" / "poma.yaml").read_text())
    assert config["count_matrix"] == str(counts)
    assert "reference" not in config
    for name in ("samples.tsv", "contrasts.tsv"):
        path = tmp_path / "study" / name
        text = path.read_text().replace("FILL IN", "DMSO", 1).replace("FILL IN", "POM")
        path.write_text(text)
    assert len(load_sample_sheet(load_study(tmp_path / "study")).samples) == 2


def test_a_study_that_is_there_is_never_overwritten(tmp_path):
    written(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(InputError, match="there is a study already"):
        written(tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
