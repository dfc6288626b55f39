"""Figures of single markers: replicates by arm, and beside them the effect against what was asked for.

Small multiples for a contrast, from frames of the declared tables. Axes are placed by hand: an automatic layout takes
longer than all the drawing. A page draws each verdict by itself: `verdict_drawing`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from poma_assets.reports.figure_encoding import WIDTH_IN, figure_style, message_figure
from poma_assets.reports.palette import GROUP_MARKERS, GROUPS, INK, MUTED, PAPER, VERDICTS, verdict_mark
from poma_assets.reports.rendering import is_missing
from poma_assets.reports.sample_figures import short
from poma_assets.science.markers.statistics import ONE_SIDED_5_PCT
from poma_assets.science.row_records import row_records

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CAPTION = (
    "Left: one point per replicate, log2 of its normalised count; line: mean of the arm. Right: log2 fold change with "
    "95 % interval; shaded: smaller than the smallest effect of interest; arrow: what was asked for; short stroke: "
    "cautious end of the estimate, which makes a verdict strong if it lies beyond the shade."
)
"""How to read a figure of a verdict."""

MAX_PANELS = 24
_SIGNS = {"up": 1, "down": -1}
_ASKED, _DESEQ2, _EDGER = 1.0, 0.0, -1.0
_MIN_SPAN_LOG2 = 3.0
_HEAD_IN, _FOOT_IN, _GROUP_IN, _MIN_PLOT_IN = 0.3, 0.42, 0.2, 0.62
_LEFT_END, _RIGHT = 0.43, (0.535, 0.445)
"""End of the left plot; start and width of the right one: fractions of the figure's width."""
_LONGEST_LABEL = 24
_CHARACTER_IN = 0.072
_LOWEST_LOG2 = -0.3
_NARROW = 0.27


def marker_panels_figure(verdicts: pd.DataFrame, expression: pd.DataFrame, groups: Mapping[str, str]) -> Figure:
    """Draw every tested marker of a contrast, one below the other, at most `MAX_PANELS`.

    Parameters
    ----------
    verdicts
        Rows of ``marker_verdicts`` of one contrast; those not testable, without an estimate or about identity are left
        out.
    expression
        Rows of ``normalised_expression``; those of other genes are passed over.
    groups
        Sample -> group (arm), in the order of drawing; other samples are left out.
    """
    estimated = pd.to_numeric(verdicts["log2_fold_change"], errors="coerce").notna()
    chosen = verdicts[estimated & (verdicts["verdict"] != "not_testable") & (verdicts["policy"] != "identity")]
    if chosen.empty:
        return message_figure("No figure of markers: none could be tested in this contrast.")
    from matplotlib.figure import Figure

    chosen = chosen.sort_values("verdict", key=lambda names: names.map(list(VERDICTS).index), kind="stable")
    rows = row_records(chosen.head(MAX_PANELS))
    limit = max(effect_limit(row) for row in rows)
    levels = list(dict.fromkeys(groups.values()))
    plot_in = max(_MIN_PLOT_IN, _GROUP_IN * len(levels))
    row_in = _HEAD_IN + plot_in + 0.24
    with figure_style():
        figure = Figure(figsize=(WIDTH_IN, row_in * len(rows) + _FOOT_IN - 0.24))
        for position, row in enumerate(reversed(rows)):
            values = log2_counts(row, expression, groups)
            bottom_in = _FOOT_IN + position * row_in
            _draw_row(figure, row, values, levels, bottom_in=bottom_in, plot_in=plot_in, head_in=_HEAD_IN, limit=limit)
            if position == 0:
                _label_axes(figure)
    return figure


def log2_counts(verdict: Mapping[str, Any], expression: pd.DataFrame, groups: Mapping[str, str]) -> pd.DataFrame:
    """Columns group, value (log2 of normalised count + 1) of the marker's samples, in the order of the groups."""
    rows = expression[expression["gene_id"].astype(str) == str(verdict["ensembl_gene_id"])]
    counts = dict(zip(rows["sample_id"].astype(str), pd.to_numeric(rows["normalised_count"]), strict=True))
    found = [(group, float(np.log2(counts[name] + 1))) for name, group in groups.items() if name in counts]
    return pd.DataFrame([pair for pair in found if math.isfinite(pair[1])], columns=["group", "value"])


