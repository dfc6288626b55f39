"""Checks on the files that a sample keeps."""

from collections.abc import Iterable

import dagster as dg

from poma_assets.checks.grouping import grouped_check
from poma_assets.checks.outcome import outcome
from poma_assets.file_policy import recorded_files
from poma_assets.resources import StudyResource


def misplaced_files(study: StudyResource, sample: str, assets: Iterable[str] | None = None) -> tuple[int, list[str]]:
    """How many files a sample keeps (of some assets), and those that are not where and as large as recorded."""
    kept = [file for file in recorded_files(study, assets, [sample]) if not file.is_dropped]
    wrong = [file.path for file in kept if not file.path.is_file() or file.path.stat().st_size != file.bytes]
    return len(kept), [str(path) for path in wrong]


@grouped_check("kept_files")
def kept_files_are_in_place(context: dg.AssetCheckExecutionContext, study: StudyResource) -> dg.AssetCheckResult:
    """Every file of the sample that was not dropped is where its record says, with the recorded size."""
    files, wrong = misplaced_files(study, context.partition_key)
    return outcome(wrong, expected="files exist with their recorded size", checked=files)


SAMPLE_CHECKS = [
    kept_files_are_in_place,
]
