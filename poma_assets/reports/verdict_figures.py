"""Figures of marker verdicts and of enriched gene sets.

All take frames of the declared tables. Where there is nothing to draw they return a figure that says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from poma_assets.reports.figure_encoding import (
    figure_style,
    legend_above,
    message_figure,
    new_figure,
)
from poma_assets.reports.palette import INK, MUTED, PAPER, VERDICTS, verdict_mark
from poma_assets.reports.sample_figures import short

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MAX_MARKERS = 80
_MAX_CONTRASTS = 40
_ARROWS = {"up": "↑", "down": "↓", "none": "="}


def verdict_effects_figure(verdicts: pd.DataFrame) -> Figure:
    """Draw the effect of every marker with its 95 % interval and its region of equivalence (forest plot).

    Parameters
    ----------
    verdicts
        Rows of ``marker_verdicts`` of one contrast. One row per hypothesis with an estimate is drawn; those
        without are counted below the plot.

    Returns
    -------
    matplotlib.figure.Figure
        Colour and symbol by verdict; the grey band of a row spans minus to plus the smallest effect of
        interest. Intervals that leave the plot end in an arrow head.
    """
    columns = ["log2_fold_change", "ci_low", "ci_high", "min_effect_log2"]
    rows = verdicts.assign(**{name: pd.to_numeric(verdicts[name], errors="coerce").astype(float) for name in columns})
    drawn = rows[np.isfinite(rows["log2_fold_change"])]
    if drawn.empty:
        return message_figure("No plot of effects: no marker has an estimate in this contrast.")
    rank = {name: i for i, name in enumerate(VERDICTS)}
    drawn = drawn.assign(_rank=drawn["verdict"].map(rank).fillna(len(rank)))
    drawn = drawn.sort_values(["_rank", "log2_fold_change"], kind="stable").head(_MAX_MARKERS)
    limit = _effect_limit(drawn)
    with figure_style():
        figure, axes = new_figure(min(1.0 + 0.25 * len(drawn), 21.0))
        axes.axvline(0, color=MUTED, lw=0.8)
        for y, (_, row) in enumerate(drawn.iterrows()):
            _draw_effect(axes, y, row, limit)
        axes.set_yticks(range(len(drawn)), [_marker_label(row) for _, row in drawn.iterrows()])
        axes.set_ylim(len(drawn) - 0.4, -0.6)
        axes.set_xlim(-limit, limit)
        axes.grid(False, axis="y")
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.set_xlabel(_effects_caption(len(rows), len(drawn)))
        _verdict_legend(axes, drawn)
    return figure


def _effect_limit(drawn: pd.DataFrame) -> float:
    """Choose the axis: all estimates, and the intervals unless they are wild."""
    ends = drawn[["ci_low", "ci_high"]].abs().max(axis=1)
    estimates = float(drawn["log2_fold_change"].abs().max())
    usual = float(ends.quantile(0.9)) if ends.notna().any() else estimates
    return 1.1 * max(estimates, usual, 1.0)


def _marker_label(row: pd.Series[Any]) -> str:
    arrow = _ARROWS.get(str(row["expected_direction"]), "")
    return f"{short(row['gene_symbol'], 22)} {arrow}".strip()


def _draw_effect(axes: Axes, y: int, row: pd.Series[Any], limit: float) -> None:
    mark = verdict_mark(row["verdict"])
    if np.isfinite(row["min_effect_log2"]):
        half = min(abs(float(row["min_effect_log2"])), limit)
        axes.barh(y, 2 * half, left=-half, height=0.78, color=MUTED, alpha=0.13, linewidth=0)
    effect = float(row["log2_fold_change"])
    if np.isfinite(row["ci_low"]) and np.isfinite(row["ci_high"]):
        low, high = max(float(row["ci_low"]), -limit), min(float(row["ci_high"]), limit)
        axes.plot([low, high], [y, y], color=mark.colour, lw=1.8, solid_capstyle="butt")
        if float(row["ci_low"]) < -limit:
            axes.plot(-0.99 * limit, y, marker="<", ms=4, color=mark.colour)
        if float(row["ci_high"]) > limit:
            axes.plot(0.99 * limit, y, marker=">", ms=4, color=mark.colour)
    hollow = row["verdict"] in ("inconclusive", "not_testable")
    axes.plot(
        effect,
        y,
        marker=mark.marker,
        ms=7 if hollow else 8.5,
        mew=1.3 if hollow else 0.7,
        color=mark.colour,
        mfc=PAPER if hollow else mark.colour,
        mec=mark.colour if hollow else PAPER,
    )


def _effects_caption(total: int, drawn: int) -> str:
    text = "log2 fold change with 95 % interval\nshaded: smaller than the smallest effect of interest"
    if total > drawn:
        text += f"\n{total - drawn} of {total} hypotheses without an estimate are not drawn"
    return text


def _verdict_legend(axes: Axes, drawn: pd.DataFrame) -> None:
    from matplotlib.lines import Line2D

    handles: list[Artist] = []
    labels: list[str] = []
    for verdict, count in drawn["verdict"].value_counts(sort=False).items():
        mark = verdict_mark(verdict)
        hollow = verdict in ("inconclusive", "not_testable")
        handles.append(
            Line2D([], [], color=mark.colour, lw=1.8, marker=mark.marker, mfc=PAPER if hollow else mark.colour)
        )
        labels.append(f"{mark.words} ({count})")
    legend_above(axes, handles, labels)


def verdict_counts_figure(verdicts: pd.DataFrame) -> Figure:
    """Draw how many hypotheses of each contrast got which verdict.

    Parameters
    ----------
    verdicts
        Rows of ``marker_verdicts``, all contrasts, of which at most 40 are drawn.
    """
    if verdicts.empty:
        return message_figure("No verdicts: no contrast was judged.")
    every = pd.crosstab(verdicts["contrast_id"].astype(str), verdicts["verdict"].astype(str))
    counts = every.head(_MAX_CONTRASTS)
    with figure_style():
        figure, axes = new_figure(0.95 + 0.34 * len(counts))
        left = np.zeros(len(counts))
        for verdict in [v for v in VERDICTS if v in counts] + [v for v in counts if v not in VERDICTS]:
            mark, values = verdict_mark(verdict), counts[verdict].to_numpy(dtype=float)
            axes.barh(range(len(counts)), values, left=left, height=0.7, color=mark.colour, label=mark.words, lw=0)
            for y, value in enumerate(values):
                if value:
                    text = f"{mark.symbol} {value:.0f}"
                    axes.text(left[y] + value / 2, y, text, ha="center", va="center", fontsize=8, color="#111111")
            left += values
        axes.set_yticks(range(len(counts)), [short(name) for name in counts.index])
        axes.set_ylim(len(counts) - 0.4, -0.6)
        axes.grid(False, axis="y")
        axes.tick_params(axis="y", length=0)
        axes.set_xlabel("hypotheses" + _not_drawn(len(every) - len(counts)))
        legend_above(axes)
    return figure


def _not_drawn(contrasts: int) -> str:
    return f"; {contrasts} more contrasts are not drawn" if contrasts else ""


def enrichment_dot_figure(enrichment: pd.DataFrame, *, method: str | None = None, top: int = 20) -> Figure:
    """Draw the best gene sets of one contrast and method.

    Parameters
    ----------
    enrichment
        Rows of ``enrichment`` of one contrast.
    method
        ``gsea`` (horizontal: normalised enrichment score) or ``ora`` (horizontal: log2 odds ratio); by
        default ``gsea`` unless only ``ora`` is there.
    top
        Number of sets, by p value.
    """
    if method is None:
        method = "ora" if set(enrichment["method"]) == {"ora"} else "gsea"
    rows = top_sets(enrichment, method, top=top)
    if rows.empty:
        return message_figure(f"No plot of gene sets: no set was tested by {method.upper()}.")
    with figure_style():
        return _draw_dots(rows, method)


def top_sets(enrichment: pd.DataFrame, method: str, *, top: int = 20) -> pd.DataFrame:
    """Choose the gene sets that are drawn, by p value, the highest score first.

    Returns
    -------
    pandas.DataFrame
        Rows of `enrichment` with numbers beside: ``x`` (place on the axis; an infinite odds ratio lies just beyond
        the finite ones), ``p``, ``q`` (adjusted) and ``n`` (genes).
    """
    rows = enrichment[enrichment["method"] == method]
    score = "normalised_score" if method == "gsea" else "score"
    rows = rows.assign(
        x=pd.to_numeric(rows[score], errors="coerce").astype(float),
        p=pd.to_numeric(rows["p_value"], errors="coerce").astype(float),
        q=pd.to_numeric(rows["p_adjusted"], errors="coerce").astype(float),
        n=pd.to_numeric(rows["overlap"], errors="coerce").fillna(1).astype(float),
    )
    if method == "ora":
        rows["x"] = np.log2(rows["x"].where(rows["x"] > 0))
        finite = rows.loc[np.isfinite(rows["x"]), "x"]
        rows["x"] = rows["x"].replace(np.inf, 1.1 * float(finite.max()) if len(finite) else 10.0)
    rows = rows[rows["x"].notna() & rows["p"].notna()].nsmallest(top, "p", keep="first")
    return rows.sort_values("x", ascending=False)


def _draw_dots(rows: pd.DataFrame, method: str) -> Figure:
    figure, axes = new_figure(min(1.1 + 0.25 * len(rows), 12.0))
    biggest = float(rows["n"].max())
    evidence = -np.log10(rows["q"].fillna(1.0).clip(lower=1e-300))
    dots = axes.scatter(
        rows["x"],
        range(len(rows)),
        s=24 + 120 * rows["n"] / biggest,
        c=evidence,
        cmap="cividis_r",
        vmin=0,
        vmax=max(float(evidence.max()), 2.0),
        edgecolors=INK,
        linewidths=0.5,
    )
    axes.axvline(0, color=MUTED, lw=0.8)
    arrows = rows["direction"].map({"up": " ↑", "down": " ↓"}).fillna("")
    names = [short(name, 42) + arrow for name, arrow in zip(rows["term_name"], arrows, strict=True)]
    axes.set_yticks(range(len(rows)), names)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.margins(x=0.1)
    axes.tick_params(axis="y", length=0)
    name = "normalised enrichment score" if method == "gsea" else "log2 odds ratio"
    axes.set_xlabel(f"{name} (size: genes, at most {biggest:.0f})")
    bar = figure.colorbar(dots, ax=axes, shrink=0.6, aspect=14)
    bar.set_label("−log10 FDR")
    bar.outline.set_visible(False)
    return figure
