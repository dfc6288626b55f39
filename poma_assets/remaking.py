"""Which steps are made again because a file of theirs was dropped that a step which runs now needs.

A file that was dropped on purpose does not make its step stale. It is missed only when a step that reads it runs: then
its own step runs first, and what that one reads is looked at likewise, up to the user's own files.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence

from poma_assets.science.retention import needed_files
from poma_assets.vocabulary import KEPT_FILES

StepKey = tuple[str, str]
"""Asset and partition."""

_WORDS = {
    "raw_reads": "merged reads",
    "trimmed_reads": "trimmed reads",
    "alignments": "alignments",
}


def remade_steps(
    assets: Sequence[str],
    running: Iterable[StepKey],
    lost: Mapping[StepKey, Collection[str]],
    *,
    counter: str,
    keep: str,
) -> dict[StepKey, str]:
    """Steps that must run besides those that run anyway.

    What comes after a step that is made again does not run for this alone: the content is the same.

    Parameters
    ----------
    assets
        All assets in topological order, parents first.
    running
        Steps that run anyway.
    lost
        Step -> roles of its files that were dropped and cannot be had otherwise.
    counter
        The study's counter, which decides what ``gene_counts`` reads.
    keep
        The policy now, for the reason.

    Returns
    -------
    dict
        Step -> reason in words, in no particular order. Whatever sample is remade is tidied up again at its end.
    """
    partitions: dict[str, set[str]] = {asset: set() for asset in assets}
    for asset, partition in running:
        partitions.setdefault(asset, set()).add(partition)
    reasons: dict[StepKey, str] = {}
    for step in reversed(assets):
        for parent, roles in needed_files(step, counter).items():
            for partition in partitions[step] - partitions.get(parent, set()):
                if parent in partitions and set(roles) & set(lost.get((parent, partition), ())):
                    reasons[parent, partition] = f"its {_WORDS[parent]} were dropped (keep: {keep}), {step} needs them"
                    partitions[parent].add(partition)
    if KEPT_FILES in partitions:
        for partition in {partition for _, partition in reasons} - partitions[KEPT_FILES]:
            reasons[KEPT_FILES, partition] = "files of the sample are made again"
    return reasons
