import numpy as np
import pandas as pd
import pytest

from poma_assets.science.errors import DesignError
from poma_assets.science.formula import formula_matrix, parse_weights

TABLE = pd.DataFrame(
    {
        "treatment": ["DMSO", "pom 1 uM"] * 4,
        "cell line": ["MM.1S"] * 4 + ["MM-R"] * 4,
        "batch": list("12121212"),
        "time_h": [1.0, 2, 3, 4, 5, 6, 7, 8],
    },
    index=pd.Index([f"s{n}" for n in range(8)], name="sample_id"),
)
NAMES = ["Intercept", "treatment[a - b]", "x", "treatment[a - b]:s[2]"]


def coefficients(formula: str, **base_levels: str) -> list[str]:
    return list(formula_matrix(formula, TABLE, base_levels=base_levels, where="w").matrix.columns)


def test_interaction_matrix_by_hand() -> None:
    built = formula_matrix("~ treatment * `cell line`", TABLE, where="w")
    assert list(built.matrix.columns) == [
        "Intercept", "treatment[pom 1 uM]", "cell line[MM.1S]", "treatment[pom 1 uM]:cell line[MM.1S]",
    ]  # fmt: skip
    treated, line = np.tile([0.0, 1], 4), np.repeat([1.0, 0], 4)
    np.testing.assert_array_equal(built.matrix, np.column_stack([np.ones(8), treated, line, treated * line]))
    assert built.factors["treatment[pom 1 uM]:cell line[MM.1S]"] == {"treatment", "cell line"}
    assert list(built.matrix.index) == list(TABLE.index)


def test_names_of_coefficients() -> None:
    assert coefficients("~ batch + time_h") == ["Intercept", "batch[2]", "time_h"]
    assert coefficients("~ 0 + treatment") == ["treatment[DMSO]", "treatment[pom 1 uM]"]
    assert coefficients("~ treatment", treatment="pom 1 uM") == ["Intercept", "treatment[DMSO]"]
    assert coefficients("~ C(treatment, contr.treatment('pom 1 uM'))") == ["Intercept", "treatment[DMSO]"]
    assert coefficients("~ numeric(batch)") == ["Intercept", "numeric(batch)"]


def test_numbers_as_factor_and_as_trend() -> None:
    doses = TABLE.assign(dose_um=[0, 0, 0.1, 0.1, 1, 1, 10, 10], time_h=[0.0, 24] * 4)
    built = formula_matrix("~ C(time_h) * log2(dose_um+1)", doses, where="w").matrix
    names = list(built.columns)
    assert names == ["Intercept", "time_h[24]", "log2(dose_um + 1)", "time_h[24]:log2(dose_um + 1)"]
    np.testing.assert_allclose(built["log2(dose_um + 1)"], np.log2(doses["dose_um"] + 1))
    for text in ("time_h[24]:log2(dose_um + 1)", "log2(dose_um + 1):time_h[24]", "time_h[24.0]:log2(dose_um + 1)"):
        assert parse_weights(text, names, where="w").tolist() == [0, 0, 0, 1]
    assert parse_weights("3.3219 * log2(dose_um + 1) - time_h[24]", names, where="w").tolist() == [0, -1, 3.3219, 0]


def test_log2_dose_places_the_vehicle_one_step_below() -> None:
    doses = TABLE.assign(dose_um=[0, 0, 0.1, 0.1, 1, 1, 10, 10])
    built = formula_matrix("~ log2_dose(dose_um)", doses, where="w").matrix["log2_dose(dose_um)"]
    np.testing.assert_allclose(built, np.log2([0.01, 0.01, 0.1, 0.1, 1, 1, 10, 10]))
    one = formula_matrix("~ log2_dose(dose_um)", TABLE.assign(dose_um=[0.0, 4] * 4), where="w").matrix
    assert one["log2_dose(dose_um)"].tolist() == [1, 2] * 4


def test_logarithm_of_the_dose_0_is_refused_in_words() -> None:
    with pytest.raises(DesignError) as caught:
        formula_matrix("~ log2(dose_um)", TABLE.assign(dose_um=[0, 1, 1, 1, 1, 1, 1, 0]), where="contrast c")
    assert str(caught.value) == (
        "contrast c: log2(dose_um) is no finite number for every sample (found -inf for s0, s7 in '~ log2(dose_um)'; "
        "expected a number for each of the samples; the logarithm of 0 is none). Write log2_dose(dose_um), which "
        "places the dose 0 one dilution step below the lowest, or log2(dose_um + 1), or leave these samples out by "
        "the subset"
    )


@pytest.mark.parametrize(
    ("text", "weights"),
    [
        ("0, 0, -1, 0.5", [0, 0, -1, 0.5]),
        ("x", [0, 0, 1, 0]),
        ("x - treatment[a - b]", [0, -1, 1, 0]),
        ("-x", [0, 0, -1, 0]),
        ("(x + treatment[a - b]) / 2 - Intercept", [-1, 0.5, 0.5, 0]),
        ("0.5 x + 2*(Intercept)", [2, 0, 0.5, 0]),
        ("s[2]:treatment[a - b]", [0, 0, 0, 1]),
        ("treatmenta...b.s2", [0, 0, 0, 1]),
        ("treatmenta...b", [0, 1, 0, 0]),
    ],
)
def test_weights(text: str, weights: list[float]) -> None:
    np.testing.assert_array_equal(parse_weights(text, NAMES, where="w"), weights)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("1, 2", "found 2: 1, 2; expected 4, for Intercept, treatment[a - b], x"),
        ("0,0,0,0", "all weights of the contrast are zero"),
        ("x - x", "all weights of the contrast are zero"),
        ("y", "names no coefficient here (found 'y' in 'y'; expected coefficients among Intercept"),
        ("treatment[a-b]", "Did you mean 'treatment[a - b]'?"),
        ("x x", "cannot be read"),
        ("(x", "a parenthesis is not closed"),
        ("x / 0", "a number other than zero"),
        ("x +", "found 'the end'"),
    ],
)
def test_bad_weights(text: str, part: str) -> None:
    with pytest.raises(DesignError) as caught:
        parse_weights(text, NAMES, where="contrast c")
    assert str(caught.value).startswith("contrast c: ")
    assert part in str(caught.value)


@pytest.mark.parametrize("formula", ["~ treatment + (", "~ cell line", "~ C(batch", "~ [ )", "~ numeric(treatment)"])
def test_broken_formulas(formula: str) -> None:
    with pytest.raises(DesignError, match="the formula cannot be read: ") as caught:
        formula_matrix(formula, TABLE, where="contrast c")
    assert "\x1b" not in str(caught.value)


def test_formula_can_call_no_function_but_those_of_formulas() -> None:
    with pytest.raises(DesignError, match="names a column '__import__'"):
        formula_matrix("~ __import__('os')", TABLE, where="w")
