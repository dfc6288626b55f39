"""Drawings that a template writes as SVG by itself: p values, gene sets as dots, curves of gene set enrichment.

Only geometry belongs here: where bars and corners lie in the drawing's own units, y downwards.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from poma_assets.reports.rendering import is_missing
from poma_assets.reports.verdict_figures import top_sets
from poma_assets.science.enrichment.ranking import rank_genes
from poma_assets.science.enrichment.running_sum import running_sum

_BINS = 20
_CURVES_PER_SIDE = 3
_LEAST_GENES = 15
WIDTH, HEIGHT = 300.0, 110.0

GeneSets = Mapping[tuple[str, str], Collection[str]]
"""(collection, term id) -> symbols of the set's genes."""


def round_ticks(low: float, high: float, most: int) -> list[float]:
    """Round numbers between two ends, at most so many."""
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
    return [i * step for i in range(math.ceil(low / step), math.floor(high / step) + 1)]


def tick_text(value: float) -> str:
    """A tick's number with a true minus sign."""
    return f"{value:g}".replace("-", "−")


@dataclass(frozen=True)
class Dot:
    """A gene set as a dot: its area is the number of genes; filled if significant."""

    name: str
    term_id: str
    arrow: str
    x: float
    y: float
    radius: float
    score: float
    n_genes: int
    p_adjusted: float
    is_significant: bool


@dataclass(frozen=True)
class DotPlot:
    """The best gene sets of a method, the highest score on top."""

    dots: list[Dot]
    ticks: list[tuple[float, str]]
    zero_x: float
    axis: str
    plot_height: float
    most_genes: int
    names_end: int = 316
    plot: tuple[int, int] = (326, 566)
    width: int = 640


_DOT_ROW, _LARGEST_DOT, _SMALLEST_DOT = 20, 8.0, 2.5


def set_dots(enrichment: pd.DataFrame, method: str, *, fdr: float) -> DotPlot | None:
    """Lay out the best gene sets of one contrast and method; None if none was tested.

    Parameters
    ----------
    enrichment
        Rows of ``enrichment`` of one contrast.
    method
        ``gsea`` (horizontal: normalised enrichment score) or ``ora`` (horizontal: log2 odds ratio).
    fdr
        A set is significant if its adjusted p value is below this.
    """
    rows = top_sets(enrichment, method)
    if rows.empty:
        return None
    low, high = min(0.0, float(rows["x"].min())), max(0.0, float(rows["x"].max()))
    pad = 0.07 * max(high - low, 1.0)
    low, high = low - pad, high + pad
    most = float(rows["n"].max())
    start, end = DotPlot.plot

    def place(value: float) -> float:
        return start + (value - low) / (high - low) * (end - start)

    dots = [
        Dot(
            name=str(row["term_name"]),
            term_id=str(row["term_id"]),
            arrow={"up": " ↑", "down": " ↓"}.get(str(row["direction"]), ""),
            x=place(float(row["x"])),
            y=(i + 0.5) * _DOT_ROW,
            radius=max(_SMALLEST_DOT, _LARGEST_DOT * math.sqrt(float(row["n"]) / most)),
            score=float(row["x"]),
            n_genes=int(row["n"]),
            p_adjusted=math.nan if is_missing(row["q"]) else float(row["q"]),
            is_significant=not is_missing(row["q"]) and float(row["q"]) < fdr,
        )
        for i, row in enumerate(rows.to_dict("records"))
    ]
    return DotPlot(
        dots=dots,
        ticks=[(place(tick), tick_text(tick)) for tick in round_ticks(low, high, 5)],
        zero_x=place(0.0),
        axis="normalised enrichment score" if method == "gsea" else "log2 odds ratio",
        plot_height=float(_DOT_ROW * len(dots)),
        most_genes=int(most),
    )


@dataclass(frozen=True)
class Bar:
    """A bar of a histogram: what it spans, how many, and where it lies."""

    low: float
    high: float
    amount: int
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Histogram:
    """Bars, and the height that each would have if no gene differed (as many in each bin as between 0.5 and 1)."""

    bars: list[Bar]
    most: int
    flat_y: float
    flat: float


