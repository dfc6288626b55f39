"""The drawing of one verdict, which a template writes as SVG: replicates by arm, and the effect against what was asked.

Only geometry belongs here. A page has dozens of these drawings, and written by a template they cost next to nothing;
`marker_figures` draws the same as pictures for Dagster's metadata.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

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
        effect_ticks=[(_effect_x(tick, limit), _tick(tick)) for tick in _ticks(-limit, limit, 6)],
        zero_x=_effect_x(0, limit),
        shade=(_effect_x(-delta, limit), _effect_x(delta, limit)) if math.isfinite(delta) else None,
        asked=asked,
        effect=_effect(verdict, limit),
        edger_x=_effect_x(edger, limit) if math.isfinite(edger) else None,
        plot_height=height,
    )


def _number(value: Any) -> float:
    return math.nan if is_missing(value) else float(value)


def _scaled(value: float, low: float, high: float, place: tuple[int, int]) -> float:
    return place[0] + (value - low) / (high - low) * (place[1] - place[0])


def _effect_x(value: float, limit: float) -> float:
    return _scaled(max(-limit, min(limit, value)), -limit, limit, _EFFECTS)


def _ticks(low: float, high: float, most: int) -> list[float]:
    """Round numbers between two ends, at most so many."""
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
    return [i * step for i in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _tick(value: float) -> str:
    return f"{value:g}".replace("-", "−")


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
    return arms, [(_scaled(tick, low, high, _COUNTS), _tick(tick)) for tick in _ticks(low, high, 4)]


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
