"""What both enrichment tests share: which sets are tested, adjustment of p values, the form of the result."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import false_discovery_control

from poma_assets.science.enrichment.gmt import GeneSet, GeneSetCollection
from poma_assets.science.errors import InputError, NotEnoughDataError

MIN_TESTED_GENES = 15

RESULT_COLUMNS = (
    "collection",
    "term_id",
    "term_name",
    "set_size",
    "overlap",
    "score",
    "normalised_score",
    "p_value",
    "p_adjusted",
    "leading_genes",
)
"""Columns of a test's result, in the order of the table ``enrichment``."""

ENRICHMENT_COLUMNS = ("contrast_id", "method", "direction", *RESULT_COLUMNS)
"""Columns of the table ``enrichment``."""

_DIRECTIONS = {"ora": ("up", "down", "both"), "gsea": ("both",)}


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
    if not shared:
        fix = (
            f"The gene sets name genes such as {min(genes)!r}, the study such as {min(positions)!r}: "
            "give gene sets of the same organism, by gene symbol."
        )
    return NotEnoughDataError(
        f"No gene set of {collection.name} has between {min_size} and {max_size} tested genes",
        where=collection.source,
        found=f"{shared} of the {len(positions)} tested genes in any set; the largest has {largest} of them",
        fix=fix,
    )


def benjamini_hochberg(p_values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Benjamini-Hochberg adjusted p values over all given p values (an empty array stays empty)."""
    if p_values.size == 0:
        return p_values
    return np.asarray(false_discovery_control(p_values, method="bh"), dtype=np.float64)


def result_frame(rows: Iterable[Mapping[str, object]]) -> pd.DataFrame:
    """Result columns from rows without ``p_adjusted``: adjusted over all rows, smallest p value first."""
    frame = pd.DataFrame(list(rows), columns=list(RESULT_COLUMNS))
    frame = frame.astype({"set_size": "int32", "overlap": "int32"})
    frame = frame.astype(dict.fromkeys(("score", "normalised_score", "p_value", "p_adjusted"), "float64"))
    frame["p_adjusted"] = benjamini_hochberg(frame["p_value"].to_numpy(dtype=np.float64))
    order = frame.assign(strength=-frame["normalised_score"].abs().fillna(0.0))
    order = order.sort_values(["p_value", "strength", "term_id"], kind="stable")
    return frame.loc[order.index].reset_index(drop=True)


def enrichment_frame(
    result: pd.DataFrame | None, *, contrast_id: str, method: str, direction: str
) -> pd.DataFrame:
    """Add contrast, method and direction: exactly the columns of the table ``enrichment``.

    Parameters
    ----------
    result
        Result of ``over_representation`` or ``gene_set_enrichment``; None for a test that could not be made,
        which gives an empty frame.
    contrast_id
        The contrast.
    method
        ``ora`` or ``gsea``.
    direction
        ``up``, ``down`` or ``both`` for ora; ``both`` for gsea.
    """
    if direction not in _DIRECTIONS.get(method, ()):
        raise InputError(
            "Unknown enrichment method or direction",
            found=f"method {method!r}, direction {direction!r}",
            expected="ora with up, down or both; gsea with both",
        )
    frame = result_frame([]) if result is None else result.loc[:, list(RESULT_COLUMNS)].copy()
    for position, (column, value) in enumerate(
        (("contrast_id", contrast_id), ("method", method), ("direction", direction))
    ):
        frame.insert(position, column, pd.Series(value, index=frame.index, dtype="object"))
    return frame
