"""Is a sample the cell line that the sheet says: light chain, heavy chain, translocations, lineage, sex.

Only clear contradictions are called a mismatch, since a mismatch blocks verdicts; what cannot be told reads
``not_assessed``.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import replace
from typing import Final

import pandas as pd

from poma_assets.science.markers.cell_lines import UNKNOWN_LINE, KnownLine, known_lines
from poma_assets.science.markers.identity_expression import (
    HIGH_CPM,
    Expression,
    Finding,
    Roles,
    gene_rows,
    judged_line,
    read_expression,
    read_roles,
    why_unknown,
)
from poma_assets.science.markers.sex import sex_finding

IDENTITY_COLUMNS: Final = ("sample_id", "rule", "expected", "observed", "status", "likelier_line", "detail")
RULES: Final = ("light_chain", "heavy_chain", "translocation_outlier", "lineage")
"""Rules about the line in the table ``sample_identity``."""
SEX: Final = "sex"
"""Asked beside the `RULES`, for the likelier line and the parent. What it says stands in ``sample_quality``."""

DOMINANCE: Final = 10.0
"""A chain counts as the line's own if it is tenfold above the others: plasma cells make one, in excess."""
LOW_CPM: Final = 5.0
"""A gene that a line is known for is not there: tenfold below high."""
OUTLIER_LOG2: Final = 2.0
"""A translocated gene is fourfold or more above lines without the translocation."""
NOT_OUTLIER_LOG2: Final = 1.0


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
        scaled for small annotations (see `identity_expression.WHOLE_TRANSCRIPTOME_GENES`).
    """
    known = known_lines(lines)
    roles = read_roles(identity_genes)
    present = samples[samples["sample_id"].isin(list(counts.columns))]
    declared = {str(row["sample_id"]): judged_line(row, known) for row in present.to_dict("records")}
    labels = gene_rows(counts, genes, identity_genes)
    shown = {sample: read_expression(counts[sample], labels) for sample in declared}
    expression = _with_outliers(shown, declared, known, roles)
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


def _not_assessed(row: Mapping[Hashable, object], expression: Expression, roles: Roles) -> list[tuple[object, ...]]:
    """Say what a sample of an unknown line shows, without judging it."""
    reason = why_unknown(row)
    findings = {rule: check(UNKNOWN_LINE, expression, roles) for rule, check in _CHECKS.items()}
    return [
        (row["sample_id"], rule, "not known", f.observed, "not_assessed", None, f"{reason}; {f.detail}")
        for rule, f in findings.items()
    ]


def _with_outliers(
    expression: Mapping[str, Expression],
    declared: Mapping[str, str | None],
    known: Mapping[str, KnownLine],
    roles: Roles,
) -> dict[str, Expression]:
    cpm = {sample: shown.cpm for sample, shown in expression.items()}
    return {
        sample: replace(shown, outlier_log2=_outlier_log2(sample, cpm, declared, known, roles))
        for sample, shown in expression.items()
    }


def _outlier_log2(
    sample: str,
    cpm: Mapping[str, Mapping[str, float]],
    declared: Mapping[str, str | None],
    known: Mapping[str, KnownLine],
    roles: Roles,
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


def _light_chain(line: KnownLine, sample: Expression, roles: Roles) -> Finding:
    kappa, lambda_ = (roles.get(f"light_chain_{chain}", ()) for chain in ("kappa", "lambda"))
    if not (sample.known(kappa) and sample.known(lambda_)):
        return Finding(line.light_chain or "not known", "not annotated", "not_assessed", "gene not annotated")
    chains = {
        chain: max(sample.known(genes), key=lambda symbol: sample.cpm[symbol])
        for chain, genes in (("kappa", kappa), ("lambda", lambda_))
    }
    return _dominant(line.light_chain, chains, sample)


def _heavy_chain(line: KnownLine, sample: Expression, roles: Roles) -> Finding:
    isotypes = sample.known(roles.get("isotype", ()))
    if line.heavy_chain and line.heavy_chain not in isotypes:
        return Finding(line.heavy_chain, "not annotated", "not_assessed", "gene not annotated")
    return _dominant(line.heavy_chain, {symbol: symbol for symbol in isotypes}, sample)


def _dominant(expected: str, genes: Mapping[str, str], sample: Expression) -> Finding:
    """Compare the chain that dominates with the expected one; `genes` maps chain to gene."""
    ranked = sorted(genes, key=lambda chain: sample.cpm[genes[chain]], reverse=True)
    detail = sample.figures(list(genes.values()))
    if not ranked or not sample.detected(genes[ranked[0]], HIGH_CPM):
        return Finding(expected or "not known", "none high", "not_assessed", detail)
    second = max((sample.cpm[genes[chain]] for chain in ranked[1:]), default=0.0)
    clear = sample.cpm[genes[ranked[0]]] >= DOMINANCE * second
    observed = ranked[0] if clear else " and ".join(ranked[:2])
    if not expected:
        return Finding("not known", observed, "not_assessed", detail)
    if not clear:
        detail += "; more than one chain, as in a mixture"
        return Finding(expected, observed, "not_assessed", detail)
    return Finding(expected, observed, "match" if observed == expected else "mismatch", detail)


def _translocation_outlier(line: KnownLine, sample: Expression, roles: Roles) -> Finding:
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
    return Finding(expected, observed, status, detail or "genes not annotated")


def _outlier_state(symbol: str, sample: Expression) -> str:
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


def _lineage(line: KnownLine, sample: Expression, roles: Roles) -> Finding:
    """Markers of other lineages; CD20 (MS4A1) belongs to lines with CCND1 translocated."""
    genes = sample.known([s for role, symbols in roles.items() if role.startswith("contaminant_") for s in symbols])
    if "CCND1" in line.outliers:
        genes = [symbol for symbol in genes if symbol != "MS4A1"]
    if not genes:
        return Finding("no foreign lineage", "not annotated", "not_assessed", "genes not annotated")
    foreign = [symbol for symbol in genes if sample.detected(symbol, HIGH_CPM)]
    status, observed = ("mismatch", ";".join(foreign)) if foreign else ("match", "none")
    return Finding("no foreign lineage", observed, status, sample.figures(genes))


_CHECKS: Final[Mapping[str, Callable[[KnownLine, Expression, Roles], Finding]]] = {
    "light_chain": _light_chain,
    "heavy_chain": _heavy_chain,
    "translocation_outlier": _translocation_outlier,
    "lineage": _lineage,
    SEX: sex_finding,
}


def _likelier(
    declared: str, sample: Expression, known: Mapping[str, KnownLine], roles: Roles, in_study: set[str]
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
