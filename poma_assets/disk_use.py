"""How much room a study takes, by kind: from the file records, so that thousands of samples are summed up at once."""

from pathlib import Path

from poma_assets.file_policy import RecordedFile, recorded_files
from poma_assets.resources import StudyResource
from poma_assets.storage.file_removal import bytes_in

MERGED, TRIMMED, ALIGNMENTS, TABLES = "merged reads", "trimmed reads", "alignments", "counts, quality and fits"
REPORTS, WAREHOUSE, LOGS = "reports", "warehouse", "logs"

_KINDS = {"raw_reads": MERGED, "trimmed_reads": TRIMMED, "alignments": ALIGNMENTS}


def disk_use(study: StudyResource) -> dict[str, int]:
    """Bytes below ``results/`` by kind, in the order of the protocol.

    Files of the samples and contrasts are summed up from their records; only reports, logs and databases are looked
    at. Links to the user's reads take no room. Unfinished work of killed runs is not counted: `poma clean` finds it.
    """
    place = study.study
    use = dict.fromkeys((MERGED, TRIMMED, ALIGNMENTS, TABLES), 0)
    for file in recorded_files(study):
        if not file.is_dropped and file.path.is_relative_to(place.files_dir):
            use[_KINDS.get(file.asset, TABLES)] += _own_bytes(file)
    use[REPORTS] = bytes_in(place.reports_dir)
    use[WAREHOUSE] = _bytes_beside(place.results_dir)
    use[LOGS] = bytes_in(place.results_dir / "logs")
    return use


def _own_bytes(file: RecordedFile) -> int:
    # A merged copy, or a link to the user's only lane: its record has the size of the reads either way.
    return 0 if file.asset == "raw_reads" and file.path.is_symlink() else file.bytes


def _bytes_beside(folder: Path) -> int:
    """Bytes of the files that lie in a folder itself."""
    return sum(path.lstat().st_size for path in folder.glob("*") if path.is_file()) if folder.is_dir() else 0
