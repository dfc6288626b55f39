"""What is allowed in a table of hypotheses but probably not meant: wrong gene ids, unknown cells, contradictions."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Sequence
from itertools import combinations
from typing import Final

import pandas as pd

from poma_assets.science.markers.hypotheses import CellContext, Hypotheses, Hypothesis
from poma_assets.science.tables import listing, near_miss

KNOWN_CELLS: Final = frozenset({"myeloma", "t_cell", "nk_cell", "erythroid_progenitor"})
"""Kinds of cells that the shipped hypotheses speak of."""


def hypothesis_warnings(
    hypotheses: Hypotheses, gene_ids: pd.DataFrame, study_contexts: Collection[str] = ()
) -> list[str]:
    """Say what in a table of hypotheses is probably not meant.

    Parameters
    ----------
    hypotheses
        The hypotheses in use.
    gene_ids
        Columns gene_symbol and ensembl_gene_id, several rows where a gene has several ids (the shipped
        ``human_gene_ids.tsv.gz``).
    study_contexts
        Values of cell_context in the sample sheet; they are known kinds of cells, too.

    Returns
    -------
    list of str
        Sentences that name the hypothesis; empty where nothing is odd.
    """
    rows = hypotheses.rows()
    warnings = _gene_warnings(rows, gene_ids)
    warnings += _context_warnings(rows, KNOWN_CELLS | set(study_contexts))
    warnings += _contradictions(rows)
    unversioned = hypotheses.table.loc[hypotheses.table["version"] == "", "hypothesis_id"]
    if len(unversioned):
        warnings.append(
            f"no version is given for {listing(unversioned, limit=3)}: fill the column version, so that people can "
            "tell which table a verdict rests on"
        )
    return warnings


def _gene_warnings(rows: Sequence[Hypothesis], gene_ids: pd.DataFrame) -> list[str]:
    symbols_of: dict[str, set[str]] = defaultdict(set)
    ids_of: dict[str, set[str]] = defaultdict(set)
    for symbol, gene_id in zip(gene_ids["gene_symbol"], gene_ids["ensembl_gene_id"], strict=True):
        if isinstance(gene_id, str) and gene_id:
            symbols_of[gene_id].add(str(symbol))
            ids_of[str(symbol)].add(gene_id)
    warnings = []
    for row in rows:
        symbol, gene_id = row.gene_symbol, row.ensembl_gene_id
        named = f"{row.hypothesis_id}: "
        if gene_id and symbols_of.get(gene_id) and symbol not in symbols_of[gene_id]:
            meant = f" ({symbol} is {listing(sorted(ids_of[symbol]))})" if symbol in ids_of else ""
            warnings.append(
                f"{named}{gene_id} is the id of {listing(sorted(symbols_of[gene_id]))}, not {symbol}{meant}"
            )
        elif gene_id and gene_id not in symbols_of and symbol in ids_of:
            warnings.append(
                f"{named}{gene_id} is not in the table of gene ids, where {symbol} is {listing(sorted(ids_of[symbol]))}"
            )
        elif not gene_id:
            known = (
                f"; it is {listing(sorted(ids_of[symbol]))}" if symbol in ids_of else ", and it is an unknown symbol"
            )
            warnings.append(f"{named}without an Ensembl id {symbol} is found by its symbol only{known}")
    return warnings


def _context_warnings(rows: Sequence[Hypothesis], known: frozenset[str] | set[str]) -> list[str]:
    warnings = []
    for row in rows:
        for context in row.contexts:
            if context.cells not in known:
                alike = near_miss(context.cells, known)
                meant = f"; is {alike!r} meant?" if alike else ""
                warnings.append(
                    f"{row.hypothesis_id}: no sample and no shipped hypothesis has the cell_context "
                    f"{context.cells!r}, so it will not be testable{meant}"
                )
    return warnings


def _contradictions(rows: Sequence[Hypothesis]) -> list[str]:
    """Name pairs that expect opposite directions, or a change and none, of one gene in the same samples."""
    groups: dict[tuple[str, str, str], list[Hypothesis]] = defaultdict(list)
    for row in rows:
        if row.policy not in ("report_only", "identity", "protein_level"):
            groups[row.gene_symbol, row.contrast_kind, row.measured_level].append(row)
    warnings = []
    for alike in groups.values():
        for first, second in combinations(alike, 2):
            if _overlap(first, second) and first.expected_direction != second.expected_direction:
                warnings.append(
                    f"{first.hypothesis_id} and {second.hypothesis_id} expect of {first.gene_symbol} "
                    f"{first.expected_direction!r} and {second.expected_direction!r} in the same cells and time"
                )
            elif _overlap(first, second):
                warnings.append(
                    f"{first.hypothesis_id} and {second.hypothesis_id} both expect {first.gene_symbol} "
                    f"{first.expected_direction!r} in the same cells and time: it is judged and adjusted for twice"
                )
    return warnings


def _overlap(first: Hypothesis, second: Hypothesis) -> bool:
    cells = any(_same_cells(one, other) for one in first.contexts for other in second.contexts)
    return cells and not (_ends_before(first, second) or _ends_before(second, first))


def _same_cells(one: CellContext, other: CellContext) -> bool:
    sensitivities = {one.sensitivity, other.sensitivity}
    return one.cells == other.cells and (None in sensitivities or len(sensitivities) == 1)


def _ends_before(first: Hypothesis, second: Hypothesis) -> bool:
    return not math.isnan(first.window_end_h) and first.window_end_h < second.window_start_h
