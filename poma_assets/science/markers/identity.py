"""Is a sample the cell line that the sheet says: light chain, heavy chain, translocations, lineage, sex.

Only clear contradictions are called a mismatch, since a mismatch blocks verdicts; what cannot be told reads
``not_assessed``.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import pandas as pd

from poma_assets.science.gene_ids import strip_version
from poma_assets.science.markers.cell_lines import UNKNOWN_LINE, KnownLine, known_lines
from poma_assets.science.quality_gates import NOT_ASSESSED

IDENTITY_COLUMNS: Final = ("sample_id", "rule", "expected", "observed", "status", "likelier_line", "detail")
RULES: Final = ("light_chain", "heavy_chain", "translocation_outlier", "lineage")
"""Rules about the line in the table ``sample_identity``."""
SEX: Final = "sex"
"""Asked beside the `RULES`, for the likelier line and the parent. What it says stands in ``sample_quality``."""

DOMINANCE: Final = 10.0
"""A chain counts as the line's own if it is tenfold above the others: plasma cells make one, in excess."""
HIGH_CPM: Final = 50.0
"""Expression of a gene that a line is known for, or of a foreign lineage's marker: well above background."""
LOW_CPM: Final = 5.0
"""A gene that a line is known for is not there: tenfold below high."""
OUTLIER_LOG2: Final = 2.0
"""A translocated gene is fourfold or more above lines without the translocation."""
NOT_OUTLIER_LOG2: Final = 1.0
Y_LINKED_CPM: Final = 2.0
"""Male cells show 20 to 100 CPM of these genes; misplaced reads of their X homologues stay below 1."""
MINIMUM_COUNTS: Final = 10
WHOLE_TRANSCRIPTOME_GENES: Final = 12_000
"""A cell line expresses at least about so many genes. Where an annotation lets fewer be seen, the same reads
fall on fewer genes, so CPM are scaled down in proportion before they meet the limits above."""


@dataclass(frozen=True)
class _Finding:
    """Outcome of one rule for one sample against one line."""

    expected: str
    observed: str
    status: str
    detail: str


@dataclass(frozen=True)
class _Expression:
    """Identity genes of one sample: counts and scaled CPM by symbol; genes not annotated are absent.

    ``deep_enough`` says whether a highly expressed gene would show at all.
    """

    counts: Mapping[str, float]
    cpm: Mapping[str, float]
    deep_enough: bool
    outlier_log2: Mapping[str, float]

    def known(self, symbols: Sequence[str]) -> list[str]:
        return [symbol for symbol in symbols if symbol in self.cpm]

    def detected(self, symbol: str, cpm: float) -> bool:
        return self.counts[symbol] >= MINIMUM_COUNTS and self.cpm[symbol] >= cpm

    def figure(self, symbol: str) -> str:
        cpm = self.cpm[symbol]
        return f"{symbol} {f'{cpm:.0f}' if cpm >= 10 else f'{cpm:.2g}'} CPM"

    def figures(self, symbols: Sequence[str]) -> str:
        return ", ".join(self.figure(symbol) for symbol in self.known(symbols))


_Roles = Mapping[str, Sequence[str]]


def sample_identity(
    counts: pd.DataFrame,
    samples: pd.DataFrame,
    genes: pd.DataFrame,
    lines: pd.DataFrame,
    identity_genes: pd.DataFrame,
) -> pd.DataFrame:
    """Compare each sample's counts with what its declared cell line should show.

    Parameters
    ----------
    counts
        Genes x samples.
    samples
        Rows of the table ``samples``. A line that is not in `lines` is judged as its parent where the
        sheet has a column ``parent_line`` (in ``metadata``), otherwise not at all.
    genes
        Rows of the table ``genes``: gene_id and gene_name.
    lines
        Known lines: cell_line, sex, heavy_chain_gene, light_chain, outlier_genes (``;`` between genes).
    identity_genes
        gene_symbol, ensembl_gene_id, role.

    Returns
    -------
    pandas.DataFrame
        Columns `IDENTITY_COLUMNS`, five rows per sample: one per rule of `RULES`, and one for `SEX`. Figures are CPM,
        scaled for small annotations (see `WHOLE_TRANSCRIPTOME_GENES`).
    """
    known = known_lines(lines)
    roles = _read_roles(identity_genes)
    present = samples[samples["sample_id"].isin(list(counts.columns))]
    declared = {str(row["sample_id"]): _judged_line(row, known) for row in present.to_dict("records")}
    expression = _expression(counts, declared, known, _gene_rows(counts, genes, identity_genes), roles)
    in_study = {line for line in declared.values() if line is not None}
    rows: list[tuple[object, ...]] = []
    for row in present.to_dict("records"):
        sample = str(row["sample_id"])
        line = declared[sample]
        if line is None:
            rows += _not_assessed(row, expression[sample], roles)
            continue
        findings = {rule: check(known[line], expression[sample], roles) for rule, check in _CHECKS.items()}
        mismatch = any(finding.status == "mismatch" for finding in findings.values())
        likelier = _likelier(line, expression[sample], known, roles, in_study) if mismatch else None
        rows += [
            (
                sample,
                rule,
                f.expected,
                f.observed,
                f.status,
                likelier if f.status == "mismatch" else None,
                f.detail,
            )
            for rule, f in findings.items()
        ]
    return pd.DataFrame(rows, columns=list(IDENTITY_COLUMNS))


