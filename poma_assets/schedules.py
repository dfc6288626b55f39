"""Schedules: the cohort and the reports are refreshed every night."""

import dagster as dg

from poma_assets.jobs import analyse_cohort, publish_reports

nightly_cohort = dg.ScheduleDefinition(
    name="nightly_cohort",
    job=analyse_cohort,
    cron_schedule="0 2 * * *",
    description="Every night at two: the count matrix and what follows from it over all samples.",
)
nightly_reports = dg.ScheduleDefinition(
    name="nightly_reports",
    job=publish_reports,
    cron_schedule="0 4 * * *",
    description="Every night at four: MultiQC, the study report and the published database.",
)
SCHEDULES = (nightly_cohort, nightly_reports)
