"""The sensor that watches everything a study is made from, and has it brought up to date once per batch of changes."""

import json
import os
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import dagster as dg
from dagster._core.events import RunFailureReason
from dagster._core.storage.tags import RUN_FAILURE_REASON_TAG

from poma_assets.partitions import CONTRASTS, SAMPLES, synchronise
from poma_assets.phases import nodes_in_use
from poma_assets.planning import StaleStep, digest, stale_steps
from poma_assets.resources import StudyResource
from poma_assets.runs import is_gone
from poma_assets.science.errors import PomaError
from poma_assets.sequencing_units import unit_files
from poma_assets.storage.lock import is_locked
from poma_assets.study_update import update_study
from poma_assets.vocabulary import PROCESS_TAG, SAMPLE_ASSETS

WATCH_VARIABLE = "POMA_WATCH"
"""Environment variable: with ``1`` the sensor is on from the start, as `poma watch` wants it."""

INTERVAL_VARIABLE = "POMA_WATCH_INTERVAL_S"
"""Environment variable: seconds between two looks of the sensor."""

_INTERVAL_S = 30
_SETTLED_S = 30.0
"""Files that were written to more recently may still be copied."""

_TOLD = 5
_MOST_RESTARTS = 3
"""Updates that were killed and are asked for again, one after another; then somebody should look."""

_said: dict[str, str] = {}
"""What this code server has said to the terminal."""

_UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


@dataclass
class _Memory:
    """What the sensor remembers between two looks: the causes that it has asked an update for already.

    ``restarts`` counts updates that were killed and asked for again, one after another.
    """

    tried: list[str] = field(default_factory=list)
    asked: int = 0
    restarts: int = 0
    killed_run: str = ""

    @classmethod
    def parse(cls, cursor: str | None) -> "_Memory":
        return cls(**json.loads(cursor)) if cursor else cls()

    def text(self) -> str:
        return json.dumps(vars(self))


@dg.sensor(
    job=update_study,
    minimum_interval_seconds=int(os.environ.get(INTERVAL_VARIABLE, _INTERVAL_S)),
    default_status=dg.DefaultSensorStatus.RUNNING
    if os.environ.get(WATCH_VARIABLE) == "1"
    else dg.DefaultSensorStatus.STOPPED,
    description="Watches the sheets and all files they name, poma.yaml, the reference, gene sets, hypotheses and "
    "overrides. New, changed and withdrawn samples and changed settings are brought up to date together, in one run "
    "of update_study; a sample that failed is tried again when something about it has changed.",
)
def changed_inputs_sensor(context: dg.SensorEvaluationContext, study: StudyResource) -> dg.SensorResult | dg.SkipReason:
    """Ask for one update when something is stale that was not tried yet.

    A sheet that is not valid fails the look with its message, and everything stays as it is.
    """
    try:
        asked = _look(context, study)
    except PomaError as error:
        _tell_watcher(str(error))
        raise
    _said.clear()
    return asked


def _look(context: dg.SensorEvaluationContext, study: StudyResource) -> dg.SensorResult | dg.SkipReason:
    # A long-lived code server keeps its resources: the study must be read anew at every look.
    study = StudyResource(root=study.root, threads=study.threads)
    names = list(study.sheet.samples["sample_id"])
    contrasts = list(study.contrasts)
    synchronise(context.instance, SAMPLES, names)
    synchronise(context.instance, CONTRASTS, contrasts)
    memory = _Memory.parse(context.cursor)
    close_killed_updates(context.instance)
    memory = _asking_again(memory, context.instance)
    at_work = [f"Run {run.run_id} is" for run in unfinished_updates(context.instance)]
    if at_work or is_locked(study.study.run_lock_path):
        return dg.SkipReason(f"{(at_work or ['`poma run` is'])[0]} bringing the study up to date.")
    if context.repository_def is None:
        raise dg.DagsterInvariantViolationError("the sensor was called without its repository")
    stale = stale_steps(nodes_in_use(context.repository_def.asset_graph, study), study)
    own = {step.cause: step for step in stale if step.cause}
    new = [step for cause, step in own.items() if cause not in memory.tried]
    if not new:
        memory.tried = [cause for cause in memory.tried if cause in own]
        context.update_cursor(memory.text())
        return dg.SkipReason(_nothing_new(own.values(), len(names)))
    unsettled = _still_written(study, {step.partition for step in new if step.asset in SAMPLE_ASSETS})
    if unsettled:
        return dg.SkipReason(f"Waiting until the files of {', '.join(unsettled[:_TOLD])} are written completely.")
    fresh = {step.partition for step in new}
    leave_out = sorted({step.partition for step in own.values() if step.asset in SAMPLE_ASSETS} - fresh)
    memory.tried, memory.asked = list(own), memory.asked + 1
    request = dg.RunRequest(
        run_key=digest([memory.asked, memory.tried])[:32],
        run_config=dg.RunConfig(ops={"bring_up_to_date": {"config": {"leave_out": leave_out}}}),
        tags={"poma/why": _why(new)},
    )
    return dg.SensorResult(run_requests=[request], cursor=memory.text())