def _not_assessed(row: Mapping[Hashable, object], expression: _Expression, roles: _Roles) -> list[tuple[object, ...]]:
    """Say what a sample of an unknown line shows, without judging it."""
    reason = _why_unknown(row)
    findings = {rule: check(UNKNOWN_LINE, expression, roles) for rule, check in _CHECKS.items()}
    return [
        (row["sample_id"], rule, "not known", f.observed, "not_assessed", None, f"{reason}; {f.detail}")
        for rule, f in findings.items()
    ]


def _why_unknown(row: Mapping[Any, object]) -> str:
    if name := _text(row.get("cell_line")):
        return f"{name} is not in the table of lines; a column parent_line of the sheet may name its parent"
    return "the cell line is not recorded"


def y_linked_in_female_line(
    counts: pd.Series,
    row: Mapping[str, object],
    genes: pd.DataFrame,
    lines: pd.DataFrame,
    identity_genes: pd.DataFrame,
) -> tuple[float | Literal["not_assessed"], str]:
    """Say whether a sample of a female line expresses Y-linked genes, from its own counts.

    Parameters
    ----------
    counts
        Counts of the sample by gene id.
    row
        The sample's row of the table ``samples``.
    genes, lines, identity_genes
        As for `sample_identity`.

    Returns
    -------
    tuple
        1 where all annotated Y-linked genes are seen, 0 where none is; `NOT_ASSESSED` where the line is male or of
        unknown sex, where only some are seen (misplaced reads), and in a sample too shallow to show them. Then the
        figures in words.
    """
    known, roles = known_lines(lines), _read_roles(identity_genes)
    sample, name = str(row["sample_id"]), _judged_line(row, known)
    labels = _gene_rows(counts.to_frame(), genes, identity_genes)
    shown = _expression(counts.to_frame(sample), {sample: None}, known, labels, roles)[sample]
    line = UNKNOWN_LINE if name is None else known[name]
    finding = _sex(line, shown, roles)
    value = {"mismatch": 1.0, "match": 0.0}.get(finding.status) if line.sex == "F" else None
    sex = {"F": "female", "M": "male"}.get(line.sex, "of unknown sex")
    words = f"{line.name} is {sex}" if name else _why_unknown(row)
    return NOT_ASSESSED if value is None else value, f"{words}; {finding.detail}"


