"""The study as one AnnData file (``.h5ad``): samples x genes, for scanpy, decoupler and other tools of scverse."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from poma_assets.storage.export_frames import read_experiment
from poma_assets.storage.warehouse import Warehouse


def write_anndata(warehouse: Warehouse, target: Path, about: Mapping[str, Any]) -> int:
    """Write counts (``X``), the layer ``normalised``, ``obs`` (samples), ``var`` (genes) and ``uns``.

    ``uns`` holds the tables ``contrasts`` and ``verdicts`` and, under ``poma``, what the study is.

    Returns
    -------
    int
        Number of samples.
    """
    import anndata

    frames = read_experiment(warehouse)
    made = anndata.AnnData(
        X=frames.counts.T.to_numpy(),
        obs=_plain(frames.samples),
        var=_plain(frames.genes),
        layers={"normalised": frames.normalised.T.to_numpy()},
        uns={
            "contrasts": _plain(frames.contrasts),
            "verdicts": _plain(frames.verdicts),
            "poma": {name: str(value) for name, value in about.items()},
        },
    )
    made.write_h5ad(target, compression="gzip")
    return len(frames.samples)


def _plain(frame: pd.DataFrame) -> pd.DataFrame:
    """Columns of kinds that the file format has: numbers, nullable truth values, and texts as categories."""
    index = pd.Index(frame.index.astype(str), name=frame.index.name)
    plain = pd.DataFrame(index=index)
    for name, column in frame.items():
        if column.dtype != object:
            kept = column
        elif column.notna().any() and column.dropna().map(lambda value: isinstance(value, bool)).all():
            kept = column.astype("boolean")
        else:
            kept = column.map(str, na_action="ignore").astype("category")
        # HDF5 would take a slash for a folder.
        plain[str(name).replace("/", "_")] = kept.array
    return plain