def _tell_watcher(message: str) -> None:
    """Say on the terminal of `poma watch` and `poma ui --watch` why nothing can run; once, not at every look."""
    if os.environ.get(WATCH_VARIABLE) == "1" and message != _said.get("message"):
        _said["message"] = message
        sys.stderr.write(f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC nothing new can run: {message}\n")


def unfinished_updates(instance: dg.DagsterInstance) -> list[dg.DagsterRun]:
    """Runs of ``update_study`` that wait or are at work."""
    return list(instance.get_runs(dg.RunsFilter(job_name=update_study.name, statuses=_UNFINISHED)))


def close_killed_updates(instance: dg.DagsterInstance) -> list[str]:
    """Say of updates whose process is gone that they failed; return their run ids."""
    killed = [run for run in unfinished_updates(instance) if is_gone_process(run)]
    for run in killed:
        instance.report_run_failed(run, "The process of this run was killed.")
    return [run.run_id for run in killed]


def killed_update(instance: dg.DagsterInstance) -> dg.DagsterRun | None:
    """The last update, if it did not come to its end: it was interrupted, or it failed though none of its steps did."""
    last = next(iter(instance.get_runs(dg.RunsFilter(job_name=update_study.name), limit=1)), None)
    if last is None or last.status != dg.DagsterRunStatus.FAILURE:
        return None
    if _is_interrupted(last) or not instance.all_logs(last.run_id, of_type=dg.DagsterEventType.STEP_FAILURE):
        return last
    return None


def _is_interrupted(run: dg.DagsterRun) -> bool:
    """Whether a run was told to end from outside, by Ctrl-C at `poma ui` or by a machine that shuts down."""
    return run.tags.get(RUN_FAILURE_REASON_TAG) == RunFailureReason.UNEXPECTED_TERMINATION.value


def _asking_again(memory: _Memory, instance: dg.DagsterInstance) -> _Memory:
    """The memory without what a killed update was asked for: what kills it may be in it, so not without end."""
    killed = killed_update(instance)
    if killed is None:
        return replace(memory, restarts=0)
    if killed.run_id == memory.killed_run:
        return memory
    restarts = memory.restarts + (not _is_interrupted(killed))
    return memory if restarts > _MOST_RESTARTS else _Memory([], memory.asked, restarts, killed.run_id)


def is_gone_process(run: dg.DagsterRun) -> bool:
    """Whether the process that a run lives in has certainly ended."""
    return PROCESS_TAG in run.tags and is_gone(run.tags[PROCESS_TAG])


def _nothing_new(failed: Iterable[StaleStep], n_samples: int) -> str:
    waiting = sorted({step.partition or step.asset for step in failed})
    if not waiting:
        return f"Everything is up to date ({n_samples} samples)."
    named = ", ".join([*waiting[:_TOLD], *["..."] * (len(waiting) > _TOLD)])
    return f"Nothing new; tried before without success: {named}. `poma run` tries again, and so does every night."


def _still_written(study: StudyResource, samples: set[str]) -> list[str]:
    """Samples with a file that was written to a moment ago."""
    now = time.time()
    named = sorted(samples & set(study.sample_rows))
    return [name for name in named if any(now - path.stat().st_mtime < _SETTLED_S for path in unit_files(study, name))]


def _why(new: list[StaleStep]) -> str:
    """The first reasons, for the list of runs."""
    told = [f"{step.asset}{f' [{step.partition}]' if step.partition else ''}: {step.reason}" for step in new[:2]]
    return "; ".join([*told, *([f"and {len(new) - 2} more"] if len(new) > 2 else [])])


SENSORS = (changed_inputs_sensor,)