def _draw_row(
    figure: Figure,
    verdict: Mapping[str, Any],
    values: pd.DataFrame,
    levels: list[str],
    *,
    bottom_in: float,
    plot_in: float,
    head_in: float,
    limit: float,
) -> None:
    height = float(figure.get_size_inches()[1])
    bottom, plot = bottom_in / height, plot_in / height
    _draw_title(figure, verdict, (bottom_in + plot_in + head_in - 0.17) / height)
    longest = min(max(map(len, levels), default=0), _LONGEST_LABEL)
    left = max(0.06, (longest * _CHARACTER_IN + 0.12) / WIDTH_IN)
    _draw_replicates(figure.add_axes((left, bottom, _LEFT_END - left, plot)), values, levels)
    _draw_effect(figure.add_axes((_RIGHT[0], bottom, _RIGHT[1], plot)), verdict, limit)


def _draw_title(figure: Figure, verdict: Mapping[str, Any], y: float) -> None:
    mark = verdict_mark(verdict["verdict"])
    details = [verdict[name] for name in ("sub_verdict", "label") if not is_missing(verdict.get(name))]
    words = ", ".join([mark.words, *(str(detail).replace("_", " ").replace(";", ", ") for detail in details)])
    figure.text(0.012, y, mark.symbol, color=mark.colour, fontsize=11, weight="bold", va="center")
    figure.text(0.045, y, f"{short(verdict['gene_symbol'], 24)}: {words}", fontsize=9.5, va="center")


def _draw_replicates(axes: Axes, values: pd.DataFrame, levels: list[str]) -> None:
    axes.set_yticks(range(len(levels)), [short(level, _LONGEST_LABEL) for level in levels])
    axes.set_ylim(len(levels) - 0.45, -0.55)
    _plain(axes)
    if values.empty:
        axes.set_xticks([])
        axes.text(0.5, 0.5, "no counts of its own", transform=axes.transAxes, ha="center", va="center", color=MUTED)
        return
    for y, level in enumerate(levels):
        part = values.loc[values["group"] == level, "value"].to_numpy()
        if not len(part):
            continue
        # A fixed spread, not a random one: the same data give the same figure.
        spread = np.linspace(-0.18, 0.18, len(part)) if len(part) > 1 else np.zeros(1)
        axes.plot([part.mean()] * 2, [y - 0.34, y + 0.34], color=INK, lw=1.3)
        colour, marker = GROUPS[y % len(GROUPS)], GROUP_MARKERS[y % len(GROUP_MARKERS)]
        axes.plot(part, y + spread, marker=marker, ms=4.6, mew=0, lw=0, color=colour, alpha=0.85)
    lowest, highest = float(values["value"].min()), float(values["value"].max())
    # At least three doublings, so that noise of a stable gene does not look like an effect.
    half = max((highest - lowest) / 2 + 0.25, _MIN_SPAN_LOG2 / 2)
    start = max((lowest + highest) / 2 - half, _LOWEST_LOG2)
    axes.set_xlim(start, start + 2 * half)
    axes.locator_params(axis="x", nbins=4, integer=True)


def _plain(axes: Axes) -> None:
    axes.tick_params(axis="y", length=0)
    axes.tick_params(axis="x", length=2.5, pad=2)
    axes.grid(False)
    axes.spines["left"].set_visible(False)


def effect_limit(verdict: Mapping[str, Any]) -> float:
    """Choose half the width of the axis of effects: a wild interval is cut, the estimates are not."""
    names = ("log2_fold_change", "edger_log2_fold_change", "ci_low", "ci_high")
    values = {name: abs(_number(verdict.get(name))) for name in names}
    estimates = max((values[name] for name in names[:2] if math.isfinite(values[name])), default=0.0)
    widest = max((value for value in values.values() if math.isfinite(value)), default=0.0)
    delta = abs(_number(verdict.get("min_effect_log2")))
    asked = 1.9 * delta if math.isfinite(delta) else 0.0
    return 1.12 * max(min(widest, max(2 * estimates, 3.0)), asked, 1.0)


