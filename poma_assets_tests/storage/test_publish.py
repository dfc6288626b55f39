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


def rows_of(path: Path, sql: str) -> list[tuple[object, ...]]:
    with duckdb.connect(str(path), read_only=True) as connection:
        return connection.execute(sql).fetchall()


def row(table: str, **values: object) -> dict[str, object]:
    return {**dict.fromkeys(TABLES[table].column_names), **values}


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """Two samples, one contrast with two genes; every view has something to show."""
    warehouse = warehouse_in(tmp_path_factory.mktemp("study"))
    samples = [
        row("samples", sample_id="S1", treatment="DMSO"),
        row("samples", sample_id="S2", treatment="POM"),
    ]
    quality = [
        row("sample_quality", sample_id="S1", metric=metric, status=status, scope="sample")
        for metric, status in (("rin", "fail"), ("gc", "warn"))
    ]
    expression = [
        row("normalised_expression", sample_id=s, gene_id="ENSG1", cpm=c) for s, c in (("S1", 9.0), ("S2", 4.0))
    ]
    tested = [
        row(
            "de_results",
            contrast_id="c",
            engine="deseq2",
            gene_id=f"ENSG{i}",
            status="tested",
            p_value=1 / (i + 1),
        )
        for i in range(60)
    ]
    filtered = row("de_results", contrast_id="c", engine="deseq2", gene_id="ENSG99", status="filtered")
    verdicts = [
        row("marker_verdicts", contrast_id="c", hypothesis_id=h, gene_symbol=g, ensembl_gene_id=e, verdict=v)
        for h, g, e, v in (
            ("h1", "CRBN", "ENSG2", "inconclusive"),
            ("h2", "IRF4", "ENSG1", "confirmed"),
            ("h3", "IRF4", "ENSG1", "not_testable"),
        )
    ]
    tables = {
        "samples": samples,
        "sample_quality": quality,
        "sample_inclusion": [row("sample_inclusion", sample_id="S2", included=True)],
        "normalised_expression": expression,
        "contrasts": [row("contrasts", contrast_id="c", kind="drug_vs_vehicle")],
        "de_results": [*tested, filtered],
        "marker_verdicts": verdicts,
        "verdict_history": [
            row("verdict_history", hypothesis_id="h2", verdict=v, run_id="r", contrast_id="c", recorded_at=at)
            for v, at in (("confirmed", pd.Timestamp("2025-01-02")), ("inconclusive", pd.Timestamp("2025-01-01")))
        ],
    }
    values = {
        "sample_quality": {"sample_id": "S1", "scope": "sample"},
        "de_results": {"contrast_id": "c"},
        "marker_verdicts": {"contrast_id": "c"},
        "verdict_history": {"contrast_id": "c", "run_id": "r"},
    }
    store(warehouse, {name: pd.DataFrame(rows) for name, rows in tables.items()}, "", partition_values=values)
    return warehouse


def test_the_copy_holds_all_tables_with_comments(warehouse: Warehouse, tmp_path: Path) -> None:
    target = tmp_path / "new" / "study.duckdb"
    assert publish_study_database(warehouse, target) == target.stat().st_size
    tables = dict(rows_of(target, "SELECT table_name, comment FROM duckdb_tables()"))
    assert tables == {name: table.comment for name, table in TABLES.items()}
    columns = rows_of(
        target,
        "SELECT c.table_name, c.column_name, c.data_type, c.comment FROM duckdb_columns() c "
        "JOIN duckdb_tables() t USING (table_name)",
    )
    declared = {(n, c.name, c.type, c.comment) for n, t in TABLES.items() for c in t.columns}
    assert set(columns) == declared
    assert rows_of(target, "SELECT count(*) FROM de_results") == [(61,)]
    views = dict(rows_of(target, "SELECT view_name, comment FROM duckdb_views() WHERE NOT internal"))
    assert set(views) == {"v_verdicts", "v_verdict_history", "v_top_genes", "v_sample_overview", "v_marker_expression"}
    assert all(views.values())
    of_views = rows_of(
        target,
        "SELECT c.table_name, c.column_name, c.comment FROM duckdb_columns() c "
        "JOIN duckdb_views() v ON v.view_name = c.table_name WHERE NOT v.internal",
    )
    assert {view for view, _, _ in of_views} == set(views)
    assert [(view, column) for view, column, comment in of_views if not comment] == []
    assert ("v_sample_overview", "rin", "RNA integrity number; NULL if not recorded") in of_views
    assert ("v_sample_overview", "quality_failures", "quality metrics that failed") in of_views
    assert [path.name for path in target.parent.iterdir() if not path.name.startswith(".")] == ["study.duckdb"]


