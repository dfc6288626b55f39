"""How much room a study takes, by kind: from the file records, so that thousands of samples are summed up at once."""

from pathlib import Path

from poma_assets.file_policy import recorded_files
from poma_assets.resources import StudyResource
from poma_assets.storage.artefacts import stored_path
from poma_assets.storage.file_removal import bytes_in
from poma_assets.storage.lake_catalogue import LAKE_FOLDER

MERGED, TRIMMED, ALIGNMENTS, TABLES = "merged reads", "trimmed reads", "alignments", "counts, quality and fits"
REPORTS, WAREHOUSE, LOGS = "reports", "warehouse", "logs"

_KINDS = {"trimmed_reads": TRIMMED, "alignments": ALIGNMENTS}
_RECORDED_BYTES = """
SELECT asset, sum(bytes) AS bytes FROM artefacts WHERE dropped_at IS NULL AND starts_with(path, ?) GROUP BY asset
"""


def disk_use(study: StudyResource) -> dict[str, int]:
    """Bytes below ``results/`` by kind, in the order of the protocol.

    Files of the samples and contrasts are summed up from their records; only reports, logs and databases are looked
    at. Links to the user's reads take no room. Unfinished work of killed runs is not counted: `poma clean` finds it.
    """
    place = study.study
    use = {MERGED: _merged_bytes(study), **dict.fromkeys((TRIMMED, ALIGNMENTS, TABLES), 0)}
    below = stored_path(place.files_dir, place.root) + "/"
    for asset, size in study.warehouse.query(_RECORDED_BYTES, [below]).itertuples(index=False):
        if asset != "raw_reads":
            use[_KINDS.get(asset, TABLES)] += int(size)
    use[REPORTS] = bytes_in(place.reports_dir)
    use[WAREHOUSE] = _bytes_beside(place.results_dir) + bytes_in(place.results_dir / LAKE_FOLDER)
    use[LOGS] = bytes_in(place.results_dir / "logs")
    return use


def _merged_bytes(study: StudyResource) -> int:
    # A merged copy, or a link to the user's only lane: its record has the size of the reads either way.
    files = recorded_files(study, ["raw_reads"])
    return sum(file.bytes for file in files if not file.is_dropped and not file.path.is_symlink())


def _bytes_beside(folder: Path) -> int:
    """Bytes of the files that lie in a folder itself."""
    return sum(path.lstat().st_size for path in folder.glob("*") if path.is_file()) if folder.is_dir() else 0
