"""The recorded files of a study under its policy: what is kept beyond it, and what was dropped."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from poma_assets.resources import StudyResource
from poma_assets.science.retention import DROPPABLE_ASSETS, Decision, Policy, decide
from poma_assets.storage.artefacts import FileKey, absolute_path
from poma_assets.storage.file_removal import is_own_file


@dataclass(frozen=True)
class RecordedFile:
    """A file that an asset made: where it is, or was if it has been dropped."""

    asset: str
    partition: str
    role: str
    path: Path
    bytes: int
    is_dropped: bool

    @property
    def key(self) -> FileKey:
        """What identifies its record."""
        return self.asset, self.partition, self.role


def recorded_files(
    study: StudyResource, assets: Iterable[str] | None = None, partitions: Iterable[str] | None = None
) -> list[RecordedFile]:
    """The file records of some assets and partitions, of all by default."""
    wanted = {"asset": assets, "partition": partitions}
    where = {column: sorted(values) for column, values in wanted.items() if values is not None}
    columns = ["asset", "partition", "role", "path", "bytes", "dropped_at"]
    rows = study.warehouse.read("artefacts", where, columns)
    return [
        RecordedFile(asset, partition, role, absolute_path(path, study.study.root), size, is_dropped)
        for (asset, partition, role, path, size), is_dropped in zip(
            rows[columns[:5]].itertuples(index=False, name=None), rows["dropped_at"].notna(), strict=True
        )
    ]


def decision_on(asset: str, role: str, path: Path, study: StudyResource, policy: Policy | None = None) -> Decision:
    """What the study's policy (or a given one) does with a file when no step needs it any more."""
    config = study.study.config
    decision = decide(asset, role, policy=policy or config.keep, alignment_format=config.alignment_format)
    # The file system is asked only where it matters.
    if decision != "keep" and not is_own_file(path, study.study.results_dir):
        return "keep"
    return decision


def unapplied_policy(
    sample: str, files: Mapping[tuple[str, str], Mapping[str, str]], study: StudyResource
) -> str | None:
    """Why ``kept_files`` of a sample must run, in words: files are there that the policy would drop or convert.

    Parameters
    ----------
    files
        Asset and partition -> role -> stored path, of files that were not dropped.
    """
    root, config = study.study.root, study.study.config
    decisions = {
        (asset, role): decision_on(asset, role, absolute_path(path, root), study)
        for asset in DROPPABLE_ASSETS
        for role, path in files.get((asset, sample), {}).items()
    }
    dropped = [f"{role} of {asset}" for (asset, role), decision in decisions.items() if decision == "drop"]
    if dropped:
        return f"there are files that keep: {config.keep} does not keep: {', '.join(dropped)}"
    if decisions.get(("alignments", "bam")) == "convert":
        return "its alignments are not CRAM yet"
    return None
