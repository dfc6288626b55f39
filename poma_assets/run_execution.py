"""Executing one Dagster run in this process, and saying in plain words why a step of it failed."""

import os
from pathlib import Path

import dagster as dg

from poma_assets.definitions import defs
from poma_assets.resources import STUDY_VARIABLE, THREADS_VARIABLE
from poma_assets.runs import RunOutcome, RunTask, plain_error
from poma_assets.vocabulary import LAUNCHER_TAG, ONLY_STALE_TAG, REMADE_TAG, UNCHANGED_KEY


class Runner:
    """Executes runs of a study's jobs against its Dagster instance."""

    def __init__(self, study_root: Path) -> None:
        os.environ[STUDY_VARIABLE] = str(study_root)
        self._instance = dg.DagsterInstance.get()

    def execute(self, task: RunTask) -> RunOutcome:
        """Execute a run; a failed step is an outcome, not an exception."""
        os.environ[THREADS_VARIABLE] = str(task.threads)
        job = defs.resolve_job_def(task.job_name)
        result = job.execute_in_process(
            instance=self._instance,
            partition_key=task.partition or None,
            asset_selection=[dg.AssetKey(name) for name in task.assets],
            run_id=task.run_id,
            tags={LAUNCHER_TAG: task.launcher, ONLY_STALE_TAG: "true", REMADE_TAG: ",".join(task.remade)},
            raise_on_error=False,
        )
        return RunOutcome(task.run_id, result.success, tuple(_failures(result)), _unchanged(result))


def _unchanged(result: dg.ExecuteInProcessResult) -> int:
    """How many steps turned out to be up to date."""
    materialised = [event.materialization for event in result.all_events if event.is_step_materialization]
    return sum(UNCHANGED_KEY in one.metadata for one in materialised)


def _failures(result: dg.ExecuteInProcessResult) -> list[tuple[str, str]]:
    failures = []
    for event in result.all_events:
        if event.is_step_failure:
            failures.append((event.step_key or "step", plain_error(event.step_failure_data.error)))
    checks = [check for check in result.get_asset_check_evaluations() if not check.passed and check.blocking]
    failures += [(check.asset_key.path[-1], f"check {check.check_name}: {check.description}") for check in checks]
    return failures
