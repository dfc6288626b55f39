"""The genes of a report: one list of names, a packed table per contrast, and the expression of each sample.

A page holds all genes as long as it stays small. Beyond that the genes with the smallest p values stay, and the page
says so.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from poma_assets.reports.gene_figures import primary_engine, significance
from poma_assets.reports.packing import code_column, linear_column, log_column, pack, text_column

if TYPE_CHECKING:
    from markupsafe import Markup

MOST_GENE_ROWS = 240_000
"""Rows of all contrasts together."""
LEAST_ROWS_PER_CONTRAST = 3000
MOST_EXPRESSION_VALUES = 1_200_000
"""Genes x samples."""
SHOWN_WITHOUT_SCRIPT = 25

_CLASSES = ("up", "down", "no")
_STATUSES = ("tested", "filtered", "outlier", "low_count", "all_zero", "not_converged")
AGREEMENTS = ("both_significant", "deseq2_only", "edger_only", "opposite", "neither", "not_comparable")

COLUMNS = (
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
_EFFECTS = ("log2_fold_change", "shrunken_log2_fold_change", "edger_log2_fold_change")
_POSITIVE = ("base_mean", "standard_error", "p_value", "p_adjusted", "edger_p_adjusted")
_EFFECT_STEP = 5e-4


@dataclass(frozen=True)
class GeneNames:
    """The genes of a page; the packed tables name a gene by its position here."""

    ids: list[str]
    names: list[str]

    @property
    def positions(self) -> dict[str, int]:
        """Gene id -> position."""
        return {gene: position for position, gene in enumerate(self.ids)}

    @property
    def block(self) -> Markup:
        """The names, packed."""
        return pack(len(self.ids), [text_column("gene_id", self.ids), text_column("gene_name", self.names)])


@dataclass(frozen=True)
class GeneTable:
    """The genes of one contrast: packed, the first rows for readers without the script, and counts of all genes.

    ``passing``: FDR below the threshold; ``ids``: the genes that the page holds, by p value.
    """

    block: Markup
    columns: list[dict[str, str]]
    first_rows: list[list[Any]]
    ids: list[str]
    total: int
    tested: int
    passing: int
    up: int
    down: int

    @property
    def is_cut(self) -> bool:
        """Whether genes were left out."""
        return len(self.ids) < self.total


def gene_names(de: pd.DataFrame, others: pd.DataFrame | None = None) -> GeneNames:
    """List the genes of ``de_results`` and of another table with the columns ``gene_id, gene_name``, by gene id."""
    named = de[["gene_id", "gene_name"]].astype(object)
    if others is not None:
        named = pd.concat([named, others[["gene_id", "gene_name"]].astype(object)], ignore_index=True)
    named = named[named["gene_id"].notna()].drop_duplicates("gene_id").sort_values("gene_id")
    named["gene_id"] = named["gene_id"].astype(str)
    names = named["gene_name"].where(named["gene_name"].notna() & (named["gene_name"] != ""), named["gene_id"])
    return GeneNames(list(named["gene_id"]), [str(name) for name in names])


def gene_table(
    de: pd.DataFrame,
    names: GeneNames,
    *,
    fdr: float,
    log2_fold_change: float,
    agreement: pd.DataFrame | None = None,
    most_rows: int = MOST_GENE_ROWS,
) -> GeneTable:
    """Make the gene table of one contrast.

    Parameters
    ----------
    de
        Rows of ``de_results`` of one contrast, all engines. DESeq2's decide; edgeR's stand beside them.
    names
        The genes of the page; must hold those of `de`.
    fdr, log2_fold_change
        Thresholds of a significant gene.
    agreement
        Rows of ``engine_agreement`` of the contrast.
    most_rows
        Genes that the page may hold of this contrast.

    Returns
    -------
    GeneTable
        By p value. Counts are of all genes of the contrast.
    """
    main = primary_engine(de).drop_duplicates("gene_id").copy()
    main["class"] = significance(main, fdr=fdr, log2_fold_change=log2_fold_change)
    edger = de[de["engine"].astype(str) == "edger"].drop_duplicates("gene_id").set_index("gene_id")
    if len(main) and str(main["engine"].iloc[0]) != "edger" and len(edger):
        for column in ("log2_fold_change", "p_adjusted"):
            main[f"edger_{column}"] = main["gene_id"].map(edger[column])
    p = pd.to_numeric(main["p_value"], errors="coerce")
    shown = main.assign(_p=p).sort_values(["_p", "gene_id"], kind="stable").head(most_rows)
    kept = [entry for entry in COLUMNS if entry[0] in shown.columns and shown[entry[0]].notna().any()]
    keys = [key for key, _, _ in kept]
    return GeneTable(
        block=_gene_block(shown, keys, names, agreement),
        columns=[{"key": key, "label": label, "kind": kind} for key, label, kind in kept],
        first_rows=[list(row) for row in shown[keys].head(SHOWN_WITHOUT_SCRIPT).itertuples(index=False, name=None)],
        ids=[str(gene) for gene in shown["gene_id"]],
        total=len(main),
        tested=int(p.notna().sum()),
        passing=int((pd.to_numeric(main["p_adjusted"], errors="coerce") < fdr).sum()),
        up=int((main["class"] == "up").sum()),
        down=int((main["class"] == "down").sum()),
    )


def _gene_block(shown: pd.DataFrame, keys: Sequence[str], names: GeneNames, agreement: pd.DataFrame | None) -> Markup:
    columns = [
        linear_column("gene", shown["gene_id"].astype(str).map(names.positions), 1.0),
        code_column("class", shown["class"], _CLASSES),
        code_column("status", shown["status"], _STATUSES),
    ]
    columns += [linear_column(key, shown[key], _EFFECT_STEP) for key in _EFFECTS if key in keys]
    columns += [log_column(key, shown[key]) for key in _POSITIVE if key in keys]
    if agreement is not None and len(agreement):
        kinds = agreement.drop_duplicates("gene_id").set_index("gene_id")["agreement"]
        columns.append(code_column("agreement", shown["gene_id"].map(kinds), AGREEMENTS))
    return pack(len(shown), columns)


@dataclass(frozen=True)
class ExpressionTable:
    """Normalised counts of the genes that the page holds, packed: columns ``s0, s1, ...`` in the order of `samples`.

    ``n_left_out``: genes that the page does not hold.
    """

    block: Markup | None
    samples: list[str]
    n_genes: int
    n_left_out: int


def expression_table(
    counts: pd.DataFrame, names: GeneNames, first: Collection[str], *, most_values: int = MOST_EXPRESSION_VALUES
) -> ExpressionTable:
    """Pack the normalised counts of every gene in every sample.

    Parameters
    ----------
    counts
        Normalised counts, genes x samples.
    names
        The genes of the page; must hold those of `counts`.
    first
        Gene ids, the most wanted first: these stay if not all can.
    most_values
        Genes x samples that the page may hold.
    """
    samples = [str(sample) for sample in counts.columns]
    if counts.empty:
        return ExpressionTable(None, [], 0, 0)
    rank = {gene: position for position, gene in enumerate(dict.fromkeys(map(str, first)))}
    places = [rank.get(str(gene), len(rank)) for gene in counts.index]
    kept = counts.iloc[np.argsort(places, kind="stable")[: max(1, most_values // len(samples))]].sort_index()
    positions = names.positions
    packed = [linear_column("gene", np.array([positions[str(gene)] for gene in kept.index]), 1.0)]
    packed += [log_column(f"s{i}", column) for i, column in enumerate(kept.to_numpy(dtype=float).T)]
    return ExpressionTable(pack(len(kept), packed), samples, len(kept), len(counts) - len(kept))
