"""JSON reports of the trimmers."""

from __future__ import annotations

import json

import pytest

from poma_assets.science.errors import ToolError
from poma_assets.science.trimming_reports import parse_cutadapt_json, parse_fastp_json

CUTADAPT = {
    "read_counts": {"input": 1200, "output": 900, "read1_with_adapter": 300, "read2_with_adapter": 150},
    "basepair_counts": {"input": 240000, "output": 150000},
}
FASTP = {
    "summary": {
        "before_filtering": {"total_reads": 2400, "total_bases": 240000},
        "after_filtering": {"total_reads": 1800, "total_bases": 160000, "q30_bases": 120000},
    },
    "adapter_cutting": {"adapter_trimmed_reads": 600},
    "read2_before_filtering": {},
}


def test_cutadapt_pairs():
    assert parse_cutadapt_json(json.dumps(CUTADAPT), source="x") == {
        "trimmer": "cutadapt",
        "read_pairs_in": 1200,
        "read_pairs_out": 900,
        "pass_filter_pct": 75.0,
        "adapter_r1_pct": 25.0,
        "adapter_r2_pct": 12.5,
        "bases_in_bp": 240000,
        "bases_out_bp": 150000,
        "q30_pct": None,
    }


def test_cutadapt_single_end_has_no_second_adapter():
    report = {**CUTADAPT, "read_counts": {**CUTADAPT["read_counts"], "read2_with_adapter": None}}
    row = parse_cutadapt_json(json.dumps(report), source="x")
    assert (row["adapter_r1_pct"], row["adapter_r2_pct"]) == (25.0, None)


def test_fastp_pairs_are_half_of_its_reads():
    assert parse_fastp_json(json.dumps(FASTP), source="x") == {
        "trimmer": "fastp",
        "read_pairs_in": 1200,
        "read_pairs_out": 900,
        "pass_filter_pct": 75.0,
        "adapter_r1_pct": None,
        "adapter_r2_pct": None,
        "bases_in_bp": 240000,
        "bases_out_bp": 160000,
        "q30_pct": 75.0,
    }


def test_fastp_single_end():
    report = {key: value for key, value in FASTP.items() if key != "read2_before_filtering"}
    row = parse_fastp_json(json.dumps(report), source="x")
    assert (row["read_pairs_in"], row["read_pairs_out"], row["adapter_r1_pct"]) == (2400, 1800, 25.0)


def test_no_reads_at_all():
    counts = {"input": 0, "output": 0, "read1_with_adapter": 0, "read2_with_adapter": 0}
    report = {"read_counts": counts, "basepair_counts": {"input": 0, "output": 0}}
    assert parse_cutadapt_json(json.dumps(report), source="x")["pass_filter_pct"] == 0.0


@pytest.mark.parametrize("parse", [parse_cutadapt_json, parse_fastp_json])
@pytest.mark.parametrize("text", ["", '{"read_counts": ', "[]", "{}", '{"read_counts": 3, "summary": null}'])
def test_incomplete_reports(parse, text):
    with pytest.raises(ToolError, match=r"S1.json: the (trimming )?report"):
        parse(text, source="S1.json")
