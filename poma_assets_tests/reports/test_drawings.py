from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

from poma_assets.reports.drawings import (
    HEIGHT,
    WIDTH,
    enrichment_curves,
    p_value_bars,
    round_ticks,
    set_dots,
    strongest_sets,
    tick_text,
)
from poma_assets.reports.inputs import declared_frame
from poma_assets.science.enrichment.gene_set_enrichment import gene_set_enrichment, rank_genes
from poma_assets.science.enrichment.gmt import GeneSet, GeneSetCollection


def make_results(n: int = 200) -> pd.DataFrame:
    rng = np.random.default_rng(4)
    statistic = rng.normal(0, 2, n)
    frame = pd.DataFrame(
        {
            "contrast_id": "c",
            "engine": "deseq2",
            "gene_id": [f"G{i:03d}" for i in range(n)],
            "gene_name": [f"N{i:03d}" for i in range(n)],
            "base_mean": 10.0,
            "statistic": statistic,
            "p_value": 0.5,
        }
    )
    return declared_frame(frame, "de_results")


def make_enrichment(scores: dict[str, float]) -> pd.DataFrame:
    rows = [
        {
            "contrast_id": "c",
            "method": "gsea",
            "collection": "own",
            "term_id": term,
            "term_name": term,
            "score": score,
            "normalised_score": score * 2,
            "p_value": 0.01 * (i + 1),
            "p_adjusted": 0.02 * (i + 1),
        }
        for i, (term, score) in enumerate(scores.items())
    ]
    return declared_frame(pd.DataFrame(rows), "enrichment")


def test_bars_count_every_p_value_once_and_the_highest_is_as_high_as_the_drawing():
    p = np.concatenate([np.full(60, 0.01), np.linspace(0, 1, 41)])
    drawing = p_value_bars(pd.DataFrame({"p_value": [*p, None]}))
    assert sum(bar.amount for bar in drawing.bars) == 101
    assert drawing.most == drawing.bars[0].amount == 62
    assert drawing.bars[0].height == HEIGHT
    assert drawing.bars[0].y == 0
    assert drawing.flat == pytest.approx(sum(bar.amount for bar in drawing.bars[10:]) / 10)
    assert p_value_bars(pd.DataFrame({"p_value": [None, np.nan]})) is None


def test_the_curve_peaks_at_the_score_that_gsea_gives():
    de = make_results()
    ranked = rank_genes(de).statistic
    rng = np.random.default_rng(5)
    genes = {
        "up": list(ranked.index[:30:2]),
        "down": list(ranked.index[-40::3]),
        "any": list(rng.choice(ranked.index, 20)),
    }
    sets = tuple(GeneSet(term, term, tuple(dict.fromkeys(names))) for term, names in genes.items())
    result = gene_set_enrichment(ranked, GeneSetCollection("own", sets, "here", ""), seed=1, min_size=5)
    scores = dict(zip(result["term_id"], result["score"], strict=True))
    members = {("own", gene_set.term_id): gene_set.genes for gene_set in sets}
    curves = enrichment_curves(de, make_enrichment(scores), members)
    assert {curve.term_id: pytest.approx(curve.score) for curve in curves} == scores
    for curve in curves:
        corners = [tuple(map(float, corner.split())) for corner in re.split("[ML]", curve.path)[1:]]
        assert corners[0] == (0.0, round(curve.zero_y, 1))
        assert corners[-1] == (WIDTH, round(curve.zero_y, 1))
        assert len(corners) == 2 * curve.n_genes + 2
        assert curve.ticks.count("M") == curve.n_genes
        assert all(-0.1 <= y <= HEIGHT + 0.1 for _, y in corners)


def test_three_sets_on_each_side_and_of_alike_sets_the_one_that_stands_for_them():
    enrichment = make_enrichment({f"u{i}": 0.5 for i in range(5)} | {f"d{i}": -0.5 for i in range(2)})
    enrichment.loc[enrichment["term_id"] == "u1", "group_term_id"] = "u0"
    enrichment.loc[enrichment["term_id"] == "u0", "group_term_id"] = "u0"
    assert list(strongest_sets(enrichment)["term_id"]) == ["u0", "u2", "u3", "d0", "d1"]


def test_no_curve_without_genes_ranking_or_sets():
    de, enrichment = make_results(), make_enrichment({"a": 0.5})
    assert enrichment_curves(de, enrichment, {}) == []
    assert enrichment_curves(de, enrichment, {("own", "a"): ["unknown"]}) == []
    assert enrichment_curves(de.iloc[:10], enrichment, {("own", "a"): ["N001", "N002"]}) == []
    assert enrichment_curves(de.assign(engine="edger"), enrichment, {("own", "a"): ["N001"]}) == []


def test_dots_lie_at_the_scores_by_p_value_and_are_filled_if_significant():
    enrichment = make_enrichment({"a": 1.0, "b": -0.5, "c": 0.25}).assign(overlap=[16, 4, 1])
    plot = set_dots(enrichment, "gsea", fdr=0.05)
    assert [dot.name for dot in plot.dots] == ["a", "c", "b"]
    per_unit = (plot.dots[0].x - plot.zero_x) / 2.0
    assert [(dot.x - plot.zero_x) / per_unit for dot in plot.dots] == pytest.approx([2.0, 0.5, -1.0])
    assert [dot.is_significant for dot in plot.dots] == [True, False, True]
    assert (plot.dots[2].radius / plot.dots[0].radius) ** 2 == pytest.approx(4 / 16)
    assert plot.most_genes == 16
    assert all(plot.plot[0] < dot.x < plot.plot[1] for dot in plot.dots)


def test_odds_ratios_are_logarithms_and_an_infinite_one_lies_beyond_the_others():
    enrichment = make_enrichment({"a": 8.0, "b": np.inf, "c": 2.0, "none": 0.0}).assign(method="ora")
    plot = set_dots(enrichment, "ora", fdr=0.05)
    assert [(dot.name, round(dot.score, 2)) for dot in plot.dots] == [("b", 3.3), ("a", 3.0), ("c", 1.0)]
    assert set_dots(enrichment, "gsea", fdr=0.05) is None


@pytest.mark.parametrize(
    ("low", "high", "ticks"), [(-2.2, 2.2, [-2, -1, 0, 1, 2]), (0, 0.9, [0, 0.2, 0.4, 0.6, 0.8]), (3, 4, [3, 3.5, 4])]
)
def test_ticks_are_round_and_within_the_axis(low, high, ticks):
    assert round_ticks(low, high, 5 if high < 3 else 3) == pytest.approx(ticks)
    assert tick_text(-0.5) == "−0.5"
