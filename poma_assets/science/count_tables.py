"""Counts from text: tables of featureCounts, HTSeq and STAR, estimates of RSEM and salmon, genes x samples matrices.

Every reader returns whole, non-negative counts (int64) with unique gene ids, or raises ``CountsError``
naming the line. Gene ids lose Ensembl's version.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from poma_assets.science.count_columns import (
    ESTIMATES,
    header_of,
    is_featurecounts,
    layout_of,
    refuse_transcripts,
)
from poma_assets.science.errors import CountsError
from poma_assets.science.gene_ids import damaged_names, strip_version
from poma_assets.science.strandedness import infer_strandedness
from poma_assets.science.tables import listing
from poma_assets.science.whole_number_table import (
    NumberTable,
    read_numbers,
    read_whole_numbers,
)

_NOT_GENES = re.compile(r"__(?:no_feature|ambiguous|too_low_aQual|not_aligned|alignment_not_unique)|N_\w+")
_STAR_STRANDS = ("unstranded", "forward", "reverse")


@dataclass(frozen=True, eq=False)
class CountMatrix:
    """Counts of a given matrix.

    Attributes
    ----------
    counts
        Genes x samples, int64, index ``gene_id``.
    gene_names
        Symbol by ``gene_id`` for the genes that have one; None if no symbols stand beside the counts.
    notes
        What was left out, rounded or looks odd, in sentences.
    """

    counts: pd.DataFrame
    gene_names: pd.Series | None
    notes: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class SampleCounts:
    """Counts of one sample (index ``gene_id``, name ``count``), the program that made them, and notes."""

    counts: pd.Series
    program: str
    notes: tuple[str, ...]


def parse_featurecounts(text: str, *, source: str) -> pd.Series[int]:
    """Read a featureCounts table of one sample.

    Returns
    -------
    Series
        Fragments, index ``gene_id``, name ``count``.

    Raises
    ------
    CountsError
        It is not such a table, or a count is not a whole number.
    """
    matrix = parse_count_table(text, source=source).counts
    if matrix.shape[1] != 1 or not is_featurecounts(text):
        raise CountsError(
            "this is not a featureCounts table of one sample",
            where=source,
            found=f"{matrix.shape[1]} columns of counts",
            expected="the columns Geneid, Chr, Start, End, Strand, Length and one column of counts",
            fix="Run featureCounts on one BAM file, or give the table as count_matrix in poma.yaml",
        )
    return matrix.iloc[:, 0].rename("count")


def parse_featurecounts_summary(text: str, *, source: str) -> dict[str, int]:
    """Read the ``.summary`` of featureCounts for one sample: category (Assigned, ...) -> fragments."""
    table = read_whole_numbers(text, source=source, columns=("Status", "fragments"), header=True)
    if "Assigned" not in table.index:
        raise CountsError("this is not a summary of featureCounts", where=source, expected="a line Assigned")
    return {str(name): int(count) for name, count in table["fragments"].items()}


def parse_htseq_counts(text: str, *, source: str) -> tuple[pd.Series[int], dict[str, int]]:
    """Read the output of htseq-count for one sample, with or without additional attributes.

    Returns
    -------
    (Series, dict)
        Fragments by ``gene_id``; and the special counters (``__no_feature``, ...).
    """
    width = _first_row_width(text, source)
    columns = ("gene_id", *(f"attribute_{i}" for i in range(width - 2)), "count")
    table = read_whole_numbers(text, source=source, columns=columns, header=False, counts=("count",))
    special = table.index.str.startswith("__")
    if not special.any():
        raise CountsError(
            "the output of htseq-count is not complete",
            where=source,
            expected="its last lines, __no_feature to __alignment_not_unique",
            fix="Count the sample again.",
        )
    summary = {str(name): int(count) for name, count in table.loc[special, "count"].items()}
    return normalise_gene_ids(table[~special], source=source)["count"], summary


def parse_sample_counts(
    text: str, *, source: str, strandedness: str = "auto", round_fractional: bool = False
) -> SampleCounts:
    """Read a count table of one sample, recognised by its content.

    Parameters
    ----------
    text
        A featureCounts table, htseq-count's output, STAR's ReadsPerGene.out.tab, RSEM's genes.results, salmon's
        quant.genes.sf, or two columns (gene id and count, tab or comma, with or without header).
    strandedness
        Which column of a STAR table to take: ``forward``, ``reverse``, ``unstranded``, or ``auto`` to
        infer it.
    round_fractional
        Round estimated counts; refused otherwise.

    Returns
    -------
    SampleCounts
        Fragments, index ``gene_id``, name ``count``; the program; notes.

    Raises
    ------
    CountsError
        The kind of table is not recognised, it counts transcripts, or a count is not valid.
    """
    header = header_of(text, source)
    refuse_transcripts(header, text, source)
    for columns, (program, counts) in ESTIMATES.items():
        if tuple(header[: len(columns)]) == columns:
            table = read_numbers(text, source=source, columns=header, header=True, counts=[counts])
            return _sample_counts(table, program, round_fractional)
    if is_featurecounts(text):
        if round_fractional:  # featureCounts --fraction
            matrix = parse_count_table(text, source=source, round_fractional=True)
            return SampleCounts(matrix.counts.iloc[:, 0].rename("count"), "featureCounts", matrix.notes)
        return SampleCounts(parse_featurecounts(text, source=source), "featureCounts", ())
    if re.search(r"^\"?__no_feature\"?[\t,]", text, re.MULTILINE):
        return SampleCounts(parse_htseq_counts(text, source=source)[0], "htseq-count", ())
    if re.search(r"^N_unmapped\t", text, re.MULTILINE):
        return SampleCounts(_star_column(text, source, strandedness), "STAR", ())
    if len(header) != 2:
        raise CountsError(
            "the kind of count table is not recognised",
            where=source,
            found=f"{len(header)} columns ({listing(header, 6)})",
            expected="a table of featureCounts, htseq-count, STAR, RSEM or salmon, or two columns: gene id and count",
            fix="A table of several samples goes into poma.yaml as count_matrix",
        )
    table = read_numbers(text, source=source, columns=("gene_id", "count"), header=None)
    return _sample_counts(table, "two columns", round_fractional)


def parse_count_table(text: str, *, source: str, round_fractional: bool = False) -> CountMatrix:
    """Read a matrix of counts, genes x samples, with what stands beside the counts.

    Parameters
    ----------
    text
        TSV or CSV with a header: gene ids, one column per sample, and columns about genes among them (symbol,
        description, place, length, ...; featureCounts' own). What R writes is understood: ``write.table``
        (header without the first column) and ``write.csv`` (first header empty; row numbers before the ids).
    round_fractional
        Round estimated counts (RSEM, salmon, kallisto); refused otherwise.

    Returns
    -------
    CountMatrix
        Counts, symbols and notes.

    Raises
    ------
    CountsError
        A duplicated gene or sample, a missing, negative or fractional count, or a row of another length.
    """
    layout = layout_of(text, source)
    table, notes = _without_counters(
        read_numbers(
            text,
            source=source,
            columns=layout.columns,
            header=True,
            counts=layout.samples,
            texts=layout.symbols,
            names=layout.ids,
        )
    )
    notes += _worded_notes(table, layout.symbols) + _damage_notes(source, "gene ids", table.numbers.index)
    whole = table.whole(round_fractional=round_fractional)
    counts = normalise_gene_ids(whole.counts, source=source)
    gene_names = None
    for symbols in layout.symbols:
        column = table.texts[symbols].set_axis(counts.index, axis=0)
        notes += _damage_notes(source, "gene symbols", column)
        gene_names = _usable_symbols(column)
    return CountMatrix(counts, gene_names, (*notes, *whole.notes))


def normalise_gene_ids(table: pd.DataFrame, *, source: str) -> pd.DataFrame:
    """Strip Ensembl versions from the index, which becomes ``gene_id``.

    Raises
    ------
    CountsError
        Two ids differ only in their version.
    """
    ids = table.index.astype(str)
    stripped = pd.Index([strip_version(gene_id) for gene_id in ids])
    duplicated = stripped.duplicated(keep=False)
    if duplicated.any():
        raise CountsError(
            "gene ids differ only in their version",
            where=source,
            found=", ".join(ids[duplicated][:4]),
            fix="Keep one version of each gene.",
        )
    return table.set_axis(stripped.rename("gene_id"), axis=0)


def _sample_counts(table: NumberTable, program: str, round_fractional: bool) -> SampleCounts:
    table, notes = _without_counters(table)
    whole = table.whole(round_fractional=round_fractional)
    counts = normalise_gene_ids(whole.counts, source=table.source).iloc[:, 0].rename("count")
    return SampleCounts(counts, program, (*notes, *_damage_notes(table.source, "gene ids", counts.index), *whole.notes))


def _star_column(text: str, source: str, strandedness: str) -> pd.Series[int]:
    table = read_whole_numbers(text, source=source, columns=("gene_id", *_STAR_STRANDS), header=False)
    genes = normalise_gene_ids(table[~table.index.str.startswith("N_")], source=source)
    if strandedness == "auto":
        unstranded, forward, reverse = (int(genes[name].sum()) for name in _STAR_STRANDS)
        strandedness = infer_strandedness(unstranded, forward, reverse, declared="auto").used
    return genes[strandedness].rename("count")


def _without_counters(table: NumberTable) -> tuple[NumberTable, list[str]]:
    """Leave out the rows of htseq-count and STAR that count reads outside genes."""
    special = table.numbers.index.astype(str).str.fullmatch(_NOT_GENES.pattern)
    if not special.any():
        return table, []
    rows = listing(table.numbers.index[special], 6)
    return table.rows(~special), [f"{table.source}: rows that are not genes were left out: {rows}"]


def _worded_notes(table: NumberTable, symbols: Sequence[str]) -> list[str]:
    columns = [str(name) for name in table.texts.columns if name not in symbols]
    return [f"{table.source}: columns without numbers were left out: {listing(columns)}"] if columns else []


def _damage_notes(source: str, what: str, names: Sequence[str] | pd.Index | pd.Series) -> list[str]:
    damaged = damaged_names(map(str, names))
    if not damaged:
        return []
    count = f"{len(damaged)} {what} look" if len(damaged) > 1 else f"one of the {what} looks"
    return [
        f"{source}: {count} like dates that a spreadsheet made of symbols such as MARCHF1 or SEPTIN2 "
        f"({listing(damaged, 4)}): these genes cannot be recognised; export the table again with the column as text"
    ]


def _usable_symbols(column: pd.Series) -> pd.Series:
    texts = column.fillna("").astype(str).str.strip()
    missing = texts.isin(["", "NA", "nan", "-"]) | texts.isin(damaged_names(texts))
    return texts[~missing].rename("gene_name")


def _first_row_width(text: str, source: str) -> int:
    return len(header_of(text, source))
