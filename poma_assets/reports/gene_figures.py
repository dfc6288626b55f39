"""Figures with one point per gene: volcano, dispersions.

All take frames of the declared tables. Where there is nothing to draw they return a figure that says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from poma_assets.reports.figure_encoding import figure_style, legend_above, message_figure, new_figure
from poma_assets.reports.label_placement import label_points
from poma_assets.reports.palette import BLUE, DOWN, GREY, INK, MUTED, ORANGE, UP

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LABELS = 10
"""So many of the smallest p values are labelled."""


def primary_engine(de: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of DESeq2 where there are any, otherwise those of the first engine."""
    if "engine" not in de.columns or de.empty:
        return de
    engines = de["engine"].astype(str)
    engine = "deseq2" if (engines == "deseq2").any() else engines.iloc[0]
    return de[engines == engine]


def significance(de: pd.DataFrame, *, fdr: float, log2_fold_change: float) -> pd.Series[str]:
    """Class every gene as ``up``, ``down`` or ``no``.

    Parameters
    ----------
    de
        Rows of ``de_results``, one per gene.
    fdr
        A gene is significant if its adjusted p value is below this ...
    log2_fold_change
        ... and its absolute log2 fold change is at least this.

    Returns
    -------
    pandas.Series
        One class per row of `de`, with its index.
    """
    effect = pd.to_numeric(de["log2_fold_change"], errors="coerce")
    adjusted = pd.to_numeric(de["p_adjusted"], errors="coerce")
    significant = (adjusted < fdr) & (effect.abs() >= log2_fold_change)
    classes = np.select([significant & (effect > 0), significant & (effect < 0)], ["up", "down"], "no")
    return pd.Series(classes, index=de.index, dtype=object)


def _numeric(frame: pd.DataFrame, *columns: str) -> pd.DataFrame:
    numeric = frame.copy()
    for column in columns:
        numeric[column] = pd.to_numeric(frame[column], errors="coerce").astype(float)
    return numeric


def _gene_labels(genes: pd.DataFrame) -> list[str]:
    names = genes["gene_name"] if "gene_name" in genes.columns else genes["gene_id"]
    return [str(name) for name in names.where(names.notna(), genes["gene_id"])]


def _scatter_by_class(axes: Axes, genes: pd.DataFrame, x: str, y: str) -> None:
    for name, colour, marker, size in (("no", GREY, "o", 7), ("down", DOWN, "v", 14), ("up", UP, "^", 14)):
        part = genes[genes["class"] == name]
        label = {"no": "not significant", "down": "lower in target", "up": "higher in target"}[name]
        axes.scatter(
            part[x],
            part[y],
            s=size,
            c=colour,
            marker=marker,
            alpha=0.45 if name == "no" else 0.85,
            linewidths=0,
            # Thousands of vector points make a page slow; as pixels they cost a constant.
            rasterized=len(part) > 300,
            label=f"{label} ({len(part):,})",
        )


def _ring_and_label(axes: Axes, labelled: pd.DataFrame, x: str, y: str) -> None:
    axes.scatter(labelled[x], labelled[y], s=26, facecolors="none", edgecolors=INK, linewidths=0.8)
    label_points(axes, labelled[x].tolist(), labelled[y].tolist(), _gene_labels(labelled))


