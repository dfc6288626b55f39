"""What the verdicts are told of a contrast whose model holds more samples than its two arms."""

from __future__ import annotations

import pytest

from poma_assets.contrast_facts import contrast_facts
from poma_assets.resources import StudyResource
from poma_assets.science.design import build_design

SENSITIVE = "treatment[pomalidomide] + sensitivity[sensitive]:treatment[pomalidomide]"


@pytest.fixture
def study(tmp_path) -> StudyResource:
    rows = [
        f"{line}_{treatment}_{i}\t{treatment}\t{line}\tmyeloma\t{sensitivity}\t24"
        for line, sensitivity in (("MM1S", "sensitive"), ("U266", "resistant"))
        for treatment in ("DMSO", "pomalidomide", "dexamethasone")
        for i in (1, 2, 3)
    ]
    header = "sample\ttreatment\tcell_line\tcell_context\tsensitivity\ttime_h"
    (tmp_path / "samples.tsv").write_text("\n".join([header, *rows, ""]))
    contrasts = [
        "id\tvariable\treference\ttarget\tsubset\tformula\tcontrast",
        "levels\ttreatment\tDMSO\tpomalidomide\tsensitivity=sensitive\t\t",
        f"formula\t\t\t\ttreatment!=dexamethasone\t~ sensitivity * treatment\t{SENSITIVE}",
    ]
    (tmp_path / "contrasts.tsv").write_text("\n".join([*contrasts, ""]))
    (tmp_path / "poma.yaml").write_text("name: facts\ncount_matrix: counts.tsv\n")
    return StudyResource(root=str(tmp_path))


@pytest.mark.parametrize(("contrast_id", "n_model"), [("levels", 9), ("formula", 12)])
def test_facts_are_of_the_arms_and_the_kind_is_of_the_model(study, contrast_id, n_model):
    contrast = study.contrasts[contrast_id]
    design = build_design(contrast, study.sheet.design_table(), study.study.config.vehicle)
    facts = contrast_facts(study, contrast, design)
    assert len(design.matrix) == n_model
    assert facts.kind == "drug_vs_vehicle"
    assert facts.sensitivities == {"sensitive"}
    assert facts.reference_samples == ("MM1S_DMSO_1", "MM1S_DMSO_2", "MM1S_DMSO_3")
    assert facts.target_samples == ("MM1S_pomalidomide_1", "MM1S_pomalidomide_2", "MM1S_pomalidomide_3")
    assert (facts.n_reference, facts.n_target, facts.vehicle_time_matched) == (3, 3, True)
