"""Marker hypotheses as data: what is expected of which gene, in which cells, before the run.

Parsing and validation belong here; whether a hypothesis holds does not.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import pandas as pd

from poma_assets.science.errors import HypothesisError
from poma_assets.science.gene_ids import damaged_names, strip_version
from poma_assets.science.named_columns import read_rows
from poma_assets.science.tables import is_missing, near_miss

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
TEXT_COLUMNS: Final = ("guide_statement", "note", "evidence", "version")
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
_ENSEMBL_GENE = re.compile(r"ENS[A-Z]*G\d{11}(?:_PAR_Y)?")
_COMMENT = re.compile(r'"?#')


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
class _Record:
    """One row as written, and the file and line where it stands."""

    source: str
    line: int
    cells: dict[str, str]

    @property
    def place(self) -> str:
        return f"{self.source}, line {self.line}"


@dataclass(frozen=True)
class Hypotheses:
    """A validated table of hypotheses.

    Attributes
    ----------
    table
        Columns `COLUMNS` + `TEXT_COLUMNS`, one row per hypothesis; gene ids without version.
    sha256
        Hash of the content: the columns `COLUMNS` + `TEXT_COLUMNS`, cells as written, tab-separated, Unix line ends.
        Comments, blank lines, quotes, the separator and further columns do not count. It is that of the file where
        the file has this form, as the shipped one does.
    replaced
        Ids of the hypotheses that `combine` replaced.
    """

    table: pd.DataFrame
    sha256: str
    records: tuple[_Record, ...]
    replaced: tuple[str, ...] = ()

    @property
    def version(self) -> str:
        """Name and version as the table says, several separated by "; "; empty if it says none."""
        return "; ".join(dict.fromkeys(str(version) for version in self.table["version"] if version))

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
        The whole file, with the columns `COLUMNS` and, if wished, `TEXT_COLUMNS`. Lines before the header that begin
        with # are comments.
    source
        Name of the file, for messages.

    Returns
    -------
    Hypotheses

    Raises
    ------
    HypothesisError
        Names line, column, what was found and what was expected.
    """
    rows = read_rows(
        _without_comments(text),
        source=source,
        required=COLUMNS,
        optional=TEXT_COLUMNS,
        error=HypothesisError,
        what="table of hypotheses",
    )
    if not rows:
        raise HypothesisError("the table has a header but no hypotheses", where=source)
    return _assemble([_Record(source, row.line, row.cells) for row in rows])


def combine(shipped: Hypotheses, own: Hypotheses) -> Hypotheses:
    """Add a study's own hypotheses to the shipped ones.

    A hypothesis with the id of a shipped one takes its place; the others follow at the end. Members of a set must
    still agree, and version and hash are those of all hypotheses together.

    Raises
    ------
    HypothesisError
        Members of a set differ, or a set is named like a hypothesis.
    """
    by_id = {record.cells["hypothesis_id"]: record for record in own.records}
    kept = {record.cells["hypothesis_id"]: record for record in shipped.records}
    replaced = tuple(identifier for identifier in kept if identifier in by_id)
    return replace(_assemble(list((kept | by_id).values())), replaced=replaced)


def _assemble(records: Sequence[_Record]) -> Hypotheses:
    rows = [_parse_record(record) for record in records]
    _check_unique_ids(records)
    _check_sets(records)
    columns = [*COLUMNS, *TEXT_COLUMNS]
    lines = [columns, *([record.cells[name] for name in columns] for record in records)]
    content = "".join("\t".join(line) + "\n" for line in lines)
    digest = hashlib.sha256(content.encode()).hexdigest()
    return Hypotheses(pd.DataFrame(rows, columns=columns), digest, tuple(records))


def _without_comments(text: str) -> str:
    """Blank the lines before the header that begin with #; the numbers of the lines stay."""
    lines = text.removeprefix("\ufeff").splitlines(keepends=True)
    for number, line in enumerate(lines):
        if line.strip() and not _COMMENT.match(line):
            break
        lines[number] = "\n"
    return "".join(lines)


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


def _parse_record(record: _Record) -> dict[str, str | float]:
    values: dict[str, str | float] = {name: record.cells[name] for name in (*COLUMNS, *TEXT_COLUMNS)}
    for name in ("hypothesis_id", "gene_symbol", "panel", "cell_context"):
        if not record.cells[name]:
            raise _wrong(record, name, "the field is empty", "a text")
    if not _ID.fullmatch(record.cells["hypothesis_id"]):
        expected = "letters, digits, '.', '_' and '-', starting with a letter or digit"
        raise _wrong(record, "hypothesis_id", "the id has characters that are not allowed", expected)
    values["ensembl_gene_id"] = _gene(record)
    _check_contexts(record)
    _check_choice(record, "measured_level", ("rna", "protein"))
    _check_choice(record, "contrast_kind", CONTRAST_KINDS)
    _check_choice(record, "policy", tuple(DIRECTIONS_OF_POLICY))
    _check_choice(record, "expected_direction", DIRECTIONS_OF_POLICY[record.cells["policy"]])
    _check_policy(record)
    for name in NUMBER_COLUMNS:
        values[name] = _number(record, name)
    if record.cells["policy"] in POLICIES_WITH_EFFECT and not float(values["min_effect_log2"]) > 0:
        message = f"policy {record.cells['policy']} needs a smallest effect of interest"
        raise _wrong(record, "min_effect_log2", message, "a number above 0")
    if float(values["window_start_h"]) > float(values["window_end_h"]):
        raise _wrong(record, "window_end_h", "the window ends before it starts", "start <= end")
    return values


