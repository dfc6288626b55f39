"""A warehouse that an older version made is read as it is and completed by the first write."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pandas as pd
import pytest
from warehouse_helpers import counts, store, warehouse_in

from poma_assets.science.errors import StorageError
from poma_assets.storage.publish import publish_study_database
from poma_assets.storage.schema import TABLES
from poma_assets.storage.warehouse import Warehouse


def columns_of(path: Path, table: str) -> list[str]:
    with duckdb.connect(str(path), read_only=True) as connection:
        return [name for name, *_ in connection.execute(f"DESCRIBE {table}").fetchall()]


@pytest.fixture
def old(tmp_path: Path) -> Warehouse:
    """Made before ``gene_counts`` had a counter and ``verdict_history`` a cause; without the table ``trimming``."""
    warehouse = warehouse_in(tmp_path)
    store(warehouse, {"gene_counts": counts("S1", {"a": 1})})
    store(warehouse, {"gene_counts": counts("S2", {"a": 2})}, "S2")
    history = dict.fromkeys(TABLES["verdict_history"].column_names) | {"contrast_id": "c", "verdict": "confirmed"}
    values = {"verdict_history": {"contrast_id": "c", "run_id": "r"}}
    frame = pd.DataFrame([history | {"run_id": "r"}])
    store(warehouse, {"verdict_history": frame}, asset="verdict_history", partition_values=values)
    with duckdb.connect(str(warehouse.path)) as connection:
        connection.execute("ALTER TABLE gene_counts DROP counter")
        connection.execute("ALTER TABLE verdict_history DROP cause")
        connection.execute("DROP TABLE trimming")
    return warehouse_in(tmp_path)  # as a later program opens it


def test_an_old_file_reads_as_declared_and_is_not_changed_by_it(old: Warehouse) -> None:
    before = old.path.read_bytes()
    expected = counts("S1", {"a": 1}).assign(counter=None).astype({"counter": object})
    pd.testing.assert_frame_equal(old.read("gene_counts", {"sample_id": "S1"}), expected)
    assert old.read("gene_counts", {"counter": "featurecounts"}).empty
    assert old.read("verdict_history", columns=["verdict", "cause"]).to_dict("records") == [
        {"verdict": "confirmed", "cause": None}
    ]
    assert old.read("trimming").empty
    assert old.read_matrix("gene_counts", value="count").loc["a"].to_dict() == {"S1": 1, "S2": 2}
    assert old.query("SELECT count(*) AS n FROM gene_counts WHERE counter IS NULL")["n"].item() == 2
    assert old.query("SELECT verdict, cause FROM v_verdict_history")["verdict"].tolist() == ["confirmed"]
    assert old.path.read_bytes() == before


def test_the_first_write_completes_an_old_file_and_keeps_its_rows(old: Warehouse) -> None:
    store(old, {"gene_counts": counts("S3", {"a": 3})}, "S3")
    assert columns_of(old.path, "gene_counts") == ["sample_id", "gene_id", "count", "counter"]
    assert old.read("gene_counts")["count"].tolist() == [1, 2, 3]
    assert old.read("verdict_history")["verdict"].tolist() == ["confirmed"]
    comments = "SELECT comment FROM duckdb_columns() WHERE table_name = 'gene_counts' AND column_name = 'counter'"
    assert "featurecounts" in old.query(comments)["comment"].dropna().item()


def test_a_write_that_fails_leaves_the_old_file_old(old: Warehouse) -> None:
    with pytest.raises(StorageError, match="column count"):
        store(old, {"gene_counts": counts("S3", {"a": 3}).assign(count="many")}, "S3")
    assert columns_of(old.path, "gene_counts") == ["sample_id", "gene_id", "count"]
    assert len(old.read("gene_counts")) == 2


def test_rows_older_than_a_partition_column_give_way_to_new_ones_of_their_sample(old: Warehouse) -> None:
    store(old, {"gene_counts": counts("S1", {"a": 7})})
    star = counts("S1", {"a": 9}, "star")
    store(old, {"gene_counts": star}, counter="star", asset="star_counts")
    frame = old.read("gene_counts")
    assert frame["count"].tolist() == [7, 9, 2]
    assert frame["counter"].tolist()[:2] == ["featurecounts", "star"]


def test_quality_older_than_its_scope_stays_until_its_own_sample_is_judged_again(
    old: Warehouse, tmp_path: Path
) -> None:
    row = dict.fromkeys(TABLES["sample_quality"].column_names)
    rows = [row | {"sample_id": sample, "metric": "q30_pct", "scope": "sample"} for sample in ("S1", "S2")]
    for one in rows:
        values = {"sample_quality": {"sample_id": one["sample_id"], "scope": "sample"}}
        store(old, {"sample_quality": pd.DataFrame([one])}, asset="sample_quality", partition_values=values)
    with duckdb.connect(str(old.path)) as connection:
        connection.execute("ALTER TABLE sample_quality DROP scope")
    old = warehouse_in(tmp_path)
    assert old.query("SELECT quality_failures FROM v_sample_overview").empty
    of_cohort = pd.DataFrame([row | {"sample_id": "S1", "metric": "replicate_spearman", "scope": "cohort"}])
    values = {"sample_quality": {"scope": "cohort"}}
    store(old, {"sample_quality": of_cohort}, "", asset="sample_exploration", partition_values=values)
    values = {"sample_quality": {"sample_id": "S1", "scope": "sample"}}
    store(old, {"sample_quality": pd.DataFrame(rows[:1])}, asset="sample_quality", partition_values=values)
    found = old.read("sample_quality", columns=["sample_id", "metric", "scope"]).astype(object)
    assert found.where(found.notna(), None).to_numpy().tolist() == [
        ["S1", "q30_pct", "sample"],
        ["S1", "replicate_spearman", "cohort"],
        ["S2", "q30_pct", None],
    ]


def test_rows_without_their_first_partition_column_are_nobodys(old: Warehouse) -> None:
    with duckdb.connect(str(old.path)) as connection:
        connection.execute("ALTER TABLE strandedness DROP sample_id")
        connection.execute("INSERT INTO strandedness (declared) VALUES ('auto')")
    row = dict.fromkeys(TABLES["strandedness"].column_names) | {"sample_id": "S1", "declared": "reverse"}
    values = {"strandedness": {"sample_id": "S1"}}
    store(old, {"strandedness": pd.DataFrame([row])}, asset="alignment_quality", partition_values=values)
    assert set(old.read("strandedness")["declared"]) == {"auto", "reverse"}


def test_forgetting_and_publishing_complete_an_old_file_too(old: Warehouse, tmp_path: Path) -> None:
    publish_study_database(old, tmp_path / "study.duckdb")
    assert "counter" in columns_of(tmp_path / "study.duckdb", "gene_counts")
    assert "counter" not in columns_of(old.path, "gene_counts")
    old.forget(partition="S1")
    assert old.read("gene_counts")["sample_id"].tolist() == ["S2"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("ADD COLUMN colour VARCHAR", "found colour VARCHAR"),
        ("ALTER COLUMN count TYPE VARCHAR", "found count VARCHAR; expected count BIGINT"),
    ],
)
def test_columns_that_are_not_declared_are_refused(old: Warehouse, change: str, message: str) -> None:
    with duckdb.connect(str(old.path)) as connection:
        connection.execute(f"ALTER TABLE gene_counts {change}")
    with pytest.raises(StorageError, match=message):
        store(old, {"gene_counts": counts("S3", {"a": 3})}, "S3")
    assert len(old.read("gene_counts")) == 2
