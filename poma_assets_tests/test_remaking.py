from __future__ import annotations

import inspect

import pytest

from poma_assets.assets import alignment, quantification, reads
from poma_assets.definitions import build_definitions
from poma_assets.jobs import COHORT_ASSETS, REFERENCE_ASSETS, REPORT_ASSETS
from poma_assets.phases import asset_nodes
from poma_assets.remaking import remade_steps
from poma_assets.resources import Files
from poma_assets.science.retention import DROPPABLE_ASSETS, NEEDED_FILES
from poma_assets.vocabulary import CONTRAST_ASSETS, SAMPLE_ASSETS

ASSETS = [name for name in SAMPLE_ASSETS if name != "kept_files"] + ["kept_files", "count_matrix"]
READS = {"fastq_1", "fastq_2"}
BAM = {"bam", "bai"}


def remade(running: dict[str, str], lost: dict[str, set[str]], **options: str) -> dict[str, str]:
    """Assets of sample S1 that are made again."""
    keys = list(running.items())
    settings = {"counter": "featurecounts", "keep": "counts", **options}
    reasons = remade_steps(ASSETS, keys, {(asset, "S1"): roles for asset, roles in lost.items()}, **settings)
    assert {partition for _, partition in reasons} <= {"S1"}
    return {asset: reason for (asset, _), reason in reasons.items()}


def test_nothing_is_made_again_while_nothing_runs() -> None:
    assert remade({}, {"alignments": BAM, "trimmed_reads": READS}) == {}


def test_dropped_files_are_made_again_up_to_the_reads() -> None:
    lost = {"alignments": BAM, "trimmed_reads": READS, "raw_reads": READS}
    assert remade({"htseq_counts": "S1"}, lost) == {
        "alignments": "its alignments were dropped (keep: counts), htseq_counts needs them",
        "trimmed_reads": "its trimmed reads were dropped (keep: counts), alignments needs them",
        "raw_reads": "its merged reads were dropped (keep: counts), trimmed_reads needs them",
        "kept_files": "files of the sample are made again",
    }


def test_a_file_that_is_there_ends_the_way_upwards() -> None:
    assert set(remade({"htseq_counts": "S1"}, {"trimmed_reads": READS})) == set()
    assert set(remade({"htseq_counts": "S1"}, {"alignments": BAM})) == {"alignments", "kept_files"}
    assert set(remade({"alignments": "S1"}, {"trimmed_reads": READS})) == {"trimmed_reads", "kept_files"}


def test_what_runs_anyway_is_not_named_twice() -> None:
    running = {"trimmed_reads": "S1", "alignments": "S1", "kept_files": "S1"}
    assert set(remade(running, {"trimmed_reads": READS, "raw_reads": READS})) == {"raw_reads"}


def test_only_the_roles_that_are_read_count() -> None:
    assert remade({"gene_counts": "S1"}, {"alignments": {"splice_junctions"}}) == {}
    assert remade({"gene_counts": "S1"}, {"alignments": BAM}, counter="star") == {}
    assert remade({"sample_quality": "S1", "count_matrix": ""}, {"alignments": BAM}) == {}


def test_only_the_samples_own_files_are_made_again() -> None:
    assert remade({"htseq_counts": "S2"}, {"alignments": BAM}) == {}


@pytest.mark.parametrize("module", [reads, alignment, quantification])
def test_the_table_of_needed_files_agrees_with_the_parameters_of_the_assets(module: object) -> None:
    for name in SAMPLE_ASSETS:
        asset = getattr(module, name, None)
        if asset is None:
            continue
        parameters = inspect.signature(asset.op.compute_fn.decorated_fn).parameters.values()
        given = {one.name for one in parameters if one.annotation is Files}
        assert given & set(DROPPABLE_ASSETS) == set(NEEDED_FILES.get(name, {})), name


def test_the_jobs_name_every_asset_of_the_graph() -> None:
    named = (*REFERENCE_ASSETS, *COHORT_ASSETS, *REPORT_ASSETS, *SAMPLE_ASSETS, *CONTRAST_ASSETS)
    assert sorted(named) == sorted(node.name for node in asset_nodes(build_definitions().resolve_asset_graph()))