def _gene(record: _Record) -> str:
    """Return the gene id without version; refuse what a spreadsheet made of a symbol, and ids of transcripts."""
    if damaged_names([record.cells["gene_symbol"]]):
        fix = "Write the symbol again (MARCHF1, SEPTIN2, ...) and format the column as text in the spreadsheet"
        raise _wrong(record, "gene_symbol", "a spreadsheet turned the symbol into a date or number", "a symbol", fix)
    gene_id = strip_version(record.cells["ensembl_gene_id"])
    if gene_id.upper().startswith("ENS") and not _ENSEMBL_GENE.fullmatch(gene_id):
        message = "this is no Ensembl gene id"
        raise _wrong(record, "ensembl_gene_id", message, "for example ENSG00000137265, or nothing")
    return gene_id


def _check_contexts(record: _Record) -> None:
    contexts = parse_contexts(record.cells["cell_context"])
    if not contexts:
        raise _wrong(record, "cell_context", "no cell context", "for example myeloma;t_cell")
    for context in contexts:
        if not _ID.fullmatch(context.cells):
            expected = "kinds of cells separated by semicolons, for example myeloma_sensitive;t_cell"
            raise _wrong(record, "cell_context", f"{context.cells!r} is no kind of cells", expected)
        suffix = context.cells.rpartition("_")[2]
        meant = near_miss(suffix, SENSITIVITY_SUFFIXES, cutoff=0.8) if context.sensitivity is None else None
        if meant:
            fix = f"Did you mean {context.cells.removesuffix(suffix)}{meant}?"
            expected = "_sensitive, _resistant, or neither"
            raise _wrong(record, "cell_context", f"{suffix!r} is no sensitivity", expected, fix)


def _check_policy(record: _Record) -> None:
    policy, kind = record.cells["policy"], record.cells["contrast_kind"]
    if (record.cells["measured_level"] == "protein") != (policy == "protein_level"):
        message = "measured_level protein and policy protein_level belong together"
        raise _wrong(record, "measured_level", message, "both or neither")
    if (kind == "none") != (policy == "identity"):
        message = "contrast_kind none and policy identity belong together"
        raise _wrong(record, "contrast_kind", message, "both or neither")
    if policy == "interaction" and kind != "drug_by_sensitivity_interaction":
        message = "policy interaction is decided by the interaction contrast only"
        raise _wrong(record, "contrast_kind", message, "drug_by_sensitivity_interaction")


def _check_choice(record: _Record, column: str, choices: Sequence[str]) -> None:
    found = record.cells[column]
    if found in choices:
        return
    what = "the value is not one of those allowed"
    if column == "expected_direction":
        what = f"policy {record.cells['policy']} does not go with this direction"
        if found in ("", "none") and "up" in choices:
            what = f"policy {record.cells['policy']} needs a direction"
    meant = near_miss(found, choices) if found else None
    raise _wrong(record, column, what, " or ".join(choices), f"Did you mean {meant}?" if meant else None)


def _number(record: _Record, column: str) -> float:
    written = record.cells[column]
    if is_missing(written):
        return math.nan
    try:
        number = float(written)
    except ValueError:
        number = math.nan
    if not (math.isfinite(number) and number >= 0):
        fix = "Write a point as the decimal sign" if "," in written else None
        if column == "min_effect_log2" and number < 0:
            fix = "Write the size without sign; expected_direction says up or down"
        raise _wrong(record, column, "not a number of 0 or more", "a number, or nothing", fix)
    return number


def _check_unique_ids(records: Sequence[_Record]) -> None:
    lines: dict[str, int] = {}
    for record in records:
        identifier = record.cells["hypothesis_id"]
        if identifier in lines:
            message = f"the id occurs twice (first on line {lines[identifier]})"
            raise _wrong(record, "hypothesis_id", message, "one row per id")
        lines[identifier] = record.line


def _check_sets(records: Sequence[_Record]) -> None:
    """Members of a set are judged together, so they must say the same."""
    shared = ("cell_context", "expected_direction", *NUMBER_COLUMNS)
    identifiers = {record.cells["hypothesis_id"] for record in records}
    first: dict[tuple[str, str], _Record] = {}
    for record in records:
        if record.cells["policy"] != "set_member":
            continue
        if record.cells["panel"] in identifiers:
            raise _wrong(record, "panel", "a set is named like a hypothesis", "a name of its own")
        model = first.setdefault((record.cells["panel"], record.cells["contrast_kind"]), record)
        for column in shared:
            if record.cells[column] != model.cells[column]:
                message = f"members of the set {record.cells['panel']} differ in {column} from {model.place}"
                raise _wrong(record, column, message, model.cells[column] or "nothing")


def _wrong(record: _Record, column: str, what: str, expected: str, fix: str | None = None) -> HypothesisError:
    where = f"{record.place}, column {column}"
    return HypothesisError(what, where=where, found=repr(record.cells[column]), expected=expected, fix=fix)
