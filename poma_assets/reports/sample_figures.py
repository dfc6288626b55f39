"""Figures with one mark per sample: PCA, library size, distances, read and alignment quality, strandedness.

All take frames of the declared tables. Where there is nothing to draw they return a figure that says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from poma_assets.reports.figure_encoding import figure_style, legend_above, message_figure, new_figure
from poma_assets.reports.label_placement import label_points
from poma_assets.reports.palette import (
    BLUE,
    GREEN,
    GREY,
    GROUP_MARKERS,
    GROUPS,
    INK,
    MUTED,
    ORANGE,
    PAPER,
    SKY,
    VERMILLION,
)

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_GROUPING_COLUMNS = ("treatment", "sensitivity", "cell_line", "cell_context", "time_h", "batch", "donor")
_LABEL_LENGTH = 28


def short(name: object, length: int = _LABEL_LENGTH) -> str:
    """Return a name that fits an axis: on one line, cut with an ellipsis."""
    text = " ".join(str(name).split())
    return text if len(text) <= length else text[: length - 1] + "…"


def _bar_height_in(rows: int) -> float:
    return min(0.75 + 0.24 * rows, 14.0)


def grouping_columns(samples: pd.DataFrame) -> list[str]:
    """Return the metadata columns that divide the samples into 2 to 8 groups, at most two of them.

    A column that divides the samples just as an earlier one does is passed over.
    """
    chosen: list[str] = []
    seen: list[tuple[int, ...]] = []
    for column in _GROUPING_COLUMNS:
        if column not in samples.columns:
            continue
        codes, levels = pd.factorize(samples[column].astype(str).where(samples[column].notna(), "not recorded"))
        if 2 <= len(levels) <= 8 and len(levels) < max(len(samples), 3) and tuple(codes) not in seen:
            chosen.append(column)
            seen.append(tuple(codes))
    return chosen[:2]


def _levels(samples: pd.DataFrame, column: str | None, ids: Sequence[str]) -> pd.Series[str]:
    if column is None:
        return pd.Series("all samples", index=list(ids), dtype=object)
    by_id = samples.drop_duplicates("sample_id").set_index(samples["sample_id"].drop_duplicates().astype(str))
    return by_id[column].astype(object).reindex(list(ids)).map(lambda v: "not recorded" if pd.isna(v) else short(v))


def pca_figure(pca: pd.DataFrame, samples: pd.DataFrame, *, components: tuple[int, int] = (1, 2)) -> Figure:
    """Draw the samples on two principal components.

    Parameters
    ----------
    pca
        Rows of ``sample_pca``.
    samples
        Rows of ``samples``: colour and symbol follow the first two columns that divide the samples.
    components
        Components on the horizontal and the vertical axis.
    """
    scores = pca.pivot_table(index="sample_id", columns="component", values="score", sort=False)
    if not set(components) <= set(scores.columns):
        return message_figure("No PCA plot: fewer than two principal components were computed.")
    variance = pca.drop_duplicates("component").set_index("component")["explained_variance_pct"]
    scores.index = scores.index.astype(str)
    columns: list[str | None] = [*grouping_columns(samples), None, None]
    colours = _levels(samples, columns[0], list(scores.index))
    symbols = _levels(samples, columns[1], list(scores.index))
    with figure_style():
        figure, axes = new_figure(4.2)
        _scatter_groups(axes, scores[components[0]], scores[components[1]], colours, symbols)
        axes.margins(0.14)
        for axis, component in ((axes.xaxis, components[0]), (axes.yaxis, components[1])):
            axis.set_label_text(f"PC{component} ({float(variance[component]):.1f} % of variance)")
        _group_legend(axes, colours, symbols, columns)
        if len(scores) <= 30:
            x, y = scores[components[0]], scores[components[1]]
            label_points(axes, x.tolist(), y.tolist(), [short(name, 20) for name in scores.index])
    return figure


def _scatter_groups(
    axes: Axes, x: pd.Series[float], y: pd.Series[float], colours: pd.Series[str], symbols: pd.Series[str]
) -> None:
    colour_of = {level: GROUPS[i % len(GROUPS)] for i, level in enumerate(colours.unique())}
    marker_of = {level: GROUP_MARKERS[i % len(GROUP_MARKERS)] for i, level in enumerate(symbols.unique())}
    for sample in x.index:
        axes.scatter(
            x[sample],
            y[sample],
            s=52,
            color=colour_of[colours[sample]],
            marker=marker_of[symbols[sample]],
            edgecolors=PAPER,
            linewidths=0.7,
        )


def _group_legend(axes: Axes, colours: pd.Series[str], symbols: pd.Series[str], columns: Sequence[str | None]) -> None:
    from matplotlib.lines import Line2D

    handles: list[Artist] = []
    labels: list[str] = []
    if columns[0] is not None:
        for i, level in enumerate(colours.unique()):
            handles.append(Line2D([], [], ls="", marker="o", color=GROUPS[i % len(GROUPS)]))
            labels.append(str(level))
    if columns[1] is not None:
        for i, level in enumerate(symbols.unique()):
            handles.append(Line2D([], [], ls="", marker=GROUP_MARKERS[i % len(GROUP_MARKERS)], color=MUTED))
            labels.append(str(level))
    if handles:
        legend_above(axes, handles, labels)


def _horizontal_axes(axes: Axes, names: Sequence[str]) -> None:
    axes.set_yticks(range(len(names)), [short(name) for name in names])
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.grid(False, axis="y")
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)


def _stacked_bars(axes: Axes, frame: pd.DataFrame, parts: Mapping[str, tuple[str, str]]) -> None:
    left = np.zeros(len(frame))
    for column, (name, colour) in parts.items():
        values = pd.to_numeric(frame[column], errors="coerce").fillna(0).to_numpy(dtype=float)
        axes.barh(range(len(frame)), values, left=left, height=0.72, color=colour, label=name, linewidth=0)
        left += values


def library_size_figure(size_factors: pd.DataFrame) -> Figure:
    """Draw the assigned fragments of each sample, with its size factor in words.

    Parameters
    ----------
    size_factors
        Rows of ``size_factors``.
    """
    if size_factors.empty:
        return message_figure("No library sizes: no sample entered the count matrix.")
    sizes = pd.to_numeric(size_factors["library_size"], errors="coerce").astype(float)
    unit, divisor = ("million ", 1e6) if sizes.max() >= 1e6 else ("thousand ", 1e3) if sizes.max() >= 1e4 else ("", 1.0)
    with figure_style():
        figure, axes = new_figure(_bar_height_in(len(sizes)))
        axes.barh(range(len(sizes)), sizes / divisor, height=0.72, color=SKY, linewidth=0)
        for row, (size, factor) in enumerate(zip(sizes, size_factors["size_factor"], strict=True)):
            if not pd.isna(factor) and np.isfinite(size):
                axes.text(size / divisor, row, f" ×{float(factor):.2f}", va="center", fontsize=8, color=MUTED)
        _horizontal_axes(axes, [str(name) for name in size_factors["sample_id"]])
        axes.margins(x=0.1)
        axes.set_xlabel(f"{unit}assigned fragments (×: size factor)")
    return figure


def alignment_figure(alignment_quality: pd.DataFrame) -> Figure:
    """Draw where the read pairs of each sample went.

    Parameters
    ----------
    alignment_quality
        Rows of ``alignment_quality``.
    """
    if alignment_quality.empty:
        return message_figure("No alignment plot: no sample was aligned.")
    parts = {
        "uniquely_mapped_pct": ("uniquely mapped", BLUE),
        "multi_mapped_pct": ("several loci", SKY),
        "too_many_loci_pct": ("too many loci", ORANGE),
        "unmapped_pct": ("unmapped", VERMILLION),
    }
    with figure_style():
        figure, axes = new_figure(_bar_height_in(len(alignment_quality)) + 0.2)
        _stacked_bars(axes, alignment_quality, parts)
        _horizontal_axes(axes, [str(name) for name in alignment_quality["sample_id"]])
        axes.set_xlim(0, 100)
        axes.set_xlabel("read pairs (%)")
        legend_above(axes)
    return figure


def strandedness_figure(strandedness: pd.DataFrame) -> Figure:
    """Draw the share of reverse fragments of each sample: 0 forward, 0.5 unstranded, 1 reverse.

    Parameters
    ----------
    strandedness
        Rows of ``strandedness``; samples whose sheet disagrees are drawn as a vermillion cross.
    """
    shares = pd.to_numeric(strandedness["reverse_fraction"], errors="coerce")
    if shares.dropna().empty:
        return message_figure("No strandedness plot: no sample was aligned with gene counts.")
    with figure_style():
        figure, axes = new_figure(_bar_height_in(len(shares)))
        for low, high in ((0.0, 0.2), (0.4, 0.6), (0.8, 1.0)):
            axes.axvspan(low, high, color=MUTED, alpha=0.10, linewidth=0)
        for row, (share, agrees) in enumerate(zip(shares, strandedness["agrees"], strict=True)):
            bad = agrees is not None and not pd.isna(agrees) and not agrees
            axes.scatter(share, row, s=44, color=VERMILLION if bad else BLUE, marker="X" if bad else "o")
        _horizontal_axes(axes, [str(name) for name in strandedness["sample_id"]])
        axes.set_xlim(-0.02, 1.02)
        axes.set_xticks([0, 0.5, 1], ["0\nforward", "0.5\nunstranded", "1\nreverse"])
        axes.set_xlabel("reverse / (forward + reverse) fragments; cross: disagrees with the sheet")
    return figure


def read_quality_figure(read_quality: pd.DataFrame) -> Figure:
    """Draw the mean Phred quality of each read file before and after trimming.

    Parameters
    ----------
    read_quality
        Rows of ``read_quality``.
    """
    quality = pd.to_numeric(read_quality["mean_quality"], errors="coerce")
    frame = read_quality.assign(mean_quality=quality)[quality.notna()]
    if frame.empty:
        return message_figure("No read quality plot: FastQC was not run.")
    rows = {name: i for i, name in enumerate(dict.fromkeys(frame["sample_id"].astype(str)))}
    looks = {
        ("raw", "R1"): (GREY, "o"),
        ("raw", "R2"): (GREY, "s"),
        ("trimmed", "R1"): (GREEN, "o"),
        ("trimmed", "R2"): (GREEN, "s"),
    }
    with figure_style():
        figure, axes = new_figure(_bar_height_in(len(rows)) + 0.2)
        for (stage, read), (colour, marker) in looks.items():
            part = frame[(frame["stage"] == stage) & (frame["read"] == read)]
            if len(part):
                y = [rows[str(name)] + (-0.14 if read == "R1" else 0.14) for name in part["sample_id"]]
                axes.scatter(part["mean_quality"], y, s=20, color=colour, marker=marker, label=f"{stage} {read}")
        _horizontal_axes(axes, list(rows))
        axes.margins(x=0.08)
        axes.set_xlabel("mean Phred quality")
        legend_above(axes)
    return figure


def sample_distance_figure(sample_distances: pd.DataFrame) -> Figure:
    """Draw the Euclidean distances of all pairs of samples as a heat map, similar samples side by side.

    Parameters
    ----------
    sample_distances
        Rows of ``sample_distances``; one of the two orders of a pair is enough.
    """
    pairs = sample_distances.dropna(subset=["euclidean_distance"])
    if pairs.empty:
        return message_figure("No distances of samples: fewer than two samples entered the count matrix.")
    turned = pairs.rename(columns={"sample_id": "other_sample_id", "other_sample_id": "sample_id"})
    both = pd.concat([pairs, turned], ignore_index=True)
    matrix = both.pivot_table(index="sample_id", columns="other_sample_id", values="euclidean_distance")
    matrix = matrix.fillna(0.0)
    order = _similar_side_by_side(matrix.to_numpy(dtype=float))
    matrix = matrix.iloc[order, order]
    names = [short(name, 20) for name in matrix.index]
    side = min(6.4, 2.2 + 0.26 * len(names))
    with figure_style():
        figure, axes = new_figure(side - 0.4, side + 0.6)
        image = axes.imshow(matrix, cmap="cividis", interpolation="nearest")
        axes.set_xticks(range(len(names)), names, rotation=90)
        axes.set_yticks(range(len(names)), names)
        axes.tick_params(length=0)
        axes.grid(False)
        for spine in axes.spines.values():
            spine.set_visible(False)
        bar = figure.colorbar(image, ax=axes, shrink=0.8)
        bar.set_label("Euclidean distance", color=INK)
        bar.outline.set_visible(False)
    return figure


def _similar_side_by_side(distances: np.ndarray) -> list[int]:
    """Order items by average-linkage clustering of their distance matrix."""
    if len(distances) < 3:
        return list(range(len(distances)))
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    symmetric = (distances + distances.T) / 2
    np.fill_diagonal(symmetric, 0.0)
    return [int(i) for i in leaves_list(linkage(squareform(symmetric, checks=False), "average"))]
