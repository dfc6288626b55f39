"""STAR's final log and gene counts."""

from __future__ import annotations

import pytest

from poma_assets.science.errors import CountsError, ToolError
from poma_assets.science.star_logs import parse_reads_per_gene, parse_star_log_final

LOG = """\
                                 Started job on |\tNov 22 17:14:43
       Mapping speed, Million of reads per hour |\tinf

                          Number of input reads |\t2000
                      Average input read length |\t200
                                    UNIQUE READS:
                   Uniquely mapped reads number |\t1800
                        Uniquely mapped reads % |\t90.00%
                          Average mapped length |\t199.74
                       Number of splices: Total |\t86
            Number of splices: Annotated (sjdb) |\t54
                      Mismatch rate per base, % |\t0.17%
                             MULTI-MAPPING READS:
        Number of reads mapped to multiple loci |\t60
             % of reads mapped to multiple loci |\t3.00%
        Number of reads mapped to too many loci |\t20
             % of reads mapped to too many loci |\t1.00%
                                  UNMAPPED READS:
       % of reads unmapped: too many mismatches |\t0.10%
                 % of reads unmapped: too short |\t5.70%
                     % of reads unmapped: other |\t0.20%
"""

COUNTS = """\
N_unmapped\t120\t120\t120
N_multimapping\t60\t60\t60
N_noFeature\t10\t900\t20
N_ambiguous\t5\t0\t1
ENSG00000137265.16\t100\t4\t97
ENSG00000182378.15\t3\t0\t3
ENSG00000182378.15_PAR_Y\t1\t1\t0
YAL001.1\t7\t0\t7
"""


def test_final_log():
    assert parse_star_log_final(LOG, source="x") == {
        "read_pairs": 2000,
        "uniquely_mapped": 1800,
        "uniquely_mapped_pct": 90.0,
        "multi_mapped_pct": 3.0,
        "too_many_loci_pct": 1.0,
        "unmapped_pct": 6.0,
        "mismatch_pct": 0.17,
        "mean_mapped_length_bp": 199.74,
        "splices": 86,
        "annotated_splices": 54,
    }


def test_final_log_of_no_reads():
    text = LOG.replace("199.74", "nan").replace("\t2000", "\t0").replace("0.17%", "-nan%")
    row = parse_star_log_final(text, source="x")
    assert (row["read_pairs"], row["mean_mapped_length_bp"], row["mismatch_pct"]) == (0, 0.0, 0.0)


@pytest.mark.parametrize("text", ["", LOG[:400], LOG.replace("90.00%", "soon")])
def test_incomplete_final_log(text):
    with pytest.raises(ToolError, match=r"S1.Log.final.out: the final log of STAR is not complete"):
        parse_star_log_final(text, source="S1.Log.final.out")


def test_reads_per_gene():
    genes, summary = parse_reads_per_gene(COUNTS, source="x")
    assert list(genes.columns) == ["gene_id", "unstranded", "forward", "reverse"]
    assert genes.to_numpy().tolist() == [
        ["ENSG00000137265", 100, 4, 97],
        ["ENSG00000182378", 3, 0, 3],
        ["ENSG00000182378_PAR_Y", 1, 1, 0],
        ["YAL001.1", 7, 0, 7],
    ]
    assert summary.loc["N_noFeature"].to_dict() == {"unstranded": 10, "forward": 900, "reverse": 20}
    assert list(summary.index) == ["N_unmapped", "N_multimapping", "N_noFeature", "N_ambiguous"]


def test_truncated_reads_per_gene():
    with pytest.raises(CountsError, match=r"x, line 8: the row has another number of columns \(found 2 columns"):
        parse_reads_per_gene(COUNTS[: COUNTS.rindex("\t0")], source="x")
