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
