"""How much memory STAR's genome index takes, and how sparse it must be for a machine.

Sizes as STAR 2.7 makes them (checked with genomes of 20 Mb): one byte a base; a suffix array of both strands with
one more bit than a position needs, of which every ``genomeSAsparseD``-th entry is kept; the array's index.
"""

from __future__ import annotations

from dataclasses import dataclass

from poma_assets.science.errors import NotEnoughMemoryError

_LEAST_POSITION_BITS = 32
_INDEX_FLAG_BITS = 3
_AUTOMATIC = (1, 2, 3, 4)
"""What is tried; each step makes alignment slower, and beyond 4 little memory is saved."""

_HEADROOM_SHARE = 1.1
_HEADROOM_BYTES = 2 * 1024**3
"""For sorting the alignments, the other programs of the machine, and the junctions that STAR inserts."""


@dataclass(frozen=True)
class SparseChoice:
    """The ``genomeSAsparseD`` to build with, and why, in a sentence."""

    sparse_d: int
    reason: str


def index_memory_bytes(genome_length_bp: int, sa_index_nbases: int, sparse_d: int = 1) -> int:
    """Memory of STAR's index.

    Parameters
    ----------
    genome_length_bp
        Bases of all sequences.
    sa_index_nbases
        ``genomeSAindexNbases``: length of the words of the suffix array's index.
    sparse_d
        ``genomeSAsparseD``.

    Returns
    -------
    int
        Bytes: about 30 GB for a human genome at 1, 17 GB at 2.
    """
    position_bits = max(_LEAST_POSITION_BITS, genome_length_bp.bit_length())
    suffix_array = 2 * genome_length_bp * (position_bits + 1) // 8 // sparse_d
    words = sum(1 << 2 * length for length in range(1, sa_index_nbases + 1))
    return genome_length_bp + suffix_array + words * (position_bits + _INDEX_FLAG_BITS) // 8


def choose_sparse_d(
    genome_length_bp: int, sa_index_nbases: int, machine_bytes: int, *, asked: int | None = None
) -> SparseChoice:
    """The densest index that the machine has room for.

    Parameters
    ----------
    genome_length_bp, sa_index_nbases
        As `index_memory_bytes`.
    machine_bytes
        Memory of the machine, whoever uses it now.
    asked
        What ``poma.yaml`` says, which is taken if it can fit at all.

    Raises
    ------
    NotEnoughMemoryError
        The index, or the sparsest one that is chosen by itself, is larger than the memory.
    """
    sizes = {d: index_memory_bytes(genome_length_bp, sa_index_nbases, d) for d in (*_AUTOMATIC, asked or 1)}
    machine = f"this machine has {_gb(machine_bytes)}"
    if asked is not None:
        if sizes[asked] > machine_bytes:
            raise _does_not_fit(genome_length_bp, asked, sizes[asked], machine)
        return SparseChoice(asked, f"genomeSAsparseD {asked} as poma.yaml says: {_gb(sizes[asked])}, {machine}")
    for d in _AUTOMATIC:
        if sizes[d] * _HEADROOM_SHARE + _HEADROOM_BYTES <= machine_bytes:
            before = f"the index needs about {_gb(sizes[1])} at 1" + (f" and {_gb(sizes[d])} at {d}" if d > 1 else "")
            return SparseChoice(d, f"genomeSAsparseD {d}: {before}, {machine}")
    sparsest = _AUTOMATIC[-1]
    if sizes[sparsest] > machine_bytes:
        raise _does_not_fit(genome_length_bp, sparsest, sizes[sparsest], machine)
    reason = f"genomeSAsparseD {sparsest}: the index needs about {_gb(sizes[sparsest])}, {machine}: nearly too little"
    return SparseChoice(sparsest, reason)


def _does_not_fit(genome_length_bp: int, sparse_d: int, size_bytes: int, machine: str) -> NotEnoughMemoryError:
    return NotEnoughMemoryError(
        "STAR's genome index does not fit into the memory",
        where=f"a genome of {genome_length_bp:,} bases",
        found=machine,
        expected=f"about {_gb(size_bytes)} at genomeSAsparseD {sparse_d}",
        fix="Use a machine with more memory, or a larger star_sparse_d under 'reference:' in poma.yaml (slower); or "
        "count elsewhere, and begin at the counts.",
    )


def _gb(size_bytes: int) -> str:
    size_gb = size_bytes / 1e9
    return f"{size_gb:.0f} GB" if size_gb >= 10 else f"{size_gb:.2g} GB"
