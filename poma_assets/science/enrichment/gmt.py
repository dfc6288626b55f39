"""Gene sets: the collection that the tests take, and the reader of GMT text.

Opening files belongs to ``storage/package_data.py``.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from poma_assets.science.errors import GeneSetError

# Some Enrichr libraries give every gene a weight, "TP53,1.0".
_WEIGHT = re.compile(r",[-+]?[0-9.]+(e[-+]?[0-9]+)?$", re.IGNORECASE)
_LINE_END = re.compile(r"\r\n|\n|\r")
_NOT_A_NAME = re.compile(r">?\s*https?://|na$", re.IGNORECASE)
_GMT_FORM = "name, description and gene symbols, separated by tabs"


@dataclass(frozen=True)
class GeneSet:
    """One set: its id and name as written, and its genes without duplicates, in the order of the file."""

    term_id: str
    term_name: str
    genes: tuple[str, ...]


@dataclass(frozen=True)
class GeneSetCollection:
    """Gene sets of one file.

    Attributes
    ----------
    name
        Name of the collection, as stored in the table ``enrichment``.
    sets
        The sets, in the order of the file; ids are unique.
    source
        Where it comes from, for people.
    sha256
        SHA-256 of the (unpacked) text.
    """

    name: str
    sets: tuple[GeneSet, ...]
    source: str
    sha256: str

    @property
    def genes(self) -> frozenset[str]:
        """All genes of the collection."""
        return frozenset(gene for gene_set in self.sets for gene in gene_set.genes)


def parse_gmt(text: str, *, name: str, source: str) -> GeneSetCollection:
    """Read GMT text (Broad Institute): one set a line, ``id TAB description TAB gene TAB gene ...``.

    The first field is the id, kept as written ("hsa04610", "apoptotic process (GO:0006915)"). The description
    is the name, unless it is empty, ``na`` or a web address; then the id serves as name. Blank lines and
    empty fields are skipped, genes named twice in a set are kept once, weights ("TP53,1.0") are dropped.

    Parameters
    ----------
    text
        Content of the file; a byte-order mark and CRLF line ends are allowed.
    name
        Name of the collection.
    source
        File or origin, used in messages.

    Raises
    ------
    GeneSetError
        If the text is empty or binary, a line has fewer than three fields or no gene, or an id is repeated.
    """
    sets: list[GeneSet] = []
    first_line: dict[str, int] = {}
    for number, line in enumerate(_LINE_END.split(text.removeprefix("\ufeff")), start=1):
        if not line.strip():
            continue
        where = f"{source}, line {number}"
        gene_set = _parse_line(line, where)
        if gene_set.term_id in first_line:
            raise GeneSetError(
                f"Gene set {gene_set.term_id!r} is there twice",
                where=where,
                found=f"the same id on line {first_line[gene_set.term_id]}",
                expected="one line per gene set",
                fix="Remove or rename one of them.",
            )
        first_line[gene_set.term_id] = number
        sets.append(gene_set)
    if not sets:
        raise GeneSetError("The file has no gene sets", where=source, expected=f"lines of {_GMT_FORM}")
    return GeneSetCollection(name, tuple(sets), source, hashlib.sha256(text.encode()).hexdigest())


def _parse_line(line: str, where: str) -> GeneSet:
    """One line of GMT."""
    if "\x00" in line:
        raise GeneSetError("This is not a text file", where=where, expected="a GMT file", fix="Give a GMT file.")
    fields = [field.strip() for field in line.split("\t")]
    if len(fields) < 3:
        raise GeneSetError(
            "A gene set needs at least three fields",
            where=where,
            found=f"{len(fields)} in {line[:60]!r}",
            expected=_GMT_FORM,
            fix="Separate the fields by tabs, not by spaces or commas.",
        )
    term_id, description, *symbols = fields
    if not term_id:
        raise GeneSetError("The gene set has no name", where=where, expected=_GMT_FORM)
    genes = tuple(dict.fromkeys(_WEIGHT.sub("", symbol) for symbol in symbols if symbol))
    if not genes:
        raise GeneSetError(f"Gene set {term_id!r} has no genes", where=where, expected=_GMT_FORM)
    term_name = term_id if not description or _NOT_A_NAME.match(description) else description
    return GeneSet(term_id, term_name, genes)
