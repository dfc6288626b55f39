"""The workflow of a study as a drawing, from what the steps recorded they were made from.

Each step keeps the assets that it read (``steps.inputs``), so the drawing is the asset graph as it ran. The steps lie
from left to right by the longest way to them; an arrow that other arrows imply is left out.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass

import pandas as pd

from poma_assets.reports.rendering import is_missing, plural

NODE_WIDTH, NODE_HEIGHT = 160, 44
_COLUMN, _ROW, _LANE, _MARGIN = 196, 60, 18, 10
_MATRIX = "count_matrix"


@dataclass(frozen=True)
class WorkflowStep:
    """A step as drawn: `per` is sample, contrast or study; `count` says how many of them it was done for."""

    asset: str
    per: str
    count: str
    is_complete: bool
    x: int
    y: int


@dataclass(frozen=True)
class Workflow:
    """The drawing: steps, arrows as SVG paths, and its size; ``rows``: (asset, made from, how many) for readers."""

    steps: list[WorkflowStep]
    arrows: list[str]
    width: int
    height: int
    rows: list[tuple[str, str, str]]
    node_width: int = NODE_WIDTH
    node_height: int = NODE_HEIGHT


def workflow(
    steps: pd.DataFrame, *, samples: Collection[str], contrasts: Collection[str], n_included: int | None
) -> Workflow | None:
    """Draw the workflow; None where no step has been recorded.

    Parameters
    ----------
    steps
        Rows of ``steps``.
    samples, contrasts
        Those of the sheets; steps of others, withdrawn since, are not counted.
    n_included
        Samples in the count matrix; None if not decided.
    """
    if steps.empty:
        return None
    parents = _parents(steps)
    done = {asset: set(rows) for asset, rows in steps.groupby("asset")["partition"]}
    depth = _depths(parents)
    above = _all_above(parents, depth)
    direct = {
        asset: {p for p in direct if not any(p in above[other] for other in direct if other != p)}
        for asset, direct in parents.items()
    }
    places = _places(direct, depth)
    drawn = {}
    for asset in parents:
        n_in = n_included if asset == _MATRIX or _MATRIX in above[asset] else None
        per, count, complete = _count(done[asset], set(samples), set(contrasts), n_in)
        drawn[asset] = WorkflowStep(asset, per, count, complete, *places[asset, depth[asset]])
    return Workflow(
        steps=list(drawn.values()),
        arrows=[_arrow(parent, asset, depth, places) for asset in drawn for parent in sorted(direct[asset])],
        width=_MARGIN + max(step.x for step in drawn.values()) + NODE_WIDTH,
        height=_MARGIN + max(y for _, y in places.values()) + NODE_HEIGHT,
        rows=[(step.asset, ", ".join(sorted(parents[step.asset])) or "–", step.count) for step in drawn.values()],
    )


def _parents(steps: pd.DataFrame) -> dict[str, set[str]]:
    """Asset -> assets that its last step read, as far as these were recorded."""
    last = steps.drop_duplicates("asset", keep="last")
    recorded = {str(asset) for asset in last["asset"]}
    parents = {}
    for asset, inputs in zip(last["asset"], last["inputs"], strict=True):
        upstream = {} if is_missing(inputs) else json.loads(str(inputs)).get("upstream", {})
        parents[str(asset)] = {str(name).split("[", 1)[0] for name in upstream} & (recorded - {str(asset)})
    return parents


def _depths(parents: dict[str, set[str]]) -> dict[str, int]:
    """Length of the longest way to each asset."""
    depth: dict[str, int] = dict.fromkeys(parents, 0)
    for _ in parents:
        longer = {a: max((depth[p] + 1 for p in above), default=0) for a, above in parents.items()}
        if longer == depth:
            break
        depth = longer
    return depth


def _all_above(parents: dict[str, set[str]], depth: dict[str, int]) -> dict[str, set[str]]:
    """Asset -> everything that it comes from, by whatever way."""
    above: dict[str, set[str]] = {}
    for asset in sorted(parents, key=depth.__getitem__):
        above[asset] = parents[asset].union(*(above.get(parent, set()) for parent in parents[asset]))
    return above


Place = tuple[str, int]
"""An asset and a column: its own, or one that an arrow from it passes on the way."""


def _places(direct: dict[str, set[str]], depth: dict[str, int]) -> dict[Place, tuple[int, int]]:
    """Where each step lies, and where the arrows pass through the columns between: nothing lies over anything."""
    reach = {asset: max([depth[c] - 1 for c in direct if asset in direct[c]] + [depth[asset]]) for asset in direct}
    columns: dict[int, list[str]] = {}
    rows: dict[Place, float] = {}
    for column in range(max(depth.values()) + 1):
        here = [asset for asset in direct if depth[asset] <= column <= reach[asset]]
        before = {asset: _mean_row(asset, column, direct, depth, rows) for asset in here}
        columns[column] = sorted(here, key=lambda asset: (before[asset], asset))
        for row, asset in enumerate(columns[column]):
            rows[asset, column] = (row + 0.5) / len(here)
    heights = {c: sum(_ROW if depth[a] == c else _LANE for a in assets) for c, assets in columns.items()}
    tallest = max(heights.values())
    places = {}
    for column, assets in columns.items():
        y = _MARGIN + (tallest - heights[column]) // 2
        for asset in assets:
            is_step = depth[asset] == column
            places[asset, column] = (_MARGIN + column * _COLUMN, y if is_step else y + (_LANE - NODE_HEIGHT) // 2)
            y += _ROW if is_step else _LANE
    return places


def _mean_row(
    asset: str, column: int, direct: dict[str, set[str]], depth: dict[str, int], rows: dict[Place, float]
) -> float:
    """Where its parents lie in the column before, or the arrow from it: what belongs together stays side by side."""
    sources = [asset] if depth[asset] < column else sorted(direct[asset])
    known = [rows[source, column - 1] for source in sources if (source, column - 1) in rows]
    return sum(known) / len(known) if known else 0.5


def _count(done: set[str], samples: set[str], contrasts: set[str], n_included: int | None) -> tuple[str, str, bool]:
    """For whom a step is there, how many of them are done in words, and whether these are all."""
    if done & samples:
        return "sample", f"{len(done & samples)} of {plural(len(samples), 'sample')}", samples <= done
    if done & contrasts:
        return "contrast", f"{len(done & contrasts)} of {plural(len(contrasts), 'contrast')}", contrasts <= done
    return "study", "once" if n_included is None else f"once, {plural(n_included, 'sample')} in", True


def _arrow(start: str, end: str, depth: dict[str, int], places: dict[Place, tuple[int, int]]) -> str:
    """A line from step to step by way of the lanes between them."""
    middle = NODE_HEIGHT // 2
    x, y = places[start, depth[start]]
    path, x, y = f"M{x + NODE_WIDTH} {y + middle}", x + NODE_WIDTH, y + middle
    for column in range(depth[start] + 1, depth[end] + 1):
        is_end = column == depth[end]
        next_x, next_y = places[end if is_end else start, column]
        next_x, next_y = next_x - (3 if is_end else 0), next_y + middle
        bend = (next_x - x) // 2
        path += f"C{x + bend} {y} {next_x - bend} {next_y} {next_x} {next_y}"
        x, y = next_x, next_y
        if not is_end:
            path, x = path + f"H{next_x + NODE_WIDTH}", next_x + NODE_WIDTH
    return path
