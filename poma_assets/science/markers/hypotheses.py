"""Marker hypotheses as data: what is expected of which gene, in which cells, before the run.

Parsing and validation belong here; whether a hypothesis holds does not.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import pandas as pd

from poma_assets.science.errors import HypothesisError
from poma_assets.science.gene_ids import strip_version
from poma_assets.science.named_columns import read_rows
from poma_assets.science.tables import Row

COLUMNS: Final = (
    "hypothesis_id",
    "gene_symbol",
    "ensembl_gene_id",
    "panel",
    "cell_context",
    "measured_level",
    "contrast_kind",
    "expected_direction",
    "min_effect_log2",
    "window_start_h",
    "window_end_h",
    "policy",
)
TEXT_COLUMNS: Final = ("guide_statement", "note", "evidence")
NUMBER_COLUMNS: Final = ("min_effect_log2", "window_start_h", "window_end_h")

CONTRAST_KINDS: Final = (
    "drug_vs_vehicle",
    "resistant_vs_sensitive_at_vehicle",
    "drug_by_sensitivity_interaction",
    "none",
)
DIRECTIONS_OF_POLICY: Final = {
    "directional": ("up", "down"),
    "permissive": ("up", "down"),
    "interaction": ("up", "down"),
    "set_member": ("up", "down"),
    "equivalence": ("none",),
    "identity": ("expressed",),
    "report_only": ("none", "up", "down"),
    "protein_level": ("none", "up", "down"),
}
POLICIES_WITH_EFFECT: Final = ("directional", "permissive", "interaction", "set_member", "equivalence")
SENSITIVITY_SUFFIXES: Final = ("sensitive", "resistant")

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class CellContext:
    """A kind of cell and, where the hypothesis depends on it, its sensitivity to the drug."""

    cells: str
    sensitivity: str | None

    def __str__(self) -> str:
        return self.cells if self.sensitivity is None else f"{self.sensitivity} {self.cells}"


@dataclass(frozen=True)
class Hypothesis:
    """One row of the table; absent numbers are NaN, the window is in hours."""

    hypothesis_id: str
    gene_symbol: str
    ensembl_gene_id: str
    panel: str
    contexts: tuple[CellContext, ...]
    measured_level: str
    contrast_kind: str
    expected_direction: str
    min_effect_log2: float
    window_start_h: float
    window_end_h: float
    policy: str

    @property
    def sign(self) -> int:
        """+1 if a rise is expected, -1 if a fall, 0 if neither."""
        return {"up": 1, "down": -1}.get(self.expected_direction, 0)


@dataclass(frozen=True)
class Hypotheses:
    """The validated table (one row per hypothesis) and the SHA-256 of its text."""

    table: pd.DataFrame
    sha256: str

    def rows(self) -> list[Hypothesis]:
        """All hypotheses, in the order of the table."""
        return [
            Hypothesis(
                hypothesis_id=str(row["hypothesis_id"]),
                gene_symbol=str(row["gene_symbol"]),
                ensembl_gene_id=str(row["ensembl_gene_id"]),
                panel=str(row["panel"]),
                contexts=parse_contexts(str(row["cell_context"])),
                measured_level=str(row["measured_level"]),
                contrast_kind=str(row["contrast_kind"]),
                expected_direction=str(row["expected_direction"]),
                min_effect_log2=float(row["min_effect_log2"]),
                window_start_h=float(row["window_start_h"]),
                window_end_h=float(row["window_end_h"]),
                policy=str(row["policy"]),
            )
            for row in self.table.to_dict("records")
        ]


def parse_hypotheses(text: str, *, source: str) -> Hypotheses:
    """Read and validate a table of marker hypotheses (tabs or commas).

    Parameters
    ----------
    text
        The whole file, with the columns `COLUMNS` and, if wished, `TEXT_COLUMNS`.
    source
        Name of the file, for messages.

    Returns
    -------
    Hypotheses
        Table with the columns `COLUMNS` + `TEXT_COLUMNS`, one row per hypothesis; gene ids without
        version. The hash is that of the file where it has no byte-order mark and Unix line ends.

    Raises
    ------
    HypothesisError
        Names line, column, what was found and what was expected.
    """
    records = read_rows(
        text,
        source=source,
        required=COLUMNS,
        optional=TEXT_COLUMNS,
        error=HypothesisError,
        what="table of hypotheses",
    )
    if not records:
        raise HypothesisError("the table has a header but no hypotheses", where=source)
    rows = [_parse_record(record, source) for record in records]
    _check_unique_ids(records, source)
    _check_sets(records, source)
    table = pd.DataFrame(rows, columns=[*COLUMNS, *TEXT_COLUMNS])
    normalised = text.removeprefix("\ufeff").replace("\r\n", "\n")
    return Hypotheses(table, hashlib.sha256(normalised.encode()).hexdigest())


def parse_contexts(text: str) -> tuple[CellContext, ...]:
    """Read ``myeloma_sensitive;t_cell`` as cells and sensitivity."""
    contexts = []
    for token in filter(None, (part.strip() for part in text.split(";"))):
        cells, _, suffix = token.rpartition("_")
        if cells and suffix in SENSITIVITY_SUFFIXES:
            contexts.append(CellContext(cells, suffix))
        else:
            contexts.append(CellContext(token, None))
    return tuple(contexts)


def _parse_record(record: Row, source: str) -> dict[str, str | float]:
    values: dict[str, str | float] = {name: record.cells[name] for name in (*COLUMNS, *TEXT_COLUMNS)}
    for name in ("hypothesis_id", "gene_symbol", "panel", "cell_context"):
        if not record.cells[name]:
            raise _wrong(record, source, name, "the field is empty", "a text")
    if not _ID.fullmatch(record.cells["hypothesis_id"]):
        expected = "letters, digits, '.', '_' and '-', starting with a letter or digit"
        raise _wrong(record, source, "hypothesis_id", "the id has characters that are not allowed", expected)
    if not parse_contexts(record.cells["cell_context"]):
        raise _wrong(record, source, "cell_context", "no cell context", "for example myeloma;t_cell")
    _check_choice(record, source, "measured_level", ("rna", "protein"))
    _check_choice(record, source, "contrast_kind", CONTRAST_KINDS)
    _check_choice(record, source, "policy", tuple(DIRECTIONS_OF_POLICY))
    _check_choice(record, source, "expected_direction", DIRECTIONS_OF_POLICY[record.cells["policy"]])
    _check_policy(record, source)
    for name in NUMBER_COLUMNS:
        values[name] = _number(record, source, name)
    if not math.isnan(_number(record, source, "min_effect_log2")) and values["min_effect_log2"] == 0.0:
        raise _wrong(record, source, "min_effect_log2", "the smallest effect of interest is 0", "above 0")
    if record.cells["policy"] in POLICIES_WITH_EFFECT and not record.cells["min_effect_log2"]:
        message = f"policy {record.cells['policy']} needs a smallest effect of interest"
        raise _wrong(record, source, "min_effect_log2", message, "a number above 0")
    if float(values["window_start_h"]) > float(values["window_end_h"]):
        raise _wrong(record, source, "window_end_h", "the window ends before it starts", "start <= end")
    values["ensembl_gene_id"] = strip_version(record.cells["ensembl_gene_id"])
    return values


def _check_policy(record: Row, source: str) -> None:
    policy, kind = record.cells["policy"], record.cells["contrast_kind"]
    if (record.cells["measured_level"] == "protein") != (policy == "protein_level"):
        message = "measured_level protein and policy protein_level belong together"
        raise _wrong(record, source, "measured_level", message, "both or neither")
    if (kind == "none") != (policy == "identity"):
        message = "contrast_kind none and policy identity belong together"
        raise _wrong(record, source, "contrast_kind", message, "both or neither")
    if policy == "interaction" and kind != "drug_by_sensitivity_interaction":
        message = "policy interaction is decided by the interaction contrast only"
        raise _wrong(record, source, "contrast_kind", message, "drug_by_sensitivity_interaction")


def _check_choice(record: Row, source: str, column: str, choices: Sequence[str]) -> None:
    if record.cells[column] not in choices:
        what = "the value is not one of those allowed"
        if column == "expected_direction":
            what += f" for policy {record.cells['policy']}"
        raise _wrong(record, source, column, what, " or ".join(choices))


def _number(record: Row, source: str, column: str) -> float:
    if not record.cells[column]:
        return math.nan
    try:
        number = float(record.cells[column])
    except ValueError:
        number = math.nan
    if not (math.isfinite(number) and number >= 0):
        raise _wrong(record, source, column, "not a number of 0 or more", "a number, or nothing")
    return number


def _check_unique_ids(records: Sequence[Row], source: str) -> None:
    lines: dict[str, int] = {}
    for record in records:
        identifier = record.cells["hypothesis_id"]
        if identifier in lines:
            message = f"the id occurs twice (first on line {lines[identifier]})"
            raise _wrong(record, source, "hypothesis_id", message, "one row per id")
        lines[identifier] = record.line


def _check_sets(records: Sequence[Row], source: str) -> None:
    """Members of a set are judged together, so they must say the same."""
    shared = ("cell_context", "expected_direction", *NUMBER_COLUMNS)
    identifiers = {record.cells["hypothesis_id"] for record in records}
    first: dict[tuple[str, str], Row] = {}
    for record in records:
        if record.cells["policy"] != "set_member":
            continue
        if record.cells["panel"] in identifiers:
            raise _wrong(record, source, "panel", "a set is named like a hypothesis", "a name of its own")
        model = first.setdefault((record.cells["panel"], record.cells["contrast_kind"]), record)
        for column in shared:
            if record.cells[column] != model.cells[column]:
                message = f"members of the set {record.cells['panel']} differ in {column} (line {model.line})"
                raise _wrong(record, source, column, message, model.cells[column] or "nothing")


def _wrong(record: Row, source: str, column: str, what: str, expected: str) -> HypothesisError:
    where = f"{source}, line {record.line}, column {column}"
    return HypothesisError(what, where=where, found=repr(record.cells[column]), expected=expected)
