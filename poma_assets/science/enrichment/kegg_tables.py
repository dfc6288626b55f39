"""The tables of KEGG's REST service, read and put together as gene sets.

KEGG's own words are in its API manual (operations ``list``, ``link``, ``info``). Asking the service belongs to
``tools/gene_set_services.py``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from poma_assets.science.errors import GeneSetError

ORGANISM_CODE = re.compile(r"[a-z]{3,4}")
"""KEGG's code of an organism: hsa is human, mmu mouse."""

_RELEASE = re.compile(r"\bRelease\s+(\S.*?)\s*$", re.MULTILINE)
_SYMBOL = re.compile(r"[^\s,;]+")


@dataclass(frozen=True)
class KeggGeneSets:
    """Pathways of one organism as gene sets.

    Attributes
    ----------
    gmt
        GMT text, one pathway a line: ``hsa00010, Glycolysis / Gluconeogenesis, symbols...``.
    n_pathways
        Pathways with at least one gene that has a symbol.
    n_genes
        Different genes (KEGG's ids) in all pathways.
    n_by_table, n_by_kegg
        Genes whose symbol comes from the table of gene ids, and from KEGG's own list.
    without_symbol
        KEGG's ids of the genes that have no symbol in either, and so are left out, in order.
    """

    gmt: str
    n_pathways: int
    n_genes: int
    n_by_table: int
    n_by_kegg: int
    without_symbol: tuple[str, ...]


def parse_pathways(text: str, organism: str, *, source: str) -> dict[str, str]:
    """Read ``list/pathway/<organism>``: ``hsa00010 TAB Glycolysis / Gluconeogenesis - Homo sapiens (human)``.

    Older answers have ``path:hsa00010``. The organism, with which all names end, is cut off.

    Returns
    -------
    dict
        Pathway id (``hsa00010``) -> name.

    Raises
    ------
    GeneSetError
        If the answer is empty, or a line is not of this form.
    """
    pathways: dict[str, str] = {}
    for where, fields in _rows(text, source, expected="pathway id and name, separated by a tab"):
        pathway = _pathway_id(fields[0], organism, where)
        pathways[pathway] = fields[1] or pathway
    organism_name = _common_ending(list(pathways.values()))
    return {pathway: name.removesuffix(organism_name) for pathway, name in pathways.items()}


def parse_links(text: str, organism: str, *, source: str) -> dict[str, tuple[str, ...]]:
    """Read ``link/pathway/<organism>``: ``hsa:10327 TAB path:hsa00010``; the columns may be the other way round.

    Returns
    -------
    dict
        Pathway id -> gene ids without the organism (``10327``), each once, in the order of the answer.

    Raises
    ------
    GeneSetError
        As `parse_pathways`.
    """
    genes: dict[str, dict[str, None]] = {}
    prefix = f"{organism}:"
    for where, fields in _rows(text, source, expected=f"{organism}:<gene> and path:{organism}<number>"):
        gene, pathway = fields if fields[0].startswith(prefix) else fields[::-1]
        if not gene.startswith(prefix):
            raise GeneSetError("this line links no gene", where=where, found=repr(gene), expected=f"{prefix}<gene>")
        genes.setdefault(_pathway_id(pathway, organism, where), {})[gene.removeprefix(prefix)] = None
    return {pathway: tuple(members) for pathway, members in genes.items()}


def parse_gene_symbols(text: str, organism: str, *, source: str) -> dict[str, str]:
    """Read ``list/<organism>``: gene id first, its names last (``HK3, HKIII, HXK3; hexokinase 3``).

    Between them newer answers have the kind of gene and its position. The first name is the symbol; a gene that has
    a description only (no semicolon) has no symbol and is left out.

    Returns
    -------
    dict
        Gene id without the organism -> symbol.

    Raises
    ------
    GeneSetError
        As `parse_pathways`.
    """
    symbols: dict[str, str] = {}
    prefix = f"{organism}:"
    for where, fields in _rows(text, source, expected=f"{prefix}<gene> and its names", columns=None):
        if not fields[0].startswith(prefix):
            raise GeneSetError("this is no gene", where=where, found=repr(fields[0]), expected=f"{prefix}<gene>")
        names, semicolon, _ = fields[-1].partition(";")
        first = names.split(",")[0].strip()
        if semicolon and _SYMBOL.fullmatch(first):
            symbols[fields[0].removeprefix(prefix)] = first
    return symbols


