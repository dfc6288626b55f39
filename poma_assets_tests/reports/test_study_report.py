from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pandas as pd
import pytest
from made_up_study import CONTRASTS, HOSTILE, MARKERS, make_study_inputs

from poma_assets.reports.inputs import StudyReportInputs
from poma_assets.reports.study_report import render_study_report

VOID = {"meta", "br", "input", "img", "link", "hr", "path", "use", "image", "rect"}


class Page(HTMLParser):
    """Collects tags, attributes, visible text, ids and unbalanced tags of a page."""

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.scripts: list[str] = []
        self.unbalanced: list[str] = []
        self._open: list[str] = []
        self.feed(source)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if tag in VOID:
            return
        if not self._open or self._open[-1] != tag:
            self.unbalanced.append(tag)
        else:
            self._open.pop()

    def handle_data(self, data):
        if self._open and self._open[-1] == "script":
            self.scripts.append(data)
        elif not self._open or self._open[-1] != "style":
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    def attribute(self, name: str) -> list[str]:
        return [attrs[name] for _, attrs in self.tags if attrs.get(name) is not None]


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
    assert tags == [*([("script", "application/json")] * len(CONTRASTS)), ("script", None)]
    assert not [name for _, attrs in page.tags for name in attrs if name.startswith("on")]


def test_nothing_is_requested_from_the_network(html, page):
    sources = page.attribute("src") + page.attribute("xlink:href") + page.attribute("srcset")
    assert [s for s in sources if not s.startswith(("data:", "#"))] == []
    assert not [tag for tag, _ in page.tags if tag in ("link", "iframe", "object", "embed", "base")]
    assert "@import" not in html
    assert not re.search(r"url\((?!#)", html)
    outside = {attrs["href"] for tag, attrs in page.tags if tag == "a" and attrs["href"].startswith("http")}
    assert "https://doi.org/10.1186/s13059-014-0550-8" in outside
    assert set(re.findall(r"https?://[^\"'<> ]+", html)) == outside


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


def test_verdicts_are_told_by_symbol_and_words_with_the_sentence_on_hover(html, page):
    chips = [a for t, a in page.tags if t == "a" and "chip" in (a.get("class") or "")]
    assert len(chips) == 2 * len(MARKERS)
    assert "IRF4 in pom_in_MM1S: confirmed (strong)." in {chip["title"] for chip in chips}
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


def test_gene_json_holds_the_numbers(page):
    data = json.loads(page.scripts[0])
    keys = [column["key"] for column in data["columns"]]
    by_name = {row[keys.index("gene_name")]: dict(zip(keys, row, strict=True)) for row in data["rows"]}
    assert by_name[HOSTILE]["log2_fold_change"] == 4.0
    assert by_name[HOSTILE]["class"] == "up"
    p = [row[keys.index("p_value")] for row in data["rows"]]
    tested = [value for value in p if value is not None]
    assert tested == sorted(tested)
    assert p[len(tested) :] == [None] * (len(p) - len(tested))


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
    assert "No volcano plot: no gene was tested." in text


def test_twenty_thousand_genes_and_four_contrasts_fit_and_the_cut_is_said():
    inputs = make_study_inputs(20_000, contrasts=("a", "b", "c", "d"))
    tables = dict(inputs.tables)
    tables["de_results"] = tables["de_results"].assign(p_adjusted=1e-3)
    html = render_study_report(replace(inputs, tables=tables))
    assert len(html.encode()) < 10_000_000
    page = Page(html)
    assert "the table and its CSV hold 3,000 of 20,000 genes" in page.text
    assert len(json.loads(page.scripts[0])["rows"]) == 3000


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
