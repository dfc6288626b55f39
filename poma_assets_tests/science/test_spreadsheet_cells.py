from __future__ import annotations

import pandas as pd
import pytest

from poma_assets.science.spreadsheet_cells import harmless, harmless_frame


@pytest.mark.parametrize("text", ["=cmd()", "+1+1", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "=", "-\n1"])
def test_what_a_spreadsheet_would_run_gets_an_apostrophe(text):
    assert harmless(text) == "'" + text


@pytest.mark.parametrize("text", ["", "IRF4", "1-2", "+", "-", "'=1", "MM.1S", " =1"])
def test_other_texts_stay(text):
    assert harmless(text) == text


def test_numbers_stay_numbers_and_names_of_columns_are_harmless_too():
    frame = pd.DataFrame({"=name": ["=1", None, "a"], "effect": [-1.5, 2.0, float("nan")]})
    made = harmless_frame(frame)
    assert list(made.columns) == ["'=name", "effect"]
    assert made["'=name"].tolist() == ["'=1", None, "a"]
    assert made["effect"].dtype == "float64"
    pd.testing.assert_series_equal(made["effect"], frame["effect"])
