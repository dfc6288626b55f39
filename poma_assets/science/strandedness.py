"""Library strandedness from STAR's gene counts under the three hypotheses.

STAR's ``ReadsPerGene.out.tab`` counts every fragment three times: unstranded, with the first read on the
strand of the RNA ("forward", featureCounts ``-s 1``), and with the second read on it ("reverse", ``-s 2``;
dUTP kits).
"""

from __future__ import annotations

from dataclasses import dataclass

STRANDED_FRACTION = 0.8
"""At least this share on one strand is stranded: nf-core/rnaseq's ``stranded_threshold`` (0.8)."""

UNSTRANDED_RANGE = (0.4, 0.6)
"""Share of reverse that is unstranded. nf-core/rnaseq's ``unstranded_threshold`` (0.1) asks that forward and
reverse differ by less than a tenth, that is 0.45 to 0.55; this is a little wider, because small samples and
genes with antisense transcripts scatter more and the gap up to 0.8 stays wide."""

MIN_FRAGMENTS = 100
"""Fewer fragments in genes (forward + reverse) than this decide nothing."""

DECLARED = ("auto", "forward", "reverse", "unstranded")


@dataclass(frozen=True)
class Strandedness:
    """Declared, inferred and used strandedness; the columns of table ``strandedness`` without the sample.

    Attributes
    ----------
    inferred
        ``forward``, ``reverse``, ``unstranded`` or ``undetermined``.
    used
        What the counters shall be given: the inferred one, else the declared one, else ``unstranded``.
    reverse_fraction
        reverse / (forward + reverse); None without fragments.
    agrees
        The declared one is not contradicted: it is ``auto``, equals the inferred one, or there are too few
        fragments to judge.
    """

    declared: str
    inferred: str
    used: str
    forward_fragments: int
    reverse_fragments: int
    unstranded_fragments: int
    reverse_fraction: float | None
    agrees: bool


def infer_strandedness(unstranded: int, forward: int, reverse: int, *, declared: str) -> Strandedness:
    """Infer the strandedness of a library from fragments assigned to genes.

    Parameters
    ----------
    unstranded, forward, reverse
        Sums over genes of columns 2, 3 and 4 of STAR's ``ReadsPerGene.out.tab``.
    declared
        The sheet's word: ``auto``, ``forward``, ``reverse`` or ``unstranded``.

    Raises
    ------
    ValueError
        ``declared`` is none of these, or a sum is negative.
    """
    if declared not in DECLARED:
        raise ValueError(f"declared strandedness must be one of {', '.join(DECLARED)}, not {declared!r}")
    if min(unstranded, forward, reverse) < 0:
        raise ValueError("numbers of fragments cannot be negative")
    total = forward + reverse
    fraction = reverse / total if total else None
    inferred = _classify(fraction) if fraction is not None and total >= MIN_FRAGMENTS else "undetermined"
    fallback = "unstranded" if declared == "auto" else declared
    return Strandedness(
        declared=declared,
        inferred=inferred,
        used=fallback if inferred == "undetermined" else inferred,
        forward_fragments=forward,
        reverse_fragments=reverse,
        unstranded_fragments=unstranded,
        reverse_fraction=fraction,
        agrees=declared in ("auto", inferred) or total < MIN_FRAGMENTS,
    )


def _classify(reverse_fraction: float) -> str:
    if reverse_fraction >= STRANDED_FRACTION:
        return "reverse"
    if 1 - reverse_fraction >= STRANDED_FRACTION:
        return "forward"
    if UNSTRANDED_RANGE[0] <= reverse_fraction <= UNSTRANDED_RANGE[1]:
        return "unstranded"
    return "undetermined"
