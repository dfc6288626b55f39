"""Readers of count tables and of what the tools leave: logs and reports."""

from __future__ import annotations

import contextlib
import json

import numpy as np
import pandas as pd

from poma_assets.science.count_tables import (
    parse_count_table,
    parse_featurecounts,
    parse_featurecounts_summary,
    parse_htseq_counts,
    parse_sample_counts,
)
from poma_assets.science.count_validation import align_samples, validate_counts
from poma_assets.science.errors import CountsError
from poma_assets.science.fastqc_report import parse_fastqc_data
from poma_assets.science.star_logs import parse_reads_per_gene, parse_star_log_final
from poma_assets.science.trimming_reports import TrimmingRow, parse_cutadapt_json, parse_fastp_json
from poma_assets.science.whole_number_table import read_numbers
from poma_assets_tests.fuzzing.target import Target, text_of

MATRIX = (
    "gene_id\tgene_name\tS1\tS2\nENSG00000137265.16\tIRF4\t10\t0\nENSG00000136997.22\tMYC\t3\t4\nG3\t1-Mar\t0\t1\n",
    '"","S1","S2"\n"A",1,2\n"B",3,4\n',
    "S1\tS2\nA\t1\t2\nB\t3\t4\n",
    "gene\tS1\tS2\nA\t1.5\t2\nB\t3\t4.25\n",
)
FEATURECOUNTS = (
    "# Program:featureCounts v2.0.3\n"
    "Geneid\tChr\tStart\tEnd\tStrand\tLength\tS1.bam\n"
    "ENSG00000137265.16\tchr6\t100;200\t150;250\t+;+\t102\t7\nG2\tchr1\t1\t9\t-\t9\t0\n"
)
HTSEQ = "ENSG00000137265.16\t7\nG2\t0\n__no_feature\t3\n__ambiguous\t1\n__alignment_not_unique\t5\n"
STAR_COUNTS = (
    "N_unmapped\t1\t1\t1\nN_multimapping\t2\t2\t2\nN_noFeature\t1\t9\t2\nN_ambiguous\t5\t0\t1\n"
    "G1\t100\t4\t97\nG2\t3\t0\t3\n"
)
SALMON = "Name\tLength\tEffectiveLength\tTPM\tNumReads\nG1\t100\t80\t1.5\t77.25\nG2\t9\t8\t0\t0\n"
RSEM = "gene_id\ttranscript_id(s)\tlength\teffective_length\texpected_count\tTPM\tFPKM\nG1\tT1,T2\t9\t8\t77.25\t1\t1\n"
SUMMARY = "Status\tS1.bam\nAssigned\t90\nUnassigned_NoFeatures\t10\n"

STAR_LOG = """\
                                 Started job on |\tNov 22 17:14:43
                          Number of input reads |\t2000
                   Uniquely mapped reads number |\t1800
                        Uniquely mapped reads % |\t90.00%
                          Average mapped length |\t199.74
                       Number of splices: Total |\t86
            Number of splices: Annotated (sjdb) |\t54
                      Mismatch rate per base, % |\t0.17%
             % of reads mapped to multiple loci |\t3.00%
             % of reads mapped to too many loci |\t1.00%
       % of reads unmapped: too many mismatches |\t0.10%
                 % of reads unmapped: too short |\t5.70%
                     % of reads unmapped: other |\t0.20%
"""
FASTQC = """##FastQC\t0.12.1
>>Basic Statistics\tpass
#Measure\tValue
Filename\tS1.fastq.gz
Total Sequences\t200
Sequence length\t36-48
%GC\t47
>>END_MODULE
>>Per sequence quality scores\twarn
#Quality\tCount
12\t20.0
38\t1.0E2
>>END_MODULE
>>Sequence Duplication Levels\tfail
#Total Deduplicated Percentage\t87.5
#Duplication Level\tPercentage of total
1\t80.0
>>END_MODULE
>>Adapter Content\tfail
#Position\tIllumina Universal Adapter\tPolyA
1\t0.0\t0.5
2\t1.25\t90.0
>>END_MODULE
"""
CUTADAPT = json.dumps(
    {
        "read_counts": {"input": 1200, "output": 900, "read1_with_adapter": 300, "read2_with_adapter": None},
        "basepair_counts": {"input": 240000, "output": 150000},
    }
)
FASTP = json.dumps(
    {
        "summary": {
            "before_filtering": {"total_reads": 2400, "total_bases": 240000},
            "after_filtering": {"total_reads": 1800, "total_bases": 160000, "q30_bases": 120000},
        },
        "adapter_cutting": {"adapter_trimmed_reads": 600},
        "read2_before_filtering": {},
    }
)


