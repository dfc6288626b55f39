"""Every example of docs/designs.md: its coefficients, its weights, and the effect on a gene without noise."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from poma_assets.science.contrasts import Contrast, parse_contrasts, validate_contrasts
from poma_assets.science.design import build_design
from poma_assets.science.design_doctor import examine_design
from poma_assets.science.formula import parse_weights
from poma_assets.science.sample_sheet import parse_sample_sheet

PAGE = (Path(__file__).parents[2] / "docs" / "designs.md").read_text()
VEHICLE = ["DMSO"]
ROW = re.compile(r"^\| (\w+) \| `([^`]+)` \| (-?[\d.]+) \| .+ \|$", re.MULTILINE)


@dataclass(frozen=True)
class Example:
    """One contrast of the page with what is said of it; ``together`` are the contrasts that share its model."""

    table: pd.DataFrame
    contrast: Contrast
    together: tuple[Contrast, ...]
    coefficients: tuple[str, ...]
    weights: str
    effect: float


def read_examples() -> dict[str, Example]:
    examples = {}
    for section in re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:]:
        blocks = dict(re.findall(r"^```(\w+)\n(.*?)^```", section, re.MULTILINE | re.DOTALL))
        if "tsv" not in blocks:
            continue
        title = section.splitlines()[0].split(":")[0]
        sheet = parse_sample_sheet(blocks["csv"], source="samples.csv", files_required=False)
        contrasts = {item.id: item for item in parse_contrasts(blocks["tsv"], source="contrasts.tsv")}
        validate_contrasts(list(contrasts.values()), sheet, source="contrasts.tsv")
        said = {name: (weights, float(effect)) for name, weights, effect in ROW.findall(section)}
        assert set(said) == set(contrasts), title
        for names, listed in re.findall(r"^Coefficients \((.+?)\): ((?:.*`,?\n)+)", section, re.MULTILINE):
            together = tuple(contrasts.pop(name) for name in names.split(", "))
            coefficients = tuple(re.findall("`([^`]+)`", listed))
            for contrast in together:
                example = Example(sheet.design_table(), contrast, together, coefficients, *said[contrast.id])
                examples[f"{title}: {contrast.id}"] = example
        assert not contrasts, title
    return examples


EXAMPLES = read_examples()


def test_all_designs_of_the_page_are_read() -> None:
    assert len(EXAMPLES) == 27
    assert len({name.split(":")[0] for name in EXAMPLES}) == 9


@pytest.mark.parametrize("name", EXAMPLES)
def test_coefficients_weights_and_effect(name: str) -> None:
    example = EXAMPLES[name]
    design = build_design(example.contrast, example.table, VEHICLE)
    assert tuple(design.matrix.columns) == example.coefficients
    np.testing.assert_allclose(design.weights, parse_weights(example.weights, example.coefficients, where=name))
    gene = example.table.loc[design.matrix.index, "gene_log2"].astype(float)
    fitted = np.linalg.lstsq(design.matrix.to_numpy(), gene.to_numpy(), rcond=None)[0]
    assert fitted @ design.weights == pytest.approx(example.effect, abs=0.005)
    assert (design.reduced is None) == (example.contrast.reduced is None)


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_doctor_gives_the_same_weights_and_no_error(name: str) -> None:
    example = EXAMPLES[name]
    report = examine_design(example.contrast, example.table, vehicle=VEHICLE)
    assert report.severity != "error"
    assert report.coefficients == example.coefficients
    np.testing.assert_allclose(
        parse_weights(report.weights, report.coefficients, where=name),
        parse_weights(example.weights, example.coefficients, where=name),
    )


@pytest.mark.parametrize("name", EXAMPLES)
def test_contrasts_said_to_share_a_model_share_it(name: str) -> None:
    example = EXAMPLES[name]
    keys = {build_design(contrast, example.table, VEHICLE).key for contrast in example.together}
    assert len(keys) == 1


def test_every_code_of_the_doctor_is_on_the_page() -> None:
    package = Path(__file__).parents[2] / "poma_assets" / "science"
    names = ("design_doctor", "design_findings", "design_model", "design", "arm_comparability", "pseudo_replication")
    source = "".join((package / f"{name}.py").read_text() for name in names)
    codes = set(re.findall(r'Finding\([^()"]*(?:"(?:error|warning|note)"[^"]*)+"(\w+)"', source))
    codes |= set(re.findall(r'code = "(\w+)"', source)) | {"no_residual_df", "confounded", "imbalance"}
    table = PAGE.split("## What the doctor looks for")[1]
    assert len(codes) >= 25
    assert codes == set(re.findall(r"`(\w+)`", table))


def test_what_the_page_says_the_doctor_says() -> None:
    def sentences(name: str) -> dict[str, str]:
        example = EXAMPLES[name]
        report = examine_design(example.contrast, example.table, vehicle=VEHICLE)
        return {finding.code: finding.sentence for finding in report.findings}

    assert "1.2 times that of a balanced design" in sentences("Batches: pom")["imbalance"]
    assert "differs between the arms" in sentences("Batches: pom_without_batch")["batch_unused"]
    subset = sentences("Subsets: both_lines_24h")["no_counterpart"]
    assert subset.startswith("MM1S_24h_D1, MM1S_24h_D2, MM1S_24h_D3 add nothing")
