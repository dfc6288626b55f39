"""The study as a folder that R reads into a SummarizedExperiment with a few lines."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from poma_assets.storage.export_frames import read_experiment
from poma_assets.storage.warehouse import Warehouse

_README = """\
# {name}
Made by poma-assets for R. `counts.tsv.gz` and `normalised.tsv.gz`: genes x samples; `row_data.tsv`: one row per gene;
`col_data.tsv`: one row per sample; `metadata.json`: the study, its contrasts and marker verdicts. In this folder:

```r
table <- function(file) read.delim(file, row.names = 1, check.names = FALSE)
se <- SummarizedExperiment::SummarizedExperiment(
  list(counts = as.matrix(table("counts.tsv.gz")), normalised = as.matrix(table("normalised.tsv.gz"))),
  rowData = table("row_data.tsv"), colData = table("col_data.tsv"))
S4Vectors::metadata(se) <- jsonlite::fromJSON("metadata.json")
```

Texts are as they were given: open these files in R, not in a spreadsheet (`poma export --format csv` is for those).
"""


def write_summarized_experiment(warehouse: Warehouse, folder: Path, about: Mapping[str, Any]) -> dict[str, int]:
    """Write counts, normalised counts, tables of genes and samples, metadata and a README with the lines of R.

    Returns
    -------
    dict
        File name -> rows.
    """
    frames = read_experiment(warehouse)
    tables = {
        "counts.tsv.gz": frames.counts,
        "normalised.tsv.gz": frames.normalised,
        "row_data.tsv": frames.genes,
        "col_data.tsv": frames.samples,
    }
    for name, table in tables.items():
        table.to_csv(folder / name, sep="\t", na_rep="NA", compression=_compression(name))
    metadata = {**about, "contrasts": _records(frames.contrasts), "verdicts": _records(frames.verdicts)}
    (folder / "metadata.json").write_text(json.dumps(metadata, indent=2, default=str) + "\n", encoding="utf-8")
    readme = _README.format(name=" ".join(str(about.get("study", "study")).split()))
    (folder / "README.md").write_text(readme, encoding="utf-8")
    return {name: len(table) for name, table in tables.items()}


def _compression(name: str) -> dict[str, Any] | None:
    # Without a time in the header: equal results give equal files.
    return {"method": "gzip", "compresslevel": 6, "mtime": 0} if name.endswith(".gz") else None


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    records: list[dict[str, Any]] = json.loads(frame.to_json(orient="records"))
    return records
