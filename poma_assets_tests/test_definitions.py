"""The shape of the graph is pinned: keys, groups, dependencies, owners, partitions. A change here is a decision."""

from __future__ import annotations

import dagster as dg
import pytest

from poma_assets.definitions import build_definitions
from poma_assets.vocabulary import CONTRAST_ASSETS, GROUPS, OWNER, SAMPLE_ASSETS

GRAPH: dict[str, tuple[str, set[str]]] = {
    "genome": ("reference", set()),
    "annotation": ("reference", {"genome"}),
    "gene_table": ("reference", {"annotation"}),
    "star_index": ("reference", {"genome", "annotation"}),
    "sample_sheet": ("reads", set()),
    "contrast_sheet": ("reads", {"sample_sheet"}),
    "raw_reads": ("reads", set()),
    "read_quality": ("reads", {"raw_reads"}),
    "trimmed_reads": ("reads", {"raw_reads"}),
    "trimmed_read_quality": ("reads", {"trimmed_reads"}),
    "alignments": ("alignment", {"trimmed_reads", "star_index"}),
    "alignment_quality": ("alignment", {"alignments"}),
    "gene_counts": ("quantification", {"alignments", "alignment_quality", "annotation"}),
    "htseq_counts": ("quantification", {"alignments", "alignment_quality", "annotation"}),
    "sample_quality": (
        "quantification",
        {"read_quality", "trimmed_reads", "trimmed_read_quality", "alignment_quality", "gene_counts", "gene_table"},
    ),
    "kept_files": (
        "quantification",
        {
            "raw_reads",
            "read_quality",
            "trimmed_reads",
            "trimmed_read_quality",
            "alignments",
            "alignment_quality",
            "gene_counts",
            "htseq_counts",
            "sample_quality",
        },
    ),
    "count_matrix": ("quantification", {"gene_counts", "htseq_counts", "sample_quality"}),
    "normalised_expression": ("quantification", {"count_matrix", "gene_table"}),
    "sample_exploration": ("quantification", {"normalised_expression"}),
    "sample_identity": ("quantification", {"count_matrix", "gene_table"}),
    "design_fit": ("differential_expression", {"count_matrix"}),
    "de_results": ("differential_expression", {"design_fit", "gene_table"}),
    "engine_agreement": ("differential_expression", {"de_results"}),
    "over_representation": ("enrichment", {"de_results", "gene_table"}),
    "gene_set_enrichment": ("enrichment", {"de_results", "gene_table"}),
    "response_score": ("markers", {"count_matrix", "de_results"}),
    "marker_verdicts": (
        "markers",
        {"de_results", "response_score", "sample_identity", "sample_quality", "count_matrix"},
    ),
    "verdict_history": ("markers", {"marker_verdicts"}),
    "multiqc_report": (
        "reports",
        {
            "read_quality",
            "trimmed_reads",
            "trimmed_read_quality",
            "alignments",
            "alignment_quality",
            "gene_counts",
            "sample_quality",
            "sample_exploration",
            "sample_identity",
        },
    ),
    "contrast_report": (
        "reports",
        {
            "de_results",
            "engine_agreement",
            "over_representation",
            "gene_set_enrichment",
            "response_score",
            "marker_verdicts",
            "normalised_expression",
        },
    ),
    "study_report": (
        "reports",
        {
            "contrast_report",
            "contrast_sheet",
            "engine_agreement",
            "gene_set_enrichment",
            "marker_verdicts",
            "normalised_expression",
            "over_representation",
            "sample_exploration",
            "sample_identity",
            "sample_quality",
            "verdict_history",
            "sample_sheet",
        },
    ),
    "study_database": (
        "reports",
        {"study_report", "multiqc_report", "contrast_report", "verdict_history", "normalised_expression"},
    ),
}


@pytest.fixture(scope="module")
def definitions() -> dg.Definitions:
    return build_definitions()


@pytest.fixture(scope="module")
def nodes(definitions: dg.Definitions) -> dict[str, object]:
    graph = definitions.resolve_asset_graph()
    return {key.path[-1]: graph.get(key) for key in graph.get_all_asset_keys()}


def test_assets_groups_and_dependencies(nodes):
    found = {name: (node.group_name, {parent.path[-1] for parent in node.parent_keys}) for name, node in nodes.items()}
    assert found == GRAPH


def test_every_asset_has_an_owner_a_description_kinds_and_a_code_version(nodes):
    for name, node in nodes.items():
        assert node.owners == [OWNER], name
        assert node.description, name
        assert len(node.description) > 20, name
        assert node.kinds, name
        assert node.code_version, name


def test_partitions_are_as_the_vocabulary_says(nodes):
    found = {name: node.partitions_def.name if node.partitions_def else None for name, node in nodes.items()}
    expected = dict.fromkeys(GRAPH)
    expected |= dict.fromkeys(SAMPLE_ASSETS, "samples") | dict.fromkeys(CONTRAST_ASSETS, "contrasts")
    assert found == expected


def test_groups_are_those_of_the_protocol(nodes):
    assert {node.group_name for node in nodes.values()} == set(GROUPS)


def test_every_computed_asset_has_a_check(definitions, nodes):
    checked = {key.asset_key.path[-1] for key in definitions.resolve_asset_graph().asset_check_keys}
    unchecked = set(nodes) - checked
    assert checked <= set(nodes)
    # These either raise while they run (reference), or are checked through what they feed.
    assert unchecked == {
        "genome",
        "annotation",
        "star_index",
        "htseq_counts",
        "verdict_history",
        "contrast_report",
    }


def test_jobs_sensors_and_schedules(definitions):
    repository = definitions.get_repository_def()
    named = {job.name for job in repository.get_all_jobs() if not job.name.startswith("__")}
    assert named == {
        "prepare_reference",
        "prepare_reads",
        "process_sample",
        "count_sample_with_htseq",
        "analyse_cohort",
        "analyse_contrast",
        "publish_reports",
        "update_study",
    }
    assert {sensor.name for sensor in repository.sensor_defs} == {
        "changed_inputs_sensor",
        "failed_run_notifier",
        "verdict_change_notifier",
        "inbox_sensor",
    }
    assert {schedule.name for schedule in repository.schedule_defs} == {"nightly_update"}


def test_the_default_executor_is_in_process(definitions):
    assert definitions.executor is dg.in_process_executor
