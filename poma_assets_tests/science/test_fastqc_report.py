"""FastQC's data file, hand-made with values that can be worked out."""

from __future__ import annotations

import pytest

from poma_assets.science.errors import ToolError
from poma_assets.science.fastqc_report import parse_fastqc_data

REPORT = """##FastQC\t0.12.1
>>Basic Statistics\tpass
#Measure\tValue
Filename\tS1_raw_R1.fastq.gz
File type\tConventional base calls
Encoding\tSanger / Illumina 1.9
Total Sequences\t200
Total Bases\t9.6 kbp
Sequences flagged as poor quality\t0
Sequence length\t36-48
%GC\t47
>>END_MODULE
>>Per sequence quality scores\twarn
#Quality\tCount
12\t20.0
29\t30.0
30\t50.0
38\t1.0E2
>>END_MODULE
>>Sequence Duplication Levels\tfail
#Total Deduplicated Percentage\t87.5
#Duplication Level\tPercentage of total
1\t80.0
2\t20.0
>>END_MODULE
>>Overrepresented sequences\tpass
>>END_MODULE
>>Adapter Content\tfail
#Position\tIllumina Universal Adapter\tNextera Transposase Sequence\tPolyA\tPolyG
1\t0.0\t0.0\t0.5\t0.0
2\t1.25\t2.5E-1\t90.0\t95.0
>>END_MODULE
"""


def test_values():
    assert parse_fastqc_data(REPORT, source="x") == {
        "total_sequences": 200,
        "read_length_bp": "36-48",
        "gc_pct": 47.0,
        "mean_quality": (12 * 20 + 29 * 30 + 30 * 50 + 38 * 100) / 200,
        "q30_pct": 75.0,
        "duplication_pct": 12.5,
        "adapter_pct": 1.25,
        "failed_modules": "Sequence Duplication Levels;Adapter Content",
        "warned_modules": "Per sequence quality scores",
    }


def test_switched_off_modules_are_none():
    basic = REPORT[: REPORT.index(">>Per sequence")]
    row = parse_fastqc_data(basic, source="x")
    assert [row[key] for key in ("mean_quality", "q30_pct", "duplication_pct", "adapter_pct")] == [None] * 4
    assert row["failed_modules"] == ""


@pytest.mark.parametrize(
    "text",
    [
        "",
        "not FastQC at all",
        REPORT[:-20],
        REPORT.replace("%GC\t47\n", ""),
        REPORT.replace("\t200\n", "\tmany\n"),
    ],
)
def test_incomplete_report(text):
    with pytest.raises(ToolError, match=r"S1_fastqc.zip: the data file of FastQC is not complete"):
        parse_fastqc_data(text, source="S1_fastqc.zip")
