from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from poma_assets.reports.packing import code_column, linear_column, log_column, pack, text_column, unpack


def test_a_block_comes_back_as_it_was_packed():
    values = pd.Series([1.5, -0.25, np.nan, 0.0, None])
    p = pd.Series([1.0, 0.0, np.nan, 5e-324, 3.21e-7])
    words = pd.Series(["up", "no", None, "unheard of", "up"])
    block = pack(
        5,
        [
            text_column("name", ["IRF4", "</script>", "-1", "µ☃", ""]),
            linear_column("effect", values, 0.01),
            log_column("p", p),
            code_column("class", words, ("up", "no")),
        ],
    )
    data = unpack(block)
    assert data["name"] == ["IRF4", "</script>", "-1", "µ☃", ""]
    np.testing.assert_allclose(data["effect"], [1.5, -0.25, np.nan, 0.0, np.nan], atol=1e-12)
    np.testing.assert_allclose(data["p"], [1.0, 0.0, np.nan, 5e-324, 3.21e-7], rtol=1.3e-4)
    assert data["class"] == ["up", "no", "", "", "up"]


def test_a_block_has_no_character_of_markup():
    assert not set("<>&'\"") & set(pack(1, [text_column("name", ["</script><!--"])]))


@pytest.mark.parametrize("value", [np.inf, -np.inf, 1e12, -1e12])
def test_what_is_beyond_the_scale_is_cut_off_and_stays_a_number(value):
    (back,) = unpack(pack(1, [linear_column("x", pd.Series([value]), 0.5)]))["x"]
    assert np.sign(back) == np.sign(value)
    assert abs(back) > 4e6


def test_relative_errors_stay_below_an_eighth_of_a_thousandth():
    values = np.exp(np.random.default_rng(0).uniform(-700, 700, 5000))
    back = np.array(unpack(pack(5000, [log_column("x", values)]))["x"])
    assert np.max(np.abs(back / values - 1)) < 1.3e-4


def test_an_empty_block():
    assert unpack(pack(0, [linear_column("x", pd.Series([], dtype=float), 1.0), text_column("t", [])])) == {
        "x": [],
        "t": [],
    }
