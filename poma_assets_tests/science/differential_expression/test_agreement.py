from __future__ import annotations

import time

import numpy as np
import pandas as pd

from poma_assets.science.differential_expression.agreement import engine_agreement
from poma_assets.storage.schema import TABLES

CASES = {
    # gene: (DESeq2 effect, p adjusted, status, reason, dispersion), (edgeR likewise), agreement, cause, reason
    "both": ((1.0, 0.01, "tested", None, 0.1), (0.9, 0.02, "tested", None, 0.2), "both_significant", None, None),
    "opposite": (
        (1.0, 0.01, "tested", None, 0.1),
        (-0.9, 0.02, "tested", None, 0.1),
        "opposite",
        "direction",
        "both engines find an effect, in different directions (log2 fold change 1.00 by DESeq2, -0.90 by edgeR)",
    ),
    "neither": ((0.1, 0.8, "tested", None, 0.1), (-0.2, 0.9, "tested", None, 0.1), "neither", None, None),
    "border": (
        (1.0, 0.04, "tested", None, 0.1),
        (0.9, 0.06, "tested", None, 0.5),
        "deseq2_only",
        "borderline",
        "borderline; edgeR has an FDR of 0.06",
    ),
    "variable": (
        (1.0, 0.4, "tested", None, 0.5),
        (0.9, 0.001, "tested", None, 0.1),
        "edger_only",
        "dispersion",
        "DESeq2 takes the gene for more variable (dispersion 0.1 by edgeR, 0.5 by DESeq2); DESeq2 has an FDR of 0.4",
    ),
    "weaker": (
        (1.0, 0.01, "tested", None, 0.1),
        (0.5, 0.3, "tested", None, 0.1),
        "deseq2_only",
        "effect",
        "edgeR estimates a smaller effect (log2 fold change 1.00 by DESeq2, 0.50 by edgeR); edgeR has an FDR of 0.3",
    ),
    "alike": (
        (1.0, 0.01, "tested", None, 0.1),
        (1.0, 0.3, "tested", None, 0.1),
        "deseq2_only",
        "test",
        "effects and dispersions are alike (dispersion 0.1 by DESeq2, 0.1 by edgeR), the tests weigh them "
        "differently; edgeR has an FDR of 0.3",
    ),
    "turned": (
        (-1.0, 0.01, "tested", None, 0.1),
        (0.1, 0.9, "tested", None, 0.1),
        "deseq2_only",
        "direction",
        "the estimates have different directions (log2 fold change -1.00 by DESeq2, 0.10 by edgeR); "
        "edgeR has an FDR of 0.9",
    ),
    "unknown": (
        (1.0, 0.01, "tested", None, np.nan),
        (1.0, 0.3, "tested", None, 0.1),
        "deseq2_only",
        "dispersion",
        "the engines estimate its dispersion differently; edgeR has an FDR of 0.3",
    ),
    "outlier": (
        (1.0, np.nan, "outlier", "extreme count in sample S3", 0.1),
        (0.9, 0.001, "tested", None, 0.1),
        "edger_only",
        "outlier",
        "DESeq2: extreme count in sample S3",
    ),
    "rare": (
        (1.0, 0.01, "tested", None, 0.1),
        (np.nan, np.nan, "filtered", "fewer than 3 samples with 0.9 CPM", np.nan),
        "deseq2_only",
        "filtered",
        "edgeR: fewer than 3 samples with 0.9 CPM",
    ),
    "low": (
        (0.1, np.nan, "low_count", None, 0.1),
        (0.1, 0.7, "tested", None, 0.1),
        "not_comparable",
        "low_count",
        "DESeq2: its mean count is below the threshold of independent filtering",
    ),
    "empty": (
        (np.nan, np.nan, "all_zero", "no fragment", np.nan),
        (np.nan, np.nan, "all_zero", "no fragment", np.nan),
        "not_comparable",
        "all_zero",
        "DESeq2: no fragment; edgeR: no fragment",
    ),
}


def _results(position: int) -> pd.DataFrame:
    return pd.DataFrame.from_dict(
        {gene: case[position] for gene, case in CASES.items()},
        orient="index",
        columns=["log2_fold_change", "p_adjusted", "status", "reason", "dispersion"],
    )


def test_every_case_by_hand() -> None:
    frame = engine_agreement(_results(0), _results(1).iloc[::-1], alpha=0.05, gene_names={"both": "IRF4"})
    declared = [column.name for column in TABLES["engine_agreement"].columns]
    assert ["contrast_id", *frame.columns] == declared
    rows = frame.set_index("gene_id")
    assert list(rows.index) == list(CASES)
    assert rows.gene_name["both"] == "IRF4"
    assert rows.gene_name["border"] == "border"
    for gene, (_, _, agreement, cause, reason) in CASES.items():
        assert (rows.agreement[gene], rows.cause[gene], rows.reason[gene]) == (agreement, cause, reason), gene


def test_rows_of_the_stored_table_are_compared_by_gene_id() -> None:
    left, right = (
        _results(i).drop(columns="dispersion").rename_axis("gene_id").reset_index().assign(gene_name="A")
        for i in (0, 1)
    )
    frame = engine_agreement(left, right.iloc[::-1], alpha=0.05, deseq2_dispersion=_results(0).dispersion)
    assert list(frame.gene_id) == list(CASES)
    assert set(frame.gene_name) == {"A"}
    np.testing.assert_array_equal(frame.deseq2_dispersion, _results(0).dispersion)
    assert frame.edger_dispersion.isna().all()
    assert frame.set_index("gene_id").cause["variable"] == "dispersion"


def test_gene_of_one_engine_only() -> None:
    frame = engine_agreement(_results(0), _results(1).drop(index="both"), alpha=0.05).set_index("gene_id")
    assert frame.agreement["both"] == "deseq2_only"
    assert (frame.cause["both"], frame.reason["both"]) == ("not_tested", "edgeR: it was not tested")


def test_twenty_thousand_genes_take_less_than_half_a_second() -> None:
    frames = [pd.concat([_results(i)] * 1600, ignore_index=True) for i in (0, 1)]
    begin = time.process_time()
    frame = engine_agreement(*frames, alpha=0.05)
    assert time.process_time() - begin < 0.5
    assert frame.agreement.value_counts()["opposite"] == 1600
