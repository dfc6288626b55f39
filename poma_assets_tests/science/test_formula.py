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


@pytest.mark.parametrize(
    ("formula", "what", "fix"),
    [
        ("~ treatment +", "it ends with '+', and a term is missing", "Delete it, or write the missing term"),
        ("~ treatment + batch:", "it ends with ':', and a term is missing", "Delete it"),
        ("~ * treatment", "it begins with '*', and a term is missing", "Delete it"),
        ("~ treatment +* batch", "between the operators of '+*' a term is missing", "Delete it"),
        ("~ (treatment + ) * batch", "within '+ )' a term is missing", "Delete it"),
        ("~ treatment + (batch", "the parenthesis '(' is not closed", "Close it"),
        ("~ C(time_h))", "')' closes a parenthesis that is not open", "Delete ')', or write '('"),
        ("~ `cell line", "a quote ` is opened and not closed", "Write ` on both sides"),
        ("~ treatment & batch", "'&' is no operator of formulas", "Join terms by '+'"),
        ("~ treatment, batch", "',' is no operator of formulas", "Join terms by '+'"),
        ("~ treatment – batch", "'–' is no operator of formulas", "Join terms by '+'"),
        ("~ treatment % batch", "'%' is no operator of formulas", "Join terms by '+'"),
        ("~ treatment ^ batch", "after '^' or '**' a whole number must stand", "Join terms"),
        ("~ cell line", "an operator is missing between 'cell' and 'line'", "put backticks around"),
        ("~ as.factor(time_h)", "as.factor is a function of R", "Write C(time_h)"),
        ("~ log2(treatment)", "log2(treatment) cannot be computed", "need a column of numbers"),
        ("~ C(batch, contr.foo)", "C(batch, contr.foo) cannot be computed", "C(x) knows contr.treatment"),
        ("~ C(batch + )", "what stands in the parentheses of a function cannot be understood", "C(time_h)"),
        ("~ treatment + 1.5", "a number is no term", "name a column"),
        ("~ .", "'.' stands for all columns only in R", "Name the columns"),
    ],
)
def test_typing_errors_are_named(formula: str, what: str, fix: str) -> None:
    with pytest.raises(DesignError) as caught:
        formula_matrix(formula, TABLE, where="contrast c")
    assert str(caught.value).startswith(f"contrast c: the formula cannot be read: {what}")
    assert fix in (caught.value.fix or "")
    assert ("backticks" in str(caught.value)) == ("line" in formula and "`" not in formula)


def test_unknown_functions_are_no_columns() -> None:
    with pytest.raises(DesignError, match=r"calls a function 'factor' that is not known .*\. Write C\(x\) to make"):
        formula_matrix("~ factor(time_h)", TABLE, where="w")


@pytest.mark.parametrize("formula", ["~ scale(time_h)", "~ treatment + poly(time_h, 2)"])
def test_functions_of_all_values_find_their_column(formula: str) -> None:
    built = formula_matrix(formula, TABLE, where="w")
    last = str(built.matrix.columns[-1])
    assert built.factors[last] == {"time_h"}
    assert last in built.slopes
    with pytest.raises(DesignError, match="names a column 'time'"):
        formula_matrix("~ scale(time)", TABLE, where="w")


def test_formula_can_call_no_function_but_those_of_formulas() -> None:
    with pytest.raises(DesignError, match="calls a function '__import__' that is not known"):
        formula_matrix("~ __import__('os')", TABLE, where="w")
