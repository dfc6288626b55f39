from __future__ import annotations

import csv
import io

import pytest
from browser import chromium_path, open_browser, open_page, overflow_px, serious_barriers
from made_up_study import CONTRASTS, HOSTILE, make_contrast_inputs, make_study_inputs

from poma_assets.reports.contrast_report import render_contrast_report
from poma_assets.reports.study_report import render_study_report

pytestmark = pytest.mark.skipif(
    chromium_path() is None, reason="Chromium is not installed (Debian: apt-get install chromium)"
)

PLOTS = ("volcano", "ma", "agreement")
FIRST = '.explore[data-settings*="c0-"]'


@pytest.fixture(scope="module")
def browser():
    with open_browser() as started:
        yield started


@pytest.fixture(scope="module")
def study_page(tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "study_report.html"
    path.write_text(render_study_report(make_study_inputs(2000)), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def contrast_page(tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "contrast_report.html"
    path.write_text(render_contrast_report(make_contrast_inputs(make_study_inputs(400))), encoding="utf-8")
    return path


def ready(page):
    page.locator(".explore[data-settings]:not([data-ready])").first.wait_for(state="detached")


def rows(page, part=FIRST):
    return page.locator(f"{part} table tbody tr").all_inner_texts()


def picture(page, name):
    """What a plot shows, as a data address."""
    return page.locator(f'{FIRST} [data-plot="{name}"] canvas').evaluate("canvas => canvas.toDataURL()")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1200, 360])
def test_no_error_no_sideways_scrolling_no_serious_barrier(browser, study_page, scheme, width):
    with open_page(browser, study_page, scheme=scheme, width=width) as page:
        ready(page)
        assert overflow_px(page) <= 0
        assert serious_barriers(page) == []


@pytest.mark.parametrize("width", [1200, 360])
def test_the_report_of_a_contrast_is_as_sound(browser, contrast_page, width):
    with open_page(browser, contrast_page, width=width) as page:
        ready(page)
        assert page.locator('[data-plot="volcano"] canvas').count() == 1
        assert overflow_px(page) <= 0
        assert serious_barriers(page) == []


def test_a_search_filters_the_table_and_marks_the_gene_in_the_plots(browser, study_page):
    with open_page(browser, study_page) as page:
        ready(page)
        assert len(rows(page)) == 25
        before = [picture(page, name) for name in PLOTS]
        page.locator(f"{FIRST} input[type=search]").fill("gene77")
        found = rows(page)
        assert found
        assert all("GENE77" in row for row in found)
        assert all(picture(page, name) != shown for name, shown in zip(PLOTS, before, strict=True))
        page.locator(f"{FIRST} input[type=search]").fill("no such gene")
        assert rows(page) == []
        assert "no gene matches" in page.locator(f"{FIRST} .status").inner_text()


def test_the_gene_table_is_sorted_filtered_and_paged(browser, study_page):
    with open_page(browser, study_page) as page:
        ready(page)
        page.locator(f"{FIRST} thead button", has_text="Mean count").click()
        place = page.locator(f"{FIRST} thead th").all_inner_texts().index("Mean count ▲".removesuffix(" ▲"))
        means = [float(row.split("\t")[place].replace(",", "")) for row in rows(page)]
        assert means == sorted(means)
        assert page.locator(f'{FIRST} th[aria-sort="ascending"]').count() == 1
        first_page = rows(page)
        page.get_by_role("button", name="Next page").first.click()
        assert rows(page) != first_page
        page.locator(f"{FIRST} select").select_option("up")
        assert all("▲ higher" in row for row in rows(page))


def test_the_table_is_downloaded_without_formulas(browser, study_page):
    with open_page(browser, study_page) as page:
        ready(page)
        page.locator(f"{FIRST} select").select_option("up")
        with page.expect_download() as download:
            page.locator(f"{FIRST} button", has_text="Download CSV").click()
        assert download.value.suggested_filename == "c0-pom-in-mm1s-genes.csv"
        table = list(csv.DictReader(io.StringIO(download.value.path().read_text(encoding="utf-8"))))
        (hostile,) = [row for row in table if row["gene_name"] == HOSTILE]
        assert float(hostile["log2_fold_change"]) == pytest.approx(4.0)
        assert float(hostile["p_value"]) == pytest.approx(1e-30, rel=2e-3)
        assert {row["class"] for row in table} == {"up"}
        cells = page.evaluate("['=1+1', '+a', '-a', '@a', '-1.5', -1.5, null, 'a,\"b'].map(Poma.csvCell)")
        assert cells == ["'=1+1", "'+a", "'-a", "'@a", "'-1.5", "-1.5", "", '"a,""b"']


def test_a_verdict_explains_itself_on_hover_and_on_focus(browser, study_page):
    with open_page(browser, study_page) as page:
        chip = page.locator("table.matrix a.chip", has_text="confirmed").first
        tip = page.get_by_role("tooltip")
        chip.hover()
        assert tip.inner_text() == chip.get_attribute("data-tip")
        page.mouse.move(0, 0)
        assert tip.count() == 0
        chip.focus()
        assert tip.inner_text() == chip.get_attribute("data-tip")
        assert chip.get_attribute("aria-describedby") == "tip"
        page.keyboard.press("Escape")
        assert tip.count() == 0


def test_one_gene_shows_its_counts_by_arm_and_what_each_contrast_says(browser, study_page):
    counts = make_study_inputs(2000).normalised_counts
    with open_page(browser, study_page) as page:
        page.get_by_label("Symbol or gene id").fill("GENE42")
        view = page.locator("#gene-view .gene-output")
        view.locator("h3", has_text="GENE42").wait_for()
        assert view.locator("svg.counts circle").count() == counts.shape[1]
        titles = " ".join(view.locator("svg.counts circle title").all_text_contents())
        assert f"MM1S_DMSO_1: {counts.loc['ENSG00000000042', 'MM1S_DMSO_1']:,.1f}" in titles
        said = view.locator("table").last.inner_text()
        assert all(contrast in said for contrast in CONTRASTS)
        page.get_by_label("Symbol or gene id").fill("nothing of the kind")
        view.get_by_text("No gene of this study").wait_for()


def test_a_gene_of_the_table_leads_to_its_counts(browser, study_page):
    with open_page(browser, study_page) as page:
        ready(page)
        page.locator(f"{FIRST} input[type=search]").fill("<script>")
        page.locator(f"{FIRST} table tbody a", has_text=HOSTILE).click()
        # A hostile name is shown as text.
        page.locator("#gene-view h3", has_text=HOSTILE).wait_for()


def test_a_point_names_its_gene_and_a_click_finds_it(browser, study_page):
    with open_page(browser, study_page) as page:
        ready(page)
        canvas = page.locator(f'{FIRST} [data-plot="ma"] canvas')
        canvas.scroll_into_view_if_needed()
        box = canvas.bounding_box()
        middle = {"x": box["width"] * 0.5, "y": box["height"] * 0.46}
        canvas.hover(position=middle)
        name = page.locator(f'{FIRST} [data-plot="ma"] .point-note div').first.inner_text()
        assert name.startswith("GENE")
        canvas.click(position=middle)
        assert page.locator(f"{FIRST} input[type=search]").input_value() == name
        assert any(row.startswith(f"{name}\t") for row in rows(page))


def test_a_frame_enlarges_a_plot_and_the_whole_comes_back(browser, study_page):
    with open_page(browser, study_page) as page:
        ready(page)
        canvas = page.locator(f'{FIRST} [data-plot="volcano"] canvas')
        canvas.scroll_into_view_if_needed()
        before = picture(page, "volcano")
        box = canvas.bounding_box()
        page.mouse.move(box["x"] + 0.4 * box["width"], box["y"] + 0.3 * box["height"])
        page.mouse.down()
        page.mouse.move(box["x"] + 0.6 * box["width"], box["y"] + 0.7 * box["height"], steps=3)
        page.mouse.up()
        whole = page.locator(f'{FIRST} [data-plot="volcano"] button', has_text="Whole plot")
        assert picture(page, "volcano") != before
        whole.click()
        assert picture(page, "volcano") == before
        assert not whole.is_visible()


def test_the_mechanism_follows_the_chosen_contrast(browser, study_page):
    with open_page(browser, study_page) as page:
        assert page.locator(".mechanism:visible").count() == 1
        page.get_by_label("Contrast", exact=True).select_option(CONTRASTS[1])
        shown = page.locator(".mechanism:visible svg").get_attribute("aria-label")
        assert CONTRASTS[1] in shown
        node = page.locator(".mechanism:visible .node", has_text="IKZF1")
        node.focus()
        assert "says nothing of it" in page.get_by_role("tooltip").inner_text()


def test_an_effect_explains_itself_and_leads_to_its_row(browser, study_page):
    with open_page(browser, study_page) as page:
        effect = page.locator("svg.rows a.row", has_text="IRF4").first
        effect.focus()
        assert page.get_by_role("tooltip").inner_text() == "IRF4 in pom_in_MM1S: confirmed (strong)."
        page.keyboard.press("Enter")
        assert page.locator("tr:target td.name").inner_text() == "IRF4"


def test_light_and_dark_can_be_changed_and_paper_is_light(browser, study_page):
    paper = "getComputedStyle(document.body).backgroundColor"
    with open_page(browser, study_page, scheme="dark") as page:
        assert page.evaluate(paper) == "rgb(20, 23, 28)"
        page.get_by_role("button", name="Light").click()
        assert page.evaluate(paper) == "rgb(255, 255, 255)"
        page.get_by_role("button", name="Dark").click()
        page.emulate_media(media="print")
        assert page.evaluate(paper) == "rgb(255, 255, 255)"


def test_without_script_the_first_genes_and_every_verdict_are_there(browser, study_page):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(study_page.as_uri())
    assert len(rows(page)) == 25
    assert "Without JavaScript" in page.locator(f"{FIRST} .tools").inner_text()
    context.close()
