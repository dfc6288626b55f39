"""Which tables an asset stores, and how Dagster's page shows them before and after it has run."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from poma_assets.asset_tables import COLUMN_SCHEMA, TABLE_NAME, TABLES_OF, table_preview
from poma_assets.definitions import build_definitions
from poma_assets.storage.schema import TABLES

NODES = build_definitions().resolve_asset_graph()


@pytest.mark.parametrize("asset", TABLES_OF)
def test_the_columns_of_every_table_are_described_before_anything_has_run(asset):
    metadata = next(NODES.get(key) for key in NODES.get_all_asset_keys() if key.path[-1] == asset).metadata
    main, *others = TABLES_OF[asset]
    shown = {main: metadata[COLUMN_SCHEMA], **{name: metadata[f"columns of {name}"] for name in others}}
    assert metadata[TABLE_NAME] == main
    for name, schema in shown.items():
        columns = [(column.name, column.type, column.description) for column in schema.columns]
        assert columns == [(column.name, column.type, column.comment) for column in TABLES[name].columns]
        assert f"{name}: {TABLES[name].comment}" in metadata["tables"]


def test_assets_of_files_only_have_no_columns():
    without = [key.path[-1] for key in NODES.get_all_asset_keys() if COLUMN_SCHEMA not in NODES.get(key).metadata]
    assert {"genome", "raw_reads", "alignments", "kept_files", "multiqc_report", "study_report"} <= set(without)
    assert set(without).isdisjoint(TABLES_OF)


def sizes(names: list[str]) -> pd.DataFrame:
    return pd.DataFrame(
        {"sample_id": names, "size_factor": [1 / 3, np.nan, 2e-7][: len(names)], "library_size": 7, "method": "ratio"}
    )


def test_a_preview_shows_short_figures_and_leaves_out_what_all_rows_share():
    preview = table_preview("size_factors", sizes(["a", "b", "c"]))
    assert [column.name for column in preview.schema.columns] == list(TABLES["size_factors"].column_names)
    assert [record.data["size_factor"] for record in preview.records] == ["0.333", None, "2e-07"]
    of_one = table_preview("size_factors", sizes(["a"]))
    assert [column.name for column in of_one.schema.columns] == ["size_factor", "library_size", "method"]
    assert len(table_preview("size_factors", sizes(["a", "b", "c"]), rows=2).records) == 2


def test_a_preview_shows_the_columns_that_are_asked_for_in_their_order():
    frame = pd.DataFrame({"contrast_id": "c", "gene_name": ["MYC"], "p_value": [1e-30], "base_mean": [59100.4]})
    preview = table_preview("de_results", frame, columns=("p_value", "base_mean", "gene_name"))
    assert [(column.name, column.type) for column in preview.schema.columns] == [
        ("p_value", "DOUBLE"),
        ("base_mean", "DOUBLE"),
        ("gene_name", "VARCHAR"),
    ]
    assert preview.records[0].data == {"p_value": "1e-30", "base_mean": "59,100", "gene_name": "MYC"}


def test_a_preview_of_nothing_still_names_the_columns():
    preview = table_preview("size_factors", sizes(["a"]).iloc[:0])
    assert preview.records == []
    assert [column.name for column in preview.schema.columns] == list(TABLES["size_factors"].column_names)


def test_long_and_odd_texts_are_kept_on_one_short_line():
    frame = pd.DataFrame({"metric": ["m"], "source": ["<b>\n" + "x" * 200]})
    (record,) = table_preview("sample_quality", frame).records
    assert record.data["source"] == "<b> " + "x" * 55 + "…"