def test_the_views_show_what_they_say(warehouse: Warehouse, tmp_path: Path) -> None:
    target = tmp_path / "study.duckdb"
    publish_study_database(warehouse, target)
    assert rows_of(target, "SELECT gene_symbol, verdict, kind FROM v_verdicts") == [
        ("IRF4", "confirmed", "drug_vs_vehicle"),
        ("CRBN", "inconclusive", "drug_vs_vehicle"),
        ("IRF4", "not_testable", "drug_vs_vehicle"),
    ]
    top = rows_of(target, "SELECT gene_id, rank FROM v_top_genes")
    assert top == [(f"ENSG{59 - i}", i + 1) for i in range(50)]
    overview = "SELECT sample_id, treatment, included, quality_failures, quality_warnings FROM v_sample_overview"
    assert rows_of(target, overview) == [("S1", "DMSO", None, 1, 1), ("S2", "POM", True, None, None)]
    assert rows_of(target, "SELECT verdict, stands, run_path FROM v_verdict_history") == [
        ("confirmed", True, "/runs/r"),
        ("inconclusive", False, "/runs/r"),
    ]
    expression = "SELECT gene_symbol, sample_id, treatment, cpm FROM v_marker_expression"
    assert rows_of(target, expression) == [("IRF4", "S1", "DMSO", 9.0), ("IRF4", "S2", "POM", 4.0)]


def test_an_open_reader_keeps_the_old_copy(tmp_path: Path) -> None:
    warehouse, target = warehouse_in(tmp_path), tmp_path / "study.duckdb"
    store(warehouse, {"gene_counts": counts("S1", {"a": 1})})
    publish_study_database(warehouse, target)
    with duckdb.connect(str(target), read_only=True) as reader:
        store(warehouse, {"gene_counts": counts("S1", {"a": 2, "b": 3})})
        publish_study_database(warehouse, target)
        assert reader.execute("SELECT count FROM gene_counts").fetchall() == [(1,)]
    assert rows_of(target, "SELECT count FROM gene_counts ORDER BY gene_id") == [(2,), (3,)]


def test_changes_that_somebody_made_to_the_old_copy_do_not_break_the_new(tmp_path: Path) -> None:
    warehouse, target = warehouse_in(tmp_path), tmp_path / "study.duckdb"
    store(warehouse, {"gene_counts": counts("S1", {"a": 1})})
    publish_study_database(warehouse, target)
    with duckdb.connect(str(target)) as notebook:
        notebook.execute("CREATE TABLE mine AS SELECT 1 AS x")
        assert target.with_name("study.duckdb.wal").exists()
        publish_study_database(warehouse, target)
        assert "mine" not in {name for (name,) in rows_of_copy(target)}


def test_the_copy_does_not_tell_of_the_one_before_it(tmp_path: Path) -> None:
    warehouse, target = warehouse_in(tmp_path), tmp_path / "study.duckdb"
    store(warehouse, {"gene_counts": counts("S1", {"a": 1})})
    store(warehouse, {}, "", asset="study_database", partition_values={})
    publish_study_database(warehouse, target, asset="study_database")
    assert rows_of(target, "SELECT asset, partition FROM steps") == [("gene_counts", "S1")]
    assert set(warehouse.steps()["asset"]) == {"gene_counts", "study_database"}


def rows_of_copy(target: Path) -> list[tuple[str]]:
    """Tables of a database file, read through a second path: DuckDB shares open files by path."""
    alias = target.with_name("alias.duckdb")
    alias.hardlink_to(target)
    return rows_of(alias, "SELECT table_name FROM duckdb_tables()")  # type: ignore[return-value]


def test_nothing_stored_yet_gives_empty_tables(tmp_path: Path) -> None:
    target = tmp_path / "study.duckdb"
    publish_study_database(warehouse_in(tmp_path), target)
    assert rows_of(target, "SELECT count(*) FROM gene_counts") == [(0,)]
    assert rows_of(target, "FROM v_sample_overview") == []
    assert not (tmp_path / "warehouse.duckdb").exists()


def test_left_overs_of_a_killed_publication_are_removed(warehouse: Warehouse, tmp_path: Path) -> None:
    target = tmp_path / "study.duckdb"
    leftover = tmp_path / ".study.duckdb-abc"
    leftover.mkdir()
    (leftover / "study.duckdb").write_text("half a copy")
    publish_study_database(warehouse, target)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".study.duckdb.lock", "study.duckdb"]


def test_a_target_that_cannot_be_written(warehouse: Warehouse, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be read or written"):
        publish_study_database(warehouse, tmp_path / "file" / "study.duckdb")
    (tmp_path / "study.duckdb").mkdir()
    with pytest.raises(StorageError, match="cannot be read or written"):
        publish_study_database(warehouse, tmp_path / "study.duckdb")
