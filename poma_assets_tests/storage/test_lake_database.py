from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from warehouse_helpers import counts, lake_in, store

from poma_assets.science.errors import StorageError
from poma_assets.storage import lake_database
from poma_assets.storage.lake_catalogue import Catalogue
from poma_assets.storage.lake_database import LakeDatabase
from poma_assets.storage.publish import publish_study_database
from poma_assets.storage.warehouse import Warehouse


@pytest.fixture
def lake(tmp_path: Path) -> Warehouse:
    warehouse = lake_in(tmp_path / "results")
    store(warehouse, {"gene_counts": counts("S1", {f"g{i}": i for i in range(5000)})}, "S1")
    return warehouse


def catalogue_of(warehouse: Warehouse) -> Catalogue:
    assert isinstance(warehouse.database, LakeDatabase)
    return warehouse.database.catalogue


def test_rows_are_in_parquet_files_of_the_study_and_a_moved_study_finds_them(lake: Warehouse, tmp_path: Path) -> None:
    assert len(list((tmp_path / "results" / "lake").glob("*/main/gene_counts/*.parquet"))) == 1
    shutil.move(tmp_path / "results", tmp_path / "moved")
    moved = Catalogue("sqlite", str(tmp_path / "moved" / "catalogue.sqlite"))
    there = Warehouse(tmp_path / "moved" / "warehouse.duckdb", catalogue=moved)
    assert len(there.read("gene_counts")) == 5000
    store(there, {"gene_counts": counts("S2", {f"g{i}": i for i in range(5000)})}, "S2")
    assert len(there.query("FROM gene_counts")) == 10_000


def test_another_study_does_not_get_the_same_catalogue(lake: Warehouse, tmp_path: Path) -> None:
    other = Warehouse(tmp_path / "other" / "warehouse.duckdb", catalogue=catalogue_of(lake))
    with pytest.raises(StorageError, match=r"belongs to another study.*schema=NAME"):
        other.read("gene_counts")
    shutil.copytree(tmp_path / "results" / "lake", tmp_path / "other" / "lake")
    with pytest.raises(StorageError, match="belongs to another study"):  # nor does a copy of the study
        other.read("gene_counts")


@pytest.mark.parametrize(
    "sql",
    [
        "COPY (SELECT 1 AS a) TO '{lake}/x.parquet'",
        "EXPLAIN ANALYZE COPY (SELECT 1 AS a) TO '{lake}/x.parquet'",
        "SELECT * FROM read_text('{lake}/../../../secret')",
        "ATTACH '{lake}/x.duckdb' AS x",
        "CREATE TABLE x (a INTEGER)",
        "SELECT * FROM ducklake_expire_snapshots('lake', older_than => now())",
        "SET enable_external_access = true",
    ],
)
def test_a_query_reads_the_lake_and_nothing_else(lake: Warehouse, tmp_path: Path, sql: str) -> None:
    (tmp_path / "secret").write_text("hidden")
    folder = next((tmp_path / "results" / "lake").iterdir())
    with pytest.raises(StorageError):
        lake.query(sql.format(lake=folder))
    assert not list(folder.glob("x*"))
    assert lake.query("SELECT sum(count)::BIGINT AS s FROM gene_counts")["s"].item() == sum(range(5000))


def test_a_reader_sees_one_moment(lake: Warehouse) -> None:
    with lake.held_open():
        assert len(lake.read("gene_counts")) == 5000
        beside = Warehouse(lake.path, catalogue=catalogue_of(lake), lock_timeout_s=20)
        store(beside, {"gene_counts": counts("S2", {"a": 1})}, "S2")
        assert len(lake.read("gene_counts")) == 5000
    assert len(lake.read("gene_counts")) == 5001


def test_a_server_that_does_not_answer_is_waited_for_and_named_without_a_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("duckdb_extension_postgres_scanner", reason="the packages for clusters are not installed")
    monkeypatch.setenv("PGPASSWORD", "hidden")
    catalogue = Catalogue("postgres", "host=127.0.0.1 port=1 dbname=poma user=poma connect_timeout=2")
    warehouse = Warehouse(tmp_path / "warehouse.duckdb", catalogue=catalogue, lock_timeout_s=0.2)
    with pytest.raises(StorageError, match=r"cannot be reached.*Start the database server") as error:
        warehouse.read("gene_counts")
    assert "hidden" not in str(error.value)


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    warehouse = Warehouse(tmp_path / "w.duckdb", catalogue=Catalogue("sqlite", str(tmp_path / "c.sqlite")))
    with pytest.raises(StorageError, match=r"duckdb-extension-ducklake is not installed.*requirements-cluster"):
        warehouse.read("steps")


def test_what_is_passing_and_what_is_not() -> None:
    assert lake_database._LOST.search("IO Error: Unable to connect to Postgres at ...: Connection refused")
    assert lake_database._CONFLICT.search("Transaction conflict - attempting to delete from table")
    assert not lake_database._LOST.search('Binder Error: Referenced column "x" not found')


def test_files_of_former_states_are_deleted_when_they_are_old(
    lake: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def parquet_files() -> int:
        return len(list((tmp_path / "results" / "lake").glob("*/main/gene_counts/*.parquet")))

    store(lake, {"gene_counts": counts("S1", {f"g{i}": 2 for i in range(5000)})}, "S1")
    publish_study_database(lake, tmp_path / "study.duckdb")
    assert parquet_files() == 2
    monkeypatch.setattr(lake_database, "_KEPT", "0 seconds")
    publish_study_database(lake, tmp_path / "study.duckdb")
    assert parquet_files() == 1
    assert lake.read("gene_counts")["count"].tolist() == [2] * 5000
