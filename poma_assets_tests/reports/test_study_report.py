from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from made_up_study import CONTRASTS, HOSTILE, MARKERS, make_study_inputs
from report_page import Page

from poma_assets.reports.inputs import StudyReportInputs
from poma_assets.reports.study_report import render_study_report


@pytest.fixture(scope="module")
def html() -> str:
    return render_study_report(make_study_inputs())


@pytest.fixture(scope="module")
def page(html) -> Page:
    return Page(html)


def test_page_is_well_formed_and_links_within_it_lead_somewhere(page):
    assert page.unbalanced == []
    ids = page.attribute("id")
    assert {href[1:] for href in page.attribute("href") if href.startswith("#")} <= set(ids)
    elements = [attrs["id"] for tag, attrs in page.tags if attrs.get("id") and tag in ("tr", "section", "script")]
    assert len(elements) == len(set(elements))


def test_hostile_names_are_text_and_never_markup(html, page):
    assert "<script>alert" not in html
    assert HOSTILE in page.text
    tags = [(tag, attrs.get("type")) for tag, attrs in page.tags if tag == "script"]
    assert tags == [*([("script", "application/octet-stream")] * (2 + len(CONTRASTS))), ("script", None)]
    assert not [name for _, attrs in page.tags for name in attrs if name.startswith("on")]


def test_nothing_is_requested_from_the_network(html, page):
    sources = page.attribute("src") + page.attribute("xlink:href") + page.attribute("srcset")
    assert [s for s in sources if not s.startswith(("data:", "#"))] == []
    assert not [tag for tag, _ in page.tags if tag in ("link", "iframe", "object", "embed", "base")]
    assert "@import" not in html
    assert not re.search(r"url\((?!#)", html)
    outside = {attrs["href"] for tag, attrs in page.tags if tag == "a" and attrs["href"].startswith("http")}
    assert "https://doi.org/10.1186/s13059-014-0550-8" in outside
    # The name of SVG's namespace looks like an address and is none.
    assert set(re.findall(r"https?://[^\"'<> ]+", html)) - {"http://www.w3.org/2000/svg"} == outside


def test_security_policy_admits_the_one_script_by_its_hash(page):
    import base64
    import hashlib

    script = page.scripts[-1]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    (policy,) = [a["content"] for t, a in page.tags if a.get("http-equiv") == "Content-Security-Policy"]
    assert f"script-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy


def test_summary_says_who_is_in_and_who_is_out_and_why(page):
    assert "12 samples are in the sheet: 11 entered the count matrix and 1 was left out." in page.text
    assert "MM1S-res_poma_3 was left out: uniquely mapped reads 31 % are below 50 %" in page.text


def test_every_contrast_marker_and_sentence_is_shown(page):
    for contrast in CONTRASTS:
        assert contrast in page.text
    for symbol, *_ in MARKERS:
        assert symbol in page.text
    assert "IRF4 in pom_in_MM1S: confirmed (strong)." in page.text
    assert "MYC in pom_in_MM1S: contradicted (absent)." in page.text
    assert "IRF4 in pom in MM1S-res: inconclusive (borderline)." in page.text
    assert "Of 18 hypotheses: 3 confirmed, 4 contradicted, 7 inconclusive and 4 not testable." in page.text


def test_verdicts_are_told_by_symbol_and_words_with_the_sentence_on_hover_and_focus(html, page):
    chips = [a for t, a in page.tags if t == "a" and "chip" in (a.get("class") or "")]
    assert len(chips) == 2 * len(MARKERS)
    assert "IRF4 in pom_in_MM1S: confirmed (strong)." in {chip["data-tip"] for chip in chips}
    matrix = html[html.index('<table class="matrix">') :]
    assert matrix.count("✓") >= 3
    assert matrix.count("✗") >= 4


def test_planted_truth_is_compared(page):
    assert "1 of 2 planted verdicts came out as planted" in page.text
    assert "pom_in_MM1S MYC confirmed, strong contradicted, absent ✗ no" in page.text
    assert "pom_in_MM1S IRF4 confirmed confirmed, strong ✓ yes" in page.text


def test_nested_parameters_are_flattened(page):
    assert "gene_sets go_bp, own.gmt" in page.text
    assert "thresholds.fdr 0.05" in page.text


def test_packed_genes_hold_the_numbers_by_p_value(page):
    names = page.block("gene-names")
    data = page.block("c0-pom-in-mm1s-genes")
    de = make_study_inputs().tables["de_results"]
    first = de[(de["contrast_id"] == CONTRASTS[0]) & (de["engine"] == "deseq2")].set_index("gene_id")
    expected = first.loc[[names["gene_id"][int(i)] for i in data["gene"]]]
    assert [names["gene_name"][int(i)] for i in data["gene"]] == list(expected["gene_name"])
    for column in ("base_mean", "standard_error", "p_value", "p_adjusted"):
        np.testing.assert_allclose(data[column], expected[column], rtol=2e-4, err_msg=column)
    np.testing.assert_allclose(data["log2_fold_change"], expected["log2_fold_change"], atol=3e-4)
    tested = [p for p in data["p_value"] if not np.isnan(p)]
    assert tested == sorted(tested)
    assert np.isnan(data["p_value"][len(tested) :]).all()
    change = dict(zip((names["gene_name"][int(i)] for i in data["gene"]), data["class"], strict=True))
    assert change[HOSTILE] == "up"


