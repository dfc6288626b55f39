"""Conditions that change with what is compared: the doctor names them, and leaves alone what belongs together."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest
from test_design_doctor import FORMULA, POM, codes, examine, sentence, two_groups

from poma_assets.science.contrasts import Contrast

TIME = replace(POM, variable="time_h", reference="0", target="24")


def vehicle_at_0_h_only() -> pd.DataFrame:
    times = [0.0] * 3 + [6.0] * 3 + [24.0] * 3 + [48.0] * 3
    columns = {"treatment": ["DMSO"] * 3 + ["pom"] * 9, "time_h": times, "dose_um": [0.0] * 3 + [1.0] * 9}
    return pd.DataFrame(columns, index=[f"S{i}" for i in range(12)])


@pytest.mark.parametrize("contrast", [TIME, replace(FORMULA, formula="~ C(time_h)", contrast="time_h[24]")])
def test_treatment_that_changes_with_time_is_told(contrast: Contrast) -> None:
    report = examine(vehicle_at_0_h_only(), contrast)
    assert codes(report).count("hidden_confounding") == 1  # the dose goes with the treatment
    assert sentence(report, "hidden_confounding") == (
        "treatment differs between the arms (DMSO: 3 reference and 0 target, pom: 0 reference and 3 target), so that "
        "the effect cannot be told from that of treatment, whatever the design. Measure both arms with the same "
        "treatment, or say so with the result"
    )
    later = replace(contrast, reference="6") if contrast.variable else replace(contrast, subset="time_h!=0")
    assert "hidden_confounding" not in codes(examine(vehicle_at_0_h_only(), later))


def test_a_trend_that_holds_a_change_of_treatment() -> None:
    trend = replace(FORMULA, formula="~ time_h", contrast="time_h")
    assert sentence(examine(vehicle_at_0_h_only(), trend), "hidden_confounding") == (
        "treatment differs between the arms (DMSO: 3 reference and 0 target, pom: 3 reference and 6 target) and is "
        "not in the design, so that it can pass for an effect: write treatment in the formula, or restrict the "
        "contrast by the subset treatment=pom"
    )
    gaps = vehicle_at_0_h_only().assign(treatment=["DMSO"] * 3 + [None] * 6 + ["pom"] * 3)
    assert sentence(examine(gaps, trend), "hidden_confounding").endswith("fill in treatment in the sample sheet")
    adjusted = replace(trend, formula="~ treatment + time_h")
    assert "hidden_confounding" not in codes(examine(vehicle_at_0_h_only(), adjusted))


@pytest.mark.parametrize("column", ["cell_line", "sensitivity", "dose_um"])
def test_other_conditions_that_change_with_time_are_told(column: str) -> None:
    levels = {"cell_line": ("A", "B"), "sensitivity": ("resistant", "sensitive"), "dose_um": (1.0, 10.0)}[column]
    table = vehicle_at_0_h_only().assign(treatment="pom", dose_um=1.0)
    table[column] = [levels[0]] * 3 + [levels[1]] * 9
    assert sentence(examine(table, TIME), "hidden_confounding").startswith(f"{column} differs between the arms (")


def test_what_differs_by_itself_is_not_confounding() -> None:
    table = two_groups(3, dose_um=[0.0] * 3 + [1.0] * 3, group=["a"] * 3 + ["b"] * 3)
    for contrast in (
        POM,
        replace(POM, variable="dose_um", reference="0", target="1"),
        replace(POM, variable="group", reference="a", target="b"),  # may be another name of the treatment
    ):
        assert "hidden_confounding" not in codes(examine(table, contrast))
    lines = two_groups(3).assign(cell_line=list("AAABBB"), sensitivity=["resistant"] * 3 + ["sensitive"] * 3)
    lines["treatment"] = "DMSO"
    for variable, reference, target in (("cell_line", "A", "B"), ("sensitivity", "resistant", "sensitive")):
        compared = replace(POM, variable=variable, reference=reference, target=target)
        assert "hidden_confounding" not in codes(examine(lines, compared))
    two_drugs = two_groups(3, dose_um=[1.0] * 3 + [10.0] * 3).replace({"treatment": {"DMSO": "dex"}})
    doses = replace(POM, variable="dose_um", reference="1", target="10")
    assert "hidden_confounding" in codes(examine(two_drugs, doses))
