"""`poma explain`: what is told of an asset is what the graph and the runs say."""

from __future__ import annotations

import json

import dagster as dg
import pytest

from poma_assets.asset_tables import TABLES_OF, preview_name
from poma_assets.definitions import build_definitions
from poma_assets.explanation import all_assets, explain_asset
from poma_assets.resources import StudyResource
from poma_assets.science.errors import InputError
from poma_assets.storage.schema import TABLES
from poma_assets.vocabulary import UNCHANGED_KEY

KEYS = sorted(key.path[-1] for key in build_definitions().resolve_asset_graph().get_all_asset_keys())


def test_every_table_is_stored_by_some_asset():
    stored = {table for tables in TABLES_OF.values() for table in tables}
    assert stored | {"steps", "artefacts"} == set(TABLES)
    assert set(TABLES_OF) <= set(KEYS)


@pytest.mark.parametrize("asset", KEYS)
def test_every_asset_can_be_explained(asset):
    facts = explain_asset(asset)
    assert facts.description.endswith(".") or facts.description
    assert facts.made_by
    assert facts.code_version
    assert facts.parameters == {}
    assert all(check.description for check in facts.checks)


def test_all_are_listed_in_the_order_of_the_protocol():
    listed = all_assets()
    assert sorted(name for rows in listed.values() for name, _ in rows) == KEYS
    assert list(listed)[:3] == ["reference", "reads", "alignment"]
    assert all(sentence and not sentence.endswith(".") for rows in listed.values() for _, sentence in rows)


def test_what_it_is_made_from_and_checked_for():
    facts = explain_asset("gene_counts")
    assert facts.made_from == ("alignment_quality", "alignments", "annotation")
    assert "count_matrix" in facts.used_by
    assert (facts.one_per, facts.tables) == ("sample", ("gene_counts", "count_assignment"))
    blocking = {check.name: check.blocking for check in facts.checks}
    assert blocking["gene_counts_are_not_negative"] is True
    assert blocking["featurecounts_agrees_with_star"] is False


def test_a_table_is_explained_by_the_asset_that_stores_it_and_unknown_names_by_near_ones():
    assert explain_asset("programme_scores").name == "response_score"
    with pytest.raises(InputError, match="Did you mean 'de_results'"):
        explain_asset("de_result")
    with pytest.raises(InputError, match="Did you mean 'v_top_genes'"):
        explain_asset("v_top_gene")


def test_parameters_in_force_are_those_of_the_study(tiny_study):
    facts = explain_asset("trimmed_reads", StudyResource(root=str(tiny_study)))
    assert facts.parameters["trimmer in poma.yaml"] == "cutadapt"
    assert facts.partition == StudyResource(root=str(tiny_study)).sheet.samples["sample_id"][0]


def test_people_and_programs_are_told_the_same(poma_here, tmp_path):
    told = json.loads(poma_here("explain", "de_results", "--json", cwd=tmp_path).stdout)
    assert told["columns"]["de_results"][0]["name"] == "contrast_id"
    assert told["made_from"] == ["design_fit", "gene_table"]
    printed = poma_here("explain", "de_results", cwd=tmp_path).stdout
    assert all(column.comment in printed for column in TABLES["de_results"].columns)
    assert "parameters" not in printed
    view = json.loads(poma_here("explain", "v_verdicts", "--json", cwd=tmp_path).stdout)
    assert view["view"] == "v_verdicts"
    unknown = poma_here("explain", "verdict", cwd=tmp_path)
    assert (unknown.returncode, "no asset or table" in unknown.stderr) == (2, True)


@pytest.mark.tools
def test_the_tables_of_every_asset_are_those_that_its_runs_stored(finished_study, monkeypatch):
    monkeypatch.setenv("DAGSTER_HOME", str(finished_study / ".dagster"))
    monkeypatch.setenv("POMA_STUDY", str(finished_study))
    seen: dict[str, tuple[str, ...]] = {}
    with dg.DagsterInstance.get() as instance:
        for asset in KEYS:
            for record in instance.fetch_materializations(dg.AssetKey(asset), limit=50).records:
                metadata = record.asset_materialization.metadata
                if UNCHANGED_KEY not in metadata:
                    seen[asset] = tuple(sorted(table for table in TABLES if preview_name(table) in metadata))
    assert len(seen) > 25
    assert seen == {asset: tuple(sorted(TABLES_OF.get(asset, ()))) for asset in seen}


@pytest.mark.tools
def test_the_files_of_an_asset_are_told_with_the_program_that_made_them(finished_study):
    files = explain_asset("gene_counts", StudyResource(root=str(finished_study))).files
    assert files["counts"].startswith("featureCounts ")
