"""STAR's final log and its gene counts, as text -> values."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd

from poma_assets.science.count_tables import normalise_gene_ids
from poma_assets.science.errors import ToolError
from poma_assets.science.whole_number_table import read_whole_numbers

STRANDS = ("unstranded", "forward", "reverse")
"""Columns 2, 3 and 4 of ``ReadsPerGene.out.tab``."""

_LARGEST = 1e15
_COUNTS = {
    "read_pairs": "Number of input reads",
    "uniquely_mapped": "Uniquely mapped reads number",
    "splices": "Number of splices: Total",
    "annotated_splices": "Number of splices: Annotated (sjdb)",
}
_NUMBERS = {
    "uniquely_mapped_pct": "Uniquely mapped reads %",
    "multi_mapped_pct": "% of reads mapped to multiple loci",
    "too_many_loci_pct": "% of reads mapped to too many loci",
    "mismatch_pct": "Mismatch rate per base, %",
    "mean_mapped_length_bp": "Average mapped length",
}
_UNMAPPED = (
    "% of reads unmapped: too many mismatches",
    "% of reads unmapped: too short",
    "% of reads unmapped: other",
)


class ReadsPerGene(NamedTuple):
    """STAR's gene counts.

    Attributes
    ----------
    genes
        One row per gene: ``gene_id``, ``unstranded``, ``forward``, ``reverse`` (fragments, int64).
    summary
        Fragments in no gene, same columns, index ``category``: N_unmapped, N_multimapping, N_noFeature,
        N_ambiguous.
    """

    genes: pd.DataFrame
    summary: pd.DataFrame


def parse_star_log_final(text: str, *, source: str) -> dict[str, int | float]:
    """Read STAR's ``Log.final.out``.

    Returns
    -------
    dict
        Columns of table ``alignment_quality`` without ``sample_id`` and ``bam_records``. Percentages as STAR
        rounds them (two decimals); ``unmapped_pct`` is the sum of its three reasons.

    Raises
    ------
    ToolError
        A line is missing: the alignment did not finish.
    """
    values = {}
    for line in text.splitlines():
        name, separator, value = line.partition("|")
        if separator:
            values[name.strip()] = value.strip().rstrip("%")
    row: dict[str, int | float] = {}
    for column, name in _COUNTS.items():
        row[column] = int(_number(values, name, source))
    for column, name in _NUMBERS.items():
        row[column] = _number(values, name, source)
    row["unmapped_pct"] = round(sum(_number(values, name, source) for name in _UNMAPPED), 2)
    return row


def parse_reads_per_gene(text: str, *, source: str) -> ReadsPerGene:
    """Read STAR's ``ReadsPerGene.out.tab`` (``--quantMode GeneCounts``).

    Raises
    ------
    CountsError
        The table is not of that form, or a count is not a whole number.
    """
    table = read_whole_numbers(text, source=source, columns=("gene_id", *STRANDS), header=False)
    is_summary = table.index.str.startswith("N_")
    summary = table[is_summary].rename_axis("category")
    genes = normalise_gene_ids(table[~is_summary], source=source).reset_index()
    return ReadsPerGene(genes, summary)


def _number(values: dict[str, str], name: str, source: str) -> float:
    try:
        number = float(values[name])
    except (KeyError, ValueError):
        raise _incomplete(values, name, source) from None
    if not number >= 0 or number > _LARGEST:
        # STAR prints nan for a mean over no reads.
        if number != number:
            return 0.0
        raise _incomplete(values, name, source)
    return number


def _incomplete(values: dict[str, str], name: str, source: str) -> ToolError:
    return ToolError(
        "the final log of STAR is not complete",
        where=source,
        found=values.get(name),
        expected=f"a number in the line {name!r}",
        fix="Align the sample again.",
    )
