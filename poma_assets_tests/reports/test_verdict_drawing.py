"""The drawing of a verdict on a page: does it lie where the numbers of the tables say?"""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest
from made_up_study import CONTRASTS, GROUPS, HOSTILE, make_verdicts
from made_up_study import marker_expression as expression
from made_up_study import verdict_row as row

from poma_assets.reports.contrast_section import CONTRAST_TABLES, contrast_section
from poma_assets.reports.gene_tables import gene_names
from poma_assets.reports.marker_figures import CAPTION, effect_limit
from poma_assets.reports.rendering import environment
from poma_assets.reports.verdict_drawing import VerdictDrawing, effect_plot, verdict_drawing


def log2_of(drawing: VerdictDrawing, x: float) -> float:
    """Read a place off the axis of effects by its ticks."""
    ticks = [(at, float(label.replace("−", "-"))) for at, label in drawing.effect_ticks]
    (x1, v1), (x2, v2) = ticks[0], ticks[-1]
    return v1 + (x - x1) / (x2 - x1) * (v2 - v1)


def test_points_are_the_replicates_of_each_arm_at_their_log2_counts_and_the_line_is_their_mean():
    drawing = verdict_drawing(row("IRF4"), expression("IRF4", "MYC"), GROUPS)
    (x1, first), (x2, last) = drawing.count_ticks[0], drawing.count_ticks[-1]
    unit = (x2 - x1) / (float(last) - float(first))
    read = [[float(first) + (x - x1) / unit for x, _, _ in arm.points] for arm in drawing.arms]
    assert np.allclose(read, [[8, 9, 10], [11, 12, 13]])
    assert [arm.name for arm in drawing.arms] == ["DMSO", "pomalidomide"]
    assert np.allclose(
        [np.mean([x for x, _, _ in arm.points]) for arm in drawing.arms], [a.mean_x for a in drawing.arms]
    )
    assert drawing.arms[0].points[0][2] == "255.0"


def test_samples_outside_the_arms_are_not_drawn():
    drawing = verdict_drawing(row("IRF4"), expression("IRF4"), {"D0": "DMSO", "P2": "pomalidomide"})
    assert [len(arm.points) for arm in drawing.arms] == [1, 1]


def test_effect_interval_shade_and_cautious_end_of_a_fall():
    drawing = verdict_drawing(row("IRF4"), expression("IRF4"), GROUPS)
    effect = drawing.effect
    assert log2_of(drawing, effect.x) == pytest.approx(-1.74)
    assert [log2_of(drawing, x) for x in effect.interval] == pytest.approx([-1.74 - 1.96 * 0.15, -1.74 + 1.96 * 0.15])
    assert [log2_of(drawing, x) for x in effect.cautious] == pytest.approx([-1.74 + 1.645 * 0.15], abs=1e-3)
    assert [log2_of(drawing, x) for x in drawing.shade] == pytest.approx([-0.585, 0.585])
    assert log2_of(drawing, drawing.edger_x) == pytest.approx(-1.74)
    assert log2_of(drawing, drawing.zero_x) == pytest.approx(0)
    assert effect.is_decided


@pytest.mark.parametrize(("direction", "sign"), [("down", -1), ("up", 1)])
def test_the_arrow_points_from_the_smallest_effect_to_what_was_asked_for(direction, sign):
    drawing = verdict_drawing(row("IRF4", expected_direction=direction), expression("IRF4"), GROUPS)
    kind, start, end = drawing.asked
    assert kind == "arrow"
    assert log2_of(drawing, start) == pytest.approx(sign * 0.585)
    assert sign * log2_of(drawing, end) > 0.585


def test_equivalence_has_two_cautious_ends_and_a_bar():
    same = row("IRF4", policy="equivalence", expected_direction="none", log2_fold_change=0.1, ci_low=-0.1, ci_high=0.3)
    drawing = verdict_drawing(same, expression("IRF4"), GROUPS)
    ends = [log2_of(drawing, x) for x in drawing.effect.cautious]
    assert ends == pytest.approx([0.1 - 1.645 * 0.15, 0.1 + 1.645 * 0.15], abs=1e-3)
    assert drawing.asked[0] == "bar"
    assert verdict_drawing(row("CRBN"), expression("CRBN"), GROUPS).asked is None


