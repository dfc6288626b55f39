"""Our storages of a Dagster home are Dagster's: what one wrote the other reads."""

from __future__ import annotations

import os
import sqlite3
import sys
from pathlib import Path

import dagster as dg
import pytest
from sqlalchemy import create_engine

from poma_assets.cli.context import _FORMER_DAGSTER_YAML, write_dagster_home
from poma_assets.instance_storage import plain_history_errors
from poma_assets.science.errors import StorageError


@dg.asset
def spoken() -> int:
    """An asset whose step prints."""
    sys.stdout.write("said by the step\n")
    return 1


@dg.asset_check(asset=spoken)
def it_is_one(spoken: int) -> dg.AssetCheckResult:
    """A check, so that the index of checks is used too."""
    return dg.AssetCheckResult(passed=spoken == 1)


def run(instance: dg.DagsterInstance) -> str:
    definitions = dg.Definitions(assets=[spoken], asset_checks=[it_is_one])
    job = definitions.resolve_implicit_global_asset_job_def()
    return job.execute_in_process(instance=instance, raise_on_error=True).run_id


def told(instance: dg.DagsterInstance) -> list[tuple[str, list[str]]]:
    """Every run with the types of its events."""
    return [
        (
            run.run_id,
            [str(entry.dagster_event_type) for entry in instance.all_logs(run.run_id) if entry.is_dagster_event],
        )
        for run in instance.get_runs()
    ]


def revisions(home: Path) -> set[str]:
    found = set()
    for path in (home / "history" / "runs").glob("*.db"):
        with sqlite3.connect(path) as connection:
            found |= {revision for (revision,) in connection.execute("SELECT version_num FROM alembic_version")}
    return found


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "dagster_home"
    write_dagster_home(folder)
    monkeypatch.setenv("DAGSTER_HOME", str(folder))
    return folder


def plain_dagster(home: Path) -> dg.DagsterInstance:
    """The same home, read by Dagster's own classes."""
    (home / "dagster.yaml").write_text(f"storage:\n  sqlite:\n    base_dir: {home}\n")
    return dg.DagsterInstance.get()


def test_dagster_reads_what_our_storage_wrote_and_goes_on(home: Path) -> None:
    with dg.DagsterInstance.get() as instance:
        first = run(instance)
        ours = told(instance)
    with plain_dagster(home) as instance:
        assert type(instance.event_log_storage).__module__.startswith("dagster.")
        assert told(instance) == ours
        assert instance.get_latest_materialization_event(dg.AssetKey("spoken")) is not None
        second = run(instance)
    assert len(revisions(home)) == 1  # every file is stamped as Dagster stamps it
    write_again = home / "dagster.yaml"
    write_again.unlink()
    write_dagster_home(home)
    with dg.DagsterInstance.get() as instance:
        events = dict(told(instance))
        assert set(events) == {first, second}
        assert events[first] == events[second]
        keys = [dg.AssetCheckKey(dg.AssetKey("spoken"), "it_is_one")]
        assert instance.event_log_storage.get_latest_asset_check_execution_by_key(keys)[keys[0]].run_id == second


def test_what_a_step_prints_is_kept_without_helper_processes(home: Path) -> None:
    with dg.DagsterInstance.get() as instance:
        run_id = run(instance)
        captured = list(instance.all_logs(run_id, of_type=dg.DagsterEventType.LOGS_CAPTURED))
        data = captured[0].dagster_event.logs_captured_data
        assert data.external_url is None
        key = instance.compute_log_manager.build_log_key_for_run(run_id, data.file_key)
        assert b"said by the step" in instance.compute_log_manager.get_log_data(key).stdout
        assert instance.compute_log_manager.is_capture_complete(key)


def test_a_configuration_of_an_older_version_is_brought_up_to_date_and_a_changed_one_is_kept(tmp_path: Path) -> None:
    home, runs = tmp_path / "home", max(1, os.cpu_count() or 2)
    home.mkdir()
    (home / "dagster.yaml").write_text(_FORMER_DAGSTER_YAML.format(runs=runs))
    write_dagster_home(home)
    assert "StudyInstanceStorage" in (home / "dagster.yaml").read_text()
    (home / "dagster.yaml").write_text("telemetry: {enabled: true}\n")
    write_dagster_home(home)
    assert (home / "dagster.yaml").read_text() == "telemetry: {enabled: true}\n"


@dg.asset(pool="star")
def pooled() -> None:
    """An asset with a pool, as the alignments."""


def test_a_run_is_not_held_up_by_what_a_dead_run_waited_for_in_a_pool(home: Path) -> None:
    with dg.DagsterInstance.get() as instance:
        storage = instance.event_log_storage
        storage.initialize_concurrency_limit_to_default("star")
        storage.claim_concurrency_slot("star", "run-that-was-killed", "alignments")
        job = dg.Definitions(assets=[pooled]).resolve_implicit_global_asset_job_def()
        assert job.execute_in_process(instance=instance).success


def test_a_partition_is_seen_at_once_and_a_deleted_one_is_gone_within_a_second(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [100.0]
    monkeypatch.setattr("poma_assets.instance_storage.time.monotonic", lambda: clock[0])
    with dg.DagsterInstance.get() as ours, dg.DagsterInstance.from_ref(ours.get_ref()) as of_another_process:
        assert not ours.has_dynamic_partition("sample", "S1")
        of_another_process.add_dynamic_partitions("sample", ["S1", "S2"])
        assert ours.has_dynamic_partition("sample", "S1")
        assert ours.has_dynamic_partition("sample", "S2")

        ours.delete_dynamic_partition("sample", "S1")
        of_another_process.delete_dynamic_partition("sample", "S2")
        assert not ours.has_dynamic_partition("sample", "S1")
        clock[0] += 1.0
        assert not ours.has_dynamic_partition("sample", "S2")


def test_a_run_history_that_cannot_be_opened_is_said_in_plain_words(tmp_path):
    engine = create_engine(f"sqlite:///{tmp_path}")  # a folder
    said = r"run history cannot be read or written .*unable to open database file"
    with pytest.raises(StorageError, match=said), plain_history_errors(tmp_path), engine.connect():
        pass
