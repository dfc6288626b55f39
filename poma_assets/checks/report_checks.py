"""Checks on what people open: the reports name everything, the published database is whole."""

import html

import dagster as dg
import duckdb

from poma_assets.checks.outcome import outcome
from poma_assets.resources import StudyResource
from poma_assets.storage.schema import TABLES

_UNPUBLISHED = ("steps", "artefacts")
_ROW_COUNTS = " UNION ALL ".join(
    f"SELECT '{name}' AS table_name, count(*) AS n FROM \"{name}\"" for name in TABLES if name not in _UNPUBLISHED
)


@dg.asset_check(asset="study_report")
def study_report_names_every_sample(study: StudyResource) -> dg.AssetCheckResult:
    """Every sample of the sheet stands in the study report, also those left out."""
    text = study.files("study_report")["report"].read_text(encoding="utf-8")
    names = list(study.warehouse.read("samples")["sample_id"])
    return outcome(
        [name for name in names if html.escape(name) not in text],
        expected="every sample is named",
        checked=len(names),
    )


@dg.asset_check(asset="multiqc_report")
def multiqc_report_is_whole(study: StudyResource) -> dg.AssetCheckResult:
    """The MultiQC page is complete to its last tag."""
    page = study.files("multiqc_report")["report"]
    ended = page.read_text(encoding="utf-8", errors="replace").rstrip().endswith("</html>")
    return outcome([] if ended else [page.name], expected="the page ends with </html>")


@dg.asset_check(asset="study_database", blocking=True)
def study_database_equals_the_warehouse(study: StudyResource) -> dg.AssetCheckResult:
    """The published copy opens, and every table has as many rows as the warehouse's."""
    with duckdb.connect(str(study.study.published_path), read_only=True) as connection:
        published = dict(connection.execute(_ROW_COUNTS).fetchall())
    source = study.warehouse.query(_ROW_COUNTS)
    expected: dict[str, int] = dict(zip(source["table_name"], source["n"], strict=True))
    differing = [name for name in expected if published[name] != expected[name]]
    return outcome(differing, expected="row counts are equal", checked=len(expected))


CHECKS = [study_report_names_every_sample, multiqc_report_is_whole, study_database_equals_the_warehouse]
