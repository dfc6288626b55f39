"""The quality thresholds in force: the shipped ones in the study's profile, and the study's own."""

from poma_assets.resources import StudyResource
from poma_assets.science.quality_gates import Thresholds, parse_thresholds
from poma_assets.storage.package_data import data_file


def read_thresholds(study: StudyResource) -> Thresholds:
    """The shipped quality thresholds in the study's profile."""
    path = data_file("markers", "qc_thresholds.tsv")
    return parse_thresholds(path.read_text(encoding="utf-8"), source=path.name, profile=study.study.config.profile)


def user_rules(study: StudyResource) -> dict[str, dict[str, str | None]]:
    """The thresholds that the study sets itself: metric -> warn and fail."""
    return {metric: rule.model_dump() for metric, rule in study.study.config.quality.items()}
