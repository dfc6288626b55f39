import pytest

from poma_assets.science.errors import FastqError
from poma_assets.science.fastq_pairs import FastqPair, find_fastq_pairs, sheet_from_pairs
from poma_assets.science.sample_sheet import parse_sample_sheet


@pytest.mark.parametrize(
    ("first", "second", "sample"),
    [
        ("HBR_Rep1.read1.fastq.gz", "HBR_Rep1.read2.fastq.gz", "HBR_Rep1"),
        ("sample1.tiny_R1.fastq.gz", "sample1.tiny_R2.fastq.gz", "sample1.tiny"),
        ("SRR948304_1.fastq.gz", "SRR948304_2.fastq.gz", "SRR948304"),
        ("MM1S-DMSO.R1.fq", "MM1S-DMSO.R2.fq", "MM1S-DMSO"),
        ("A_S3_R1_001.fastq.gz", "A_S3_R2_001.fastq.gz", "A"),
        ("pom 1uM (a)_R1.fq.gz", "pom 1uM (a)_R2.fq.gz", "pom_1uM_a"),
        ("S_R1_R1.fq.gz", "S_R1_R2.fq.gz", "S_R1"),
    ],
)
def test_pairs_by_every_naming_habit(first: str, second: str, sample: str) -> None:
    assert find_fastq_pairs([second, "notes.txt", first]) == [FastqPair(sample, None, first, second)]


def test_lanes_are_units_of_one_sample() -> None:
    names = [f"A_S1_L00{lane}_R{read}_001.fastq.gz" for lane in (2, 1) for read in (1, 2)]
    pairs = find_fastq_pairs(names)
    assert [(pair.sample, pair.lane) for pair in pairs] == [("A", "L001"), ("A", "L002")]
    assert pairs[0].fastq_2 == "A_S1_L001_R2_001.fastq.gz"


def test_same_name_in_two_folders_is_resequencing_of_one_sample() -> None:
    pairs = find_fastq_pairs([f"run{run}/A_R{read}.fq.gz" for run in (1, 2) for read in (1, 2)])
    assert [(pair.sample, pair.fastq_1, pair.fastq_2) for pair in pairs] == [
        ("A", "run1/A_R1.fq.gz", "run1/A_R2.fq.gz"),
        ("A", "run2/A_R1.fq.gz", "run2/A_R2.fq.gz"),
    ]


def test_numbered_single_end_replicates_are_no_pairs() -> None:
    pairs = find_fastq_pairs(["ctrl_10.fq.gz", "ctrl_2.fq.gz", "ctrl_1.fq.gz"])
    assert [(pair.sample, pair.fastq_2) for pair in pairs] == [
        ("ctrl_1", None),
        ("ctrl_2", None),
        ("ctrl_10", None),
    ]


def test_sample_numbers_stay_where_names_would_collide() -> None:
    pairs = find_fastq_pairs(["A_S1_R1_001.fq.gz", "A_S2_R1_001.fq.gz", "B_S3_R1_001.fq.gz"])
    assert [pair.sample for pair in pairs] == ["A_S1", "A_S2", "B"]


def test_second_read_alone_is_refused() -> None:
    with pytest.raises(FastqError) as caught:
        find_fastq_pairs(["A_R1.fq.gz", "A_R2.fq.gz", "B_R2.fq.gz"])
    assert str(caught.value) == (
        "second reads without their first reads (found B_R2.fq.gz; expected for every R2 file "
        "an R1 file with "
        "otherwise the same name). Copy the missing files or name both files of a pair alike"
    )


def test_two_files_for_one_read_are_refused() -> None:
    with pytest.raises(FastqError, match=r"A: two files for read 1 .* A_R1.fastq and A_R1.fastq.gz"):
        find_fastq_pairs(["A_R1.fastq.gz", "A_R1.fastq"])


def test_sheet_written_for_pairs_is_a_valid_sheet() -> None:
    pairs = find_fastq_pairs(["A_R1.fq.gz", "A_R2.fq.gz", "B.fq.gz"])
    sheet = parse_sample_sheet(sheet_from_pairs(pairs, ["treatment", "batch"]), source="samples.tsv")
    assert list(sheet.samples["sample_id"]) == ["A", "B"]
    assert sheet.units["fastq_2"].tolist() == ["A_R2.fq.gz", None]
    assert list(sheet.design_table().columns) == ["treatment", "batch"]