def _text(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""


def _read_roles(identity_genes: pd.DataFrame) -> _Roles:
    roles: dict[str, list[str]] = defaultdict(list)
    for symbol, role in identity_genes[["gene_symbol", "role"]].itertuples(index=False):
        roles[str(role)].append(str(symbol))
    return roles


def _judged_line(row: Mapping[Any, object], known: Mapping[str, KnownLine]) -> str | None:
    """Return the known line by which a sample is judged: its own, or its declared parent's."""
    metadata = json.loads(_text(row.get("metadata")) or "{}")
    for name in (_text(row.get("cell_line")), _text(metadata.get("parent_line"))):
        if name in known:
            return name
    return None


def _gene_rows(counts: pd.DataFrame, genes: pd.DataFrame, identity_genes: pd.DataFrame) -> dict[str, str]:
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


def _expression(
    counts: pd.DataFrame,
    declared: Mapping[str, str | None],
    known: Mapping[str, KnownLine],
    gene_rows: Mapping[str, str],
    roles: _Roles,
) -> dict[str, _Expression]:
    raw: dict[str, dict[str, float]] = {}
    cpm: dict[str, dict[str, float]] = {}
    deep_enough: dict[str, bool] = {}
    for sample in declared:
        column = counts[sample].astype(float)
        seen = min(1.0, float((column > 0).sum()) / WHOLE_TRANSCRIPTOME_GENES)
        scale = seen * 1e6 / max(float(column.sum()), 1.0)
        deep_enough[sample] = scale > 0 and HIGH_CPM / scale >= MINIMUM_COUNTS
        raw[sample] = {symbol: float(column.loc[label]) for symbol, label in gene_rows.items()}
        cpm[sample] = {symbol: value * scale for symbol, value in raw[sample].items()}
    return {
        sample: _Expression(
            raw[sample],
            cpm[sample],
            deep_enough[sample],
            _outlier_log2(sample, cpm, declared, known, roles),
        )
        for sample in declared
    }


def _outlier_log2(
    sample: str,
    cpm: Mapping[str, Mapping[str, float]],
    declared: Mapping[str, str | None],
    known: Mapping[str, KnownLine],
    roles: _Roles,
) -> dict[str, float]:
    """Return log2 of each translocation gene over the other lines of the study that lack the translocation.

    Lines that carry it cannot serve as background; where no other line is left, the gene is left out and
    its expression alone must do.
    """
    ratios = {}
    for symbol in roles.get("translocation_outlier", ()):
        by_line: dict[str, list[float]] = defaultdict(list)
        for other, line in declared.items():
            if line not in (None, declared[sample]) and symbol not in known[str(line)].outliers:
                by_line[str(line)].append(math.log2(cpm[other].get(symbol, 0.0) + 1))
        if by_line and symbol in cpm[sample]:
            background = pd.Series([float(pd.Series(v).median()) for v in by_line.values()]).median()
            ratios[symbol] = math.log2(cpm[sample][symbol] + 1) - float(background)
    return ratios


def _light_chain(line: KnownLine, sample: _Expression, roles: _Roles) -> _Finding:
    kappa, lambda_ = (roles.get(f"light_chain_{chain}", ()) for chain in ("kappa", "lambda"))
    if not (sample.known(kappa) and sample.known(lambda_)):
        return _Finding(line.light_chain or "not known", "not annotated", "not_assessed", "gene not annotated")
    chains = {
        chain: max(sample.known(genes), key=lambda symbol: sample.cpm[symbol])
        for chain, genes in (("kappa", kappa), ("lambda", lambda_))
    }
    return _dominant(line.light_chain, chains, sample)


def _heavy_chain(line: KnownLine, sample: _Expression, roles: _Roles) -> _Finding:
    isotypes = sample.known(roles.get("isotype", ()))
    if line.heavy_chain and line.heavy_chain not in isotypes:
        return _Finding(line.heavy_chain, "not annotated", "not_assessed", "gene not annotated")
    return _dominant(line.heavy_chain, {symbol: symbol for symbol in isotypes}, sample)


def _dominant(expected: str, genes: Mapping[str, str], sample: _Expression) -> _Finding:
    """Compare the chain that dominates with the expected one; `genes` maps chain to gene."""
    ranked = sorted(genes, key=lambda chain: sample.cpm[genes[chain]], reverse=True)
    detail = sample.figures(list(genes.values()))
    if not ranked or not sample.detected(genes[ranked[0]], HIGH_CPM):
        return _Finding(expected or "not known", "none high", "not_assessed", detail)
    second = max((sample.cpm[genes[chain]] for chain in ranked[1:]), default=0.0)
    clear = sample.cpm[genes[ranked[0]]] >= DOMINANCE * second
    observed = ranked[0] if clear else " and ".join(ranked[:2])
    if not expected:
        return _Finding("not known", observed, "not_assessed", detail)
    if not clear:
        detail += "; more than one chain, as in a mixture"
        return _Finding(expected, observed, "not_assessed", detail)
    return _Finding(expected, observed, "match" if observed == expected else "mismatch", detail)


def _translocation_outlier(line: KnownLine, sample: _Expression, roles: _Roles) -> _Finding:
    symbols = sample.known(roles.get("translocation_outlier", ()))
    states = {symbol: _outlier_state(symbol, sample) for symbol in symbols}
    expected = ";".join(sorted(line.outliers)) or "none"
    found = [symbol for symbol in symbols if states[symbol] in ("outlier", "high")]
    detail = ", ".join(
        sample.figure(symbol)
        + (f" (log2 {sample.outlier_log2[symbol]:+.1f} over other lines)" if symbol in sample.outlier_log2 else "")
        for symbol in symbols
    )
    observed = ";".join(found) or "none"
    lacking = [symbol for symbol in line.outliers if states.get(symbol) == "low"]
    foreign = [symbol for symbol in symbols if symbol not in line.outliers and states[symbol] == "outlier"]
    supported = line.outliers <= set(found)
    if not line.outliers:
        supported = bool(symbols) and all(symbol in sample.outlier_log2 for symbol in symbols)
    status = "match" if supported else "not_assessed"
    if lacking or foreign:
        status = "mismatch"
    return _Finding(expected, observed, status, detail or "genes not annotated")


def _outlier_state(symbol: str, sample: _Expression) -> str:
    """Return outlier or low against other lines of the study; without any, high or low by itself."""
    if not sample.deep_enough:
        return "unclear"
    high = sample.detected(symbol, HIGH_CPM)
    ratio = sample.outlier_log2.get(symbol)
    if ratio is None:
        if high:
            return "high"
        return "low" if sample.cpm[symbol] < LOW_CPM else "unclear"
    if ratio >= OUTLIER_LOG2 and high:
        return "outlier"
    return "low" if ratio < NOT_OUTLIER_LOG2 else "unclear"


def _sex(line: KnownLine, sample: _Expression, roles: _Roles) -> _Finding:
    genes = sample.known(roles.get("y_linked", ()))
    expected = {"F": "no Y-linked expression", "M": "Y-linked expression"}.get(line.sex, "not known")
    if not genes:
        return _Finding(expected, "not annotated", "not_assessed", "genes not annotated")
    detail = sample.figures(genes)
    seen = [symbol for symbol in genes if sample.detected(symbol, Y_LINKED_CPM)]
    if not seen:
        if not sample.deep_enough:
            return _Finding(expected, "none", "not_assessed", detail + "; too shallow to show them")
        status = "match" if line.sex == "F" else "not_assessed"
        return _Finding(expected, "none", status, detail + "; absence proves nothing, Y is often lost")
    if len(seen) < len(genes) or line.sex not in ("F", "M"):
        return _Finding(expected, ";".join(seen), "not_assessed", detail)
    return _Finding(expected, ";".join(seen), "mismatch" if line.sex == "F" else "match", detail)


def _lineage(line: KnownLine, sample: _Expression, roles: _Roles) -> _Finding:
    """Markers of other lineages; CD20 (MS4A1) belongs to lines with CCND1 translocated."""
    genes = sample.known([s for role, symbols in roles.items() if role.startswith("contaminant_") for s in symbols])
    if "CCND1" in line.outliers:
        genes = [symbol for symbol in genes if symbol != "MS4A1"]
    if not genes:
        return _Finding("no foreign lineage", "not annotated", "not_assessed", "genes not annotated")
    foreign = [symbol for symbol in genes if sample.detected(symbol, HIGH_CPM)]
    status, observed = ("mismatch", ";".join(foreign)) if foreign else ("match", "none")
    return _Finding("no foreign lineage", observed, status, sample.figures(genes))


_CHECKS: Final[Mapping[str, Callable[[KnownLine, _Expression, _Roles], _Finding]]] = {
    "light_chain": _light_chain,
    "heavy_chain": _heavy_chain,
    "translocation_outlier": _translocation_outlier,
    "lineage": _lineage,
    SEX: _sex,
}


def _likelier(
    declared: str, sample: _Expression, known: Mapping[str, KnownLine], roles: _Roles, in_study: set[str]
) -> str | None:
    """Name the lines that nothing speaks against and that more rules support than the declared line."""
    scores = {}
    for name, line in known.items():
        statuses = [check(line, sample, roles).status for check in _CHECKS.values()]
        if name == declared or "mismatch" not in statuses:
            scores[name] = statuses.count("match") - statuses.count("mismatch")
    best = max(scores.values())
    if best <= scores[declared]:
        return None
    names = [name for name, score in scores.items() if score == best and name != declared]
    return ";".join([name for name in names if name in in_study] or names)
