"""Everything assembled: the only module that exposes ``defs``."""

from types import ModuleType

import dagster as dg

from poma_assets.assets import (
    alignment,
    cohort,
    differential_expression,
    enrichment,
    kept_files,
    markers,
    quantification,
    reads,
    reference,
    reports,
)
from poma_assets.checks import (
    alignment_checks,
    contrast_checks,
    kept_files_checks,
    quantification_checks,
    read_checks,
    reference_checks,
    report_checks,
)
from poma_assets.checks.grouping import check_group
from poma_assets.inbox_sensor import SENSORS as INBOX_SENSORS
from poma_assets.io_managers import WarehouseIOManager
from poma_assets.jobs import JOBS
from poma_assets.notification_sensors import SENSORS as NOTIFICATION_SENSORS
from poma_assets.partitions import CONTRASTS, SAMPLES
from poma_assets.resources import StudyResource
from poma_assets.schedules import SCHEDULES
from poma_assets.sensors import SENSORS
from poma_assets.study_update import update_study
from poma_assets.vocabulary import (
    ALIGNMENT,
    DIFFERENTIAL_EXPRESSION,
    ENRICHMENT,
    MARKERS,
    QUANTIFICATION,
    READS,
    REFERENCE,
    REPORTS,
    WAREHOUSE_IO,
)

_GROUPS: tuple[tuple[ModuleType, str], ...] = (
    (reference, REFERENCE),
    (reads, READS),
    (alignment, ALIGNMENT),
    (quantification, QUANTIFICATION),
    (kept_files, QUANTIFICATION),
    (cohort, QUANTIFICATION),
    (differential_expression, DIFFERENTIAL_EXPRESSION),
    (enrichment, ENRICHMENT),
    (markers, MARKERS),
    (reports, REPORTS),
)
_CHECK_MODULES = (
    reference_checks,
    read_checks,
    alignment_checks,
    quantification_checks,
    contrast_checks,
    report_checks,
)


def build_definitions(study: StudyResource | None = None) -> dg.Definitions:
    """Assemble fresh definitions, over a given study or the one that the environment names."""
    resource = study or StudyResource()
    return dg.Definitions(
        assets=[
            asset for module, group in _GROUPS for asset in dg.load_assets_from_modules([module], group_name=group)
        ],
        asset_checks=[*(check for module in _CHECK_MODULES for check in module.CHECKS), *_check_groups()],
        jobs=[*JOBS, update_study],
        sensors=[*SENSORS, *NOTIFICATION_SENSORS, *INBOX_SENSORS],
        schedules=SCHEDULES,
        resources={"study": resource, WAREHOUSE_IO: WarehouseIOManager(study=resource)},
        executor=dg.in_process_executor,
    )


def _check_groups() -> list[dg.AssetChecksDefinition]:
    # Two groups for a sample: the reads of one that cannot be aligned are checked all the same.
    of_counts = [
        *alignment_checks.SAMPLE_CHECKS,
        *quantification_checks.SAMPLE_CHECKS,
        *kept_files_checks.SAMPLE_CHECKS,
    ]
    return [
        check_group("read_checks", read_checks.SAMPLE_CHECKS, SAMPLES),
        check_group("alignment_and_count_checks", of_counts, SAMPLES),
        check_group("contrast_checks", contrast_checks.CONTRAST_CHECKS, CONTRASTS),
    ]


defs = build_definitions()
