"""The gene table of a contrast, cut to what a page holds: significant genes first, then the best others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from poma_assets.reports.gene_figures import primary_engine, significance
from poma_assets.reports.rendering import safe_json

if TYPE_CHECKING:
    from markupsafe import Markup

MAX_SIGNIFICANT = 3000
MIN_ROWS = 500

_COLUMNS = (
    # column, heading, kind of cell (the digit: decimals)
    ("gene_name", "Gene", "text"),
    ("gene_id", "Gene id", "text"),
    ("class", "Change", "change"),
    ("base_mean", "Mean count", "number1"),
    ("log2_fold_change", "log2 FC", "number2"),
    ("standard_error", "SE", "number2"),
    ("shrunken_log2_fold_change", "shrunken log2 FC", "number2"),
    ("p_value", "p", "p"),
    ("p_adjusted", "FDR", "p"),
    ("edger_log2_fold_change", "edgeR log2 FC", "number2"),
    ("edger_p_adjusted", "edgeR FDR", "p"),
)


@dataclass(frozen=True)
class GeneTable:
    """A gene table for the page, and how much of the whole it holds. ``passing``: FDR below the threshold."""

    json: Markup
    columns: list[dict[str, str]]
    rows: list[list[Any]]
    total: int
    tested: int
    passing: int
    up: int
    down: int

    @property
    def is_cut(self) -> bool:
        """Whether genes were left out."""
        return len(self.rows) < self.total


def gene_table(de: pd.DataFrame, *, fdr: float, log2_fold_change: float) -> GeneTable:
    """Make the gene table of one contrast.

    Parameters
    ----------
    de
        Rows of ``de_results`` of one contrast, all engines. DESeq2's decide; edgeR's stand beside them.
    fdr, log2_fold_change
        Thresholds of a significant gene.

    Returns
    -------
    GeneTable
        By p value: all genes with an adjusted p value below `fdr` (at most 3,000), or the best 500 if these
        are fewer. Counts are of all genes of the contrast.
    """
    main = primary_engine(de).copy()
    main["class"] = significance(main, fdr=fdr, log2_fold_change=log2_fold_change)
    edger = de[de["engine"].astype(str) == "edger"].drop_duplicates("gene_id").set_index("gene_id")
    if len(main) and str(main["engine"].iloc[0]) != "edger" and len(edger):
        for column in ("log2_fold_change", "p_adjusted"):
            main[f"edger_{column}"] = main["gene_id"].map(edger[column])
    p = pd.to_numeric(main["p_value"], errors="coerce")
    passing = int((pd.to_numeric(main["p_adjusted"], errors="coerce") < fdr).sum())
    shown = main.assign(_p=p).sort_values(["_p", "gene_id"], kind="stable")
    shown = shown.head(max(MIN_ROWS, min(passing, MAX_SIGNIFICANT)))
    kept = [entry for entry in _COLUMNS if entry[0] in shown.columns and shown[entry[0]].notna().any()]
    columns = [{"key": key, "label": label, "kind": kind} for key, label, kind in kept]
    rows = [list(row) for row in shown[[key for key, _, _ in kept]].itertuples(index=False, name=None)]
    rows = [[_rounded(value) for value in row] for row in rows]
    return GeneTable(
        json=safe_json(columns, rows),
        columns=columns,
        rows=rows,
        total=len(main),
        tested=int(p.notna().sum()),
        passing=passing,
        up=int((main["class"] == "up").sum()),
        down=int((main["class"] == "down").sum()),
    )


def _rounded(value: Any) -> Any:
    """Keep five significant digits: more are noise, and a page of 20,000 genes must stay small."""
    return float(f"{value:.5g}") if isinstance(value, float) else value
