"""Which tables every asset stores, and how Dagster's page shows them: columns, and the first rows."""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import dagster as dg
import pandas as pd

from poma_assets.storage.schema import TABLES
from poma_assets.storage.table_declaration import Table

TABLES_OF: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "sample_sheet": ("samples", "sequencing_units"),
        "contrast_sheet": ("contrasts", "design_findings"),
        "gene_table": ("genes",),
        "read_quality": ("read_quality",),
        "trimmed_reads": ("trimming",),
        "trimmed_read_quality": ("read_quality",),
        "alignment_quality": ("alignment_quality", "strandedness"),
        "gene_counts": ("gene_counts", "count_assignment"),
        "htseq_counts": ("gene_counts", "count_assignment"),
        "sample_quality": ("sample_quality",),
        "count_matrix": ("count_matrix", "sample_inclusion"),
        "normalised_expression": ("normalised_expression", "size_factors"),
        "sample_exploration": ("sample_pca", "sample_distances", "sample_response", "sample_quality"),
        "sample_identity": ("sample_identity",),
        "design_fit": ("design_fit", "gene_dispersions"),
        "de_results": ("de_results",),
        "engine_agreement": ("engine_agreement",),
        "over_representation": ("enrichment",),
        "gene_set_enrichment": ("enrichment",),
        "response_score": ("response_score", "programme_scores"),
        "marker_verdicts": ("marker_verdicts",),
        "verdict_history": ("verdict_history",),
    }
)
"""Asset -> the tables that it stores rows in, the main one first; `steps` and `artefacts` hold a row of every asset."""

COLUMN_SCHEMA = "dagster/column_schema"
"""Metadata key of the columns that the page of an asset lists; it takes one table only."""

TABLE_NAME = "dagster/table_name"
"""Metadata key of the table's name that the page of an asset shows."""

_PREVIEW_COLUMNS = 10
_PREVIEW_ROWS = 10
_LONGEST_CELL = 60
_LARGE, _HUGE = 1e3, 1e12


def definition_metadata(asset: str) -> dict[str, Any]:
    """What Dagster's page shows of an asset's tables before it has run: name, columns, and what they mean."""
    tables = TABLES_OF.get(asset, ())
    if not tables:
        return {}
    main, *others = (TABLES[name] for name in tables)
    return {
        TABLE_NAME: main.name,
        "tables": "; ".join(f"{TABLES[name].name}: {TABLES[name].comment}" for name in tables),
        COLUMN_SCHEMA: _schema(main, main.column_names),
        **{f"columns of {table.name}": _schema(table, table.column_names) for table in others},
    }


def table_preview(
    table: str, frame: pd.DataFrame, *, columns: Sequence[str] | None = None, rows: int = _PREVIEW_ROWS
) -> dg.TableMetadataValue:
    """The first rows of a stored frame, under the name `preview_name`.

    Parameters
    ----------
    table
        Name of the table that the frame is stored in.
    columns
        Those to show; default: the first, without a sample or contrast that all rows share.
    """
    declared = TABLES[table]
    names = [name for name in columns or declared.column_names if name in frame and not _is_shared(name, frame)]
    head = frame[names[:_PREVIEW_COLUMNS]].head(rows)
    records = [dg.TableRecord(dict(zip(head.columns, map(_cell, row), strict=True))) for row in _rows(head)]
    return dg.TableMetadataValue(records=records, schema=_schema(declared, names[:_PREVIEW_COLUMNS]))


def preview_name(table: str) -> str:
    """The metadata key of a table's first rows."""
    return f"preview of {table}"


def _rows(frame: pd.DataFrame) -> Iterable[tuple[object, ...]]:
    return frame.itertuples(index=False, name=None)


def _is_shared(column: str, frame: pd.DataFrame) -> bool:
    return column in ("sample_id", "contrast_id") and frame[column].nunique() == 1


def _schema(table: Table, columns: Sequence[str]) -> dg.TableSchema:
    declared = {column.name: column for column in table.columns}
    return dg.TableSchema(
        columns=[dg.TableColumn(name, declared[name].type, declared[name].comment) for name in columns]
    )


def _cell(value: Any) -> str | None:
    """A value as the page shows it: figures short, missing ones empty."""
    if pd.api.types.is_scalar(value) and pd.isna(value):
        return None
    if isinstance(value, float):
        return f"{value:,.0f}" if _LARGE <= abs(value) < _HUGE else f"{value:.3g}"
    text = " ".join(str(value).split())
    return text if len(text) <= _LONGEST_CELL else text[: _LONGEST_CELL - 1] + "…"
