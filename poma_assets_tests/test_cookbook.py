"""Every query of docs/cookbook.md answers, on the published database of a finished study."""

from __future__ import annotations

import re
from pathlib import Path

import duckdb
import pytest

from poma_assets.resources import StudyResource

COOKBOOK = Path(__file__).resolve().parents[1] / "docs" / "cookbook.md"
QUERIES = re.findall(r"^```sql\n(.*?)^```$", COOKBOOK.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def test_the_cookbook_uses_every_ready_view():
    assert set(re.findall(r"\bv_\w+", "\n".join(QUERIES))) == {
        "v_verdicts",
        "v_verdict_history",
        "v_top_genes",
        "v_sample_overview",
        "v_marker_expression",
    }


@pytest.mark.tools
def test_every_query_of_the_cookbook_returns_rows(finished_study):
    assert len(QUERIES) >= 20
    with duckdb.connect(str(finished_study / "results" / "study.duckdb"), read_only=True) as connection:
        silent = [sql for sql in QUERIES if not connection.sql(sql).fetchall()]
    assert silent == []


@pytest.mark.tools
def test_every_query_of_the_cookbook_is_one_that_poma_query_takes(finished_study):
    warehouse = StudyResource(root=str(finished_study)).warehouse
    assert [sql for sql in QUERIES if warehouse.query(sql).empty] == []