def _draw_effect(axes: Axes, verdict: Mapping[str, Any], limit: float) -> None:
    edger, delta = _number(verdict.get("edger_log2_fold_change")), abs(_number(verdict.get("min_effect_log2")))
    _plain(axes)
    axes.set_yticks([_ASKED, _DESEQ2, _EDGER], ["asked for", "DESeq2", "edgeR"])
    axes.set_ylim(_EDGER - 0.55, _ASKED + 0.65)
    axes.set_xlim(-limit, limit)
    axes.locator_params(axis="x", nbins=7)
    axes.axvline(0, color=MUTED, lw=0.8)
    if math.isfinite(delta):
        axes.axvspan(-delta, delta, color=MUTED, alpha=0.14, lw=0)
        _draw_asked(axes, verdict, delta, limit)
    else:
        _remark(axes, _ASKED, "no size of effect")
    _draw_estimate(axes, verdict, limit)
    if math.isfinite(edger):
        axes.plot(edger, _EDGER, marker="d", ms=5, lw=0, mfc=PAPER, mec=INK, mew=1)
    else:
        _remark(axes, _EDGER, "no estimate")


def _remark(axes: Axes, y: float, words: str) -> None:
    """Write a remark right of the line at 0."""
    axes.annotate(words, (0, y), (4, 0), textcoords="offset points", va="center", color=MUTED, fontsize=8)


def _number(value: Any) -> float:
    return math.nan if is_missing(value) else float(value)


def asked_sign(verdict: Mapping[str, Any]) -> int:
    """1 if a rise was asked for, -1 if a fall, 0 if neither."""
    return _SIGNS.get(str(verdict["expected_direction"]), 0)


def _draw_asked(axes: Axes, verdict: Mapping[str, Any], delta: float, limit: float) -> None:
    """An arrow from the smallest effect of interest outwards; for equivalence a bar over the shade."""
    sign = asked_sign(verdict)
    if sign:
        style = {"arrowstyle": "-|>", "color": INK, "lw": 1.2, "shrinkA": 0, "shrinkB": 0, "mutation_scale": 9}
        axes.annotate("", (sign * 0.97 * limit, _ASKED), (sign * delta, _ASKED), arrowprops=style)
        axes.plot([sign * delta] * 2, [_ASKED - 0.25, _ASKED + 0.25], color=INK, lw=1.2)
    elif verdict["policy"] == "equivalence":
        axes.plot([-delta, delta], [_ASKED] * 2, color=INK, lw=1.2, marker="|", ms=7, mew=1.2)
    else:
        _remark(axes, _ASKED, "no direction")


def _draw_estimate(axes: Axes, verdict: Mapping[str, Any], limit: float) -> None:
    names = ("log2_fold_change", "standard_error", "ci_low", "ci_high")
    effect, error, low, high = (_number(verdict.get(name)) for name in names)
    if not math.isfinite(effect):
        _remark(axes, _DESEQ2, "no estimate")
        return
    mark = verdict_mark(verdict["verdict"])
    if math.isfinite(low) and math.isfinite(high):
        axes.plot([max(low, -limit), min(high, limit)], [_DESEQ2] * 2, color=mark.colour, lw=2, solid_capstyle="butt")
        for end, marker, outside in ((-limit, "<", low < -limit), (limit, ">", high > limit)):
            if outside:
                axes.plot(0.99 * end, _DESEQ2, marker=marker, ms=4, color=mark.colour)
    if math.isfinite(error) and verdict["verdict"] != "not_testable":
        for cautious in cautious_ends(verdict, effect, error):
            if abs(cautious) <= limit:
                axes.plot([cautious] * 2, [_DESEQ2 - 0.4, _DESEQ2 + 0.4], color=mark.colour, lw=1.6)
    hollow = verdict["verdict"] in ("inconclusive", "not_testable")
    fill, edge = (PAPER, mark.colour) if hollow else (mark.colour, PAPER)
    axes.plot(
        effect, _DESEQ2, marker=mark.marker, ms=8 if hollow else 9, mew=1.2 if hollow else 0.7, mfc=fill, mec=edge
    )


def cautious_ends(verdict: Mapping[str, Any], effect: float, error: float) -> list[float]:
    """Limits of the one-sided 95 % intervals that the rules compare with the smallest effect of interest."""
    sign = asked_sign(verdict)
    if sign:
        return [effect - sign * ONE_SIDED_5_PCT * error]
    if verdict["policy"] == "equivalence":
        return [effect - ONE_SIDED_5_PCT * error, effect + ONE_SIDED_5_PCT * error]
    return []


def _label_axes(figure: Figure) -> None:
    """Name the axes of the lowest row, which was drawn last or alone."""
    left, right = figure.axes[-2:]
    narrow = left.get_position().width < _NARROW
    left.set_xlabel("log2(normalised count + 1)", fontsize=8.5, labelpad=2, loc="right" if narrow else "center")
    right.set_xlabel("log2 fold change, 95 % interval", fontsize=8.5, labelpad=2)
