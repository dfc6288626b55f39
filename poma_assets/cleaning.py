"""`poma clean`: what a study can do without, because it can be made again or nothing refers to it any more.

Raw input, downloads, sheets, ``poma.yaml``, the warehouse and the reports are never among it.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import dagster as dg

from poma_assets.file_policy import decision_on, recorded_files
from poma_assets.jobs import COHORT_ASSETS, REFERENCE_ASSETS, REPORT_ASSETS
from poma_assets.launcher import needed_nodes
from poma_assets.planning import stale_steps
from poma_assets.resources import StudyResource
from poma_assets.runs import is_gone
from poma_assets.science.errors import StorageError
from poma_assets.science.retention import BAM_ROLES, needed_files
from poma_assets.storage.artefacts import FileKey
from poma_assets.storage.file_removal import bytes_in, is_own_file, remove_file, remove_folder
from poma_assets.storage.lock import exclusive_lock
from poma_assets.storage.results_folder import refuse_foreign_results
from poma_assets.storage.shared_file import unused_files
from poma_assets.storage.staging import abandoned_folders
from poma_assets.vocabulary import CONTRAST_ASSETS, LAUNCHER_TAG, PROCESS_TAG, SAMPLE_ASSETS

LEFT_BEHIND = "dropped before, left by a killed process"
UNFINISHED = "unfinished work of processes that are gone"
OLD_LOGS = "logs of steps that are no longer there"
UNUSED_FITS = "fits that no contrast uses"
WITHDRAWN = "files of withdrawn samples and contrasts"

_PartitionKey = Literal["sample_id", "contrast_id"]


@dataclass(frozen=True)
class Removal:
    """A file or folder that may go; ``record`` is the file record that says so first, if it has one."""

    kind: str
    path: Path
    bytes: int
    record: FileKey | None = None


@dataclass(frozen=True)
class CleaningPlan:
    """What may go: files and folders, and the withdrawn samples and contrasts whose rows go with them."""

    removals: tuple[Removal, ...]
    withdrawn: Mapping[str, _PartitionKey]
    options: Mapping[str, bool]

    @property
    def bytes(self) -> int:
        """Room that it takes."""
        return sum(removal.bytes for removal in self.removals)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to remove."""
        return not self.removals and not self.withdrawn


def plan_cleaning(study: StudyResource, *, all_intermediate: bool = False, withdrawn: bool = False) -> CleaningPlan:
    """Find what may be removed; nothing is touched.

    Parameters
    ----------
    all_intermediate
        Trimmed reads, merged reads and alignments, whatever ``keep:`` says.
    withdrawn
        Rows and files of samples and contrasts that are no longer in the sheets.

    Raises
    ------
    InputError
        If the configuration or a sheet is wrong: who is withdrawn cannot be known then.
    StorageError
        If the results are a link to something that is not ours.
    """
    refuse_foreign_results(study.study.results_dir)
    gone = _withdrawn_partitions(study) if withdrawn else {}
    found = [*_recorded(study, all_intermediate), *_unfinished(study), *_old_logs(study), *_unused_fits(study)]
    found += _withdrawn_files(study, gone)
    results = study.study.results_dir
    removals = {removal.path: removal for removal in found if is_own_file(removal.path, results)}
    folders = {path for path in removals if path.is_dir()}
    chosen = [removal for path, removal in removals.items() if folders.isdisjoint(path.parents)]
    return CleaningPlan(tuple(chosen), gone, {"all_intermediate": all_intermediate, "withdrawn": withdrawn})


def clean(study: StudyResource, plan: CleaningPlan) -> int:
    """Remove what the plan says, as far as it still may go, and return the bytes freed.

    Records are changed first, in one transaction: a file that is left by a kill is found again the next time, while
    a record of a file that is gone would make its step run again.

    Raises
    ------
    StorageError
        If a run of the study is under way, or a folder cannot be written.
    """
    results = study.study.results_dir
    with exclusive_lock(study.study.run_lock_path, timeout_s=0.0, describe=f"poma clean of {study.study.root}"):
        _refuse_during_runs()
        # While somebody was asked, a run may have come and gone.
        still = set(plan_cleaning(study, **plan.options).removals)
        removals = [removal for removal in plan.removals if removal in still]
        records = [removal.record for removal in removals if removal.record is not None]
        if records:
            study.warehouse.drop_files(records, study_root=study.study.root)
        for partition, key in plan.withdrawn.items():
            study.warehouse.forget(partition=partition, key=key)
        return sum(_remove(removal.path, results) for removal in removals)


def _remove(path: Path, results: Path) -> int:
    return remove_folder(path, results) if path.is_dir() else remove_file(path, results)