def parse_release(text: str) -> str:
    """The release in an answer of ``info/pathway``, such as ``116.0+/11-22, Nov 25``; empty if there is none."""
    match = _RELEASE.search(text)
    return match[1] if match else ""


def kegg_gene_sets(
    pathways: Mapping[str, str],
    links: Mapping[str, tuple[str, ...]],
    kegg_symbols: Mapping[str, str],
    symbol_by_entrez: Mapping[str, str],
    *,
    source: str,
) -> KeggGeneSets:
    """Put the tables together as gene sets by symbol.

    Parameters
    ----------
    pathways, links, kegg_symbols
        As `parse_pathways`, `parse_links` and `parse_gene_symbols` return them.
    symbol_by_entrez
        Entrez id -> symbol; comes before KEGG's symbols. Empty for organisms whose genes KEGG does not name by
        Entrez id, or for which there is no table.
    source
        The service, for messages.

    Raises
    ------
    GeneSetError
        If no pathway has a gene with a symbol.
    """
    genes = list(dict.fromkeys(gene for members in links.values() for gene in members))
    by_table = {gene: symbol_by_entrez[gene] for gene in genes if gene in symbol_by_entrez}
    by_kegg = {gene: kegg_symbols[gene] for gene in genes if gene in kegg_symbols and gene not in by_table}
    symbols = by_kegg | by_table
    lines = []
    for pathway in sorted(links):
        members = sorted({symbols[gene] for gene in links[pathway] if gene in symbols})
        if members:
            lines.append("\t".join([pathway, pathways.get(pathway, pathway), *members]))
    if not lines:
        raise GeneSetError("no pathway has a gene with a symbol", where=source, found=f"{len(links)} pathways")
    return KeggGeneSets(
        gmt="".join(f"{line}\n" for line in lines),
        n_pathways=len(lines),
        n_genes=len(genes),
        n_by_table=len(by_table),
        n_by_kegg=len(by_kegg),
        without_symbol=tuple(sorted(set(genes) - set(symbols), key=lambda gene: (len(gene), gene))),
    )


def _rows(text: str, source: str, *, expected: str, columns: int | None = 2) -> Iterator[tuple[str, list[str]]]:
    """Fields of every line with its place; blank lines are skipped, other forms refused."""
    empty = True
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        where, fields = f"{source}, line {number}", [field.strip() for field in line.split("\t")]
        if len(fields) < 2 or (columns is not None and len(fields) != columns):
            raise GeneSetError(
                "this is not a table of KEGG's service",
                where=where,
                found=repr(line[:60]),
                expected=expected,
                fix="Check the address; a proxy or a login page may have answered instead.",
            )
        empty = False
        yield where, fields
    if empty:
        raise GeneSetError(
            "KEGG's answer is empty", where=source, expected=expected, fix="Check the organism's code (human: hsa)."
        )


def _common_ending(names: list[str]) -> str:
    """What all names have from a " - " to their end; of a single name from its last " - "."""
    if len(names) == 1:
        _, dash, ending = names[0].rpartition(" - ")
        return dash + ending if dash else ""
    shared = 0
    for letters in zip(*(reversed(name) for name in names), strict=False):
        if len(set(letters)) > 1:
            break
        shared += 1
    begin = names[0].find(" - ", len(names[0]) - shared)
    return names[0][begin:] if begin >= 0 else ""


def _pathway_id(text: str, organism: str, where: str) -> str:
    pathway = text.removeprefix("path:")
    if not re.fullmatch(rf"{re.escape(organism)}\d{{5}}", pathway):
        raise GeneSetError("this is no pathway", where=where, found=repr(text), expected=f"{organism}00010 or alike")
    return pathway
