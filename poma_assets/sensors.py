"""Sensors: the sheet is watched, and its new or changed samples are run."""

import json

import dagster as dg

from poma_assets.jobs import prepare_reference, process_sample
from poma_assets.parameters import sample_row
from poma_assets.partitions import CONTRASTS, SAMPLES, synchronise
from poma_assets.planning import digest
from poma_assets.resources import StudyResource
from poma_assets.science.errors import PomaError


@dg.sensor(
    jobs=[prepare_reference, process_sample],
    minimum_interval_seconds=30,
    description="Reads the sample sheet; adds and withdraws partitions; runs new and changed samples only.",
)
def sample_sheet_sensor(context: dg.SensorEvaluationContext, study: StudyResource) -> dg.SensorResult | dg.SkipReason:
    """Request a run for every sample that is new or whose reads or declared strandedness changed."""
    # A long-lived code server keeps its resources: the sheet must be read anew at every tick.
    study = StudyResource(root=study.root, threads=study.threads)
    try:
        sheet, contrasts = study.sheet, study.contrasts
    except PomaError as error:
        return dg.SkipReason(f"The sheets are not valid, everything stays as it is. {error}")
    names = list(sheet.samples["sample_id"])
    synchronise(context.instance, SAMPLES, names)
    synchronise(context.instance, CONTRASTS, list(contrasts))
    before: dict[str, str] = json.loads(context.cursor) if context.cursor else {}
    now = {name: _content(study, name) for name in names}
    changed = [name for name in names if before.get(name) != now[name]]
    if not changed:
        return dg.SkipReason(f"No new or changed sample among {len(names)}.")
    requests = [dg.RunRequest(job_name=prepare_reference.name, run_key=digest(now))]
    requests += [
        dg.RunRequest(job_name=process_sample.name, partition_key=name, run_key=f"{name}:{now[name]}")
        for name in changed
    ]
    return dg.SensorResult(run_requests=requests, cursor=json.dumps(now))


def _content(study: StudyResource, sample: str) -> str:
    units = study.sheet.units
    rows = units.loc[units["sample_id"] == sample].to_dict("records")
    files = {}
    for row in rows:
        for column in ("fastq_1", "fastq_2", "counts"):
            if isinstance(row[column], str):
                status = study.study.resolve_unit_path(row[column]).stat()
                files[row[column]] = (status.st_size, status.st_mtime_ns)
        if isinstance(row["accession"], str):
            files[row["accession"]] = (0, 0)
    return digest([files, str(sample_row(study, sample)["strandedness"])])[:16]


SENSORS = (sample_sheet_sensor,)