def _refuse_during_runs() -> None:
    """Runs that the UI or a sensor started do not hold the lock of `poma run`."""
    active = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]
    with dg.DagsterInstance.get() as instance:
        runs = instance.get_runs(dg.RunsFilter(statuses=active))
    for run in runs:
        process = run.tags.get(LAUNCHER_TAG, run.tags.get(PROCESS_TAG))
        if process is None or not is_gone(process):
            raise StorageError(
                "a run of this study is under way",
                found=f"run {run.run_id} of {run.job_name}",
                fix="Wait until it has finished, or end it in `poma ui`, then clean again.",
            )


def _recorded(study: StudyResource, all_intermediate: bool) -> Iterator[Removal]:
    """Files that the policy does not keep and no stale step needs, and those that were dropped but are there."""
    config = study.study.config
    policy = "counts" if all_intermediate else config.keep
    kind = f"files that keep: {policy} does not keep" if not all_intermediate else "all intermediate files"
    needed = {
        (parent, step.partition, role)
        for step in stale_steps(needed_nodes(study), study)
        for parent, roles in needed_files(step.asset, config.counter).items()
        for role in (*roles, *(BAM_ROLES if "bam" in roles else ()))
    }
    files = recorded_files(study)
    live = {file.path for file in files if not file.is_dropped}
    for file in files:
        if file.is_dropped:
            if file.path not in live and file.path.is_file():
                yield Removal(LEFT_BEHIND, file.path, file.path.lstat().st_size)
        elif file.key not in needed and decision_on(file.asset, file.role, file.path, study, policy) == "drop":
            yield Removal(kind, file.path, file.bytes, file.key)


def _unfinished(study: StudyResource) -> Iterator[Removal]:
    for path in abandoned_folders(study.study.results_dir):
        yield Removal(UNFINISHED, path, bytes_in(path))


def _unused_fits(study: StudyResource) -> Iterator[Removal]:
    for path in unused_files(study.study.results_dir / "shared" / "design_fit"):
        yield Removal(UNUSED_FITS, path, path.lstat().st_size)


def _old_logs(study: StudyResource) -> Iterator[Removal]:
    current = _log_names(study)
    for folder in _folders(study.study.results_dir / "logs"):
        for path in sorted(folder.glob("*.log")):
            if folder.name in current and path.name.removesuffix(".log") not in current[folder.name]:
                yield Removal(OLD_LOGS, path, path.lstat().st_size)


def _withdrawn_files(study: StudyResource, gone: Mapping[str, _PartitionKey]) -> Iterator[Removal]:
    for assets, key in ((SAMPLE_ASSETS, "sample_id"), (CONTRAST_ASSETS, "contrast_id")):
        for asset in assets:
            for path in _folders(study.study.files_dir / asset):
                if gone.get(path.name) == key:
                    yield Removal(WITHDRAWN, path, bytes_in(path))


def _withdrawn_partitions(study: StudyResource) -> dict[str, _PartitionKey]:
    """Stored samples and contrasts that are in no sheet now, from their step records and their folders."""
    steps = study.warehouse.read("steps", columns=["asset", "partition"])
    current = {*study.sheet.samples["sample_id"], *study.contrasts, ""}
    gone: dict[str, _PartitionKey] = {}
    kinds: tuple[tuple[tuple[str, ...], _PartitionKey], ...] = (
        (SAMPLE_ASSETS, "sample_id"),
        (CONTRAST_ASSETS, "contrast_id"),
    )
    for assets, key in kinds:
        stored = set(steps.loc[steps["asset"].isin(assets), "partition"])
        stored |= {path.name for asset in assets for path in _folders(study.study.files_dir / asset)}
        gone |= {str(partition): key for partition in sorted(stored - current)}
    return gone


def _log_names(study: StudyResource) -> dict[str, set[str]]:
    """Asset -> names of its logs now; none for an asset that an older version of the program had."""
    samples, contrasts = set(study.sheet.samples["sample_id"]), set(study.contrasts)
    names = {asset: {"all"} for asset in (*REFERENCE_ASSETS, *COHORT_ASSETS, *REPORT_ASSETS)}
    names |= dict.fromkeys(SAMPLE_ASSETS, samples) | dict.fromkeys(CONTRAST_ASSETS, contrasts)
    former = set(study.warehouse.read("steps", columns=["asset"])["asset"]) - set(names)
    return {**names, **{asset: set() for asset in former}}


def _folders(folder: Path) -> list[Path]:
    """Visible folders in a folder, without links."""
    if not folder.is_dir() or folder.is_symlink():
        return []
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    return [folder / name for name in sorted(names) if not name.startswith(".")]
