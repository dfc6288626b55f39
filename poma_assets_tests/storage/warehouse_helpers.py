"""Frames and writes that the storage tests share; importable by their worker processes."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from poma_assets.storage.lake_catalogue import parse_catalogue
from poma_assets.storage.step_output import StepOutput
from poma_assets.storage.warehouse import Warehouse


def counts(sample: str, values: Mapping[str, int], counter: str = "featurecounts") -> pd.DataFrame:
    """Rows of ``gene_counts``."""
    return pd.DataFrame(
        {"sample_id": sample, "gene_id": list(values), "counter": counter, "count": list(values.values())}
    )


def assignment(sample: str, fragments: Any, counter: str = "featurecounts") -> pd.DataFrame:
    """One row of ``count_assignment``."""
    return pd.DataFrame({"sample_id": [sample], "counter": counter, "category": "Assigned", "fragments": [fragments]})


def store(
    warehouse: Warehouse,
    tables: Mapping[str, pd.DataFrame],
    partition: str = "S1",
    *,
    counter: str = "featurecounts",
    **changes: Any,
) -> None:
    """Write tables of one sample and counter as the asset ``gene_counts`` would."""
    key = {"sample_id": partition, "counter": counter}
    details: dict[str, Any] = {
        "asset": "gene_counts",
        "partition": partition,
        "study_root": warehouse.path.parent,
        "fingerprint": "fingerprint",
        "data_version": "version",
        "inputs": {"code_version": "1"},
        "run_id": "run",
        "partition_values": {"gene_counts": key, "count_assignment": key},
    }
    output = changes.pop("output", StepOutput(tables=tables))
    warehouse.write(output, **{**details, **changes})


def generation(sample: str, number: int, rows: int) -> dict[str, pd.DataFrame]:
    """Two tables whose every value is ``number``: a mixture of two generations shows."""
    return {
        "gene_counts": counts(sample, {f"ENSG{i:011d}": number for i in range(rows)}),
        "count_assignment": assignment(sample, number),
    }


EMBEDDED, LAKE = "duckdb", "ducklake"
CATALOGUE_VARIABLE = "POMA_TEST_CATALOGUE"
"""Environment variable: a catalogue in PostgreSQL (``ducklake:postgres:host=...``) instead of an SQLite file."""


def lake_in(folder: Path, **options: Any) -> Warehouse:
    """A warehouse on DuckLake, with a catalogue of its own; the test is skipped where the packages are missing."""
    pytest.importorskip("duckdb_extension_ducklake", reason="the packages for clusters are not installed")
    given = os.environ.get(CATALOGUE_VARIABLE)
    unique = "s" + hashlib.sha256(str(folder).encode()).hexdigest()[:16]
    text = f"{given} schema={unique}" if given else f"ducklake:sqlite:{folder / 'catalogue.sqlite'}"
    return warehouse_in(folder, **options, catalogue=parse_catalogue(text))


def any_warehouse_in(kind: str, folder: Path) -> Warehouse:
    """A warehouse of either kind."""
    return lake_in(folder) if kind == LAKE else warehouse_in(folder)


def warehouse_in(folder: Path, **options: Any) -> Warehouse:
    """A warehouse that does not wait for long."""
    return Warehouse(folder / "warehouse.duckdb", **{"lock_timeout_s": 30, **options})
