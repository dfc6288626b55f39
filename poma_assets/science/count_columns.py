"""What the columns of a count table mean: which program wrote it, where gene ids, symbols and samples stand.

Reading the cells is in ``count_tables``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from poma_assets.science.count_validation import transposed
from poma_assets.science.errors import CountsError
from poma_assets.science.tables import listing
from poma_assets.science.whole_number_table import separator_of, significant_lines, split_cells

_FEATURECOUNTS_COLUMNS = ("Geneid", "Chr", "Start", "End", "Strand", "Length")
_GENE_ID_COLUMNS = frozenset(re.findall(r"\S+", "gene_id geneid ensembl_gene_id ensembl_id ensembl ensgene ensembl.id"))
_GENE_NAME_COLUMNS = frozenset(
    re.findall(r"\S+", "gene_name genename gene_symbol genesymbol symbol external_gene_name hgnc_symbol mgi_symbol")
)
_OTHER_ANNOTATION = """
gene name description gene_description biotype gene_biotype gene_type chr chrom chromosome chromosome_name seqnames
gene_chr start end start_position end_position gene_start gene_end strand length gene_length effective_length width
locus gc entrez entrezid entrez_id entrezgene entrezgene_id hgnc_id transcript_id transcript_id(s)
"""
_ANNOTATION_COLUMNS = _GENE_ID_COLUMNS | _GENE_NAME_COLUMNS | frozenset(re.findall(r"\S+", _OTHER_ANNOTATION)) | {""}
"""Headers, in small letters, of columns that say something about a gene and hold no counts."""
ESTIMATES = {
    ("Name", "Length", "EffectiveLength", "TPM", "NumReads"): ("salmon", "NumReads"),
    ("gene_id", "transcript_id(s)", "length", "effective_length", "expected_count", "TPM", "FPKM"): (
        "RSEM",
        "expected_count",
    ),
}
"""Header, up to further columns, of tables of estimated counts per gene: the program and its column of counts."""
_TRANSCRIPT_HEADERS = {"target_id": "kallisto's abundance.tsv", "transcript_id": "a table as RSEM's isoforms.results"}
_ENSEMBL_GENE = re.compile(r"ENS[A-Z]*G\d{11}")
_TRANSCRIPT_ID = re.compile(r"ENS[A-Z]*T\d{11}.*|[NX][MR]_\d+.*")


def refuse_transcripts(header: Sequence[str], text: str, source: str) -> None:
    """Refuse tables of transcripts, whose counts are not counts of genes (``CountsError``)."""
    kind = _TRANSCRIPT_HEADERS.get(header[0]) if header else None
    if kind is None and tuple(header[:5]) == ("Name", "Length", "EffectiveLength", "TPM", "NumReads"):
        rows = significant_lines(text, source)[1:]
        first = split_cells(rows[0][1], "\t") if rows else []
        kind = "salmon's quant.sf" if first and _TRANSCRIPT_ID.fullmatch(first[0]) else None
    if kind is not None:
        raise CountsError(
            f"this is {kind}: it counts transcripts, not genes",
            where=source,
            expected="counts of genes",
            fix="Give quant.genes.sf (salmon quant --geneMap) or genes.results (RSEM), or sum up with tximport in R",
        )


class Layout(NamedTuple):
    """All columns of a matrix; of these the gene ids, the symbols (one column or none) and the samples."""

    columns: list[str]
    ids: str
    symbols: list[str]
    samples: list[str]


def layout_of(text: str, source: str) -> Layout:
    """Find ids, symbols and samples in the header of a matrix; ``CountsError`` without samples or if transposed."""
    lines = significant_lines(text, source)
    first_line, header = lines[0]
    separator = separator_of(header)
    names = [name.strip() for name in split_cells(header, separator)]
    first_row = split_cells(lines[1][1], separator) if len(lines) > 1 else []
    if len(first_row) == len(names) + 1 and names[0].lower() not in _ANNOTATION_COLUMNS:
        names = ["gene_id", *names]
    refuse_transcripts(names, text, source)
    position = _gene_id_column(names, first_row)
    names = [name or f"column {i}" for i, name in enumerate(names, start=1)]
    rest = [name for i, name in enumerate(names) if i > position and name.lower() not in _ANNOTATION_COLUMNS]
    if not rest:
        raise CountsError(
            "the matrix has no column of counts",
            where=f"{source}, line {first_line}",
            found=listing(names),
            expected="a column of gene ids and one column for each sample",
        )
    if 2 * sum(_ENSEMBL_GENE.match(name) is not None for name in rest) > len(rest):
        raise transposed(source, listing(row[1][:20].split(separator)[0] for row in lines[1:5]), listing(rest, 4))
    symbols = [name for i, name in enumerate(names) if i != position and name.lower() in _GENE_NAME_COLUMNS]
    return Layout(names, names[position], symbols[:1], rest)


def _gene_id_column(names: Sequence[str], first_row: Sequence[str]) -> int:
    """Position of the gene ids: the first column, unless that is R's row numbers or symbols before ids."""
    ids = next((i for i, name in enumerate(names) if name.lower() in _GENE_ID_COLUMNS), 0)
    row_numbers = names[0] == "" and bool(first_row) and first_row[0].strip() == "1"
    return ids if row_numbers or names[0].lower() in _GENE_NAME_COLUMNS else 0


def is_featurecounts(text: str) -> bool:
    """Whether a table has the header of featureCounts."""
    beginning = text[:100_000].removeprefix("\ufeff").splitlines()
    header = next((line for line in beginning if not line.startswith("#")), "")
    return tuple(split_cells(header, "\t")[:6]) == _FEATURECOUNTS_COLUMNS


def header_of(text: str, source: str) -> list[str]:
    """Return the cells of the first line that is no comment."""
    line = significant_lines(text, source)[0][1]
    return [name.strip() for name in split_cells(line, separator_of(line))]
