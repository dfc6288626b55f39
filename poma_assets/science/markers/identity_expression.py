"""What a sample shows of the genes that tell cell lines apart, and by which known line it is judged."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import pandas as pd

from poma_assets.science.gene_ids import strip_version
from poma_assets.science.markers.cell_lines import KnownLine

HIGH_CPM: Final = 50.0
"""Expression of a gene that a line is known for, or of a foreign lineage's marker: well above background."""
MINIMUM_COUNTS: Final = 10
WHOLE_TRANSCRIPTOME_GENES: Final = 12_000
"""A cell line expresses at least about so many genes. Where an annotation lets fewer be seen, the same reads
fall on fewer genes, so CPM are scaled down in proportion before they meet the limits above."""


@dataclass(frozen=True)
class Finding:
    """Outcome of one rule for one sample against one line."""

    expected: str
    observed: str
    status: str
    detail: str


@dataclass(frozen=True)
class Expression:
    """Identity genes of one sample: counts and scaled CPM by symbol; genes not annotated are absent.

    ``deep_enough`` says whether a highly expressed gene would show at all.
    """

    counts: Mapping[str, float]
    cpm: Mapping[str, float]
    deep_enough: bool
    outlier_log2: Mapping[str, float] = field(default_factory=dict)

    def known(self, symbols: Sequence[str]) -> list[str]:
        """Those of the symbols that are annotated."""
        return [symbol for symbol in symbols if symbol in self.cpm]

    def detected(self, symbol: str, cpm: float) -> bool:
        """Whether a gene has the CPM, and enough fragments to believe it."""
        return self.counts[symbol] >= MINIMUM_COUNTS and self.cpm[symbol] >= cpm

    def figure(self, symbol: str) -> str:
        """A gene and its CPM, in words."""
        cpm = self.cpm[symbol]
        return f"{symbol} {f'{cpm:.0f}' if cpm >= 10 else f'{cpm:.2g}'} CPM"

    def figures(self, symbols: Sequence[str]) -> str:
        """The annotated ones of the genes and their CPM, in words."""
        return ", ".join(self.figure(symbol) for symbol in self.known(symbols))


Roles = Mapping[str, Sequence[str]]
"""Role -> symbols of the identity genes."""


def read_expression(column: pd.Series, labels: Mapping[str, str]) -> Expression:
    """Read the identity genes from the counts of one sample, without what other samples say about outliers.

    Parameters
    ----------
    column
        Counts by gene.
    labels
        Symbol -> row label, from `gene_rows`.
    """
    counts = column.astype(float)
    seen = min(1.0, float((counts > 0).sum()) / WHOLE_TRANSCRIPTOME_GENES)
    scale = seen * 1e6 / max(float(counts.sum()), 1.0)
    raw = {symbol: float(counts.loc[label]) for symbol, label in labels.items()}
    cpm = {symbol: value * scale for symbol, value in raw.items()}
    return Expression(raw, cpm, deep_enough=scale > 0 and HIGH_CPM / scale >= MINIMUM_COUNTS)


def _text(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""


def read_roles(identity_genes: pd.DataFrame) -> Roles:
    """Return the symbols of each role, from rows with gene_symbol and role."""
    roles: dict[str, list[str]] = defaultdict(list)
    for symbol, role in identity_genes[["gene_symbol", "role"]].itertuples(index=False):
        roles[str(role)].append(str(symbol))
    return roles


def judged_line(row: Mapping[Any, object], known: Mapping[str, KnownLine]) -> str | None:
    """Return the known line by which a sample is judged: its own, or its declared parent's."""
    metadata = json.loads(_text(row.get("metadata")) or "{}")
    for name in (_text(row.get("cell_line")), _text(metadata.get("parent_line"))):
        if name in known:
            return name
    return None


def gene_rows(counts: pd.DataFrame | pd.Series, genes: pd.DataFrame, identity_genes: pd.DataFrame) -> dict[str, str]:
    """Return the row label of each identity gene in the counts: by id, else by a symbol that is unique."""
    by_id = {strip_version(str(gene_id)): gene_id for gene_id in counts.index}
    unique = genes.drop_duplicates("gene_name", keep=False)
    by_symbol = dict(zip(unique["gene_name"].astype(str), unique["gene_id"], strict=True))
    rows: dict[str, str] = {}
    for symbol, gene_id in identity_genes[["gene_symbol", "ensembl_gene_id"]].itertuples(index=False):
        label = by_id.get(strip_version(str(gene_id)), by_symbol.get(str(symbol)))
        if label is not None and label in counts.index:
            rows[str(symbol)] = label
    return rows


def why_unknown(row: Mapping[Any, object]) -> str:
    """Say why `judged_line` found no known line."""
    if name := _text(row.get("cell_line")):
        return f"{name} is not in the table of lines; a column parent_line of the sheet may name its parent"
    return "the cell line is not recorded"