def test_packed_expression_holds_every_sample_of_the_matrix(page):
    counts = make_study_inputs().normalised_counts
    data = page.block("gene-expression")
    (settings,) = [json.loads(a["data-settings"]) for _, a in page.tags if a.get("id") == "gene-view"]
    assert settings["samples"] == list(counts.columns)
    ids = [page.block("gene-names")["gene_id"][int(i)] for i in data["gene"]]
    np.testing.assert_allclose(data["s3"], counts.iloc[:, 3].loc[ids], rtol=2e-4)
    assert dict(settings["arms"])["MM1S_poma_1"] == "MM.1S, pomalidomide"


def test_thresholds_identity_overrides_and_multiqc_are_shown(page):
    assert "! >= 70 ✗ < 50" in page.text
    assert "Decisions against the thresholds" in page.text
    assert f"degraded, yet usable {HOSTILE} M. Doe 2026-01-01" in page.text
    assert "../multiqc/multiqc_report.html" in page.attribute("href")


def test_mechanism_marks_where_rna_cannot_speak(page):
    nodes = [attrs for _, attrs in page.tags if "node" in (attrs.get("class") or "").split()]
    per_contrast = len(nodes) // len(CONTRASTS)
    by_words = {node["aria-label"].split(":")[0]: node for node in nodes[:per_contrast]}
    assert by_words["IKZF1"]["class"] == by_words["IKZF3"]["class"] == "node n-silent"
    assert "n-silent" in by_words["IFNG"]["class"]
    assert "says nothing of it" in by_words["IKZF1"]["data-tip"]
    assert "IRF4 in pom_in_MM1S: confirmed (strong)." in by_words["IRF4"]["data-tip"]


def test_methods_name_only_what_was_done(page):
    assert "PyDESeq2 (Muzellec 2023)" in page.text
    assert "STAR (Dobin 2013)" in page.text
    assert "cutadapt (Martin 2011)" in page.text
    assert "fastp" not in page.text
    counts_only = replace(make_study_inputs(50), tables={"de_results": make_study_inputs(50).tables["de_results"]})
    text = Page(render_study_report(counts_only)).text
    assert "PyDESeq2" in text
    assert "Dobin" not in text
    assert "FastQC" not in text


def test_empty_study_gives_sentences_instead_of_a_crash():
    text = Page(render_study_report(StudyReportInputs("empty", "today", {}))).text
    assert "0 samples are in the sheet; which of them enter the count matrix is not decided yet." in text
    assert "No contrast is declared" in text
    assert "The sheet holds no sample." in text
    assert "No principal components" in text or "No PCA plot" in text
    assert "No step has been recorded yet." in text


@pytest.mark.parametrize("alone", sorted(make_study_inputs(20).tables))
def test_any_table_may_be_the_only_one(alone):
    inputs = make_study_inputs(20, contrasts=("one",))
    page = Page(render_study_report(replace(inputs, tables={alone: inputs.tables[alone]})))
    assert page.unbalanced == []


def test_all_tables_may_be_empty():
    inputs = make_study_inputs(20)
    page = Page(render_study_report(replace(inputs, tables={k: v.iloc[:0] for k, v in inputs.tables.items()})))
    assert page.unbalanced == []
    assert "No contrast is declared" in page.text


def test_what_is_missing_is_said():
    inputs = make_study_inputs(20, contrasts=("one",))
    absent = ("de_results", "enrichment", "engine_agreement", "marker_verdicts", "sample_quality")
    tables = {name: frame for name, frame in inputs.tables.items() if name not in absent}
    text = Page(render_study_report(replace(inputs, tables=tables))).text
    assert "Differential expression has not been computed for this contrast." in text
    assert "No gene set was tested in this contrast" in text
    assert "There is no second engine to compare with" in text
    assert "No marker was judged." in text
    assert "No quality metric has been judged yet." in text


def test_contrast_where_no_gene_could_be_tested():
    inputs = make_study_inputs(30, contrasts=("one",))
    de = inputs.tables["de_results"].assign(p_value=None, p_adjusted=None, log2_fold_change=None, status="all_zero")
    text = Page(render_study_report(replace(inputs, tables={**inputs.tables, "de_results": de}))).text
    assert "None of 30 genes could be tested." in text
    assert "Raw p values" not in text


def test_what_is_too_much_for_a_page_is_cut_and_said(monkeypatch):
    monkeypatch.setattr("poma_assets.reports.study_report.MOST_GENE_ROWS", 300)
    monkeypatch.setattr("poma_assets.reports.study_report.LEAST_ROWS_PER_CONTRAST", 10)
    page = Page(render_study_report(make_study_inputs(400, contrasts=("a", "b"))))
    assert "plots, table and CSV hold 150 of 400 genes" in page.text
    assert len(page.block("c0-a-genes")["gene"]) == 150


@pytest.mark.parametrize("contrasts", [4, 10])
def test_twenty_thousand_genes_fit(contrasts):
    inputs = make_study_inputs(20_000, contrasts=tuple(f"contrast {i}" for i in range(contrasts)))
    html = render_study_report(inputs)
    assert len(html.encode()) < 10_000_000
    assert len(Page(html).block("c0-contrast-0-genes")["gene"]) == 20_000


def test_same_input_gives_the_same_page():
    inputs = make_study_inputs(60, contrasts=("one",))
    assert render_study_report(inputs) == render_study_report(inputs)


def test_missing_pandas_values_are_dashes_not_words():
    inputs = make_study_inputs(30, contrasts=("one",))
    tables = {name: frame.convert_dtypes() for name, frame in inputs.tables.items()}
    text = Page(render_study_report(replace(inputs, tables=tables))).text
    assert "<NA>" not in text
    assert not re.search(r"\bnan\b", text)
    assert "NaT" not in text
    assert pd.isna(tables["samples"]["batch"]).all()
