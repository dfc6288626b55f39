from __future__ import annotations

import pytest

from poma_assets.science.errors import ConfigError
from poma_assets.science.setting_line import with_setting

LAKE = "ducklake:postgres:host=db dbname=poma"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("name: a  # mine\n", f"name: a  # mine\nwarehouse: {LAKE}\n"),
        ("name: a", f"name: a\nwarehouse: {LAKE}\n"),
        ("warehouse: duckdb  # old\nname: a\n", f"warehouse: {LAKE}\nname: a\n"),
        ("name: a\n# a remark\nwarehouse: 'duckdb'\nseed: 2\n", f"name: a\n# a remark\nwarehouse: {LAKE}\nseed: 2\n"),
    ],
)
def test_one_line_is_put_in_or_exchanged_and_the_rest_stays(before, after):
    assert with_setting(before, "warehouse", LAKE) == after


@pytest.mark.parametrize("text", ["{name: a}", "name: a\nwarehouse: >\n  duck\n  db\n"])
def test_what_cannot_be_exchanged_safely_is_left_to_the_user(text):
    with pytest.raises(ConfigError, match=f"Write the line by hand: warehouse: {LAKE}"):
        with_setting(text, "warehouse", LAKE)
