from __future__ import annotations

import base64
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from made_up_study import (
    CONTRASTS,
    HOSTILE,
    make_contrast_inputs,
    make_de_results,
    make_study_inputs,
    make_verdicts,
)
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

from poma_assets.reports import figures
from poma_assets.reports.gene_figures import primary_engine, significance
from poma_assets.reports.inputs import declared_frame
from poma_assets.reports.label_placement import label_points
from poma_assets.reports.sample_figures import grouping_columns

STUDY = make_study_inputs(200)


def drawings():
    contrast = make_contrast_inputs(STUDY)
    de = make_de_results(CONTRASTS[0], 200, 0)
    groups = dict.fromkeys(STUDY.table("samples")["sample_id"], "all")
    return {
        "volcano": figures.volcano_figure(de, fdr=0.05, log2_fold_change=1),
        "dispersion": figures.dispersion_figure(contrast.gene_dispersions),
        "pca": figures.pca_figure(STUDY.table("sample_pca"), STUDY.table("samples")),
        "library": figures.library_size_figure(STUDY.table("size_factors")),
        "alignment": figures.alignment_figure(STUDY.table("alignment_quality")),
        "strandedness": figures.strandedness_figure(STUDY.table("strandedness")),
        "quality": figures.read_quality_figure(STUDY.table("read_quality")),
        "distance": figures.sample_distance_figure(STUDY.table("sample_distances")),
        "effects": figures.verdict_effects_figure(make_verdicts("x")),
        "counts": figures.verdict_counts_figure(STUDY.table("marker_verdicts")),
        "gsea": figures.enrichment_dot_figure(STUDY.table("enrichment")),
        "ora": figures.enrichment_dot_figure(STUDY.table("enrichment"), method="ora"),
        "markers": figures.marker_panels_figure(contrast.table("marker_verdicts"), contrast.marker_expression, groups),
    }


DRAWINGS = drawings()
EMPTY = {
    "volcano": lambda: figures.volcano_figure(declared_frame(None, "de_results")),
    "dispersion": lambda: figures.dispersion_figure(declared_frame(None, "gene_dispersions")),
    "pca": lambda: figures.pca_figure(declared_frame(None, "sample_pca"), declared_frame(None, "samples")),
    "library": lambda: figures.library_size_figure(declared_frame(None, "size_factors")),
    "alignment": lambda: figures.alignment_figure(declared_frame(None, "alignment_quality")),
    "strandedness": lambda: figures.strandedness_figure(declared_frame(None, "strandedness")),
    "quality": lambda: figures.read_quality_figure(declared_frame(None, "read_quality")),
    "distance": lambda: figures.sample_distance_figure(declared_frame(None, "sample_distances")),
    "effects": lambda: figures.verdict_effects_figure(declared_frame(None, "marker_verdicts")),
    "counts": lambda: figures.verdict_counts_figure(declared_frame(None, "marker_verdicts")),
    "gsea": lambda: figures.enrichment_dot_figure(declared_frame(None, "enrichment")),
    "markers": lambda: figures.marker_panels_figure(
        declared_frame(None, "marker_verdicts"), declared_frame(None, "normalised_expression"), {}
    ),
}


@pytest.mark.parametrize("name", DRAWINGS)
def test_figure_becomes_a_png_and_safe_themed_svg(name):
    figure = DRAWINGS[name]
    assert figures.message_of(figure) is None
    uri = figures.png_data_uri(figure, dpi=50)
    assert base64.b64decode(uri.removeprefix("data:image/png;base64,")).startswith(b"\x89PNG")
    svg = figures.inline_svg(figure, f"a {HOSTILE}")
    assert svg.startswith('<svg class="figure" role="img" aria-label="a &lt;script&gt;alert(1)')
    assert "<script" not in svg
    assert "http" not in svg
    assert "var(--ink)" in svg
    assert "font-family" not in svg


@pytest.mark.parametrize("name", EMPTY)
def test_empty_table_gives_a_sentence(name):
    figure = EMPTY[name]()
    sentence = figures.message_of(figure)
    assert sentence is not None
    assert sentence.startswith("No ")
    assert sentence.endswith(".")
    assert figures.inline_svg(figure, "x") == f'<p class="missing">{sentence}</p>'
    assert "![" not in figures.markdown_image(figure, "x")


def test_names_keep_their_dollar_signs_in_figures():
    svg = figures.inline_svg(DRAWINGS["effects"], "x")
    assert "&lt;script&gt;alert(1)" in svg
    assert "$" in figures.inline_svg(figures.enrichment_dot_figure(STUDY.table("enrichment"), top=30), "x")


