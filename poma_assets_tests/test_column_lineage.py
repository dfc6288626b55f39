"""The lineage of columns: it names what there is, and only what comes before."""

from __future__ import annotations

import dagster as dg
import pytest

from poma_assets.asset_tables import TABLES_OF
from poma_assets.column_lineage import (
    COLUMN_LINEAGE,
    COLUMN_LINEAGE_KEY,
    COLUMN_SOURCES_KEY,
    column_lineage,
    column_sources,
)
from poma_assets.definitions import build_definitions
from poma_assets.storage.schema import TABLES

GRAPH = build_definitions().resolve_asset_graph()


def columns_of(asset: str) -> set[str]:
    return {column for table in TABLES_OF[asset] for column in TABLES[table].column_names}


@pytest.mark.parametrize("asset", COLUMN_LINEAGE)
def test_columns_exist_and_are_made_of_columns_of_assets_before(asset):
    ancestors = {key.path[-1] for key in GRAPH.get_ancestor_asset_keys(dg.AssetKey(asset))}
    lineage = column_lineage(asset)[COLUMN_LINEAGE_KEY].deps_by_column
    assert set(lineage) <= set(TABLES[TABLES_OF[asset][0]].column_names)
    made_of = [(dep.asset_key.path[-1], dep.column_name) for deps in lineage.values() for dep in deps]
    assert {upstream for upstream, _ in made_of} <= ancestors
    assert [column for upstream, column in made_of if column not in columns_of(upstream)] == []


def test_every_table_made_from_another_table_has_a_lineage():
    # What these store is read from sheets and files, not from tables.
    from_files = {"sample_sheet", "gene_table", "read_quality", "trimmed_reads", "trimmed_read_quality"}
    assert set(TABLES_OF) - set(COLUMN_LINEAGE) == {*from_files, "alignment_quality"}
    assert column_lineage("sample_sheet") == {}


def test_readers_are_told_the_same():
    told = column_sources("engine_agreement")[COLUMN_SOURCES_KEY].value
    assert "- `gene_id`: `de_results.gene_id`\n" in told
    assert len(told.splitlines()) == len(COLUMN_LINEAGE["engine_agreement"])
    assert column_sources("sample_sheet") == {}


def test_a_verdict_leads_back_to_the_counts():
    seen, waiting = set(), [("marker_verdicts", "verdict")]
    while waiting:
        asset, column = waiting.pop()
        seen.add((asset, column))
        deps = COLUMN_LINEAGE.get(asset, {}).get(column, ())
        waiting += [tuple(dep.split(".")) for dep in deps if tuple(dep.split(".")) not in seen]
    assert {("de_results", "log2_fold_change"), ("count_matrix", "count"), ("gene_counts", "count")} <= seen