def p_value_bars(de: pd.DataFrame) -> Histogram | None:
    """Count the raw p values of one engine in twenty bins; None without any."""
    p = pd.to_numeric(de["p_value"], errors="coerce").dropna().to_numpy(dtype=float)
    if not len(p):
        return None
    counts, edges = np.histogram(p, bins=_BINS, range=(0.0, 1.0))
    most, step = int(counts.max()), WIDTH / _BINS
    bars = [
        Bar(low, high, int(n), i * step, HEIGHT * (1 - n / most), step - 1, HEIGHT * n / most)
        for i, (low, high, n) in enumerate(zip(edges[:-1], edges[1:], counts, strict=True))
    ]
    flat = float(counts[_BINS // 2 :].mean())
    return Histogram(bars, most, HEIGHT * (1 - flat / most), flat)


@dataclass(frozen=True)
class EnrichmentCurve:
    """The running sum of one set: its line as an SVG path, the ranks of its genes as another, and its figures."""

    name: str
    term_id: str
    collection: str
    score: float
    normalised_score: float
    p_adjusted: float
    n_genes: int
    n_ranked: int
    path: str
    ticks: str
    zero_y: float
    peak: tuple[float, float]


def enrichment_curves(de: pd.DataFrame, enrichment: pd.DataFrame, gene_sets: GeneSets) -> list[EnrichmentCurve]:
    """The curves of the strongest gene sets of one contrast: up to three upwards and three downwards.

    Parameters
    ----------
    de
        Rows of ``de_results`` of the contrast.
    enrichment
        Rows of ``enrichment`` of the contrast; of alike sets the one that stands for them is drawn.
    gene_sets
        Genes of the sets; a set that is not there has no curve.
    """
    gsea = enrichment[enrichment["method"].astype(str) == "gsea"]
    chosen = strongest_sets(gsea)
    if chosen.empty or not gene_sets or not (de["engine"].astype(str) == "deseq2").any():
        return []
    ranking = rank_genes(de).statistic
    if len(ranking) < _LEAST_GENES:
        return []
    rank_of = {str(symbol): rank for rank, symbol in enumerate(ranking.index)}
    weights = np.abs(ranking.to_numpy(dtype=float))
    curves = []
    for row in chosen.to_dict("records"):
        members = gene_sets.get((str(row["collection"]), str(row["term_id"])), ())
        positions = np.array(sorted(rank_of[gene] for gene in members if gene in rank_of), dtype=np.int64)
        if 0 < len(positions) < len(weights) and weights[positions].sum() > 0:
            curves.append(_curve({str(key): value for key, value in row.items()}, positions, weights))
    return curves


def strongest_sets(gsea: pd.DataFrame) -> pd.DataFrame:
    """Choose the gene sets of which a curve is drawn, by p value on each side."""
    numeric = gsea.assign(
        **{c: pd.to_numeric(gsea[c], errors="coerce") for c in ("normalised_score", "p_value", "p_adjusted", "score")}
    )
    alone = numeric["group_term_id"].isna() | (numeric["group_term_id"] == numeric["term_id"])
    ordered = numeric[alone & numeric["normalised_score"].notna()].sort_values(["p_value", "term_id"], kind="stable")
    up = ordered[ordered["normalised_score"] > 0].head(_CURVES_PER_SIDE)
    down = ordered[ordered["normalised_score"] < 0].head(_CURVES_PER_SIDE)
    return pd.concat([up, down])


def _curve(row: dict[str, object], positions: NDArray[np.int64], weights: NDArray[np.float64]) -> EnrichmentCurve:
    rank, value = running_sum(positions, weights)
    low, high = min(0.0, float(value.min())), max(0.0, float(value.max()))
    x = rank * (WIDTH / len(weights))
    y = HEIGHT * (high - value) / (high - low)
    peak = int(np.argmax(np.abs(value)))
    return EnrichmentCurve(
        name=str(row["term_name"]),
        term_id=str(row["term_id"]),
        collection=str(row["collection"]),
        score=float(value[peak]),
        normalised_score=float(str(row["normalised_score"])),
        p_adjusted=float(str(row["p_adjusted"])),
        n_genes=len(positions),
        n_ranked=len(weights),
        path="M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in zip(x, y, strict=True)),
        ticks="".join(f"M{a:.1f} 0v10" for a in (positions + 0.5) * (WIDTH / len(weights))),
        zero_y=HEIGHT * high / (high - low),
        peak=(float(x[peak]), float(y[peak])),
    )