def test_markdown_image_cannot_be_left_by_its_alt_text():
    text = figures.markdown_image(DRAWINGS["library"], "a](javascript:alert(1)) <b>\n")
    assert text.startswith("![a (javascript:alert(1))  b ")
    assert text.count("](") == 1


def test_gene_sets_of_one_method_are_drawn_without_naming_it():
    only_ora = STUDY.table("enrichment").query("method == 'ora'")
    assert figures.enrichment_dot_figure(only_ora).axes[0].get_xlabel().startswith("log2 odds ratio")
    both = figures.enrichment_dot_figure(STUDY.table("enrichment"))
    assert both.axes[0].get_xlabel().startswith("normalised enrichment score")


def test_significance_needs_both_thresholds():
    de = pd.DataFrame(
        {
            "log2_fold_change": [1.0, -2.0, 0.99, 3.0, None, 5.0],
            "p_adjusted": [0.049, 0.01, 1e-9, 0.05, 0.001, None],
        }
    )
    assert significance(de, fdr=0.05, log2_fold_change=1.0).tolist() == ["up", "down", "no", "no", "no", "no"]


def test_primary_engine_is_deseq2_where_present():
    both = pd.concat([make_de_results("x", 3, 0, "edger"), make_de_results("x", 3, 0)])
    assert set(primary_engine(both)["engine"]) == {"deseq2"}
    assert set(primary_engine(both[both["engine"] == "edger"])["engine"]) == {"edger"}


def test_volcano_survives_zero_p_values_and_wild_effects():
    de = make_de_results("x", 100, 0)
    de.loc[5, ["p_value", "p_adjusted", "log2_fold_change"]] = [0.0, 0.0, 1.5]
    de.loc[6, ["p_value", "p_adjusted", "log2_fold_change"]] = [0.9, 1.0, 30.0]
    axes = figures.volcano_figure(de).axes[0]
    assert np.isfinite(axes.get_ylim()).all()
    assert axes.get_xlim()[1] < 30.0


def test_volcano_labels_the_strongest_genes_that_are_significant():
    de = make_de_results("x", 100, 0)
    de["gene_name"] = [f"GENE{i}" for i in range(100)]
    hits = de[significance(de, fdr=0.05, log2_fold_change=1.0) != "no"]
    labels = {text.get_text() for text in figures.volcano_figure(de).axes[0].texts} - {"FDR 0.05"}
    assert hits.nsmallest(1, "p_value")["gene_name"].iloc[0] in labels
    assert labels <= set(hits["gene_name"])
    none = de.assign(p_adjusted=1.0)
    assert [text.get_text() for text in figures.volcano_figure(none).axes[0].texts] == []


def test_more_contrasts_than_fit_are_counted_below_the_verdicts():
    one = make_verdicts("x")
    many = pd.concat([one.assign(contrast_id=f"c{i:02}") for i in range(43)])
    axes = figures.verdict_counts_figure(many).axes[0]
    assert len(axes.get_yticklabels()) == 40
    assert axes.get_xlabel() == "hypotheses; 3 more contrasts are not drawn"


def test_labels_do_not_cover_each_other():
    figure = figures.volcano_figure(make_de_results("x", 50, 0).assign(p_adjusted=1.0))
    axes = figure.axes[0]
    placed = label_points(axes, [0.0] * 12, [1.0] * 12, [f"GENE{i}" for i in range(12)])
    assert placed >= 6
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw(renderer)
    # The arrow of an annotation is not part of its text.
    boxes = [Text.get_window_extent(t, renderer) for t in axes.texts if t.get_text().startswith("GENE")]
    assert len(boxes) == placed
    covered = [(a, b) for i, a in enumerate(boxes) for b in boxes[:i] if _overlap_px(a, b) > 2]
    assert covered == []


def _overlap_px(a, b):
    """Depth to which two boxes cover each other, in pixels."""
    return min(a.x1 - b.x0, b.x1 - a.x0, a.y1 - b.y0, b.y1 - a.y0)


def test_grouping_columns_divide_the_samples_and_do_not_repeat_each_other():
    assert grouping_columns(STUDY.table("samples")) == ["treatment", "sensitivity"]
    same = STUDY.table("samples").assign(treatment="DMSO")
    # Cell line and sensitivity divide this study alike: one of them is enough.
    assert grouping_columns(same) == ["sensitivity"]


def test_figures_are_not_kept_by_pyplot_and_importing_them_is_cheap():
    code = (
        "import sys, poma_assets.reports.figures, poma_assets.reports.study_report;"
        "assert 'matplotlib' not in sys.modules; assert 'jinja2' not in sys.modules;"
        "import pandas as pd;"
        "poma_assets.reports.figures.png_bytes(poma_assets.reports.figures.library_size_figure("
        "pd.DataFrame({'sample_id': ['a'], 'size_factor': [1.0], 'library_size': [1e6]})));"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
