"""The sheet sensor: new, changed and withdrawn samples, and a sheet that is not valid."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pandas as pd
import pytest

from poma_assets.resources import StudyResource
from poma_assets.sensors import sample_sheet_sensor


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test() as made:
        yield made


def tick(instance: dg.DagsterInstance, study: Path, cursor: str | None = None) -> dg.SensorResult | dg.SkipReason:
    context = dg.build_sensor_context(instance=instance, cursor=cursor)
    result = sample_sheet_sensor(context, study=StudyResource(root=str(study)))
    assert isinstance(result, dg.SensorResult | dg.SkipReason)
    return result


def samples_of(result: dg.SensorResult) -> list[str | None]:
    return [request.partition_key for request in result.run_requests or [] if request.job_name == "process_sample"]


def read_sheet(study: Path) -> pd.DataFrame:
    return pd.read_csv(study / "samples.tsv", sep="\t", dtype=str, keep_default_na=False)


def write_sheet(study: Path, sheet: pd.DataFrame) -> None:
    sheet.to_csv(study / "samples.tsv", sep="\t", index=False)


def test_the_first_tick_requests_the_reference_and_every_sample(instance, study_copy):
    result = tick(instance, study_copy)
    names = read_sheet(study_copy)["sample"].tolist()
    assert samples_of(result) == names
    assert [request.job_name for request in result.run_requests].count("prepare_reference") == 1
    assert instance.get_dynamic_partitions("samples") == names
    assert len(instance.get_dynamic_partitions("contrasts")) >= 1


def test_nothing_new_is_skipped(instance, study_copy):
    first = tick(instance, study_copy)
    again = tick(instance, study_copy, first.cursor)
    assert isinstance(again, dg.SkipReason)
    assert "No new or changed sample" in again.skip_message


def test_only_a_sample_with_other_reads_is_requested_again(instance, study_copy):
    first = tick(instance, study_copy)
    sheet = read_sheet(study_copy)
    path = study_copy / sheet.loc[2, "fastq_1"]
    path.write_bytes(path.read_bytes() + path.read_bytes())
    assert samples_of(tick(instance, study_copy, first.cursor)) == [sheet.loc[2, "sample"]]


def test_a_changed_rin_requests_no_sample(instance, study_copy):
    first = tick(instance, study_copy)
    sheet = read_sheet(study_copy)
    sheet.loc[0, "rin"] = "7.9"
    write_sheet(study_copy, sheet)
    assert isinstance(tick(instance, study_copy, first.cursor), dg.SkipReason)


def test_a_withdrawn_sample_loses_its_partition(instance, study_copy):
    first = tick(instance, study_copy)
    sheet = read_sheet(study_copy)
    write_sheet(study_copy, sheet.drop(index=1))
    tick(instance, study_copy, first.cursor)
    assert sheet.loc[1, "sample"] not in instance.get_dynamic_partitions("samples")


def test_a_broken_sheet_leaves_everything_as_it_is(instance, study_copy):
    first = tick(instance, study_copy)
    before = instance.get_dynamic_partitions("samples")
    sheet = read_sheet(study_copy)
    sheet.loc[0, "sample"] = "../x"
    write_sheet(study_copy, sheet)
    result = tick(instance, study_copy, first.cursor)
    assert isinstance(result, dg.SkipReason)
    assert "line 2, column sample" in result.skip_message
    assert instance.get_dynamic_partitions("samples") == before


def test_a_sample_with_another_accession_is_requested_again(instance, study_copy):
    sheet = read_sheet(study_copy)
    sheet["accession"] = ""
    sheet.loc[1, ["fastq_1", "fastq_2", "accession"]] = ["", "", "SRR1039508"]
    write_sheet(study_copy, sheet)
    first = tick(instance, study_copy)
    sheet.loc[1, "accession"] = "SRR1039509"
    write_sheet(study_copy, sheet)
    assert samples_of(tick(instance, study_copy, first.cursor)) == [sheet.loc[1, "sample"]]
