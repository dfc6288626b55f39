"""What Dagster's page is told of a step that was computed, and of one that was not computed again."""

from __future__ import annotations

import dagster as dg
import pytest
from recorded_study import write_study

from poma_assets.assets.step_metadata import COMPUTED_IN
from poma_assets.definitions import build_definitions
from poma_assets.vocabulary import ONLY_STALE_TAG, UNCHANGED_KEY


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """Metadata of the sample sheet's asset: computed, then twice up to date; and the run that computed it."""
    study = write_study(tmp_path_factory.mktemp("study"))
    job = build_definitions(study).resolve_job_def("prepare_reference")
    with dg.instance_for_test() as instance:
        runs = [
            job.execute_in_process(
                instance=instance, asset_selection=[dg.AssetKey("sample_sheet")], tags={ONLY_STALE_TAG: "true"}
            )
            for _ in range(3)
        ]
        metadata = [run.asset_materializations_for_node("sample_sheet")[0].metadata for run in runs]
    return metadata, runs[0].run_id


def test_rows_are_counted_table_by_table_and_shown(told):
    (computed, *_), _ = told
    assert (computed["dagster/row_count"].value, computed["rows of sequencing_units"].value) == (2, 3)
    assert computed["preview of samples"].records[0].data["sample_id"] == "S1"
    assert computed["preview of sequencing_units"].records[2].data["fastq_1"] == "reads/S2_2_R1.fastq"
    assert computed["why"].value == "never run"
    assert UNCHANGED_KEY not in computed


def test_what_is_up_to_date_shows_what_was_computed_and_where(told):
    (computed, *later), run_id = told
    for metadata in later:
        assert metadata[COMPUTED_IN].value == run_id
        assert metadata[UNCHANGED_KEY].value.startswith("not computed again")
        assert {name: metadata[name] for name in computed} == dict(computed)
        assert set(metadata) == {*computed, UNCHANGED_KEY, COMPUTED_IN}
