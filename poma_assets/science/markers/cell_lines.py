"""The table of known cell lines: what is shipped, what a study adds, and what each line should show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import pandas as pd

from poma_assets.science.errors import ConfigError
from poma_assets.science.named_columns import read_rows
from poma_assets.science.tables import is_missing, listing, near_miss

CELL_LINE_COLUMNS: Final = ("cell_line", "sex", "heavy_chain_gene", "light_chain", "translocations", "outlier_genes")
_OPTIONAL: Final = CELL_LINE_COLUMNS[1:]


@dataclass(frozen=True)
class KnownLine:
    """What a known line should show; empty where the table does not say."""

    name: str
    sex: str
    heavy_chain: str
    light_chain: str
    outliers: frozenset[str]


UNKNOWN_LINE: Final = KnownLine("", "", "", "", frozenset())


def parse_cell_lines(text: str, *, source: str, identity_genes: pd.DataFrame) -> pd.DataFrame:
    """Read and validate a table of cell lines.

    Parameters
    ----------
    text, source
        Content and name of the file. Only the column ``cell_line`` must be there; a cell may be empty where
        nothing is known, and then nothing is asked of the line.
    identity_genes
        gene_symbol and role: which chains and translocation genes can be judged.

    Returns
    -------
    pandas.DataFrame
        Columns `CELL_LINE_COLUMNS`, texts.

    Raises
    ------
    ConfigError
        A column or name is missing, a line stands twice, or a value cannot be judged; names line and column.
    """
    rows = read_rows(
        text,
        source=source,
        required=("cell_line",),
        optional=_OPTIONAL,
        error=ConfigError,
        what="table of cell lines",
    )
    allowed = {
        "sex": ["F", "M"],
        "heavy_chain_gene": _symbols(identity_genes, "isotype"),
        "light_chain": ["kappa", "lambda"],
        "outlier_genes": _symbols(identity_genes, "translocation_outlier"),
    }
    first_line: dict[str, int] = {}
    records = []
    for row in rows:
        cells = {name: "" if is_missing(row.cells[name]) else row.cells[name] for name in CELL_LINE_COLUMNS}
        where = f"{source}, line {row.line}, column "
        if not cells["cell_line"]:
            raise ConfigError("the cell line has no name", where=where + "cell_line")
        if cells["cell_line"] in first_line:
            raise ConfigError(
                f"the cell line {cells['cell_line']!r} is there twice",
                where=where + "cell_line",
                found=f"lines {first_line[cells['cell_line']]} and {row.line}",
                fix="Keep one row for each line",
            )
        first_line[cells["cell_line"]] = row.line
        for column, values in allowed.items():
            _require_allowed(cells[column], values, where + column)
        records.append(cells)
    return pd.DataFrame(records, columns=list(CELL_LINE_COLUMNS))


def _symbols(identity_genes: pd.DataFrame, role: str) -> list[str]:
    return list(identity_genes.loc[identity_genes["role"] == role, "gene_symbol"].astype(str))


def _require_allowed(cell: str, allowed: Sequence[str], where: str) -> None:
    for value in filter(None, (part.strip() for part in cell.split(";"))):
        if value not in allowed:
            alike = near_miss(value, allowed)
            raise ConfigError(
                "the value cannot be judged",
                where=where,
                found=repr(value),
                expected=f"{listing(allowed)}, or an empty cell",
                fix=f"Is {alike!r} meant?" if alike else None,
            )


def merge_cell_lines(shipped: pd.DataFrame, own: pd.DataFrame | None) -> pd.DataFrame:
    """Put the study's own lines over the shipped ones: a row replaces the shipped row of the same name."""
    if own is None:
        return shipped
    kept = shipped[~shipped["cell_line"].isin(own["cell_line"])]
    return pd.concat([kept, own], ignore_index=True)


def known_lines(lines: pd.DataFrame) -> dict[str, KnownLine]:
    """Return each row of a table with `CELL_LINE_COLUMNS` by its name."""
    return {
        _text(row["cell_line"]): _known_line({str(k): v for k, v in row.items()}) for row in lines.to_dict("records")
    }


def _known_line(row: Mapping[str, object]) -> KnownLine:
    outliers = frozenset(part.strip() for part in _text(row["outlier_genes"]).split(";") if part.strip())
    return KnownLine(
        _text(row["cell_line"]), _text(row["sex"]), _text(row["heavy_chain_gene"]), _text(row["light_chain"]), outliers
    )


def _text(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""
