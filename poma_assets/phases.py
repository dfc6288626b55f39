"""The stages in which a study is brought up to date: which assets each has, and which stages it waits for."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from dagster._core.definitions.assets.graph.base_asset_graph import BaseAssetGraph

from poma_assets.jobs import COHORT_ASSETS, REFERENCE_ASSETS, REPORT_ASSETS
from poma_assets.planning import AssetNode, StepIndex
from poma_assets.resources import StudyResource
from poma_assets.vocabulary import ASSETS_BEFORE_ALIGNMENT, CONTRAST_ASSETS, READ_ASSETS, SAMPLE_ASSETS


@dataclass(frozen=True)
class Phase:
    """One stage: a job, the assets of it that may run, and the stages that have ended before.

    ``waits_for``: stages that have ended before, well or not: it makes the best of what they left.
    ``required``: without all of it, nothing after it can be right (of the others, one bad partition harms no other).
    """

    title: str
    job_name: str
    assets: tuple[str, ...]
    after: tuple[str, ...] = ()
    waits_for: tuple[str, ...] = ()
    required: bool = False


PHASES = (
    Phase("reference", "prepare_reference", REFERENCE_ASSETS, required=True),
    Phase("samples", "process_sample", SAMPLE_ASSETS, after=("reference",)),
    Phase("cohort", "analyse_cohort", COHORT_ASSETS, after=("samples",), required=True),
    # It shows what the cohort says of the samples; where there is no cohort, it is needed to see why.
    Phase("multiqc", "publish_reports", ("multiqc_report",), after=("samples",), waits_for=("cohort",)),
    Phase("contrasts", "analyse_contrast", CONTRAST_ASSETS, after=("cohort",)),
    Phase(
        "reports",
        "publish_reports",
        tuple(name for name in REPORT_ASSETS if name != "multiqc_report"),
        after=("contrasts", "multiqc"),
    ),
)

READS_AHEAD = Phase("reads", "prepare_reads", ASSETS_BEFORE_ALIGNMENT)
"""What is done of the first samples while the reference is prepared: making a genome index keeps one core busy."""


def phases_until(title: str) -> tuple[Phase, ...]:
    """The stages that a stage needs, and itself, in order; all that come before it in the protocol for the last one."""
    needed = {title}
    for phase in reversed(PHASES):
        if phase.title in needed:
            needed.update(phase.after)
    return tuple(phase for phase in PHASES if phase.title in needed)


def phases_after(titles: Collection[str]) -> set[str]:
    """Titles of all stages that wait, directly or not, for one of these."""
    later: set[str] = set()
    for phase in PHASES:
        if not set(phase.after).isdisjoint({*titles, *later}):
            later.add(phase.title)
    return later


def asset_nodes(graph: BaseAssetGraph[Any]) -> list[AssetNode]:
    """The assets in topological order, as planning sees them."""
    nodes = []
    for key in graph.toposorted_asset_keys:
        node = graph.get(key)
        parents = tuple(sorted(parent.path[-1] for parent in node.parent_keys))
        nodes.append(AssetNode(key.path[-1], node.code_version or "", parents))
    return nodes


def nodes_in_use(graph: BaseAssetGraph[Any], study: StudyResource, *, htseq: bool = False) -> list[AssetNode]:
    """The part of the graph that a study uses: one that begins at the counts has no reads and no reference.

    Parameters
    ----------
    htseq
        Whether counts by htseq-count are asked for. Those that were once asked for are kept up to date.
    """
    config = study.study.config
    left_out: set[str] = set()
    if not (htseq or config.counter == "htseq" or StepIndex.read(study, ["htseq_counts"]).fingerprints):
        left_out.add("htseq_counts")
    if config.count_matrix:
        left_out |= set(SAMPLE_ASSETS) - {"sample_quality"} | {"multiqc_report"}
    elif study.sheet.units["counts"].notna().all():
        left_out |= {*READ_ASSETS, "multiqc_report"}
    if "raw_reads" in left_out:
        left_out.add("star_index")
        if study.study.annotation_path is None:
            left_out |= {"genome", "annotation"}
    return [node for node in asset_nodes(graph) if node.name not in left_out]