def _check_counts(counts: pd.DataFrame) -> None:
    assert counts.index.is_unique
    assert all(kind == np.int64 for kind in counts.dtypes)
    assert (counts.to_numpy() >= 0).all()


def _matrix(data: bytes) -> None:
    text = text_of(data)
    matrix = parse_count_table(text, source="counts.tsv", round_fractional=True)
    _check_counts(matrix.counts)
    if matrix.gene_names is not None:
        assert set(matrix.gene_names.index) <= set(matrix.counts.index)
    align_samples(matrix.counts, list(matrix.counts.columns)[::-1], source="counts.tsv")
    for use in (
        lambda: parse_count_table(text, source="counts.tsv"),
        lambda: validate_counts(matrix.counts),
        lambda: align_samples(matrix.counts, ["S1", "S2"], source="counts.tsv"),
    ):
        with contextlib.suppress(CountsError):
            use()


def _featurecounts(data: bytes) -> None:
    _check_counts(parse_featurecounts(text_of(data), source="S1.txt").to_frame())


def _htseq(data: bytes) -> None:
    counts, summary = parse_htseq_counts(text_of(data), source="S1.txt")
    _check_counts(counts.to_frame())
    assert all(name.startswith("__") and number >= 0 for name, number in summary.items())


def _sample_counts(data: bytes) -> None:
    made = parse_sample_counts(text_of(data), source="S1.txt", round_fractional=True)
    _check_counts(made.counts.to_frame())


def _summary(data: bytes) -> None:
    assert all(number >= 0 for number in parse_featurecounts_summary(text_of(data), source="x").values())


def _numbers(data: bytes) -> None:
    table = read_numbers(text_of(data), source="x", columns=("name", "a", "b"), header=None)
    assert table.numbers.index.is_unique
    assert all(kind.kind in "iuf" for kind in table.numbers.dtypes)
    assert len(table.lines) == len(table.numbers)


def _reads_per_gene(data: bytes) -> None:
    genes = parse_reads_per_gene(text_of(data), source="x").genes
    assert list(genes.columns) == ["gene_id", "unstranded", "forward", "reverse"]
    _check_counts(genes.set_index("gene_id"))


def _star_log(data: bytes) -> None:
    row = parse_star_log_final(text_of(data), source="x")
    assert all(np.isfinite(value) and value >= 0 for value in row.values())


def _fastqc(data: bytes) -> None:
    row = parse_fastqc_data(text_of(data), source="x")
    numbers = [value for value in row.values() if isinstance(value, (int, float))]
    assert all(np.isfinite(value) for value in numbers)


def _check_trimming(row: TrimmingRow) -> None:
    for name, value in row.items():
        if isinstance(value, (int, float)):
            assert np.isfinite(value), name
            assert 0 <= value < 2**63, name
        if name.endswith("_pct") and value is not None:
            assert 0 <= float(value) <= 100, name


TOOL_TARGETS = (
    Target("star-log", _star_log, (STAR_LOG,), ("|", "nan", "-nan%")),
    Target("fastqc-data", _fastqc, (FASTQC,), (">>END_MODULE", ">>", "#", "NaN")),
    Target(
        "cutadapt-json",
        lambda data: _check_trimming(parse_cutadapt_json(text_of(data), source="x")),
        (CUTADAPT,),
        ("Infinity", "NaN", "null", "true", "[]", "{}", "[" * 3000),
    ),
    Target(
        "fastp-json",
        lambda data: _check_trimming(parse_fastp_json(text_of(data), source="x")),
        (FASTP,),
        ("Infinity", "NaN", "null", "true", "[]", "{}", "[" * 3000),
    ),
    Target("featurecounts-summary", _summary, (SUMMARY,), ("Assigned",)),
    Target("star-counts", _reads_per_gene, (STAR_COUNTS,), ("N_unmapped",)),
)
"""Readers of what tools leave."""

COUNT_TARGETS = (
    Target("count-matrix", _matrix, MATRIX, ("gene_id", "symbol", "__no_feature", "S1", "ENSG00000137265.1")),
    Target("featurecounts", _featurecounts, (FEATURECOUNTS,), ("Geneid", "#")),
    Target("htseq", _htseq, (HTSEQ,), ("__no_feature",)),
    Target(
        "sample-counts",
        _sample_counts,
        (FEATURECOUNTS, HTSEQ, STAR_COUNTS, SALMON, RSEM, "gene\tcount\nA\t1\nB\t2\n"),
        ("N_unmapped", "__no_feature", "target_id", "ENST00000000001"),
    ),
    Target("whole-numbers", _numbers, ("name\ta\tb\nx\t1\t2\ny\t3\t4.5\n", "x,1,2\ny,3,4\n"), ("1,5", '"')),
)
"""Readers of counts."""
