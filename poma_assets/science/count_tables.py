"""Counts from text: tables of featureCounts, HTSeq and STAR, two columns, and genes x samples matrices.

Every reader returns whole, non-negative counts (int64) with unique gene ids, or raises ``CountsError``
naming the line. Gene ids lose Ensembl's version.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import pandas as pd

from poma_assets.science.annotation import strip_version
from poma_assets.science.errors import CountsError
from poma_assets.science.strandedness import infer_strandedness
from poma_assets.science.whole_number_table import (
    read_whole_numbers,
    separator_of,
    significant_lines,
    split_cells,
)

_FEATURECOUNTS_COLUMNS = ("Geneid", "Chr", "Start", "End", "Strand", "Length")
_GENE_NAME_COLUMNS = ("gene_name", "gene_symbol", "symbol", "external_gene_name", "hgnc_symbol")
_STAR_STRANDS = ("unstranded", "forward", "reverse")


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
    matrix = parse_count_matrix(text, source=source)
    if matrix.shape[1] != 1 or not _is_featurecounts(text):
        raise CountsError(
            "this is not a featureCounts table of one sample",
            where=source,
            found=f"{matrix.shape[1]} columns of counts",
            expected="the columns Geneid, Chr, Start, End, Strand, Length and one column of counts",
            fix="Run featureCounts on one BAM file, or give the table as count_matrix in poma.yaml.",
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


def parse_per_sample_counts(text: str, *, source: str, strandedness: str = "auto") -> pd.Series[int]:
    """Read a count table of one sample, recognised by its content.

    Parameters
    ----------
    text
        A featureCounts table, htseq-count's output, STAR's ReadsPerGene.out.tab, or two columns (gene id and
        count, tab or comma, with or without header).
    strandedness
        Which column of a STAR table to take: ``forward``, ``reverse``, ``unstranded``, or ``auto`` to
        infer it.

    Returns
    -------
    Series
        Fragments, index ``gene_id``, name ``count``.
    """
    if _is_featurecounts(text):
        return parse_featurecounts(text, source=source)
    if re.search(r"^__no_feature[\t,]", text, re.MULTILINE):
        return parse_htseq_counts(text, source=source)[0]
    if re.search(r"^N_unmapped\t", text, re.MULTILINE):
        return _star_column(text, source, strandedness)
    width = _first_row_width(text, source)
    if width != 2:
        raise CountsError(
            "the kind of count table is not recognised",
            where=source,
            found=f"{width} columns",
            expected="a table of featureCounts, htseq-count or STAR, or the two columns gene id and count",
            fix="A table of several samples goes into poma.yaml as count_matrix.",
        )
    table = read_whole_numbers(text, source=source, columns=("gene_id", "count"), header=None)
    return normalise_gene_ids(table, source=source)["count"]


def parse_count_matrix(text: str, *, source: str) -> pd.DataFrame:
    """Read a matrix of counts, genes x samples.

    Parameters
    ----------
    text
        TSV or CSV with a header: gene id first, then one column per sample. A second column with gene names
        is left out, as are the places of a featureCounts table. R's ``write.table`` form (header without the
        first column) is understood.

    Returns
    -------
    DataFrame
        One row per gene (index ``gene_id``), one column per sample, int64.

    Raises
    ------
    CountsError
        A duplicated gene or sample, a missing, negative or fractional count, or a row of another length.
    """
    lines = significant_lines(text, source)
    first_line, header = lines[0]
    names = split_cells(header, separator_of(header))
    if len(lines) > 1 and len(split_cells(lines[1][1], separator_of(header))) == len(names) + 1:
        names = ["gene_id", *names]
    skipped = _descriptive_columns(names)
    samples = [name for i, name in enumerate(names) if i > 0 and i not in skipped]
    if not samples:
        raise CountsError("the matrix has no column of counts", where=f"{source}, line {first_line}")
    table = read_whole_numbers(text, source=source, columns=names, header=True, counts=samples)
    return normalise_gene_ids(table, source=source)


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


def _star_column(text: str, source: str, strandedness: str) -> pd.Series[int]:
    table = read_whole_numbers(text, source=source, columns=("gene_id", *_STAR_STRANDS), header=False)
    genes = normalise_gene_ids(table[~table.index.str.startswith("N_")], source=source)
    if strandedness == "auto":
        unstranded, forward, reverse = (int(genes[name].sum()) for name in _STAR_STRANDS)
        strandedness = infer_strandedness(unstranded, forward, reverse, declared="auto").used
    return genes[strandedness].rename("count")


def _is_featurecounts(text: str) -> bool:
    beginning = text[:100_000].lstrip("\ufeff").splitlines()
    header = next((line for line in beginning if not line.startswith("#")), "")
    return tuple(split_cells(header, "\t")[:6]) == _FEATURECOUNTS_COLUMNS


def _descriptive_columns(names: Sequence[str]) -> set[int]:
    """Positions of columns that are neither the gene id nor counts."""
    if tuple(names[:6]) == _FEATURECOUNTS_COLUMNS:
        return set(range(1, 6))
    return {1} if len(names) > 1 and names[1].strip().lower() in _GENE_NAME_COLUMNS else set()


def _first_row_width(text: str, source: str) -> int:
    line = significant_lines(text, source)[0][1]
    return len(split_cells(line, separator_of(line)))
