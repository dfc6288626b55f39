"""Sensors that tell people: of failed runs, and of verdicts that changed. They do nothing until configured."""

import json
import os
from collections.abc import Sequence

import dagster as dg
import pandas as pd

from poma_assets.notification_channels import channels_of
from poma_assets.resources import StudyResource
from poma_assets.runs import plain_error
from poma_assets.science.errors import PomaError
from poma_assets.science.notification_texts import Notification, failure_notification, verdict_change_notification
from poma_assets.tools.notify import Channel, PartlySentError, send_to_all
from poma_assets.vocabulary import LAUNCHER_TAG

_OFF = "Notifications of this kind are not configured in poma.yaml."
# A row gets its time before it waits for the warehouse: a later tick may see an earlier time for the first time.
_LATE_ROWS = pd.Timedelta(hours=1)
_SWEEP_S = 60
# Cursor while nothing is configured; Dagster would keep the old one instead of an empty one.
_FORGOTTEN = "off"


@dg.run_failure_sensor(
    name="failed_run_notifier",
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=_SWEEP_S,
    description="Tells of failed runs by webhook or e-mail, if poma.yaml asks for it; not of those of `poma run`.",
)
def failed_run_notifier(context: dg.RunFailureSensorContext, study: StudyResource) -> dg.SkipReason | None:
    """Send one message for a failed run; somebody sits at the terminal of `poma run`."""
    run = context.dagster_run
    if LAUNCHER_TAG in run.tags:
        return dg.SkipReason("The run belongs to `poma run`, which has told its user.")
    try:
        study, channels = _configured(study, "failure")
    except PomaError as error:
        return dg.SkipReason(str(error))
    if not channels:
        return dg.SkipReason(_OFF)
    message = failure_notification(
        study.study.config.name,
        job=run.job_name,
        run_id=run.run_id,
        partition=run.tags.get("dagster/partition"),
        failures=_failures(context),
    )
    _tell(context, message, channels)
    return None


@dg.sensor(
    name="verdict_change_notifier",
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=_SWEEP_S,
    description="Tells of changed verdicts by webhook or e-mail, one message per batch, if poma.yaml asks for it.",
)
def verdict_change_notifier(context: dg.SensorEvaluationContext, study: StudyResource) -> dg.SensorResult:
    """Send one message for all verdicts that changed since the last tick; the first tick only takes its bearings."""
    try:
        study, channels = _configured(study, "verdict_change")
        if not channels:
            return dg.SensorResult(skip_reason=_OFF, cursor=_FORGOTTEN)
        history = study.warehouse.read("verdict_history")
    except PomaError as error:
        return dg.SensorResult(skip_reason=str(error), cursor=context.cursor)
    now = _cursor(history)
    if context.cursor in (None, _FORGOTTEN):
        return dg.SensorResult(skip_reason="From now on changes are told.", cursor=now)
    new = _unseen(history, str(context.cursor))
    changes = new[new["previous_verdict"].notna() & (new["previous_verdict"] != new["verdict"])]
    if changes.empty:
        return dg.SensorResult(skip_reason="No verdict has changed.", cursor=now)
    rows = changes.sort_values(["recorded_at", "contrast_id", "gene_symbol"], kind="stable").to_dict("records")
    message = verdict_change_notification(study.study.config.name, rows)
    if not _tell(context, message, channels):
        reason = "No channel took the message; it is tried again at the next tick."
        return dg.SensorResult(skip_reason=reason, cursor=context.cursor)
    return dg.SensorResult(skip_reason=f"Told: {message.headline}.", cursor=now)


def _configured(study: StudyResource, event: str) -> tuple[StudyResource, list[Channel]]:
    # A long-lived code server keeps its resources: poma.yaml must be read anew at every tick.
    study = StudyResource(root=study.root, threads=study.threads)
    config = study.study.config.notifications
    return study, channels_of(config, os.environ) if event in config.on else []


def _tell(
    context: dg.SensorEvaluationContext | dg.RunFailureSensorContext,
    message: Notification,
    channels: Sequence[Channel],
) -> bool:
    """Send through all channels; whether one of them took the message."""
    results = send_to_all(message, channels)
    for error in results.values():
        if error is not None:
            context.log.warning(f"A notification was not sent. {error}")
    return any(error is None or isinstance(error, PartlySentError) for error in results.values())


def _failures(context: dg.RunFailureSensorContext) -> list[tuple[str, str]]:
    failures = [
        (event.step_key or "step", plain_error(event.step_failure_data.error))
        for event in context.get_step_failure_events()
    ]
    return failures or [("run", context.failure_event.message or "no reason was recorded")]


def _unseen(history: pd.DataFrame, cursor: str) -> pd.DataFrame:
    seen = json.loads(cursor)
    after = history[history["recorded_at"] > pd.Timestamp(seen["recorded_at"]) - _LATE_ROWS]
    return after[~_batch(after).isin(seen["batches"])]


def _cursor(history: pd.DataFrame) -> str:
    """The latest time, and what was recorded shortly before it: (run, contrast) is stored at once."""
    if history.empty:
        return json.dumps({"recorded_at": "1970-01-01T00:00:00", "batches": []})
    latest = history["recorded_at"].max()
    late = history[history["recorded_at"] > latest - _LATE_ROWS]
    return json.dumps({"recorded_at": latest.isoformat(), "batches": sorted(set(_batch(late)))})


def _batch(history: pd.DataFrame) -> "pd.Series[str]":
    return history["run_id"].astype(str) + ":" + history["contrast_id"].astype(str)


SENSORS = (failed_run_notifier, verdict_change_notifier)
