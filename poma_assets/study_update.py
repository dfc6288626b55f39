"""The job that brings the whole study up to date in one run, as `poma run` does, for sensors, schedules and the UI.

It starts `poma run` as a program of its own: that is one way to plan, to share the cores and to go on after a failed
sample, whoever asked. The runs of the samples, the cohort and the contrasts are seen in the UI like any other.
"""

import sys

import dagster as dg
from pydantic import Field

from poma_assets.resources import StudyResource
from poma_assets.runs import this_process
from poma_assets.science.errors import ToolError
from poma_assets.tools.command import run_command
from poma_assets.vocabulary import PROCESS_TAG

FAILED_LINE = "failed "
"""How the lines begin in which `poma run` names what failed and why."""


class UpdateConfig(dg.Config):
    """What an update leaves alone."""

    leave_out: list[str] = Field(default=[])
    """Samples whose own steps are not tried: they failed before, and nothing about them has changed."""


@dg.op(description="Runs what is stale, as `poma run` does: samples, then cohort, contrasts and reports once.")
def bring_up_to_date(context: dg.OpExecutionContext, config: UpdateConfig, study: StudyResource) -> None:
    """Run `poma run`; its lines go to the log of this run."""
    context.instance.add_run_tags(context.run_id, {PROCESS_TAG: this_process()})
    argv = [sys.executable, "-m", "poma_assets.cli.main", "run", "--study", str(study.study.root)]
    if config.leave_out:
        argv += ["--leave-out", ",".join(config.leave_out)]
    log = study.log_path("study_update")
    failed: list[str] = []

    def tell(line: str) -> None:
        context.log.info(line)
        if line.startswith(FAILED_LINE):
            failed.append(line)

    try:
        run_command(argv, log_path=log, tool="poma run", on_line=tell)
    except ToolError as error:
        raise dg.Failure(
            "\n".join(["Not everything came through; what did is kept.", *failed]),
            metadata={"why": str(error), "log": dg.MetadataValue.path(str(log))},
            allow_retries=False,
        ) from error


@dg.job(
    name="update_study",
    description="Brings the whole study up to date: runs just what is stale, as `poma run` does.",
    executor_def=dg.in_process_executor,
)
def update_study() -> None:
    """One run for everything that is stale."""
    bring_up_to_date()
