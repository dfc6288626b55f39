"""Schedules: every night the study is brought up to date, and what failed by day is tried again."""

import dagster as dg

from poma_assets.study_update import update_study

nightly_update = dg.ScheduleDefinition(
    name="nightly_update",
    job=update_study,
    cron_schedule="0 2 * * *",
    description="Every night at two: everything that is stale, failed samples included; nothing else is computed.",
)
SCHEDULES = (nightly_update,)