def test_what_is_not_testable_keeps_its_points_and_has_no_cautious_end():
    drawing = verdict_drawing(row("IKZF1"), expression("IKZF1"), GROUPS)
    assert (drawing.effect.cautious, drawing.effect.is_decided, drawing.shade) == ([], False, None)
    assert sum(len(arm.points) for arm in drawing.arms) == 6
    assert verdict_drawing(row("IFNG"), expression("IFNG"), GROUPS).effect is None
    assert verdict_drawing(row("IFNG"), expression("MYC"), GROUPS) is None
    assert verdict_drawing(row("IRF4"), expression("MYC"), GROUPS).count_ticks == []


def test_a_wild_interval_is_cut_at_the_ends_of_the_axis_and_marked():
    wild = row("KLF2", log2_fold_change=-0.5, ci_low=-40.0, ci_high=39.0)
    drawing = verdict_drawing(wild, expression("KLF2"), GROUPS)
    assert drawing.effect.leaves_low
    assert drawing.effect.leaves_high
    assert drawing.effect.interval == tuple(map(float, drawing.effects))
    assert log2_of(drawing, drawing.effect.interval[1]) == pytest.approx(effect_limit(wild))


@pytest.mark.parametrize("symbol", [*make_verdicts(CONTRASTS[0])["gene_symbol"]])
@pytest.mark.parametrize("missing", [(), ("standard_error", "ci_low", "ci_high"), ("min_effect_log2",)])
def test_every_kind_of_verdict_is_written_small_well_formed_and_within_its_frame(symbol, missing):
    verdict = row(symbol, **dict.fromkeys(missing))
    drawing = verdict_drawing(verdict, expression(symbol), {name: HOSTILE + group for name, group in GROUPS.items()})
    macros = environment().get_template("macros.html.j2").make_module({})
    markup = str(macros.verdict_picture(drawing, verdict))
    assert len(markup) < 8_000
    assert "<script>" not in markup
    for circle in ElementTree.fromstring(markup).iter("circle"):
        assert 0 < float(circle.get("cx")) < drawing.width
        assert 0 < float(circle.get("cy")) < drawing.top + drawing.plot_height


def test_the_section_of_a_contrast_has_a_drawing_for_each_verdict_that_can_be_drawn(contrast_inputs):
    tables = {name: contrast_inputs.table(name) for name in (*CONTRAST_TABLES, "normalised_expression")}
    samples = list(dict.fromkeys(tables["normalised_expression"]["sample_id"]))
    groups = {name: "DMSO" if "DMSO" in name else "pomalidomide" for name in samples}
    options = {"names": gene_names(tables["de_results"]), "index": 0, "fdr": 0.05, "log2_fold_change": 1.0}
    section = contrast_section(contrast_inputs.contrast, tables, **options, groups=groups)
    figures = {row["gene_symbol"]: row["figure"] for row in section.verdicts}
    assert figures["IFNG"] is None
    assert all(isinstance(figure, VerdictDrawing) for symbol, figure in figures.items() if symbol != "IFNG")
    assert section.verdict_figures_caption == CAPTION
    without = contrast_section(contrast_inputs.contrast, tables, **options)
    assert without.verdict_figures_caption is None
    assert replace(without, verdicts=[]).verdict_figures_caption is None


def effects(**changes):
    rows = [row(symbol, anchor=f"v{i}", **changes) for i, symbol in enumerate(("IRF4", "MYC", "KLF2", "IKZF1", "IFNG"))]
    return effect_plot(rows)


def test_effects_lie_on_one_scale_by_verdict_and_those_without_estimate_are_counted():
    plot = effects()
    assert [drawn.symbol for drawn in plot.rows] == ["IRF4", "MYC", "KLF2", "IKZF1"]
    assert [drawn.arrow for drawn in plot.rows] == [" ↓"] * 4
    assert plot.n_without == 1
    per_unit = (plot.rows[0].x - plot.zero_x) / -1.74
    assert [(drawn.x - plot.zero_x) / per_unit for drawn in plot.rows] == pytest.approx([-1.74, -0.02, -0.5, -0.02])
    assert plot.rows[0].half_shade == pytest.approx(0.585 * per_unit)
    assert plot.rows[3].half_shade == 0.0
    low, high = plot.rows[0].interval
    assert high - low == pytest.approx(2 * 1.96 * 0.15 * per_unit)
    assert plot.rows[1].words == f"MYC in {CONTRASTS[0]}: contradicted (absent)."


def test_effects_without_intervals_are_drawn_and_without_estimates_nothing_is():
    assert [drawn.interval for drawn in effects(ci_low=None, ci_high=None).rows] == [None] * 4
    assert effects(log2_fold_change=None) is None
    assert effect_plot([]) is None
