"""How much memory a run asks for: of this machine, of a worker's, or of a cluster's scheduler."""

import os
from pathlib import Path

from poma_assets.resources import StudyResource
from poma_assets.run_pool import needs_genome_index
from poma_assets.runs import RunTask
from poma_assets.science.star_memory import index_memory_bytes

_STAR_EXTRA_BYTES = 2 * 1024**3
_OTHER_RUNS_BYTES = 4 * 1024**3
_LONGEST_INDEX_WORD = 14
_GZIP_FACTOR = 4


def index_bytes(study: StudyResource) -> int:
    """Memory of one run that aligns: the genome index as it is on disk (0 where there is none yet), and what sorts."""
    parameters = study.files("star_index").get("parameters")
    return _STAR_EXTRA_BYTES + (_folder_bytes(parameters.parent) if parameters else 0)


def run_bytes(task: RunTask, study: StudyResource) -> int:
    """Memory to ask a scheduler for; of an index that is still to be made, as the genome's size lets expect."""
    if not needs_genome_index(task):
        return _OTHER_RUNS_BYTES
    if "star_index" not in task.assets:
        return index_bytes(study)
    genome = study.study.genome_path
    length = os.path.getsize(genome) * (_GZIP_FACTOR if genome.suffix == ".gz" else 1) if genome else 0
    sparse = study.study.config.reference.star_sparse_d or 1
    return _STAR_EXTRA_BYTES + index_memory_bytes(max(1, length), _LONGEST_INDEX_WORD, sparse)


def _folder_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir() if path.is_file()) if folder.is_dir() else 0
