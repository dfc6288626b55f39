"""What a sample keeps of its files when it is done, and its alignments for those who read them later."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import dagster as dg

from poma_assets.assets.reference import reference_file
from poma_assets.assets.steps import Step, finish, pipeline_asset
from poma_assets.file_policy import RecordedFile, decision_on, recorded_files
from poma_assets.partitions import SAMPLES
from poma_assets.resources import Files, StudyResource
from poma_assets.science.retention import BAM_ROLES, CRAM_ROLES, DROPPABLE_ASSETS
from poma_assets.storage.artefacts import FileKey
from poma_assets.storage.cache_folder import cache_folder
from poma_assets.storage.file_removal import remove_file
from poma_assets.storage.staging import work_folder
from poma_assets.storage.step_output import FileArtefact
from poma_assets.tools.cram import crai_of, cram_reference, write_bam, write_cram


@pipeline_asset(
    partitions_def=SAMPLES,
    kinds={"python"},
    deps=[
        "raw_reads",
        "read_quality",
        "trimmed_reads",
        "trimmed_read_quality",
        "alignments",
        "alignment_quality",
        "gene_counts",
        "htseq_counts",
        "sample_quality",
    ],
)
def kept_files(context: dg.AssetExecutionContext, study: StudyResource) -> Step:
    """The sample's files by the policy `keep` of poma.yaml: what nothing needs any more is dropped, or becomes CRAM."""
    sample = context.partition_key
    recorded = recorded_files(study, DROPPABLE_ASSETS, [sample])
    held = BAM_ROLES if _htseq_waits(study, sample) else ()
    kept = {file.key: file for file in recorded if not file.is_dropped and file.role not in held}
    decisions = {file: decision_on(file.asset, file.role, file.path, study) for file in kept.values()}
    instead: dict[FileKey, FileArtefact] = {}
    bam = kept.get(("alignments", sample, "bam"))
    if bam is not None and decisions[bam] == "convert":
        instead = _as_cram(study, sample, bam.path)
    unwanted = [file for file, decision in decisions.items() if decision != "keep"]
    if unwanted:
        dropped = [file.key for file in unwanted]
        study.warehouse.drop_files(dropped, study_root=study.study.root, instead=instead, run_id=context.run.run_id)
    live = {file.path for file in recorded if not file.is_dropped and file not in unwanted}
    freed = _remove([*unwanted, *(file for file in recorded if file.is_dropped and file.path not in live)], study)
    return finish(
        context,
        study,
        metadata={
            "policy": study.study.config.keep,
            "dropped": ", ".join(f"{file.role} of {file.asset}" for file in unwanted) or "nothing",
            "bytes_freed": freed - sum(file.path.stat().st_size for file in instead.values()),
        },
    )


def _remove(files: list[RecordedFile], study: StudyResource) -> int:
    return sum(remove_file(file.path, study.study.results_dir) for file in files)


def _as_cram(study: StudyResource, sample: str, bam: Path) -> dict[FileKey, FileArtefact]:
    cram = write_cram(bam, _cram_reference(study), threads=study.tool_threads)
    paths = zip(CRAM_ROLES, (cram, crai_of(cram)), strict=True)
    return {("alignments", sample, role): FileArtefact(path, "pysam", version("pysam")) for role, path in paths}


def _cram_reference(study: StudyResource) -> Path:
    genome = reference_file(study, "genome")
    return cram_reference(genome, cache_folder("cram_reference"), study.hashes.sha256)


def _htseq_waits(study: StudyResource, sample: str) -> bool:
    """Whether the study's counter is htseq, and it has not counted these alignments: a run without it came first."""
    if study.study.config.counter != "htseq":
        return False
    where = {"asset": ["alignments", "htseq_counts"], "partition": sample}
    steps = study.warehouse.read("steps", where).set_index("asset")
    if "htseq_counts" not in steps.index:
        return True
    counted = json.loads(str(steps.loc["htseq_counts", "inputs"]))["upstream"]
    return bool(counted[f"alignments[{sample}]"] != steps.loc["alignments", "data_version"])


@contextmanager
def bam_file(study: StudyResource, alignments: Files) -> Iterator[Path]:
    """The sample's BAM file: the one that is kept, or one made from the CRAM file for as long as the block lasts."""
    cram = alignments.get("cram")
    if cram is None or "bam" in alignments:
        yield alignments["bam"]
        return
    bam = cram.with_suffix(".bam")
    with work_folder(bam) as folder:
        write_bam(cram, folder / bam.name, _cram_reference(study), threads=study.tool_threads)
        yield folder / bam.name
