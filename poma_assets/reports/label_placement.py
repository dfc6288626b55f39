"""Places text labels beside points so that they do not cover each other: greedy and deterministic."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from poma_assets.reports.palette import INK, MUTED

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_CHARACTER_WIDTH_PT = 5.2
_HEIGHT_PT = 10.0
_OFFSETS_PT = tuple(
    (side * dx, dy)
    for distance in (5, 12, 22, 34, 48)
    for side in (1, -1)
    for dx, dy in ((distance, 2), (distance, distance), (distance, -distance))
)

Box = tuple[float, float, float, float]


def _box(x: float, y: float, offset: tuple[float, float], text: str) -> Box:
    width = _CHARACTER_WIDTH_PT * len(text)
    left = x + offset[0] - (width if offset[0] < 0 else 0)
    return left, y + offset[1] - _HEIGHT_PT / 2, left + width, y + offset[1] + _HEIGHT_PT / 2


def _overlap(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def label_points(axes: Axes, x: Sequence[float], y: Sequence[float], texts: Sequence[str]) -> int:
    """Write a label beside each point, first come first served; return how many found room.

    Parameters
    ----------
    axes
        Axes whose limits are final.
    x, y
        Data coordinates of the points, most important first.
    texts
        Labels; more than 24 characters are cut.
    """
    figure = axes.get_figure(root=True)
    if figure is None or not len(texts):
        return 0
    figure.draw_without_rendering()
    to_points = 72.0 / figure.dpi
    frame = axes.get_window_extent()
    bounds = (frame.x0 * to_points, frame.y0 * to_points, frame.x1 * to_points, frame.y1 * to_points + 12)
    pixels = axes.transData.transform(list(zip(x, y, strict=True)))
    points = [(float(a) * to_points, float(b) * to_points) for a, b in pixels]
    taken: list[Box] = [(a - 3, b - 3, a + 3, b + 3) for a, b in points]
    placed = 0
    for index, full_text in enumerate(texts):
        text = full_text if len(full_text) <= 24 else full_text[:23] + "…"
        for offset in _OFFSETS_PT:
            box = _box(*points[index], offset, text)
            inside = box[0] > bounds[0] and box[2] < bounds[2] and box[1] > bounds[1] and box[3] < bounds[3]
            if inside and not any(_overlap(box, other) for other in taken):
                taken.append(box)
                placed += 1
                far = abs(offset[0]) > 10
                axes.annotate(
                    text,
                    (x[index], y[index]),
                    xytext=offset,
                    textcoords="offset points",
                    ha="left" if offset[0] > 0 else "right",
                    va="center",
                    fontsize=8,
                    color=INK,
                    arrowprops={"arrowstyle": "-", "color": MUTED, "lw": 0.5, "shrinkA": 0, "shrinkB": 2}
                    if far
                    else None,
                )
                break
    return placed
