"""Readers of formulas, weights and subsets, which are small languages, and the rule that makes CSV harmless."""

from __future__ import annotations

import numpy as np
import pandas as pd

from poma_assets.science.contrasts_file import Contrast
from poma_assets.science.design_doctor import examine_design
from poma_assets.science.formula import formula_matrix, formula_variables, parse_weights
from poma_assets.science.spreadsheet_cells import harmless, harmless_frame
from poma_assets.science.subsets import keep, parse_subset
from poma_assets_tests.fuzzing.target import Target, text_of

TABLE = pd.DataFrame(
    {
        "treatment": ["DMSO", "DMSO", "drug", "drug", "DMSO", "DMSO", "drug", "drug"],
        "sensitivity": ["sensitive"] * 4 + ["resistant"] * 4,
        "batch": ["A", "B"] * 4,
        "dose_um": [0.0, 0, 1, 10, 0, 0, 1, 10],
        "time_h": [0.0, 24, 0, 24, 0, 24, 0, 24],
        "cell line": ["x", "y"] * 4,
    },
    index=pd.Index([f"S{i}" for i in range(8)], name="sample_id"),
)
COEFFICIENTS = ("Intercept", "treatment[drug]", "sensitivity[sensitive]", "sensitivity[sensitive]:treatment[drug]")


def _formula(data: bytes) -> None:
    text = text_of(data)
    assert formula_variables(text, where="formula") is not None
    made = formula_matrix(text, TABLE, where="formula")
    assert list(made.matrix.index) == list(TABLE.index)
    assert np.isfinite(made.matrix.to_numpy()).all()
    assert set(made.factors) >= set(made.matrix.columns)


def _doctor(data: bytes) -> None:
    formula, _, rest = text_of(data).partition("\n")
    contrast, _, reduced = rest.partition("\n")
    asked = Contrast("c", None, None, None, (), None, formula, contrast or None, None, 1, reduced.strip() or None)
    report = examine_design(asked, TABLE, vehicle=["DMSO"])
    assert report.severity in ("ok", "note", "warning", "error")


def _weights(data: bytes) -> None:
    weights = parse_weights(text_of(data), COEFFICIENTS, where="contrast", bases=["treatment[DMSO]"])
    assert weights.shape == (4,)
    assert np.isfinite(weights).all()
    assert weights.any()


def _subset(data: bytes) -> None:
    conditions = parse_subset(text_of(data), where="subset")
    assert all(condition.column and condition.values for condition in conditions)
    known = [condition for condition in conditions if condition.column in (*TABLE.columns, "sample")]
    assert set(keep(TABLE, known).index) <= set(TABLE.index)


def _cells(data: bytes) -> None:
    text = text_of(data)
    made = harmless(text)
    assert made.endswith(text)
    assert made in ("+", "-") or made.lstrip()[:1] not in tuple("=+-@\t\r") or made == text
    assert harmless(made) == made
    harmless_frame(pd.DataFrame({text: [text]}))


FORMULAS = (
    "~ batch + treatment * sensitivity",
    "~ 0 + C(time_h) + log2_dose(dose_um)",
    "~ treatment:batch + poly(dose_um, 2) + `cell line`",
    "~ C(treatment, contr.treatment('drug')) + numeric(time_h)",
)

DESIGN_TARGETS = (
    Target(
        "formula",
        _formula,
        FORMULAS,
        (
            *(
                "C(",
                "poly(dose_um, 99)",
                "(batch + treatment)**9",
                "^",
                "%in%",
                "{1+1}",
                "np.log(dose_um)",
                "lambda: 1",
            ),
            *("__import__('os')", "().__class__.__base__.__subclasses__()", "9**9**9", "batch[0]", "bs(dose_um, df=9)"),
            *(
                "exec('1')",
                "[x for x in (1,)]",
                "Q('cell line')",
                "treatment.values",
                "center(dose_um)",
                "hashed(batch)",
            ),
        ),
    ),
    Target(
        "design-doctor",
        _doctor,
        tuple(f"{formula}\n{COEFFICIENTS[1]}\n" for formula in FORMULAS) + ("~ treatment + batch\n\n~ batch",),
        ("~ 1", "treatment[drug]", "0,1", "-"),
    ),
    Target(
        "weights",
        _weights,
        (
            "0, 0, 1, 0",
            "(treatment[drug] + sensitivity[sensitive]) / 2 - Intercept",
            "treatmentdrug.sensitivitysensitive",
        ),
        ("treatment[DMSO]", "/0", "*", "1e9", "(", "-(", "2*", ":"),
    ),
    Target("subset", _subset, ("batch=A;time_h=24", 'sample!=S1,"S;2"', "dose_um=1.0"), ("=", "!=", '"', ";", ",")),
    Target("csv-cell", _cells, ("=1+1", "IRF4", "-", "+1"), ("=", "@", "-", "+", "\t", "\r", "\n", "'")),
)
"""Targets of this module."""
