"""The sensor of changed inputs: what it asks for, and when it keeps quiet."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pandas as pd
import pytest
from dagster._core.events import DagsterEvent, JobFailureData, RunFailureReason
from dagster._core.execution.plan.objects import StepFailureData

from poma_assets.definitions import build_definitions
from poma_assets.launcher import needed_nodes
from poma_assets.planning import stale_steps
from poma_assets.resources import StudyResource
from poma_assets.runs import this_process
from poma_assets.science.errors import SampleSheetError
from poma_assets.sensors import changed_inputs_sensor
from poma_assets.storage.lock import exclusive_lock
from poma_assets.study_update import update_study
from poma_assets.vocabulary import PROCESS_TAG


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test() as made:
        yield made


@pytest.fixture
def study(study_copy: Path) -> Path:
    """A study whose files were copied long ago."""
    for path in study_copy.rglob("*"):
        if path.is_file():
            os.utime(path, (time.time() - 3600,) * 2)
    return study_copy


def look(instance: dg.DagsterInstance, study: Path, cursor: str | None = None) -> dg.SensorResult | dg.SkipReason:
    repository = build_definitions().get_repository_def()
    context = dg.build_sensor_context(instance=instance, cursor=cursor, repository_def=repository)
    result = changed_inputs_sensor(context, study=StudyResource(root=str(study)))
    assert isinstance(result, dg.SensorResult | dg.SkipReason)
    return result


def left_out(result: dg.SensorResult) -> list[str]:
    (request,) = result.run_requests or []
    return request.run_config["ops"]["bring_up_to_date"]["config"]["leave_out"]


def read_sheet(study: Path) -> pd.DataFrame:
    return pd.read_csv(study / "samples.tsv", sep="\t", dtype=str, keep_default_na=False)


def write_sheet(study: Path, sheet: pd.DataFrame) -> None:
    sheet.to_csv(study / "samples.tsv", sep="\t", index=False)


def test_the_first_look_asks_for_one_update_of_everything(instance, study):
    result = look(instance, study)
    assert left_out(result) == []
    assert "never run" in result.run_requests[0].tags["poma/why"]
    assert instance.get_dynamic_partitions("samples") == read_sheet(study)["sample"].tolist()
    assert len(instance.get_dynamic_partitions("contrasts")) >= 1


def test_what_was_asked_for_is_not_asked_for_again(instance, study):
    first = look(instance, study)
    again = look(instance, study, first.cursor)
    assert isinstance(again, dg.SkipReason)
    assert "tried before without success" in again.skip_message


def test_only_a_sample_with_other_reads_is_tried_again(instance, study):
    first = look(instance, study)
    sheet = read_sheet(study)
    path = study / sheet.loc[2, "fastq_1"]
    path.write_bytes(path.read_bytes() + path.read_bytes())
    os.utime(path, (time.time() - 3600,) * 2)
    result = look(instance, study, first.cursor)
    assert left_out(result) == sorted(set(sheet["sample"]) - {sheet.loc[2, "sample"]})
    assert result.run_requests[0].run_key != first.run_requests[0].run_key


def test_files_that_are_still_written_are_waited_for(instance, study):
    os.utime(study / read_sheet(study).loc[1, "fastq_2"])
    result = look(instance, study)
    assert isinstance(result, dg.SkipReason)
    assert f"Waiting until the files of {read_sheet(study).loc[1, 'sample']}" in result.skip_message


def test_a_withdrawn_sample_loses_its_partition(instance, study):
    sheet = read_sheet(study)
    look(instance, study)
    write_sheet(study, sheet.drop(index=1))
    look(instance, study)
    assert sheet.loc[1, "sample"] not in instance.get_dynamic_partitions("samples")


def test_a_broken_sheet_fails_the_look_and_leaves_everything_as_it_is(instance, study):
    look(instance, study)
    before = instance.get_dynamic_partitions("samples")
    sheet = read_sheet(study)
    sheet.loc[0, "sample"] = "../x"
    write_sheet(study, sheet)
    with pytest.raises(SampleSheetError, match="line 2, column sample"):
        look(instance, study)
    assert instance.get_dynamic_partitions("samples") == before


def test_people_who_watch_are_told_once_of_each_fault(instance, study, monkeypatch, capsys):
    sheet = read_sheet(study)

    def look_at(name):
        write_sheet(study, sheet.assign(sample=[name, *sheet["sample"][1:]]))
        with pytest.raises(SampleSheetError):
            look(instance, study)
        return capsys.readouterr().err

    assert look_at("../x") == ""  # nobody has asked to watch: the page shows it
    monkeypatch.setenv("POMA_WATCH", "1")
    (line,) = look_at("../x").splitlines()
    assert "nothing new can run: samples.tsv, line 2, column sample: the sample name is not" in line
    assert look_at("../x") == ""
    assert "found '../y'" in look_at("../y")
    write_sheet(study, sheet)
    look(instance, study)
    assert "found '../y'" in look_at("../y")


def test_an_update_or_poma_run_at_work_is_waited_for(instance, study):
    lock = StudyResource(root=str(study)).study.run_lock_path
    lock.parent.mkdir(exist_ok=True)
    with exclusive_lock(lock, describe="a test"):
        assert "`poma run` is" in look(instance, study).skip_message
    run = instance.create_run_for_job(update_study, status=dg.DagsterRunStatus.STARTED)
    assert run.run_id in look(instance, study).skip_message


def test_an_update_that_was_killed_is_closed_and_asked_for_again(instance, study):
    first = look(instance, study)
    run = instance.create_run_for_job(update_study, status=dg.DagsterRunStatus.STARTED)
    host, pid, _ = this_process().rsplit(":", 2)
    instance.add_run_tags(run.run_id, {PROCESS_TAG: f"{host}:{pid}:0.00"})
    again = look(instance, study, first.cursor)
    assert isinstance(again, dg.SensorResult)
    assert instance.get_run_by_id(run.run_id).status == dg.DagsterRunStatus.FAILURE
    assert again.run_requests[0].run_key != first.run_requests[0].run_key


def end_unfinished(instance, reason):
    """An update whose step failed, for this reason."""
    run = instance.create_run_for_job(update_study, status=dg.DagsterRunStatus.STARTED)
    told = {"job_name": update_study.name, "message": "ended"}
    step = DagsterEvent(
        "STEP_FAILURE", step_key="bring_up_to_date", event_specific_data=StepFailureData(None, None), **told
    )
    instance.report_dagster_event(step, run.run_id)
    ended = DagsterEvent("PIPELINE_FAILURE", event_specific_data=JobFailureData(None, reason), **told)
    instance.report_dagster_event(ended, run.run_id)


@pytest.mark.parametrize(
    ("reason", "asked_again"), [(RunFailureReason.UNEXPECTED_TERMINATION, 5), (RunFailureReason.STEP_FAILURE, 0)]
)
def test_an_update_that_was_interrupted_is_asked_for_again_each_time(instance, study, reason, asked_again):
    looked = look(instance, study)
    asked = 0
    for _ in range(5):
        end_unfinished(instance, reason)
        looked = look(instance, study, looked.cursor)
        if not isinstance(looked, dg.SensorResult):
            assert "tried before without success" in looked.skip_message
            break
        assert left_out(looked) == []
        asked += 1
    assert asked == asked_again


def test_an_update_that_was_killed_again_and_again_is_not_asked_for_without_end(instance, study):
    looked = look(instance, study)
    asked = 0
    for _ in range(5):
        run = instance.create_run_for_job(update_study, status=dg.DagsterRunStatus.STARTED)
        instance.report_run_failed(run)
        looked = look(instance, study, looked.cursor)
        if not isinstance(looked, dg.SensorResult):
            break
        asked += 1
    assert asked == 3


@pytest.mark.tools
def test_nothing_is_asked_for_where_all_is_up_to_date(instance, finished_study):
    assert "Everything is up to date (8 samples)" in look(instance, finished_study).skip_message


def test_a_cause_does_not_depend_on_whether_somebody_has_read_the_files(study_copy):
    before = StudyResource(root=str(study_copy))
    causes = {(step.asset, step.partition): step.cause for step in stale_steps(needed_nodes(before), before)}
    for path in before.hashes.looked_at:
        before.hashes.sha256(path)  # as a step of another sample does
    after = StudyResource(root=str(study_copy))
    assert {(step.asset, step.partition): step.cause for step in stale_steps(needed_nodes(after), after)} == causes
