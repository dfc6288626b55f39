"""The sensor of the watched inbox: proposes rows for the sample sheet, and never edits it."""

import time

import dagster as dg

from poma_assets.inbox_folder import find_proposals, write_proposals
from poma_assets.resources import StudyResource
from poma_assets.science.errors import PomaError
from poma_assets.science.tables import listing


@dg.sensor(
    name="inbox_sensor",
    default_status=dg.DefaultSensorStatus.STOPPED,
    minimum_interval_seconds=60,
    description="Finds FASTQ pairs in the inbox of poma.yaml and writes proposed_samples.tsv; never edits the sheet.",
)
def inbox_sensor(context: dg.SensorEvaluationContext, study: StudyResource) -> dg.SkipReason:
    """Write the proposals and say what they are; `poma inbox --accept` takes them over."""
    # A long-lived code server keeps its resources: poma.yaml must be read anew at every tick.
    study = StudyResource(root=study.root, threads=study.threads)
    try:
        proposals = find_proposals(study.study, now_s=time.time())
        path = write_proposals(study.study, proposals)
    except PomaError as error:
        return dg.SkipReason(str(error))
    waiting = sum(not remark.proposed for remark in proposals.remarks)
    remarks = f" {waiting} remarks on files that are not proposed: `poma inbox` shows them." if waiting else ""
    if path is None:
        return dg.SkipReason(f"Nothing is proposed.{remarks}")
    return dg.SkipReason(f"Proposed in {path.name}: {listing(proposals.samples)}.{remarks}")


SENSORS = (inbox_sensor,)
