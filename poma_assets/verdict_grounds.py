"""What the verdicts of a contrast rest on, gathered from the warehouse for their history."""

import json
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from typing import Any

import pandas as pd

from poma_assets.resources import StudyResource
from poma_assets.science.design import Design
from poma_assets.science.markers.change_causes import Grounds
from poma_assets.science.markers.hypotheses import TEXT_COLUMNS, Hypotheses
from poma_assets.storage.hashing import column_digests, frame_digest

_STUDY_STEPS = ("genome", "annotation", "star_index", "gene_table", "count_matrix", "sample_identity")
_CONTRAST_STEPS = ("design_fit", "de_results", "response_score", "marker_verdicts")
_SETTINGS_BEFORE_COUNTS = ("profile", "quality", "trimmer", "trimming")
_PACKAGES = ("poma-assets", "pydeseq2", "pyedger")
_HYPOTHESES = ("markers/marker_hypotheses.tsv", "own hypotheses")
_PER_SAMPLE = ("metadata of the samples of ", "sample names", "samples of the sheet", "count matrix")
_OWN_PART = ("declaration of ", *_PER_SAMPLE, *_HYPOTHESES)
_DIGEST_LENGTH = 12
_LONGEST_VALUE = 60


def verdict_grounds(study: StudyResource, design: Design, hypotheses: Hypotheses) -> Grounds:
    """Gather the samples, declaration, settings and versions that the verdicts of a contrast rest on now."""
    arms = [*design.reference_samples, *design.target_samples]
    inputs = _step_inputs(study, design.contrast_id)
    config = study.study.config.model_dump(mode="json")
    settings = {f"{name} in poma.yaml": _short(config[name]) for name in _SETTINGS_BEFORE_COUNTS}
    for step in inputs.values():
        settings |= {name: _short(value) for name, value in step["parameters"].items() if not _is_own_part(name)}
    code = {asset: str(step["code_version"]) for asset, step in inputs.items()}
    declared = {key: value for key, value in vars(study.contrasts[design.contrast_id]).items() if key != "line"}
    return Grounds(
        reference_samples=tuple(design.reference_samples),
        target_samples=tuple(design.target_samples),
        left_out=_left_out(study, arms),
        samples=_sample_parts(study, arms),
        declaration={key: _short(value) for key, value in declared.items()},
        settings=settings,
        code=code | {package: version(package) for package in _PACKAGES},
        hypotheses_sha256=hypotheses.sha256,
    )


def declared_hypotheses(hypotheses: Hypotheses) -> dict[str, dict[str, str]]:
    """Hypothesis id -> its declared fields as texts, without the remarks."""
    table = hypotheses.table.drop(columns=list(TEXT_COLUMNS), errors="ignore").set_index("hypothesis_id")
    return {
        str(name): {str(key): "" if pd.isna(value) else f"{value}" for key, value in row.items()}
        for name, row in table.to_dict("index").items()
    }


def _step_inputs(study: StudyResource, contrast: str) -> dict[str, Mapping[str, Any]]:
    steps = study.warehouse.read("steps", {"asset": [*_STUDY_STEPS, *_CONTRAST_STEPS], "partition": ["", contrast]})
    return {asset: json.loads(text) for asset, text in zip(steps["asset"], steps["inputs"], strict=True)}


def _is_own_part(name: str) -> bool:
    """Whether the grounds tell of this parameter elsewhere, sample by sample or field by field."""
    return name.startswith(_OWN_PART)


def _short(value: Any) -> str:
    text = "" if value is None else value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    return text if len(text) <= _LONGEST_VALUE else _digest(pd.DataFrame({"text": [text]}))


def _digest(frame: pd.DataFrame) -> str:
    return frame_digest(frame)[:_DIGEST_LENGTH]


def _left_out(study: StudyResource, arms: Iterable[str]) -> dict[str, str]:
    """Samples of the sheet outside the arms, with the reason for which quality control excluded them."""
    inclusion = study.warehouse.read("sample_inclusion")
    out = inclusion.loc[~inclusion["included"].astype(bool)]
    reasons = dict(zip(out["sample_id"].astype(str), out["reason"].fillna("no reason given").astype(str), strict=True))
    return {str(name): reasons.get(name, "") for name in study.sheet.samples["sample_id"] if name not in set(arms)}


def _sample_parts(study: StudyResource, arms: list[str]) -> dict[str, dict[str, str]]:
    counts = study.warehouse.read_matrix("count_matrix", value="count", where={"sample_id": arms})
    sheet = study.design_table.drop(columns=["rin", "a260_a280"], errors="ignore")
    problems = _problems(study, arms)
    digests = column_digests(counts)
    return {
        name: {
            "counts": digests[name][:_DIGEST_LENGTH],
            "declared": _digest(sheet.loc[[name]].astype(str)),
            "problems": problems.get(name, ""),
        }
        for name in arms
    }


def _problems(study: StudyResource, arms: list[str]) -> dict[str, str]:
    """Failed metrics and mismatching identity rules of the samples, in words."""
    where: dict[str, list[str]] = {"sample_id": arms}
    quality = study.warehouse.read("sample_quality", {**where, "status": ["fail"]})
    identity = study.warehouse.read("sample_identity", {**where, "status": ["mismatch"]})
    found: dict[str, list[str]] = {}
    for sample, metric in zip(quality["sample_id"], quality["metric"], strict=True):
        found.setdefault(str(sample), []).append(f"{metric} failed")
    for sample, rule in zip(identity["sample_id"], identity["rule"], strict=True):
        found.setdefault(str(sample), []).append(f"{rule} does not match")
    return {sample: ", ".join(sorted(set(texts))) for sample, texts in found.items()}
