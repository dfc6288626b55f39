"""A study whose steps are all recorded as done, with small made-up files: for tests that run no tool."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from unittest.mock import patch

from poma_assets.launcher import needed_nodes
from poma_assets.planning import StepIndex, digest, partitions_of, step_inputs
from poma_assets.resources import StudyResource
from poma_assets.storage.connection import Connection
from poma_assets.storage.embedded_database import Change
from poma_assets.storage.step_output import FileArtefact, StepOutput
from poma_assets.vocabulary import KEPT_FILES

_ROLES = {
    "raw_reads": {"fastq_1": "_raw_R1.fastq", "fastq_2": "_raw_R2.fastq"},
    "trimmed_reads": {"fastq_1": "_trimmed_R1.fastq", "fastq_2": "_trimmed_R2.fastq", "report": ".json"},
    "alignments": {"bam": ".bam", "bai": ".bam.bai", "log_final": ".Log.final.out", "splice_junctions": ".SJ.out.tab"},
    "gene_counts": {"counts": ".featurecounts.txt"},
}
LANE = "@read\nACGT\n+\nIIII\n"


def write_study(root: Path, *, config: str = "", lanes: Iterable[str] = ("S1", "S2", "S2")) -> StudyResource:
    """A study folder with one row per lane: S1 has one lane, S2 has two."""
    (root / "reads").mkdir(parents=True, exist_ok=True)
    (root / "ref").mkdir(exist_ok=True)
    (root / "ref" / "genome.fa").write_text(">1\nACGT\n")
    (root / "ref" / "genes.gtf").write_text("")
    rows = []
    for number, sample in enumerate(lanes):
        paths = [f"reads/{sample}_{number}_R{read}.fastq" for read in (1, 2)]
        for path in paths:
            (root / path).write_text(LANE)
        rows.append("\t".join([sample, *paths, "auto"]))
    (root / "samples.tsv").write_text("\n".join(["sample\tfastq_1\tfastq_2\tstrandedness", *rows]) + "\n")
    reference = "reference: {genome: ref/genome.fa, annotation: ref/genes.gtf}\n"
    (root / "poma.yaml").write_text(f"name: recorded\n{reference}{config}\n")
    return StudyResource(root=str(root))


def record_steps(study: StudyResource, *, without: Iterable[str] = ()) -> None:
    """Record every step of the study as done now, parents first, with its files: in one transaction, to save time."""
    changes: list[Change] = []
    with patch.object(study.warehouse, "_change", lambda _, body: changes.append(body)):
        _write_steps(study, without)

    def all_changes(connection: Connection) -> None:
        for change in changes:
            change(connection)

    study.warehouse._change("recording steps", all_changes)


def _write_steps(study: StudyResource, without: Iterable[str]) -> None:
    index = StepIndex()
    for node in needed_nodes(study):
        if node.name in {*without, KEPT_FILES}:
            continue
        for partition in partitions_of(node.name, study):
            inputs = step_inputs(node, partition, study, index)
            version = digest([node.name, partition])[:32]
            index.data_versions[node.name, partition] = version
            study.warehouse.write(
                StepOutput(files=_files(study, node.name, partition)),
                asset=node.name,
                partition=partition,
                study_root=study.study.root,
                fingerprint=digest(inputs),
                data_version=version,
                inputs=inputs,
                run_id="run",
                partition_values={},
            )


def _files(study: StudyResource, asset: str, partition: str) -> dict[str, FileArtefact]:
    folder = study.study.step_dir(asset, partition)
    lanes = [unit for unit in study.sheet.units.to_dict("records") if unit["sample_id"] == partition]
    files = {}
    for role, suffix in _ROLES.get(asset, {}).items():
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{partition}{suffix}"
        path.unlink(missing_ok=True)
        if asset == "raw_reads" and len(lanes) == 1:
            path.symlink_to(study.study.resolve_unit_path(lanes[0][role]))
        else:
            path.write_text(LANE * max(1, len(lanes)))
        files[role] = FileArtefact(path)
    return files
