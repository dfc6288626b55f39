from __future__ import annotations

import re

from poma_assets.storage.schema import TABLES

USERS_RELY_ON = {
    "samples",
    "sequencing_units",
    "contrasts",
    "artefacts",
    "genes",
    "read_quality",
    "trimming",
    "alignment_quality",
    "gene_counts",
    "normalised_expression",
    "sample_quality",
    "sample_identity",
    "size_factors",
    "sample_pca",
    "de_results",
    "engine_agreement",
    "enrichment",
    "marker_verdicts",
    "verdict_history",
}


def test_the_tables_that_users_rely_on_are_declared() -> None:
    assert set(TABLES) >= USERS_RELY_ON
    assert {
        "count_matrix",
        "strandedness",
        "sample_inclusion",
        "design_fit",
        "response_score",
        "steps",
    } <= set(TABLES)
    assert TABLES["gene_counts"].column_names == ("sample_id", "gene_id", "counter", "count")
    assert TABLES["de_results"].column_names == (
        "contrast_id",
        "engine",
        "gene_id",
        "gene_name",
        "base_mean",
        "log2_fold_change",
        "standard_error",
        "test",
        "statistic",
        "p_value",
        "p_adjusted",
        "shrunken_log2_fold_change",
        "dispersion",
        "status",
        "reason",
    )


def test_declarations_are_sound() -> None:
    for name, table in TABLES.items():
        assert name == table.name
        assert table.comment
        assert len(set(table.column_names)) == len(table.columns)
        assert set(table.replace_by) <= set(table.column_names)
        for column in table.columns:
            assert re.fullmatch(r"[a-z][a-z0-9_]*", column.name)  # quoted into SQL
            assert column.type in {"VARCHAR", "BIGINT", "INTEGER", "DOUBLE", "BOOLEAN", "TIMESTAMP"}
            assert len(column.comment) > 3
