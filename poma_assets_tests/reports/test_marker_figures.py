"""The figure of a contrast's markers: are the drawn numbers those of the tables, and can all verdicts be drawn?"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from made_up_study import CONTRASTS, GROUPS, HOSTILE, make_verdicts
from made_up_study import marker_expression as expression
from made_up_study import verdict_row as row

from poma_assets.reports.figure_encoding import inline_svg, message_of
from poma_assets.reports.marker_figures import MAX_PANELS, effect_limit, marker_panels_figure
from poma_assets.reports.palette import VERDICTS


def panel(verdict, counts, groups):
    """The figure of one marker."""
    return marker_panels_figure(pd.DataFrame([verdict]), counts, groups)


def drawn(figure, axes, colour=None):
    """The x and y of every line of an axes, by default of any colour."""
    return [
        (list(map(float, line.get_xdata())), list(map(float, line.get_ydata())))
        for line in figure.axes[axes].get_lines()
        if colour is None or colour in (line.get_color(), line.get_markerfacecolor(), line.get_markeredgecolor())
    ]


def texts(figure):
    return [text.get_text() for text in figure.texts] + [
        text.get_text() for axes in figure.axes for text in [*axes.texts, *axes.get_yticklabels()]
    ]


def test_the_points_are_the_replicates_of_each_arm_and_the_line_is_their_mean():
    figure = panel(row("IRF4"), expression("IRF4", "MYC"), GROUPS)
    lines = drawn(figure, 0)
    assert [x for x, _ in lines] == [[9.0, 9.0], [8.0, 9.0, 10.0], [12.0, 12.0], [11.0, 12.0, 13.0]]
    assert np.allclose([np.mean(y) for _, y in lines], [0, 0, 1, 1])
    assert [label for label in texts(figure) if label in GROUPS.values()] == ["DMSO", "pomalidomide"]


def test_samples_outside_the_arms_and_other_genes_are_not_drawn():
    figure = panel(row("IRF4"), expression("IRF4"), {"D0": "DMSO", "P2": "pomalidomide"})
    assert [x for x, _ in drawn(figure, 0)] == [[8.0, 8.0], [8.0], [13.0, 13.0], [13.0]]


def test_effect_interval_and_cautious_end_of_a_fall():
    irf4 = row("IRF4")
    figure = panel(irf4, expression("IRF4"), GROUPS)
    interval, cautious, point = drawn(figure, 1, VERDICTS["confirmed"].colour)
    assert np.allclose(interval[0], [-1.74 - 1.96 * 0.15, -1.74 + 1.96 * 0.15])
    assert np.allclose(cautious[0], -1.74 + 1.645 * 0.15)
    assert point[0] == [-1.74]
    band = figure.axes[1].patches[0]
    assert (band.get_x(), band.get_width()) == (-0.585, 1.17)


@pytest.mark.parametrize(("direction", "sign"), [("down", -1), ("up", 1)])
def test_the_arrow_points_from_the_smallest_effect_to_what_was_asked_for(direction, sign):
    figure = panel(row("IRF4", expected_direction=direction), expression("IRF4"), GROUPS)
    arrow = next(text for text in figure.axes[1].texts if getattr(text, "arrow_patch", None))
    assert arrow.xyann[0] == sign * 0.585
    assert sign * arrow.xy[0] > 0.585


def test_equivalence_has_two_cautious_ends_and_no_arrow():
    same = row("IRF4", policy="equivalence", expected_direction="none", log2_fold_change=0.1, ci_low=-0.1, ci_high=0.3)
    figure = panel(same, expression("IRF4"), GROUPS)
    ends = [x[0] for x, y in drawn(figure, 1, VERDICTS["confirmed"].colour) if x[0] == x[-1] and len(x) == 2]
    assert np.allclose(ends, [0.1 - 1.645 * 0.15, 0.1 + 1.645 * 0.15])
    assert not any(getattr(text, "arrow_patch", None) for text in figure.axes[1].texts)


TESTED = make_verdicts(CONTRASTS[0]).query("verdict != 'not_testable'")["gene_symbol"]


@pytest.mark.parametrize("symbol", [*TESTED])
@pytest.mark.parametrize("missing", [(), ("standard_error", "ci_low", "ci_high"), ("min_effect_log2",)])
def test_every_kind_of_verdict_can_be_drawn_small(symbol, missing):
    figure = panel(row(symbol, **dict.fromkeys(missing)), expression(symbol), GROUPS)
    svg = inline_svg(figure, "a figure")
    assert 1_000 < len(svg) < 20_000
    assert HOSTILE not in svg


def test_the_axis_holds_the_estimates_and_cuts_a_wild_interval():
    wild = row("KLF2", log2_fold_change=-0.5, ci_low=-40.0, ci_high=39.0)
    assert effect_limit(wild) == pytest.approx(1.12 * 3)
    assert effect_limit(row("IRF4", edger_log2_fold_change=-9.0)) > 9
    assert math.isfinite(effect_limit(row("IFNG", min_effect_log2=None)))
    markers = [line.get_marker() for line in panel(wild, expression("KLF2"), GROUPS).axes[1].get_lines()]
    assert {"<", ">"} <= set(markers)


def test_panels_show_the_tested_markers_on_one_scale_decided_first():
    frame = make_verdicts(CONTRASTS[0])
    figure = marker_panels_figure(frame, expression("IRF4", "MYC"), GROUPS)
    titles = [text for text in texts(figure) if ": " in text][::-1]
    assert titles[0] == "IRF4: confirmed, strong"
    assert len(titles) == (frame["verdict"] != "not_testable").sum()
    assert not any("IKZF1" in title for title in titles)
    assert len({axes.get_xlim() for axes in figure.axes[1::2]}) == 1
    none = marker_panels_figure(frame[frame["verdict"] == "not_testable"], expression("IRF4"), GROUPS)
    assert "none could be tested" in message_of(none)


def test_not_more_than_the_allowed_panels_are_drawn():
    frame = pd.concat([make_verdicts(CONTRASTS[0])] * 12)
    assert len(marker_panels_figure(frame, expression("IRF4"), GROUPS).axes) == 2 * MAX_PANELS
