from __future__ import annotations

import numpy as np
import pandas as pd

from poma_assets.science.differential_expression.agreement import engine_agreement
from poma_assets.storage.schema import TABLES

CASES = {
    # gene: (DESeq2 effect, p adjusted, status), (edgeR likewise), agreement, words of the reason
    "both": ((1.0, 0.01, "tested"), (0.9, 0.02, "tested"), "both_significant", None),
    "opposite": ((1.0, 0.01, "tested"), (-0.9, 0.02, "tested"), "opposite", "different directions"),
    "neither": ((0.1, 0.8, "tested"), (0.2, 0.9, "tested"), "neither", None),
    "border": (
        (1.0, 0.04, "tested"),
        (0.9, 0.06, "tested"),
        "deseq2_only",
        "borderline: edgeR has",
    ),
    "variable": (
        (1.0, 0.4, "tested"),
        (0.9, 0.001, "tested"),
        "edger_only",
        "dispersion differently: DESeq2",
    ),
    "outlier": ((1.0, np.nan, "outlier"), (0.9, 0.001, "tested"), "edger_only", "DESeq2: an extreme count"),
    "rare": ((1.0, 0.01, "tested"), (np.nan, np.nan, "filtered"), "deseq2_only", "edgeR: it was filtered"),
    "low": ((0.1, np.nan, "low_count"), (0.1, 0.7, "tested"), "not_comparable", "independent filtering"),
    "empty": ((np.nan, np.nan, "all_zero"), (np.nan, np.nan, "all_zero"), "not_comparable", "no fragment"),
}


def _results(position: int) -> pd.DataFrame:
    return pd.DataFrame.from_dict(
        {gene: case[position] for gene, case in CASES.items()},
        orient="index",
        columns=["log2_fold_change", "p_adjusted", "status"],
    )


def test_every_case_by_hand() -> None:
    frame = engine_agreement(_results(0), _results(1).iloc[::-1], alpha=0.05, gene_names={"both": "IRF4"})
    declared = [column.name for column in TABLES["engine_agreement"].columns]
    assert ["contrast_id", *frame.columns] == declared
    rows = frame.set_index("gene_id")
    assert list(rows.index) == list(CASES)
    assert rows.gene_name["both"] == "IRF4"
    assert rows.gene_name["border"] == "border"
    for gene, (_, _, agreement, words) in CASES.items():
        assert rows.agreement[gene] == agreement, gene
        if words is None:
            assert rows.reason[gene] is None
        else:
            assert words in rows.reason[gene]


def test_gene_of_one_engine_only() -> None:
    frame = engine_agreement(_results(0), _results(1).drop(index="both"), alpha=0.05).set_index("gene_id")
    assert frame.agreement["both"] == "deseq2_only"
    assert frame.reason["both"] == "edgeR: it was not tested"
