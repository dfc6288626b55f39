"""The files that the sheet names for each sample: their content, and which stored results no longer rest on it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from poma_assets.resources import StudyResource
from poma_assets.vocabulary import KEPT_FILES, SAMPLE_ASSETS

UNITS_PREFIX = "sequencing_units of "
"""How the names of parameters begin that stand for the content of a sample's files."""

_FILE_COLUMNS = ("fastq_1", "fastq_2", "counts")
_FIRST_STEPS = ("raw_reads", "gene_counts")
"""Steps that read the files of the sheet themselves: reads, and counts given instead of reads."""


def unit_digests(study: StudyResource, sample: str) -> dict[str, str]:
    """Name of each file of a sample, as in the reasons of `poma plan` -> SHA-256 of its content, or its accession."""
    digests = {
        f"{UNITS_PREFIX}{sample}: {column}": study.hashes.sha256(path) for column, path in _named_files(study, sample)
    }
    for unit in study.sample_units[sample]:
        # What an archive keeps under an accession does not change; the network is not asked for a plan.
        if isinstance(unit["accession"], str):
            digests[f"{UNITS_PREFIX}{sample}: {unit['accession']}"] = unit["accession"]
    return digests


def unit_files(study: StudyResource, sample: str) -> list[Path]:
    """The files that the sheet names for a sample: reads of all lanes, or a table of counts."""
    return [path for _, path in _named_files(study, sample)]


def outdated_samples(study: StudyResource) -> dict[str, str]:
    """Samples whose stored counts are not those of the files in the sheet, each with the reason in words.

    A sample gets here when its files were replaced and the new ones have not come through: what is stored of it
    stays, but it is not what the sheet says any more.
    """
    beside = {KEPT_FILES} if study.study.config.counter == "htseq" else {KEPT_FILES, "htseq_counts"}
    where = {"asset": [name for name in SAMPLE_ASSETS if name not in beside], "partition": list(study.sample_rows)}
    steps = study.warehouse.read("steps", where, ["asset", "partition", "data_version", "inputs"], ordered=False)
    versions = {(asset, sample): version for asset, sample, version, _ in steps.itertuples(index=False)}
    outdated: dict[str, str] = {}
    for asset, sample, _, text in steps.itertuples(index=False):
        inputs = json.loads(text)
        if asset in _FIRST_STEPS and _reads_other_files(study, sample, inputs["parameters"]):
            outdated[sample] = "its files were replaced after it was counted, and the new ones did not come through"
        for name, version in inputs["upstream"].items():
            parent = name.removesuffix(f"[{sample}]")
            if parent != name and versions.get((parent, sample)) != version:
                outdated.setdefault(sample, f"{asset} was not made again after {parent} had changed")
    return outdated


def _named_files(study: StudyResource, sample: str) -> Iterator[tuple[str, Path]]:
    """Column (with the lane, where there are several) and path of each file of a sample."""
    units = study.sample_units[sample]
    for unit in units:
        lane = f" of lane {unit['unit']}" if len(units) > 1 else ""
        for column in _FILE_COLUMNS:
            if isinstance(unit[column], str):
                yield column + lane, study.study.resolve_unit_path(unit[column])


def _reads_other_files(study: StudyResource, sample: str, parameters: dict[str, Any]) -> bool:
    stored = {name: digest for name, digest in parameters.items() if name.startswith(UNITS_PREFIX)}
    return bool(stored) and stored != unit_digests(study, sample)
