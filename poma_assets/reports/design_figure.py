"""The picture of a study's designs: which group of samples is what in which contrast, and what was found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from poma_assets.reports.figure_encoding import figure_style, legend_above, message_figure, new_figure
from poma_assets.reports.palette import DOWN, GREEN, GREY, GRID, INK, MUTED, PAPER, UP, Mark, status_mark
from poma_assets.reports.sample_figures import short
from poma_assets.science.design_doctor import DesignReport
from poma_assets.science.subsets import column_texts
from poma_assets.science.tables import natural_key

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MAX_GROUPS, _MAX_CONTRASTS = 60, 40
_ROLES = {
    "reference": Mark(DOWN, "−", "s", "reference"),
    "target": Mark(UP, "+", "s", "target"),
    "in the model": Mark(GREY, "·", "s", "in model only"),
    "both": Mark(GREEN, "±", "s", "both, or some of its samples"),
}
_STATUS = {"error": "fail", "warning": "warn", "note": "pass", None: "pass"}
_UNITS = {"dose_um": "uM", "time_h": "h"}
_REPLICATION = ("replicate", "donor", "batch")
_LEAST_COLUMNS = 6


def design_figure(reports: Sequence[DesignReport], design_table: pd.DataFrame) -> Figure:
    """Draw every group of samples against every contrast.

    Parameters
    ----------
    reports
        One report per contrast, of ``examine_design``.
    design_table
        One row per sample (index ``sample_id``), the metadata of the sheet.

    Returns
    -------
    matplotlib.figure.Figure
        Rows are combinations of the levels that any contrast uses, with their number of samples; columns are
        contrasts. A cell says by symbol and colour whether the group counts as target (+), as reference (−),
        is in the model only (·) or is not used (empty), with a fraction where only some of its samples are.
        Below each contrast stand the numbers of its errors (✗) and warnings (!), or ✓.
    """
    if not reports or design_table.empty:
        return message_figure("No picture of the designs: no contrast is declared.")
    shown = list(reports)[:_MAX_CONTRASTS]
    roles = np.column_stack([report.roles.reindex(design_table.index, fill_value="not used") for report in shown])
    if (roles == "not used").all():
        return message_figure("No picture of the designs: no contrast has a design that can be written down.")
    labels, members = _groups(shown, design_table, roles)
    drawn = int(sum(map(len, members[:_MAX_GROUPS])))
    labels, members = labels[:_MAX_GROUPS], members[:_MAX_GROUPS]
    longest = max(map(len, labels))
    heading = max(len(_heading(report)) for report in shown)
    with figure_style():
        width = max(6.4, 0.075 * longest + 0.5 * max(len(shown), _LEAST_COLUMNS) + 1.2)
        figure, axes = new_figure(0.9 + 0.27 * (len(labels) + 1.6) + 0.052 * heading, min(width, 24.0))
        _draw_cells(axes, [[roles[samples, column] for column in range(len(shown))] for samples in members])
        for column, report in enumerate(shown):
            _draw_findings(axes, len(labels) + 0.3, column, report)
        _axes_of_names(axes, labels, [_heading(report) for report in shown])
        axes.set_xlabel(_caption(len(reports), roles, drawn))
        _legend(axes)
    return figure


def _heading(report: DesignReport) -> str:
    return short(report.contrast_id, 34) + (" (LRT)" if report.test == "lrt" else "")


def _groups(
    reports: Sequence[DesignReport], table: pd.DataFrame, roles: NDArray[np.object_]
) -> tuple[list[str], list[list[int]]]:
    """Label and positions of the samples of every combination of the levels that any contrast uses.

    Batch and donor divide the rows only where a contrast compares them.
    """
    used = dict.fromkeys(factor for report in reports for factor in report.factors)
    somewhere = np.flatnonzero((roles != "not used").any(axis=1))
    levels = {
        factor: column_texts(table, factor).fillna("not recorded").astype(str).to_numpy()
        for factor in map(str, table.columns)
        if factor in used and column_texts(table, factor).iloc[somewhere].nunique(dropna=False) > 1
    }
    for factor in _REPLICATION:
        others = {name: texts for name, texts in levels.items() if name != factor}
        if not any(_both_arms(roles[samples]) for samples in _by_levels(others, somewhere).values()):
            levels = others
    labels, members = [], []
    for key, samples in _by_levels(levels, somewhere).items():
        text = " · ".join(_level(factor, level) for factor, level in zip(levels, key, strict=True))
        labels.append(f"{short(text or 'all samples', 60)}  n = {len(samples)}")
        members.append(samples)
    return labels, members


def _by_levels(levels: Mapping[str, NDArray[np.object_]], samples: Iterable[int]) -> dict[tuple[str, ...], list[int]]:
    """Positions of the samples of every combination of levels, in natural order."""
    found: dict[tuple[str, ...], list[int]] = {}
    for sample in samples:
        found.setdefault(tuple(str(texts[sample]) for texts in levels.values()), []).append(int(sample))
    return dict(sorted(found.items(), key=lambda item: [natural_key(level) for level in item[0]]))


def _both_arms(roles: NDArray[np.object_]) -> bool:
    return bool(((roles == "reference").any(axis=0) & (roles == "target").any(axis=0)).any())


def _level(factor: str, level: str) -> str:
    if level == "not recorded":
        return f"no {factor}"
    if factor in ("batch", "donor", "replicate"):
        return level if factor in level.casefold() else f"{factor} {level}"
    return f"{level} {_UNITS[factor]}" if factor in _UNITS else level


def _draw_cells(axes: Axes, grid: Sequence[Sequence[NDArray[np.object_]]]) -> None:
    from matplotlib.collections import PatchCollection
    from matplotlib.patches import Rectangle

    boxes, faces, edges = [], [], []
    for row, cells in enumerate(grid):
        for column, roles in enumerate(cells):
            mark, text = _cell(roles)
            filled = mark is not None and mark is not _ROLES["in the model"]
            boxes.append(Rectangle((column - 0.46, row - 0.44), 0.92, 0.88))
            faces.append("none" if mark is None else mark.colour if filled else GRID)
            edges.append(GRID if mark is None else mark.colour)
            if text:
                size = 11 if len(text) == 1 else 8
                look: dict[str, Any] = {"color": PAPER if filled else INK, "fontsize": size, "fontweight": "bold"}
                axes.text(column, row, text, ha="center", va="center", **look)
    axes.add_collection(PatchCollection(boxes, facecolors=faces, edgecolors=edges, linewidths=0.8))


def _cell(roles: NDArray[np.object_]) -> tuple[Mark | None, str]:
    """How a group looks in a contrast: its mark, and the symbol with a fraction if not all samples count."""
    counts = Counter(str(role) for role in roles if role != "not used")
    arms = [role for role in counts if role != "in the model"] or list(counts)
    if not arms:
        return None, ""
    if len(arms) > 1:
        return _ROLES["both"], _ROLES["both"].symbol
    mark = _ROLES[arms[0]]
    whole = counts[arms[0]] == len(roles)
    return mark, mark.symbol if whole else f"{mark.symbol}{counts[arms[0]]}/{len(roles)}"


def _draw_findings(axes: Axes, row: float, column: int, report: DesignReport) -> None:
    mark = status_mark(_STATUS[report.severity])
    severities = [finding.severity for finding in report.findings]
    count = severities.count(report.severity) if report.severity in ("error", "warning") else 0
    text = f"{mark.symbol} {count}" if count else mark.symbol
    axes.text(column, row, text, ha="center", va="center", color=mark.colour, fontsize=10, fontweight="bold")


def _axes_of_names(axes: Axes, groups: Sequence[str], contrasts: Sequence[str]) -> None:
    axes.set_xlim(-0.5, max(len(contrasts), _LEAST_COLUMNS) - 0.5)
    axes.set_ylim(len(groups) + 0.8, -0.5)
    axes.set_yticks([*range(len(groups)), len(groups) + 0.3], [*groups, "errors ✗, warnings !"])
    axes.xaxis.tick_top()
    axes.set_xticks(range(len(contrasts)), contrasts, rotation=40, ha="left", rotation_mode="anchor")
    axes.tick_params(length=0)
    axes.grid(False)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.hlines(len(groups) - 0.3, -0.5, len(contrasts) - 0.5, color=MUTED, lw=0.8)


def _caption(n_contrasts: int, roles: NDArray[np.object_], drawn: int) -> str:
    parts = []
    used = int((roles != "not used").any(axis=1).sum())
    if used < len(roles):
        parts.append(f"{len(roles) - used} of {len(roles)} samples are in no contrast")
    if drawn < used:
        parts.append(f"{used - drawn} samples of further groups are not drawn")
    if n_contrasts > _MAX_CONTRASTS:
        parts.append(f"{n_contrasts - _MAX_CONTRASTS} more contrasts are not drawn")
    return "; ".join(parts)


def _legend(axes: Axes) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles = [
        Patch(facecolor=GRID if role == "in the model" else mark.colour, edgecolor=mark.colour)
        for role, mark in _ROLES.items()
        if role != "both"
    ]
    labels = [f"{mark.symbol} {mark.words}" for role, mark in _ROLES.items() if role != "both"]
    empty = Line2D([], [], marker="s", ls="", mfc="none", mec=MUTED, ms=8)
    legend_above(axes, [*handles, empty], [*labels, "not used"])
