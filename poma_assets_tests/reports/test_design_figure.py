from __future__ import annotations

from dataclasses import replace

import pandas as pd
from matplotlib.figure import Figure

from poma_assets.reports.design_figure import design_figure
from poma_assets.reports.figure_encoding import inline_svg, message_of, png_bytes
from poma_assets.science.contrasts import Contrast
from poma_assets.science.design_doctor import examine_design

POM = Contrast("pom", "treatment", "DMSO", "pom", ("batch",), "clone=A", None, None, None, 2)
INTERACTION = Contrast("interaction", None, None, None, (), None, "~ clone * treatment", "0,0,0,0,0,1", None, 3)


def table() -> pd.DataFrame:
    """Two lines x three treatments x three batches, and a sample that no contrast uses."""
    records = [
        (f"{line}_{treatment}_{batch}", line, treatment, f"b{batch}")
        for line in "AB"
        for treatment in ("DMSO", "dex", "pom")
        for batch in (1, 2, 3)
    ]
    frame = pd.DataFrame(records, columns=["sample_id", "clone", "treatment", "batch"]).set_index("sample_id")
    return frame


def drawn(*contrasts: Contrast, sheet: pd.DataFrame | None = None) -> Figure:
    sheet = table() if sheet is None else sheet
    return design_figure([examine_design(contrast, sheet, vehicle=["DMSO"]) for contrast in contrasts], sheet)


def cells(figure: Figure) -> dict[str, list[str]]:
    """What stands in each row, contrast by contrast; empty where a group is not used."""
    axes = figure.axes[0]
    rows = [label.get_text() for label in axes.get_yticklabels()]
    columns = len(axes.get_xticks())
    found = {name: [""] * columns for name in rows}
    for text in axes.texts:
        column, row = text.get_position()
        found[rows[min(round(row), len(rows) - 1)]][round(column)] = text.get_text()
    return found


def test_groups_against_contrasts() -> None:
    figure = drawn(POM, replace(POM, id="dex", target="dex"), INTERACTION)
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == ["pom", "dex", "interaction"]
    assert cells(figure) == {
        "A · dex  n = 3": ["·", "+", "·"],
        "A · DMSO  n = 3": ["−", "−", "+"],
        "A · pom  n = 3": ["+", "·", "−"],
        "B · dex  n = 3": ["", "", "·"],
        "B · DMSO  n = 3": ["", "", "−"],
        "B · pom  n = 3": ["", "", "+"],
        "errors ✗, warnings !": ["✓", "✓", "✓"],
    }


def test_fractions_of_groups_and_findings() -> None:
    without = replace(POM, subset="clone=A;sample!=A_pom_2", blocking=())
    broken = replace(POM, id="broken", blocking=("batch",), subset="clone=A;sample!=A_DMSO_1,A_DMSO_2,A_pom_3")
    single = replace(POM, id="single", subset="sample=A_DMSO_1,A_pom_1")
    figure = cells(drawn(without, broken, single))
    assert figure["pom  n = 3"][0] == "+2/3"
    assert figure["errors ✗, warnings !"][2] == "✗ 1"
    assert figure["errors ✗, warnings !"][1].startswith("!")


def test_batches_are_rows_only_where_they_are_compared() -> None:
    batches = replace(POM, variable="batch", reference="b1", target="b2", blocking=(), subset="treatment=DMSO")
    assert cells(drawn(batches)) == {
        "batch b1  n = 2": ["−"],
        "batch b2  n = 2": ["+"],
        "batch b3  n = 2": ["·"],
        "errors ✗, warnings !": ["! 1"],
    }


def test_unused_samples_are_counted_and_tests_are_named() -> None:
    figure = drawn(replace(INTERACTION, contrast=None, reduced="~ clone + treatment", subset="treatment=DMSO,pom"))
    assert figure.axes[0].get_xlabel() == "6 of 18 samples are in no contrast"
    assert figure.axes[0].get_xticklabels()[0].get_text() == "interaction (LRT)"


def test_nothing_to_draw_is_said_and_the_rest_can_be_encoded() -> None:
    assert message_of(design_figure([], table())) is not None
    assert "can be written down" in str(message_of(drawn(replace(POM, target="none"))))
    figure = drawn(replace(POM, id="<b>$x$"))
    assert png_bytes(figure).startswith(b"\x89PNG")
    assert "&lt;b&gt;$x$" in inline_svg(figure, "designs")


def test_many_groups_and_contrasts_are_cut_and_said() -> None:
    names = [f"S{i:03}" for i in range(140)]
    sheet = pd.DataFrame({"treatment": ["DMSO", "pom"] * 70, "well": [f"w{i // 2}" for i in range(140)]}, index=names)
    report = examine_design(replace(POM, blocking=("well",), subset=None), sheet, vehicle=["DMSO"])
    figure = design_figure([replace(report, contrast_id=f"c{i}") for i in range(41)], sheet)
    assert figure.axes[0].get_xlabel() == ("80 samples of further groups are not drawn; 1 more contrasts are not drawn")
    assert figure.get_size_inches()[0] <= 24
