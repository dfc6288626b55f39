"""The state of a study as plain values: what is done, what is stale, what was left out."""

from collections.abc import Collection, Mapping
from typing import Any

from poma_assets.disk_use import disk_use
from poma_assets.launcher import needed_nodes
from poma_assets.planning import StepIndex, stale_steps
from poma_assets.resources import StudyResource
from poma_assets.vocabulary import CONTRAST_ASSETS, READ_ASSETS, SAMPLE_ASSETS

_WORST_FIRST = ("fail", "warn", "pass")


def study_status(study: StudyResource) -> dict[str, Any]:
    """Gather the state of samples, contrasts and cohort assets, and the disk in use."""
    nodes, index = needed_nodes(study), StepIndex.read(study)
    late: dict[str, list[str]] = {}
    for step in stale_steps(nodes, study, index):
        late.setdefault(step.partition, []).append(step.asset)
    disk = disk_use(study)
    return {
        "samples": _samples(study, {node.name for node in nodes}, index, late),
        "contrasts": _contrasts(study, {node.name for node in nodes}, index, late),
        "stale_cohort_assets": late.get("", []),
        "disk_bytes": sum(disk.values()),
        "disk": disk,
        "results": str(study.study.results_dir),
    }


def needs_attention(row: Mapping[str, str]) -> bool:
    """Whether a sample of `study_status` is not done, was left out, or has a metric outside its thresholds."""
    return row["stale"] != "-" or row["included"] != "yes" or row["quality"] in ("fail", "warn")


def _samples(
    study: StudyResource, names: Collection[str], index: StepIndex, late: Mapping[str, list[str]]
) -> list[dict[str, str]]:
    columns = ["sample_id", "status"]
    statuses = study.warehouse.read("sample_quality", columns=columns, ordered=False).drop_duplicates()
    quality: dict[str, set[str]] = {}
    for sample, status in statuses.itertuples(index=False):
        quality.setdefault(sample, set()).add(status)
    inclusion = study.warehouse.read("sample_inclusion", ordered=False)
    included = {
        row.sample_id: "yes" if bool(row.included) else f"no: {row.reason}" for row in inclusion.itertuples(index=False)
    }
    reads = set(study.samples_with_reads)
    rows = []
    for sample in study.sheet.samples["sample_id"]:
        own = [name for name in SAMPLE_ASSETS if name in names and (sample in reads or name not in READ_ASSETS)]
        found = quality.get(sample, set())
        rows.append(
            {
                "sample": sample,
                **_steps(index, late.get(sample, []), sample, own),
                "quality": next((word for word in _WORST_FIRST if word in found), "not assessed"),
                "included": included.get(sample, "not yet"),
            }
        )
    return rows


def _contrasts(
    study: StudyResource, names: Collection[str], index: StepIndex, late: Mapping[str, list[str]]
) -> list[dict[str, str]]:
    verdicts, rows = study.warehouse.read("marker_verdicts", columns=["contrast_id", "verdict"]), []
    for contrast in study.contrasts:
        counts = verdicts.loc[verdicts["contrast_id"] == contrast, "verdict"].value_counts()
        told = ", ".join(f"{count} {verdict}" for verdict, count in counts.items()) or "none yet"
        state = _steps(index, late.get(contrast, []), contrast, [name for name in CONTRAST_ASSETS if name in names])
        rows.append({"contrast": contrast, **state, "verdicts": told})
    return rows


def _steps(index: StepIndex, late: Collection[str], partition: str, assets: list[str]) -> dict[str, str]:
    done = sum((asset, partition) in index.fingerprints and asset not in late for asset in assets)
    waiting = [asset for asset in assets if asset in late]
    return {"done": f"{done} of {len(assets)}", "stale": waiting[0] if waiting else "-"}
