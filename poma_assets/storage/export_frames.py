"""The tables of a study arranged around its samples and genes, as other programs want them: counts, samples, genes."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pandas as pd

from poma_assets.science.errors import StorageError
from poma_assets.storage.warehouse import Warehouse

_WORST_FIRST = ("fail", "warn", "pass")


@dataclass(frozen=True)
class ExperimentFrames:
    """Counts of the samples that passed, and what is known of their rows and columns.

    ``counts`` and ``normalised`` are genes x samples; ``samples`` has a row for each column, ``genes`` for each row.
    """

    counts: pd.DataFrame
    normalised: pd.DataFrame
    samples: pd.DataFrame
    genes: pd.DataFrame
    contrasts: pd.DataFrame
    verdicts: pd.DataFrame


def read_experiment(warehouse: Warehouse) -> ExperimentFrames:
    """Read the count matrix with its samples (sheet, quality, size factors) and genes.

    Raises
    ------
    StorageError
        If there is no count matrix yet.
    """
    counts = warehouse.read_matrix("count_matrix", value="count")
    if counts.empty:
        fix = "Run `poma run --until matrix` at least; `poma status` says what is missing."
        raise StorageError("there is no count matrix to export yet", fix=fix)
    normalised = warehouse.read_matrix("normalised_expression", value="normalised_count")
    return ExperimentFrames(
        counts=counts,
        normalised=normalised.reindex(index=counts.index, columns=counts.columns),
        samples=_samples(warehouse).reindex(counts.columns),
        genes=warehouse.read("genes").set_index("gene_id").reindex(counts.index),
        contrasts=warehouse.read("contrasts"),
        verdicts=warehouse.read("marker_verdicts"),
    )


def _samples(warehouse: Warehouse) -> pd.DataFrame:
    """One row per sample: all columns of the sheet, size factor, worst quality status, value of every metric."""
    samples = warehouse.read("samples").set_index("sample_id")
    sheet = pd.DataFrame([json.loads(text) for text in samples.pop("metadata")], index=samples.index)
    factors = warehouse.read("size_factors").set_index("sample_id")[["size_factor", "library_size"]]
    quality = warehouse.read("sample_quality")
    values = quality.pivot_table(index="sample_id", columns="metric", values="value", aggfunc="first", dropna=False)
    statuses = quality.groupby("sample_id")["status"].agg(
        lambda found: next((status for status in _WORST_FIRST if status in set(found)), "not_assessed")
    )
    further = sheet[[name for name in sheet.columns if name not in samples.columns]]
    parts = [samples, further, factors, statuses.rename("quality_status"), values.add_prefix("quality_")]
    joined = pd.concat(parts, axis="columns").reindex(samples.index)
    return joined.loc[:, ~joined.columns.duplicated()]
