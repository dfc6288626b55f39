"""Designs of formula contrasts: likelihood-ratio tests, trends, base levels, replicates."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from test_design import DRUG, FORMULA, design_table, refused

from poma_assets.science.design import build_design
from poma_assets.science.errors import DesignError

TIMES = replace(FORMULA, formula="~ C(time_h)", contrast=None, reduced="~ 1")


def time_course() -> pd.DataFrame:
    times = [0.0, 0, 6, 6, 24, 24]
    return pd.DataFrame({"time_h": times, "batch": list("ababab")}, index=[f"s{i}" for i in range(6)])


def test_likelihood_ratio_test_has_a_reduced_matrix_and_shows_the_last_coefficient() -> None:
    design = build_design(TIMES, time_course())
    assert list(design.matrix.columns) == ["Intercept", "time_h[6]", "time_h[24]"]
    assert design.reduced is not None
    assert design.reduced.to_dict("list") == {"Intercept": [1.0] * 6}
    assert design.weights.tolist() == [0, 0, 1]
    assert (design.reference_samples, design.target_samples) == (("s0", "s1"), ("s4", "s5"))
    assert (design.n_reference, design.n_target) == (2, 2)
    shown = build_design(replace(TIMES, contrast="time_h[24] - time_h[6]"), time_course())
    assert shown.weights.tolist() == [0, -1, 1]
    assert shown.key == design.key
    assert build_design(DRUG, design_table()).reduced is None


def test_last_coefficient_left_out_is_not_always_the_last() -> None:
    contrast = replace(TIMES, formula="~ C(time_h) + batch", reduced="~ batch")
    design = build_design(contrast, time_course())
    assert list(design.matrix.columns) == ["Intercept", "time_h[6]", "time_h[24]", "batch[b]"]
    assert design.weights.tolist() == [0, 0, 1, 0]


def test_reduced_formula_must_be_nested() -> None:
    message = refused(replace(TIMES, reduced="~ batch"), time_course())
    assert message == (
        "contrast c: the reduced formula is not a part of the formula, so that the two cannot be compared (found "
        "'~ batch' with batch[b], which '~ C(time_h)' has not; expected the formula without the terms that are "
        "tested). Add the missing term to 'formula' or take it out of 'reduced', for example '~ C(time_h)' against "
        "'~ 1'"
    )
    assert "leaves nothing out" in refused(replace(TIMES, reduced="~ 0 + C(time_h)"), time_course())
    # A trend in time lies within the factor of the times: the test is whether a straight line is enough.
    assert build_design(replace(TIMES, reduced="~ time_h"), time_course()).reduced is not None


def test_dose_trend_by_formula() -> None:
    doses = [0.0, 0, 0.1, 0.1, 1, 1, 10, 10]
    table = pd.DataFrame({"dose_um": doses}, index=[f"s{i}" for i in range(8)])
    contrast = replace(FORMULA, formula="~ log2_dose(dose_um)", contrast="log2_dose(dose_um)")
    design = build_design(contrast, table)
    values = 4 + 0.5 * np.log2(np.maximum(doses, 0.01))
    assert np.linalg.lstsq(design.matrix.to_numpy(), values, rcond=None)[0] @ design.weights == pytest.approx(0.5)
    assert design.reference_samples == ("s0", "s1", "s2", "s3")
    assert (design.n_reference, design.n_target) == (2, 2)


def test_replicates_are_those_of_the_smallest_cell() -> None:
    def replicates(formula: str, contrast: str, table: pd.DataFrame) -> tuple[int, int]:
        design = build_design(replace(FORMULA, formula=formula, contrast=contrast), table, ["DMSO"])
        return design.n_reference, design.n_target

    names = [f"s{i}" for i in range(12)]
    doses = pd.DataFrame({"dose_um": np.repeat([0, 0.25, 1, 4], 3), "donor": list("abc") * 4}, index=names)
    assert replicates("~ donor + log2_dose(dose_um)", "log2_dose(dose_um)", doses) == (3, 3)
    assert replicates("~ log2_dose(dose_um)", "log2_dose(dose_um)", doses.iloc[:-1]) == (3, 2)
    ages = doses.assign(age_years=np.arange(40.0, 52))
    assert replicates("~ age_years", "age_years", ages) == (6, 6)
    drugs = pd.DataFrame({"donor": list("abc") * 3, "treatment": np.repeat(["DMSO", "dex", "pom"], 3)}, names[:9])
    assert replicates("~ donor + treatment", "0, 0, 0, 0.5, 0.5", drugs) == (3, 3)


def test_the_base_level_has_no_coefficient() -> None:
    table = design_table(3, ("A", "B"))
    for contrast, named in (
        ("treatment[DMSO]", "treatment[DMSO]"),
        ("treatment[pom 1-uM] - treatment[DMSO]", "treatment[DMSO]"),
        ("line[B]:treatment[DMSO]", "line[B]:treatment[DMSO]"),
        ("treatmentDMSO", "treatmentDMSO"),
    ):
        with pytest.raises(DesignError) as caught:
            build_design(replace(FORMULA, contrast=contrast), table, ["DMSO"])
        assert str(caught.value) == (
            "contrast c: treatment[DMSO] has no coefficient of its own: DMSO is the base level, with which the others "
            f"are compared (found {named!r} in {contrast!r}; expected coefficients among Intercept, "
            "treatment[pom 1-uM], line[B], treatment[pom 1-uM]:line[B]). "
            f"Leave {named} out: treatment[pom 1-uM] alone is pom 1-uM minus DMSO, and -treatment[pom 1-uM] is DMSO "
            "minus pom 1-uM"
        )
    times = table.assign(time_h=[0.0, 6, 24] * 4)
    with pytest.raises(DesignError, match=r"time_h\[0\] has no coefficient of its own: 0 is the base level"):
        build_design(replace(FORMULA, formula="~ C(time_h)", contrast="time_h[24] - time_h[0]"), times)


def test_nothing_left_to_test_because_of_confounding() -> None:
    table = pd.DataFrame({"time_h": np.repeat([0.0, 6, 24], 3), "treatment": ["DMSO"] * 3 + ["pom"] * 6}).set_axis(
        [f"s{i}" for i in range(9)]
    )
    contrast = replace(FORMULA, formula="~ treatment + C(time_h)", reduced="~ C(time_h)", contrast=None)
    assert refused(contrast, table).startswith(
        "contrast c: the effects cannot be told apart: no time_h holds two levels of treatment: DMSO is only in time_h "
        "0; pom is only in time_h 6, 24, so that the reduced formula explains as much as the formula (found rank 3"
    )


@pytest.mark.parametrize(
    ("formula", "contrast", "slope"),
    [
        ("~ dose_um", "dose_um", True),
        ("~ log2_dose(dose_um)", "log2_dose(dose_um)", True),
        ("~ batch + numeric(step)", "numeric(step)", True),
        ("~ batch * dose_um", "batch[2]:dose_um", True),
        ("~ batch * dose_um", "batch[2]", False),
        ("~ batch + dose_um", "batch[2]", False),
        ("~ C(dose_um)", "dose_um[10]", False),
        ("~ C(dose_um, contr.sum)", "0,1,0", False),
        ("~ numeric(given)", "numeric(given)", False),  # 0 or 1
    ],
)
def test_slopes_are_told_from_differences(formula: str, contrast: str, slope: bool) -> None:
    table = pd.DataFrame(
        {
            "dose_um": [0.0, 0, 1, 1, 10, 10] * 2,
            "batch": list("12" * 6),
            "step": list("001122" * 2),
            "given": list("001111" * 2),
        },
        index=[f"s{i}" for i in range(12)],
    )
    assert build_design(replace(FORMULA, formula=formula, contrast=contrast), table).effect_is_slope == slope
    assert not build_design(replace(DRUG, variable="dose_um", reference="0", target="10"), table).effect_is_slope


def test_what_the_reduced_formula_needs_must_be_recorded() -> None:
    table = time_course().assign(batch=None)
    message = refused(replace(TIMES, formula="~ C(time_h) + batch", reduced="~ batch"), table)
    assert "batch is not recorded for every sample of this contrast" in message
    assert "batch is not recorded" in refused(replace(TIMES, reduced="~ batch"), table)
    assert "the formula has no term (found '~ 0'" in refused(replace(TIMES, formula="~ 0"), table)
