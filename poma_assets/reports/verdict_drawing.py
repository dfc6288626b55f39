"""Drawings of verdicts, which a template writes as SVG: one with its replicates, and the effects of a contrast.

Only geometry belongs here. A page has dozens of these drawings, and written by a template they cost next to nothing;
`marker_figures` draws the same as pictures for Dagster's metadata.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from poma_assets.reports.drawings import round_ticks, tick_text
from poma_assets.reports.marker_figures import asked_sign, cautious_ends, effect_limit, log2_counts
from poma_assets.reports.rendering import is_missing, number

WIDTH = 620
_COUNTS = (150, 296)
_EFFECTS = (384, 612)
_ROW, _LEAST_PLOT, _TOP, _FOOT = 20, 66, 4, 34
_MIN_SPAN_LOG2 = 3.0
_LOWEST_LOG2 = -0.3
_SPREAD = 5.0


@dataclass(frozen=True)
class Arm:
    """An arm: where its row lies, the mean of its replicates, and each replicate as (x, y, count in words)."""

    name: str
    y: float
    mean_x: float | None
    points: list[tuple[float, float, str]]


@dataclass(frozen=True)
class Effect:
    """The estimate: its place, its interval as drawn and whether that leaves the plot, its cautious ends."""

    x: float
    interval: tuple[float, float] | None
    leaves_low: bool
    leaves_high: bool
    cautious: list[float]
    is_decided: bool


@dataclass(frozen=True)
class VerdictDrawing:
    """All of it. ``asked``: what was asked for: (arrow, from, to) or (bar, from, to); None: no size or direction."""

    arms: list[Arm]
    count_ticks: list[tuple[float, str]]
    effect_ticks: list[tuple[float, str]]
    zero_x: float
    shade: tuple[float, float] | None
    asked: tuple[str, float, float] | None
    effect: Effect | None
    edger_x: float | None
    plot_height: float
    width: int = WIDTH
    top: int = _TOP
    foot: int = _FOOT
    counts: tuple[int, int] = _COUNTS
    effects: tuple[int, int] = _EFFECTS


def verdict_drawing(
    verdict: Mapping[str, Any], expression: pd.DataFrame, groups: Mapping[str, str]
) -> VerdictDrawing | None:
    """Lay out one verdict; None if there is neither expression nor an estimate.

    Parameters
    ----------
    verdict
        Row of ``marker_verdicts``.
    expression
        Rows of ``normalised_expression``; those of other genes are passed over.
    groups
        Sample -> group (arm), in the order of drawing; other samples are left out.
    """
    values = log2_counts(verdict, expression, groups)
    if values.empty and is_missing(verdict["log2_fold_change"]):
        return None
    levels = list(dict.fromkeys(groups.values()))
    height = max(_LEAST_PLOT, _ROW * len(levels))
    arms, count_ticks = _arms(values, levels, height)
    limit = effect_limit(verdict)
    delta, edger = (_number(verdict.get(name)) for name in ("min_effect_log2", "edger_log2_fold_change"))
    delta = abs(delta)
    sign = asked_sign(verdict)
    asked = None
    if math.isfinite(delta) and sign:
        asked = ("arrow", _effect_x(sign * delta, limit), _effect_x(sign * 0.97 * limit, limit))
    elif math.isfinite(delta) and verdict["policy"] == "equivalence":
        asked = ("bar", _effect_x(-delta, limit), _effect_x(delta, limit))
    return VerdictDrawing(
        arms=arms,
        count_ticks=count_ticks,
        effect_ticks=[(_effect_x(tick, limit), tick_text(tick)) for tick in round_ticks(-limit, limit, 6)],
        zero_x=_effect_x(0, limit),
        shade=(_effect_x(-delta, limit), _effect_x(delta, limit)) if math.isfinite(delta) else None,
        asked=asked,
        effect=_effect(verdict, limit),
        edger_x=_effect_x(edger, limit) if math.isfinite(edger) else None,
        plot_height=height,
    )


@dataclass(frozen=True)
class EffectRow:
    """A marker among the effects of a contrast; ``half_shade``: the smallest effect of interest, as a width."""

    symbol: str
    arrow: str
    verdict: str
    y: float
    x: float
    interval: tuple[float, float] | None
    half_shade: float
    words: str
    anchor: str


@dataclass(frozen=True)
class EffectPlot:
    """The effects of a contrast's markers with their intervals (forest plot); ``n_without``: those without estimate."""

    rows: list[EffectRow]
    ticks: list[tuple[float, str]]
    zero_x: float
    plot_height: float
    n_without: int
    names_end: int = 150
    plot: tuple[int, int] = (160, 590)
    width: int = 640


_EFFECT_ROW, _MOST_EFFECTS = 19, 80
_ARROWS = {"up": " ↑", "down": " ↓", "none": " ="}


