from __future__ import annotations

from dataclasses import replace

import pandas as pd
from made_up_study import CONTRASTS, HOSTILE, make_contrast_inputs, make_study_inputs

from poma_assets.reports.contrast_report import render_contrast_report, sample_groups
from poma_assets.reports.contrast_section import CONTRAST_TABLES, contrast_section
from poma_assets.reports.gene_tables import gene_names
from poma_assets.reports.inputs import ContrastReportInputs


def test_only_this_contrast_is_shown(contrast_inputs):
    html = render_contrast_report(contrast_inputs)
    assert "IRF4 in pom_in_MM1S: confirmed (strong)." in html
    assert CONTRASTS[1] not in html
    assert "<script>alert" not in html
    assert "treatment[pomalidomide]" in html
    assert html.count('<details class="verdict-figure">') == 8
    assert "Dispersions" in html


def test_contrast_without_any_result_says_so():
    html = render_contrast_report(
        ContrastReportInputs("study", "today", {"contrast_id": "x", "formula": "~ a + b", "contrast": HOSTILE})
    )
    assert "Differential expression has not been computed for this contrast." in html
    assert "No marker was judged." in html
    assert "model ~ a + b, tested: &lt;script&gt;" in html


def test_groups_come_reference_first_and_only_from_the_design(contrast_inputs):
    groups = sample_groups(contrast_inputs)
    assert list(groups.items()) == [
        *((f"MM1S_DMSO_{i}", "DMSO") for i in "123"),
        *((f"MM1S_poma_{i}", "pomalidomide") for i in "123"),
    ]


def test_groups_of_a_further_column_are_read_from_the_metadata():
    inputs = make_contrast_inputs(make_study_inputs(20))
    samples = inputs.samples.assign(metadata=[f'{{"clone": "{"AB"[i % 2]}"}}' for i in range(12)])
    contrast = dict(inputs.contrast) | {"variable": "clone", "reference": "B", "target": "A"}
    groups = sample_groups(replace(inputs, samples=samples, contrast=contrast))
    assert list(groups.values()) == ["B"] * 3 + ["A"] * 3


def test_groups_of_a_formula_contrast_are_treatments():
    inputs = make_contrast_inputs(make_study_inputs(20))
    groups = sample_groups(replace(inputs, contrast={"contrast_id": "x"}, design_fit=None))
    assert groups["MM1S-res_poma_1"] == "resistant pomalidomide"
    assert len(set(groups.values())) == 4


def test_alike_sets_stand_behind_one_and_warnings_of_the_design_are_told(contrast_inputs):
    enrichment = contrast_inputs.enrichment.copy()
    ora_up = (enrichment["method"] == "ora") & (enrichment["direction"] == "up")
    alike = enrichment.index[ora_up][:3]
    enrichment.loc[alike, "group_term_id"] = enrichment.loc[alike[0], "term_id"]
    findings = pd.DataFrame(
        {
            "contrast_id": contrast_inputs.contrast_id,
            "severity": ["warning", "note"],
            "code": ["few_residual_df", "unused_batch"],
            "sentence": ["only 2 residual degrees of freedom", "batch is recorded"],
        }
    )
    inputs = replace(contrast_inputs, enrichment=enrichment, design_findings=findings)
    tables = {name: inputs.table(name) for name in CONTRAST_TABLES}
    names = gene_names(tables["de_results"])
    section = contrast_section(inputs.contrast, tables, names=names, index=0, fdr=0.05, log2_fold_change=1.0)
    assert section.design_warnings == ["only 2 residual degrees of freedom"]
    ora = next(block for block in section.enrichment if block.title.startswith("Over"))
    shown = {row["term_id"]: row["n_alike"] for row in ora.rows}
    first, *others = enrichment.loc[alike, "term_id"]
    assert shown[first] == 2
    assert not set(others) & set(shown)
    assert "and 2 alike" in render_contrast_report(inputs)
