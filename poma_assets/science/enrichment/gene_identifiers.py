"""Gene sets by symbol, Ensembl or Entrez id, put into the names under which a study tests its genes."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from poma_assets.science.enrichment.gmt import GeneSet, GeneSetCollection
from poma_assets.science.errors import InputError

ID_COLUMNS = ("entrez_id", "gene_symbol", "ensembl_gene_id")
"""Columns of the table of gene ids."""

_ENSEMBL = re.compile(r"(ENS[A-Z]*G\d{11})(\.\d+)?", re.IGNORECASE)
_ENTREZ = re.compile(r"(?:[a-z]{2,4}:|ncbi-geneid:)?(\d+)", re.IGNORECASE)
# The one kind of human symbols with small letters, which some collections write in capitals: C1orf112.
_OPEN_READING_FRAME = re.compile(r"(C(?:\d+|X|Y))ORF(\d+.*)")
_MAIN_KIND = 0.9
_EXAMPLES = 5


@dataclass(frozen=True)
class GeneIdTable:
    """Which Entrez ids, symbols and Ensembl ids are the same gene.

    Attributes
    ----------
    symbol_by_entrez
        Entrez id -> symbol.
    symbols_by_ensembl
        Ensembl gene id, without version -> symbols.
    ensembl_by_symbol
        Symbol -> Ensembl gene ids, without version.
    """

    symbol_by_entrez: Mapping[str, str]
    symbols_by_ensembl: Mapping[str, tuple[str, ...]]
    ensembl_by_symbol: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class MappedCollection:
    """A collection in the study's names, and what could not be mapped.

    Attributes
    ----------
    collection
        The same sets, their genes named as in the study; genes that could not be mapped are left out.
    kind
        ``symbol``, ``ensembl`` or ``entrez``; ``mixed`` if less than 90 % of the genes are of one kind.
    n_genes
        Different genes of the collection.
    n_mapped
        Those of them that the study has.
    n_other_case
        Those of the others that the study has in other capitals ("Irf4" for "IRF4"): most likely of another
        species, and so not mapped.
    unmapped_examples
        The first genes that could not be mapped, as written, in alphabetical order.
    """

    collection: GeneSetCollection
    kind: str
    n_genes: int
    n_mapped: int
    n_other_case: int
    unmapped_examples: tuple[str, ...]

    @property
    def note(self) -> str | None:
        """What could not be mapped, in a sentence; None if there is nothing to say."""
        if self.n_mapped == self.n_genes:
            return None
        text = (
            f"{self.n_genes - self.n_mapped:,} of {self.n_genes:,} genes of {self.collection.name} are not in the "
            f"study's annotation, e.g. {', '.join(self.unmapped_examples)}."
        )
        if self.n_other_case:
            text += (
                f" {self.n_other_case:,} of them differ in capital letters only:"
                " are the gene sets of the study's organism?"
            )
        return text


def parse_gene_ids(text: str, *, source: str) -> GeneIdTable:
    """Read the table of gene ids: tab-separated ``entrez_id, gene_symbol, ensembl_gene_id`` with a header.

    A gene with several Ensembl ids has several rows; an empty Ensembl id is allowed.

    Raises
    ------
    InputError
        If the header is another one, or a row has another number of fields.
    """
    reader = csv.reader(io.StringIO(text), delimiter="\t", quoting=csv.QUOTE_NONE)
    header = tuple(next(reader, ()))
    if header != ID_COLUMNS:
        raise InputError(
            "The table of gene ids has other columns",
            where=f"{source}, line 1",
            found=", ".join(header) or "nothing",
            expected=", ".join(ID_COLUMNS),
        )
    symbol_by_entrez: dict[str, str] = {}
    symbols_by_ensembl: dict[str, tuple[str, ...]] = {}
    ensembl_by_symbol: dict[str, tuple[str, ...]] = {}
    for fields in reader:
        if len(fields) != len(ID_COLUMNS):
            raise InputError(
                "A row has another number of fields",
                where=f"{source}, line {reader.line_num}",
                found=len(fields),
                expected=len(ID_COLUMNS),
            )
        entrez, symbol, ensembl = fields
        symbol_by_entrez[entrez] = symbol
        if ensembl:
            symbols_by_ensembl[ensembl] = (*symbols_by_ensembl.get(ensembl, ()), symbol)
            ensembl_by_symbol[symbol] = (*ensembl_by_symbol.get(symbol, ()), ensembl)
    return GeneIdTable(symbol_by_entrez, symbols_by_ensembl, ensembl_by_symbol)


def map_collection(
    collection: GeneSetCollection,
    table: GeneIdTable,
    known_symbols: Collection[str],
    *,
    symbol_by_gene_id: Mapping[str, str] | None = None,
) -> MappedCollection:
    """Name the genes of a collection as the study does.

    Each gene is read by its own form: ``ENSG00000137265`` (also with version), ``3662`` or ``hsa:3662``
    (Entrez), else a symbol. The study's own annotation comes first (Ensembl ids by ``symbol_by_gene_id``,
    symbols as they are), then the table: an Entrez id by its symbol, and a symbol that the study does not have by
    its Ensembl id, which finds genes that were renamed. "C1ORF112" is C1orf112; any other difference in capital
    letters is counted, not mapped.

    Parameters
    ----------
    collection
        The gene sets.
    table
        Which ids are the same gene.
    known_symbols
        Names of the genes in the study's annotation, as ``rank_genes`` uses them: the symbol, or the gene id of a
        gene without one.
    symbol_by_gene_id
        Gene id (with or without version) -> name in the study; without it only the table knows Ensembl ids.
    """
    by_gene_id = {_without_version(gene): symbol for gene, symbol in (symbol_by_gene_id or {}).items()}
    names = _StudyNames(frozenset(known_symbols), by_gene_id, table)
    genes = sorted(collection.genes)
    found = {gene: names.find(gene) for gene in genes}
    unmapped = [gene for gene in genes if found[gene] is None]
    in_capitals = {name.upper() for name in names.known}
    sets = tuple(
        GeneSet(
            gene_set.term_id,
            gene_set.term_name,
            tuple(dict.fromkeys(name for gene in gene_set.genes if (name := found[gene]) is not None)),
        )
        for gene_set in collection.sets
    )
    return MappedCollection(
        collection=GeneSetCollection(collection.name, sets, collection.source, collection.sha256),
        kind=_kind_of_collection(genes),
        n_genes=len(genes),
        n_mapped=len(genes) - len(unmapped),
        n_other_case=sum(gene.upper() in in_capitals for gene in unmapped),
        unmapped_examples=tuple(unmapped[:_EXAMPLES]),
    )


@dataclass(frozen=True)
class _StudyNames:
    """Finds a gene's name in the study."""

    known: frozenset[str]
    by_gene_id: Mapping[str, str]
    table: GeneIdTable

    def find(self, gene: str) -> str | None:
        if gene in self.known:
            return gene
        if match := _ENSEMBL.fullmatch(gene):
            return self._by_ensembl(match[1].upper())
        if match := _ENTREZ.fullmatch(gene):
            symbol = self.table.symbol_by_entrez.get(match[1])
            return self._by_symbol(symbol) if symbol else None
        return self._by_symbol(_OPEN_READING_FRAME.sub(r"\1orf\2", gene))

    def _by_ensembl(self, ensembl: str) -> str | None:
        candidates = (self.by_gene_id.get(ensembl, ensembl), *self.table.symbols_by_ensembl.get(ensembl, ()))
        return next((name for name in candidates if name in self.known), None)

    def _by_symbol(self, symbol: str) -> str | None:
        if symbol in self.known:
            return symbol
        names = (self.by_gene_id.get(ensembl, ensembl) for ensembl in self.table.ensembl_by_symbol.get(symbol, ()))
        return next((name for name in names if name in self.known), None)


def _without_version(gene_id: str) -> str:
    match = _ENSEMBL.fullmatch(gene_id)
    return match[1] if match else gene_id


def _kind(gene: str) -> str:
    if _ENSEMBL.fullmatch(gene):
        return "ensembl"
    return "entrez" if _ENTREZ.fullmatch(gene) else "symbol"


def _kind_of_collection(genes: Collection[str]) -> str:
    """The kind of nearly all genes, or ``mixed``."""
    kind, count = Counter(map(_kind, genes)).most_common(1)[0]
    return kind if count >= _MAIN_KIND * len(genes) else "mixed"
