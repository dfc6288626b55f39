"""Does a sample express Y-linked genes, and does that speak against the sex of its line?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

import pandas as pd

from poma_assets.science.markers.cell_lines import UNKNOWN_LINE, KnownLine, known_lines
from poma_assets.science.markers.identity_expression import (
    Expression,
    Finding,
    Roles,
    gene_rows,
    judged_line,
    read_expression,
    read_roles,
    why_unknown,
)
from poma_assets.science.quality_gates import NOT_ASSESSED

Y_LINKED_CPM: Final = 2.0
"""Male cells show 20 to 100 CPM of these genes; misplaced reads of their X homologues stay below 1."""


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
        As for `identity.sample_identity`.

    Returns
    -------
    tuple
        1 where all annotated Y-linked genes are seen, 0 where none is; `NOT_ASSESSED` where the line is male or of
        unknown sex, where only some are seen (misplaced reads), and in a sample too shallow to show them. Then the
        figures in words.
    """
    known, roles = known_lines(lines), read_roles(identity_genes)
    name = judged_line(row, known)
    shown = read_expression(counts, gene_rows(counts, genes, identity_genes))
    line = UNKNOWN_LINE if name is None else known[name]
    finding = sex_finding(line, shown, roles)
    value = {"mismatch": 1.0, "match": 0.0}.get(finding.status) if line.sex == "F" else None
    sex = {"F": "female", "M": "male"}.get(line.sex, "of unknown sex")
    words = f"{line.name} is {sex}" if name else why_unknown(row)
    return NOT_ASSESSED if value is None else value, f"{words}; {finding.detail}"


def sex_finding(line: KnownLine, sample: Expression, roles: Roles) -> Finding:
    """Compare the Y-linked genes of a sample with the sex of a line; only all of them in a female line mismatch."""
    genes = sample.known(roles.get("y_linked", ()))
    expected = {"F": "no Y-linked expression", "M": "Y-linked expression"}.get(line.sex, "not known")
    if not genes:
        return Finding(expected, "not annotated", "not_assessed", "genes not annotated")
    detail = sample.figures(genes)
    seen = [symbol for symbol in genes if sample.detected(symbol, Y_LINKED_CPM)]
    if not seen:
        if not sample.deep_enough:
            return Finding(expected, "none", "not_assessed", detail + "; too shallow to show them")
        status = "match" if line.sex == "F" else "not_assessed"
        return Finding(expected, "none", status, detail + "; absence proves nothing, Y is often lost")
    if len(seen) < len(genes) or line.sex not in ("F", "M"):
        return Finding(expected, ";".join(seen), "not_assessed", detail)
    return Finding(expected, ";".join(seen), "mismatch" if line.sex == "F" else "match", detail)
