"""The state of a study as plain values: what is done, what is stale, what was left out."""

from typing import Any

from poma_assets.disk_use import disk_use
from poma_assets.launcher import needed_nodes
from poma_assets.planning import StepIndex, stale_steps
from poma_assets.resources import StudyResource
from poma_assets.vocabulary import CONTRAST_ASSETS, SAMPLE_ASSETS


def study_status(study: StudyResource) -> dict[str, Any]:
    """Gather the state of samples, contrasts and cohort assets, and the disk in use."""
    nodes = needed_nodes(study)
    stale = stale_steps(nodes, study)
    names = {node.name for node in nodes}
    index = StepIndex.read(study)
    inclusion = study.warehouse.read("sample_inclusion").set_index("sample_id")
    quality = study.warehouse.read("sample_quality")
    verdicts = study.warehouse.read("marker_verdicts")
    samples = []
    for sample in study.sheet.samples["sample_id"]:
        metrics = quality.loc[quality["sample_id"] == sample, "status"]
        worst = next((word for word in ("fail", "warn", "pass") if (metrics == word).any()), "not assessed")
        included = "not yet"
        if sample in inclusion.index:
            row = inclusion.loc[sample]
            included = "yes" if bool(row["included"]) else f"no: {row['reason']}"
        state = _steps(index, stale, sample, [name for name in SAMPLE_ASSETS if name in names])
        samples.append({"sample": sample, **state, "quality": worst, "included": included})
    contrasts = []
    for contrast in study.contrasts:
        counts = verdicts.loc[verdicts["contrast_id"] == contrast, "verdict"].value_counts()
        state = _steps(index, stale, contrast, [name for name in CONTRAST_ASSETS if name in names])
        told = ", ".join(f"{count} {verdict}" for verdict, count in counts.items()) or "none yet"
        contrasts.append({"contrast": contrast, **state, "verdicts": told})
    disk = disk_use(study)
    return {
        "samples": samples,
        "contrasts": contrasts,
        "stale_cohort_assets": [step.asset for step in stale if not step.partition],
        "disk_bytes": sum(disk.values()),
        "disk": disk,
        "results": str(study.study.results_dir),
    }


def _steps(index: StepIndex, stale: list[Any], partition: str, assets: list[str]) -> dict[str, str]:
    late = {step.asset for step in stale if step.partition == partition}
    done = sum((asset, partition) in index.fingerprints and asset not in late for asset in assets)
    waiting = [asset for asset in assets if asset in late]
    return {"done": f"{done} of {len(assets)}", "stale": waiting[0] if waiting else "-"}
