"""Which gene sets of a collection can be tested on the genes of a study."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from poma_assets.science.enrichment.gmt import GeneSet, GeneSetCollection
from poma_assets.science.errors import InputError, NotEnoughDataError

MIN_TESTED_GENES = 15


@dataclass(frozen=True)
class TestedSet:
    """A gene set and the positions of its genes among the tested genes, ascending."""

    __test__ = False  # not a class of tests, whatever its name says to pytest

    gene_set: GeneSet
    positions: tuple[int, ...]


def tested_sets(
    collection: GeneSetCollection, positions: Mapping[str, int], *, min_size: int, max_size: int
) -> list[TestedSet]:
    """Sets which have between ``min_size`` and ``max_size`` of the tested genes.

    Parameters
    ----------
    collection
        The gene sets.
    positions
        Position of every tested gene, by symbol.
    min_size, max_size
        Limits of the number of tested genes in a set, both inclusive.

    Raises
    ------
    InputError
        If the limits are not ``1 <= min_size <= max_size``.
    NotEnoughDataError
        If there are fewer than 15 tested genes, or no set is within the limits.
    """
    if not 1 <= min_size <= max_size:
        raise InputError(
            "The limits of the gene-set size are wrong",
            found=f"min_size {min_size}, max_size {max_size}",
            expected="1 <= min_size <= max_size",
        )
    if len(positions) < MIN_TESTED_GENES:
        raise NotEnoughDataError(
            "Too few tested genes for gene-set tests",
            found=len(positions),
            expected=f"at least {MIN_TESTED_GENES}",
            fix="Nothing is wrong with the gene sets; a larger study or annotation is needed.",
        )
    found = [
        TestedSet(gene_set, tuple(sorted(positions[gene] for gene in gene_set.genes if gene in positions)))
        for gene_set in collection.sets
    ]
    kept = [tested for tested in found if min_size <= len(tested.positions) <= max_size]
    if not kept:
        raise _no_set_left(collection, positions, max(len(t.positions) for t in found), min_size, max_size)
    return kept


def _no_set_left(
    collection: GeneSetCollection, positions: Mapping[str, int], largest: int, min_size: int, max_size: int
) -> NotEnoughDataError:
    """Say why no set can be tested: other names, or too few genes."""
    genes = collection.genes
    shared = sum(gene in genes for gene in positions)
    fix = f"Lower min_size (now {min_size}) or use a larger study."
    if largest > max_size:
        fix = f"Raise max_size (now {max_size})."
    if not genes:
        fix = "None of its genes is a gene of the study: give gene sets of the same organism."
    elif not shared:
        fix = (
            f"The gene sets name genes such as {min(genes)!r}, the study such as {min(positions)!r}: "
            "give gene sets of the same organism."
        )
    return NotEnoughDataError(
        f"No gene set of {collection.name} has between {min_size} and {max_size} tested genes",
        where=collection.source,
        found=f"{shared} of the {len(positions)} tested genes in any set; the largest has {largest} of them",
        fix=fix,
    )
