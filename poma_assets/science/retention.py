"""Which files of a sample are kept: the policy of ``keep:`` and ``alignment_format:`` as one decision per file.

Only the decision belongs here; files are found, converted and deleted elsewhere.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Literal

Policy = Literal["all", "bam", "counts"]
AlignmentFormat = Literal["bam", "cram"]
Decision = Literal["keep", "drop", "convert"]

READ_ROLES = ("fastq_1", "fastq_2")
BAM_ROLES = ("bam", "bai")
CRAM_ROLES = ("cram", "crai")

_DROPPED: Mapping[Policy, Mapping[str, Collection[str]]] = {
    "all": {},
    "bam": {"raw_reads": READ_ROLES, "trimmed_reads": READ_ROLES},
    "counts": {
        "raw_reads": READ_ROLES,
        "trimmed_reads": READ_ROLES,
        "alignments": (*BAM_ROLES, *CRAM_ROLES, "splice_junctions"),
    },
}
"""Policy -> asset -> roles of the files that go. What MultiQC reads (reports and logs of the tools) always stays."""

DROPPABLE_ASSETS = tuple(_DROPPED["counts"])
"""Assets some of whose files a policy may drop."""

_READS_NEEDED = {"raw_reads": READ_ROLES}
_TRIMMED_NEEDED = {"trimmed_reads": READ_ROLES}
NEEDED_FILES: Mapping[str, Mapping[str, Collection[str]]] = {
    "read_quality": _READS_NEEDED,
    "trimmed_reads": _READS_NEEDED,
    "trimmed_read_quality": _TRIMMED_NEEDED,
    "alignments": _TRIMMED_NEEDED,
    "alignment_quality": {"alignments": ("bam", "log_final", "reads_per_gene")},
    "gene_counts": {"alignments": ("bam",)},
    "htseq_counts": {"alignments": ("bam",)},
}
"""Step -> parent -> roles of the parent's files that the step reads, where a policy may have dropped them."""


def decide(asset: str, role: str, *, policy: Policy, alignment_format: AlignmentFormat) -> Decision:
    """Decide on one file of the pipeline's own when no step of its sample needs it any more.

    Parameters
    ----------
    asset, role
        Whose file it is, and what.
    policy
        ``all`` keeps every file; ``bam`` drops trimmed reads and merged copies of raw reads; ``counts`` drops
        alignments too.
    alignment_format
        ``cram``: alignments that are kept are kept as CRAM.

    Returns
    -------
    str
        ``keep``, ``drop``, or ``convert`` (a BAM file to CRAM; its index goes with it).
    """
    if role in _DROPPED[policy].get(asset, ()):
        return "drop"
    if asset == "alignments" and role in BAM_ROLES and alignment_format == "cram":
        return "convert"
    return "keep"


def needed_files(step: str, counter: str) -> Mapping[str, Collection[str]]:
    """Parent -> roles of its files that a step reads, in a study with this counter."""
    if step == "gene_counts" and counter == "star":
        return {"alignments": ("reads_per_gene",)}
    return NEEDED_FILES.get(step, {})


def lost_files(dropped: Collection[str], kept: Collection[str]) -> set[str]:
    """Roles of an asset partition that were dropped and cannot be had: a BAM file can, from its CRAM file."""
    restorable = BAM_ROLES if "cram" in kept else ()
    return set(dropped) - set(restorable)