def volcano_figure(de: pd.DataFrame, *, fdr: float = 0.05, log2_fold_change: float = 1.0) -> Figure:
    """Draw effect against evidence for the genes of one contrast, the strongest significant ones labelled.

    Parameters
    ----------
    de
        Rows of ``de_results`` of one contrast; DESeq2's are drawn where there are several engines.
    fdr, log2_fold_change
        Thresholds of a significant gene.

    Returns
    -------
    matplotlib.figure.Figure
        Effects beyond the 99.9th percentile of all genes are drawn at the edge unless significant.
    """
    genes = _numeric(primary_engine(de), "log2_fold_change", "p_value", "p_adjusted")
    genes = genes[genes["p_value"].notna() & np.isfinite(genes["log2_fold_change"])]
    if genes.empty:
        return message_figure("No volcano plot: no gene was tested.")
    genes["class"] = significance(genes, fdr=fdr, log2_fold_change=log2_fold_change)
    positive = genes.loc[genes["p_value"] > 0, "p_value"]
    smallest = float(positive.min()) if len(positive) else 1e-300
    genes["evidence"] = -np.log10(genes["p_value"].clip(lower=smallest))
    effects = genes["log2_fold_change"].abs()
    significant_effects = effects[genes["class"] != "no"].tolist()
    limit = max(float(effects.quantile(0.999)), 1.5 * log2_fold_change, 0.5, *significant_effects)
    genes["effect"] = genes["log2_fold_change"].clip(-limit, limit)
    with figure_style():
        figure, axes = new_figure(4.4)
        _scatter_by_class(axes, genes, "effect", "evidence")
        for threshold in {-log2_fold_change, log2_fold_change}:
            axes.axvline(threshold, color=MUTED, lw=0.8, ls=(0, (4, 3)))
        _draw_fdr_line(axes, genes, fdr)
        axes.set_xlim(-1.06 * limit, 1.06 * limit)
        axes.set_ylim(0, max(1.08 * float(genes["evidence"].max()), 1.0))
        axes.set_xlabel("log2 fold change (positive: higher in target)")
        axes.set_ylabel("−log10 p value")
        legend_above(axes, marker_scale=2.0)
        _ring_and_label(axes, genes[genes["class"] != "no"].nsmallest(_LABELS, "p_value"), "effect", "evidence")
    return figure


def _draw_fdr_line(axes: Axes, genes: pd.DataFrame, fdr: float) -> None:
    passing = genes.loc[genes["p_adjusted"] < fdr, "evidence"]
    if passing.empty:
        return
    level = float(passing.min())
    axes.axhline(level, color=MUTED, lw=0.8, ls=(0, (4, 3)))
    axes.annotate(
        f"FDR {fdr:g}",
        (1, level),
        xycoords=("axes fraction", "data"),
        xytext=(-2, 2),
        textcoords="offset points",
        ha="right",
        va="bottom",
        fontsize=7.5,
        color=MUTED,
    )


def _plain_power(value: float, _: object = None) -> str:
    return f"{value:,.0f}" if value >= 1 else f"{value:g}"


def dispersion_figure(gene_dispersions: pd.DataFrame) -> Figure:
    """Draw gene-wise dispersions, the fitted trend and the estimates used, against mean count.

    Parameters
    ----------
    gene_dispersions
        Rows of ``gene_dispersions`` of one contrast.
    """
    columns = ("base_mean", "genewise_dispersion", "trend_dispersion", "map_dispersion")
    genes = _numeric(gene_dispersions, *columns)
    genes = genes[(genes["base_mean"] > 0) & (genes["genewise_dispersion"] > 0)]
    if genes.empty:
        return message_figure("No dispersion plot: no dispersion was estimated.")
    with figure_style():
        figure, axes = new_figure(3.6)
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.xaxis.set_major_formatter(_plain_power)
        axes.yaxis.set_major_formatter(_plain_power)
        dense = len(genes) > 300
        for column, colour, name in (
            ("genewise_dispersion", GREY, "gene-wise"),
            ("map_dispersion", BLUE, "used in the test"),
        ):
            part = genes[genes[column] > 0]
            axes.scatter(
                part["base_mean"],
                part[column],
                s=6,
                c=colour,
                alpha=0.45,
                linewidths=0,
                rasterized=dense,
                label=name,
            )
        trend = genes[genes["trend_dispersion"] > 0].sort_values("base_mean")
        axes.plot(trend["base_mean"], trend["trend_dispersion"], color=ORANGE, lw=2, label="trend")
        # Genes without overdispersion sit at the lower bound (1e-8) and would flatten the rest.
        floor = float(genes["genewise_dispersion"].quantile(0.02))
        axes.set_ylim(bottom=max(floor / 3, 1e-5))
        axes.set_xlabel("mean normalised count")
        axes.set_ylabel("dispersion")
        legend_above(axes, marker_scale=2.0)
    return figure
