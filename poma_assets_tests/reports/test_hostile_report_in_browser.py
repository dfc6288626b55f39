"""A report of hostile names, without the policy that would stop scripts anyway: none runs, names are as given."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from browser import chromium_path, open_browser
from made_up_study import make_contrast_inputs, make_study_inputs
from playwright.sync_api import Browser, Page

from poma_assets.reports.contrast_report import render_contrast_report
from poma_assets.reports.inputs import ContrastReportInputs, StudyReportInputs
from poma_assets.reports.study_report import render_study_report
from poma_assets_tests.fuzzing.hostile_texts import MARKUP

pytestmark = pytest.mark.skipif(
    chromium_path() is None, reason="Chromium is not installed (Debian: apt-get install chromium)"
)

EVIL = " ".join(MARKUP) + " 'onmouseover=window.pwned=1 x='"
_SHOWN = """() => {
  const texts = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_ELEMENT | NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    if (node.nodeType === Node.TEXT_NODE) {
      if (!["SCRIPT", "STYLE"].includes(node.parentElement.tagName)) texts.push(node.textContent);
    } else for (const attribute of node.attributes) texts.push(attribute.value);
  }
  return texts.join("\\n");
}"""
_ODD = """() => [...document.querySelectorAll("*")].flatMap((node) => [
  ...[...node.attributes].filter((one) => one.name.startsWith("on") || /^\\s*javascript:/i.test(one.value))
    .map((one) => one.name),
  ...(["IMG", "IFRAME", "OBJECT", "EMBED", "LINK", "BASE", "FORM"].includes(node.tagName) ? [node.tagName] : []),
])"""


def evil(field: str) -> str:
    return f"{field} {EVIL}"


def with_evil(frame: pd.DataFrame, *columns: str) -> pd.DataFrame:
    """Every text of these columns as it is, with the hostile text behind it."""
    changed = frame.copy()
    for column in columns:
        texts = changed[column].astype(object)
        changed[column] = texts.where(texts.isna(), texts.astype(str) + " " + evil(column))
    return changed


@pytest.fixture(scope="module")
def study() -> StudyReportInputs:
    made = make_study_inputs(60, contrasts=("pom",))
    tables = {name: frame.copy() for name, frame in made.tables.items()}
    for name, columns in {
        "samples": ("treatment", "cell_line", "cell_context", "replicate"),
        "contrasts": ("contrast_id", "reference", "target", "subset", "blocking"),
        "marker_verdicts": ("contrast_id", "gene_symbol", "hypothesis_id", "sentence"),
        "de_results": ("contrast_id", "gene_name"),
        "engine_agreement": ("contrast_id", "gene_name", "reason"),
        "enrichment": ("contrast_id", "term_id", "term_name", "collection", "leading_genes"),
        "response_score": ("contrast_id",),
        "sample_inclusion": ("reason",),
        "sample_identity": ("observed", "detail", "likelier_line"),
        "artefacts": ("path", "tool", "tool_version"),
    }.items():
        tables[name] = with_evil(tables[name], *columns)
    metadata = json.dumps({"cell_line": "MM.1S", evil("column"): evil("value")})
    tables["samples"] = tables["samples"].assign(metadata=metadata, batch=evil("batch"), donor=evil("donor"))
    return replace(
        made,
        study_name=evil("study"),
        tables=tables,
        parameters={"note": evil("parameter")},
        versions={"STAR": evil("version")},
        overrides=with_evil(made.overrides, "reason", "who"),
    )


@pytest.fixture(scope="module")
def contrast(study: StudyReportInputs) -> ContrastReportInputs:
    return make_contrast_inputs(study)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as started:
        yield started


def opened(browser: Browser, path: Path) -> tuple[Page, list[str]]:
    """The page without its content security policy, and what happened that must not."""
    page = browser.new_context(bypass_csp=True, accept_downloads=True).new_page()
    happened: list[str] = []
    page.on("dialog", lambda dialog: happened.append(f"dialog {dialog.message}"))
    page.on("pageerror", lambda error: happened.append(f"error {error}"))
    page.on("request", lambda request: happened.append(request.url))
    page.goto(path.as_uri())
    return page, [url for url in happened if url != path.as_uri()]


def nothing_ran(page: Page, happened: list[str]) -> None:
    assert page.evaluate("typeof window.pwned") == "undefined"
    assert page.evaluate(_ODD) == []
    assert [event for event in happened if not event.startswith(("blob:", "file:"))] == []


def test_no_text_of_a_study_runs_in_its_report(browser: Browser, study: StudyReportInputs, tmp_path: Path) -> None:
    path = tmp_path / "study_report.html"
    path.write_text(render_study_report(study), encoding="utf-8")
    page, happened = opened(browser, path)
    page.locator(".explore[data-settings]:not([data-ready])").first.wait_for(state="detached")
    nothing_ran(page, happened)
    shown = page.evaluate(_SHOWN)
    for field in (
        *(
            "study",
            "parameter",
            "version",
            "batch",
            "donor",
            "treatment",
            "reason",
            "who",
            "contrast_id",
            "gene_symbol",
        ),
        *("gene_name", "term_name", "term_id", "sentence", "path", "detail", "observed"),
    ):
        assert evil(field) in shown, field
    page.evaluate('document.querySelectorAll("details").forEach((node) => { node.open = true; })')
    chip = page.locator("table.matrix a.chip").first
    chip.hover()
    assert evil("sentence") in page.get_by_role("tooltip").inner_text()
    search = page.locator(".explore input[type=search]").first
    search.fill("<script>")
    assert evil("gene_name") in page.locator(".explore table tbody tr").first.inner_text()
    page.locator(".explore table tbody a").first.click()
    page.locator("#gene-view h3").wait_for()
    assert evil("gene_name") in page.locator("#gene-view h3").inner_text()
    page.get_by_label("Symbol or gene id").fill(EVIL)
    page.get_by_text("No gene of this study is called").wait_for()
    nothing_ran(page, happened)
    page.context.close()


def test_no_text_runs_in_the_report_of_a_contrast(
    browser: Browser, contrast: ContrastReportInputs, tmp_path: Path
) -> None:
    path = tmp_path / "contrast_report.html"
    path.write_text(render_contrast_report(contrast), encoding="utf-8")
    page, happened = opened(browser, path)
    page.locator(".explore[data-settings]:not([data-ready])").first.wait_for(state="detached")
    nothing_ran(page, happened)
    shown = page.evaluate(_SHOWN)
    for field in ("study", "gene_name", "gene_symbol", "term_name", "sentence", "reference", "target"):
        assert evil(field) in shown, field
    page.context.close()


def test_the_csv_of_the_page_holds_no_formula(browser: Browser, study: StudyReportInputs, tmp_path: Path) -> None:
    formulas = ["=cmd|' /C calc'!A0", "+1+1", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\uff1d1", "-", "+", "IRF4"]
    genes = study.tables["de_results"].copy()
    names = dict(zip(genes["gene_id"].unique(), formulas, strict=False))
    genes["gene_name"] = genes["gene_id"].map(names).fillna(genes["gene_id"])
    path = tmp_path / "study_report.html"
    path.write_text(render_study_report(replace(study, tables={**study.tables, "de_results": genes})), encoding="utf-8")
    page, happened = opened(browser, path)
    page.locator(".explore[data-settings]:not([data-ready])").first.wait_for(state="detached")
    with page.expect_download() as download:
        page.locator(".explore button", has_text="Download CSV").first.click()
    text = Path(download.value.path()).read_bytes().decode()
    for formula in formulas[:8]:
        assert f"'{formula}" in text.replace('""', '"'), formula
    assert "\r\n-," in text or ",-," in text
    nothing_ran(page, happened)
    page.context.close()