def effect_plot(verdicts: Sequence[Mapping[str, Any]]) -> EffectPlot | None:
    """Lay out the effects of the markers; None if none has an estimate.

    Parameters
    ----------
    verdicts
        Rows of ``marker_verdicts`` of one contrast with an ``anchor``, in the order of the verdicts.
    """
    order = list(dict.fromkeys(row["verdict"] for row in verdicts))
    known = [row for row in verdicts if math.isfinite(_number(row["log2_fold_change"]))]
    known.sort(key=lambda row: (order.index(row["verdict"]), _number(row["log2_fold_change"])))
    if not known:
        return None
    drawn = known[:_MOST_EFFECTS]
    effects = np.abs([_number(row["log2_fold_change"]) for row in drawn])
    ends = np.abs([[_number(row["ci_low"]), _number(row["ci_high"])] for row in drawn]).max(axis=1)
    usual = float(np.quantile(ends[np.isfinite(ends)], 0.9)) if np.isfinite(ends).any() else 0.0
    limit = 1.1 * max(float(effects.max()), usual, 1.0)
    start, end = EffectPlot.plot

    def place(value: float) -> float:
        return start + (max(-limit, min(limit, value)) + limit) / (2 * limit) * (end - start)

    rows = []
    for i, row in enumerate(drawn):
        low, high, delta = (_number(row[name]) for name in ("ci_low", "ci_high", "min_effect_log2"))
        rows.append(
            EffectRow(
                symbol=str(row["gene_symbol"]),
                arrow=_ARROWS.get(str(row["expected_direction"]), ""),
                verdict=str(row["verdict"]),
                y=(i + 0.5) * _EFFECT_ROW,
                x=place(_number(row["log2_fold_change"])),
                interval=(place(low), place(high)) if math.isfinite(low) and math.isfinite(high) else None,
                half_shade=place(abs(delta)) - place(0) if math.isfinite(delta) else 0.0,
                words=str(row["sentence"]),
                anchor=str(row["anchor"]),
            )
        )
    return EffectPlot(
        rows=rows,
        ticks=[(place(tick), tick_text(tick)) for tick in round_ticks(-limit, limit, 8)],
        zero_x=place(0),
        plot_height=float(_EFFECT_ROW * len(rows)),
        n_without=len(verdicts) - len(known),
    )


def _number(value: Any) -> float:
    return math.nan if is_missing(value) else float(value)


def _scaled(value: float, low: float, high: float, place: tuple[int, int]) -> float:
    return place[0] + (value - low) / (high - low) * (place[1] - place[0])


def _effect_x(value: float, limit: float) -> float:
    return _scaled(max(-limit, min(limit, value)), -limit, limit, _EFFECTS)


def _arms(values: pd.DataFrame, levels: list[str], height: float) -> tuple[list[Arm], list[tuple[float, str]]]:
    """Rows of the arms, and the ticks of their axis: at least three doublings, so that noise looks like noise."""
    row = height / max(1, len(levels))
    if values.empty:
        return [Arm(level, _TOP + (i + 0.5) * row, None, []) for i, level in enumerate(levels)], []
    lowest, highest = float(values["value"].min()), float(values["value"].max())
    half = max((highest - lowest) / 2 + 0.25, _MIN_SPAN_LOG2 / 2)
    low = max((lowest + highest) / 2 - half, _LOWEST_LOG2)
    high = low + 2 * half
    arms = []
    for i, level in enumerate(levels):
        y = _TOP + (i + 0.5) * row
        part = values.loc[values["group"] == level, "value"].to_numpy(dtype=float)
        # A fixed spread, not a random one: the same data give the same drawing.
        spread = np.linspace(-_SPREAD, _SPREAD, len(part)) if len(part) > 1 else np.zeros(len(part))
        points = [
            (_scaled(value, low, high, _COUNTS), y + dy, number(2.0**value - 1, 1))
            for value, dy in zip(part, spread, strict=True)
        ]
        arms.append(Arm(level, y, _scaled(float(part.mean()), low, high, _COUNTS) if len(part) else None, points))
    return arms, [(_scaled(tick, low, high, _COUNTS), tick_text(tick)) for tick in round_ticks(low, high, 4)]


def _effect(verdict: Mapping[str, Any], limit: float) -> Effect | None:
    names = ("log2_fold_change", "standard_error", "ci_low", "ci_high")
    effect, error, low, high = (_number(verdict.get(name)) for name in names)
    if not math.isfinite(effect):
        return None
    judged = math.isfinite(error) and verdict["verdict"] != "not_testable"
    has_interval = math.isfinite(low) and math.isfinite(high)
    return Effect(
        x=_effect_x(effect, limit),
        interval=(_effect_x(low, limit), _effect_x(high, limit)) if has_interval else None,
        leaves_low=low < -limit,
        leaves_high=high > limit,
        cautious=[
            _effect_x(end, limit)
            for end in (cautious_ends(verdict, effect, error) if judged else [])
            if abs(end) <= limit
        ],
        is_decided=verdict["verdict"] in ("confirmed", "contradicted"),
    )
