from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from warehouse_helpers import counts, generation, lake_in, store, warehouse_in

from poma_assets.science.errors import StorageError
from poma_assets.storage import migration
from poma_assets.storage.migration import migrate_tables, table_contents
from poma_assets.storage.publish import publish_study_database
from poma_assets.storage.schema import TABLES
from poma_assets.storage.warehouse import Warehouse


@pytest.fixture
def source(tmp_path: Path) -> Warehouse:
    warehouse = warehouse_in(tmp_path)
    for number, sample in enumerate(("S1", "it's", "S3")):
        store(warehouse, generation(sample, number, 50), sample)
    return warehouse


def test_tables_go_into_a_lake_and_come_back_as_they_were(source: Warehouse, tmp_path: Path) -> None:
    before, lake = table_contents(source), lake_in(tmp_path)
    assert set(before) == set(TABLES)
    done = migrate_tables(source, lake)
    assert (done.rows, done.was_there, done.set_aside) == (156, False, None)
    assert table_contents(lake) == before
    assert lake.steps().equals(source.steps())
    file = source.path.read_bytes()
    assert migrate_tables(source, lake).was_there
    assert source.path.read_bytes() == file

    store(lake, {"gene_counts": counts("S1", {"a": 7})}, "S1")
    back = migrate_tables(lake, source)
    assert back.set_aside is not None
    assert back.set_aside.read_bytes() == file  # what was there stays
    assert source.read("gene_counts", {"sample_id": "S1"})["count"].tolist() == [7]
    assert table_contents(source) == table_contents(lake) != before
    store(source, {"gene_counts": counts("S1", {"a": 8})}, "S1")  # and it can be written as before


def test_tables_of_somebody_else_do_not_give_way_unasked(source: Warehouse, tmp_path: Path) -> None:
    lake = lake_in(tmp_path)
    store(lake, {"gene_counts": counts("X", {"a": 1})}, "X")
    with pytest.raises(StorageError, match=r"other tables already.*gene_counts with 1 rows instead of 150.*--replace"):
        migrate_tables(source, lake)
    assert lake.read("gene_counts")["sample_id"].tolist() == ["X"]
    migrate_tables(source, lake, replace=True)
    assert table_contents(lake) == table_contents(source)


def test_a_copy_that_differs_is_not_taken_into_use(
    source: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved = warehouse_in(tmp_path / "elsewhere")
    read = migration.table_contents

    def damaged(warehouse: Warehouse) -> dict[str, migration.TableContent]:
        contents = read(warehouse)
        if warehouse.path.parent != tmp_path and warehouse.exists():
            contents["gene_counts"] = dataclasses.replace(contents["gene_counts"], digest="other")
        return contents

    monkeypatch.setattr(migration, "table_contents", damaged)
    with pytest.raises(StorageError, match=r"copied tables are not those.*gene_counts with other values"):
        migrate_tables(source, moved)
    assert not moved.path.exists()


def test_many_rows_are_hashed_in_pieces_with_the_same_result_on_both_sides(
    source: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = table_contents(source)
    monkeypatch.setattr(migration, "_ROWS_AT_ONCE", 60)
    assert table_contents(source)["gene_counts"].rows == whole["gene_counts"].rows == 150
    lake = lake_in(tmp_path)
    migrate_tables(source, lake)
    assert table_contents(lake) == table_contents(source)


def test_the_published_copy_of_a_lake_is_that_of_the_file(source: Warehouse, tmp_path: Path) -> None:
    lake = lake_in(tmp_path)
    migrate_tables(source, lake)
    sql = "SELECT table_name, column_name, comment FROM duckdb_columns() WHERE NOT internal ORDER BY ALL"
    published = []
    for kind, warehouse in (("file", source), ("lake", lake)):
        publish_study_database(warehouse, tmp_path / f"{kind}.duckdb")
        copy = Warehouse(tmp_path / f"{kind}.duckdb")
        published.append((table_contents(copy), copy.query(sql).to_csv()))
    assert published[0] == published[1]
