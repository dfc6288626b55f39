"""Small drawings that a template writes as SVG by itself: histogram of p values, curves of gene set enrichment.

Only geometry belongs here: where bars and corners lie in the drawing's own units, y downwards.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from poma_assets.science.enrichment.ranking import rank_genes
from poma_assets.science.enrichment.running_sum import running_sum

_BINS = 20
_CURVES_PER_SIDE = 3
_LEAST_GENES = 15
WIDTH, HEIGHT = 300.0, 110.0

GeneSets = Mapping[tuple[str, str], Collection[str]]
"""(collection, term id) -> symbols of the set's genes."""


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
