"""Splice-aware alignment by STAR (MIT licence; Dobin 2013, doi:10.1093/bioinformatics/bts635)."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from poma_assets.science.errors import NotEnoughDataError, ToolError
from poma_assets.storage.staging import move_into_place, work_folder
from poma_assets.tools.bam import check_bam, index_bam
from poma_assets.tools.command import CommandRecord, no_output_error, run_command
from poma_assets.tools.fastq_files import has_reads
from poma_assets.tools.star_index import (
    GENE_COUNTS_FILE,
    build_star_index,
    check_star_index,
    genome_sa_index_nbases,
)
from poma_assets.tools.versions import tool_version

__all__ = [
    "StarOutputs",
    "align_with_star",
    "build_star_index",
    "genome_sa_index_nbases",
    "remove_star_genome_from_memory",
]

_SORTING_BINS = 50
_MOST_SORTING_FILES = 800
"""STAR opens threads x bins files while sorting; the usual limit of open files is 1,024."""

_SORTING_NEEDS = re.compile(r"SOLUTION: re-run STAR with at least --limitBAMsortRAM (\d+)")
"""In STAR's last words when its limit was too low."""

_OUTPUTS = {  # role: (name by STAR, suffix of ours)
    "log": ("Log.out", "Log.out"),
    "log_final": ("Log.final.out", "Log.final.out"),
    "splice_junctions": ("SJ.out.tab", "SJ.out.tab"),
    "reads_per_gene": ("ReadsPerGene.out.tab", "ReadsPerGene.out.tab"),
    "index": ("Aligned.sortedByCoord.out.bam.bai", "bam.bai"),
    "bam": ("Aligned.sortedByCoord.out.bam", "bam"),
}


@dataclass(frozen=True)
class StarOutputs:
    """Paths of one alignment, ``<output_dir>/<name of output_dir>.<suffix>``.

    ``bam`` has its index beside it (``.bam.bai``). ``reads_per_gene`` exists only if the index was made with
    an annotation.
    """

    record: CommandRecord
    bam: Path
    log_final: Path
    reads_per_gene: Path
    splice_junctions: Path


def align_with_star(
    fastq_1: Path,
    fastq_2: Path | None,
    index_dir: Path,
    output_dir: Path,
    *,
    threads: int,
    log_path: Path,
    bam_sort_memory_mib: float | None = None,
    keep_all_in_memory: bool = False,
) -> StarOutputs:
    """Align reads, sort and index the alignments, and count fragments per gene.

    Parameters
    ----------
    fastq_1, fastq_2
        Trimmed reads, plain or .gz; ``fastq_2`` is None for single-end.
    index_dir
        Made by :func:`build_star_index`.
    output_dir
        Gets the outputs when all are complete; other files in it stay.
    bam_sort_memory_mib
        Most memory that sorting may take beside the genome; None for 60 % of what is available now. It is
        taken only as needed: by the fullest of 50 genome bins, so by the most expressed genes
        (immunoglobulins in myeloma: several GB for 40 million pairs).
    keep_all_in_memory
        Leave the genome in shared memory for the next samples (``LoadAndKeep``); the caller ends this by
        :func:`remove_star_genome_from_memory`.

    Raises
    ------
    NotEnoughDataError
        There are no reads, or none was aligned.
    ToolError
        STAR failed or left incomplete outputs.
    """
    with_genes = (index_dir / GENE_COUNTS_FILE).is_file()
    check_star_index(index_dir, with_genes=with_genes)
    if not has_reads(fastq_1):
        raise NotEnoughDataError(
            "there are no reads to align",
            where=str(fastq_1),
            fix="Look at the adapters and at the shortest read that trimming keeps.",
        )
    sort_bytes = int((bam_sort_memory_mib or _memory_to_spare_mib()) * 1024**2)
    with work_folder(output_dir) as folder, _folder_for_pipes(folder) as pipes:
        argv = _arguments(fastq_1, fastq_2, index_dir, folder, threads)
        argv += ["--outTmpDir", pipes, "--limitBAMsortRAM", str(sort_bytes)]
        argv += ["--genomeLoad", "LoadAndKeep" if keep_all_in_memory else "NoSharedMemory"]
        argv += ["--quantMode", "GeneCounts"] if with_genes else []
        record = _run(argv, folder, log_path, sort_bytes)
        _check_alignment(folder, output_dir, log_path)
        roles = [role for role in _OUTPUTS if with_genes or role != "reads_per_gene"]
        targets = {role: output_dir / f"{output_dir.name}.{_OUTPUTS[role][1]}" for role in _OUTPUTS}
        move_into_place({folder / _OUTPUTS[role][0]: targets[role] for role in roles})
    return StarOutputs(
        record,
        targets["bam"],
        targets["log_final"],
        targets["reads_per_gene"],
        targets["splice_junctions"],
    )


def remove_star_genome_from_memory(index_dir: Path, *, log_path: Path) -> CommandRecord:
    """Remove a genome that ``keep_all_in_memory`` left in shared memory."""
    with tempfile.TemporaryDirectory(prefix="poma-star-") as text:
        folder = Path(text)
        (folder / "index").symlink_to(index_dir.resolve())
        argv = ["STAR", "--genomeLoad", "Remove", "--genomeDir", "index"]
        return run_command(argv, log_path=log_path, tool="STAR", version=tool_version("STAR"), cwd=folder)


def _arguments(fastq_1: Path, fastq_2: Path | None, index_dir: Path, folder: Path, threads: int) -> list[str]:
    # STAR splits its parameters at spaces, so it sees only names relative to the work folder.
    (folder / "index").symlink_to(index_dir.resolve())
    reads = []
    for number, fastq in enumerate((fastq_1, fastq_2), start=1):
        if fastq is not None:
            name = f"reads_{number}.fastq" + (".gz" if fastq.suffix == ".gz" else "")
            (folder / name).symlink_to(fastq.resolve())
            reads.append(name)
    argv = ["STAR", "--runThreadN", str(threads), "--genomeDir", "index", "--readFilesIn", *reads]
    if fastq_1.suffix == ".gz":
        argv += ["--readFilesCommand", "gzip", "-dc"]
    argv += ["--outFileNamePrefix", "./", "--outSAMtype", "BAM", "SortedByCoordinate"]
    argv += ["--outSAMattributes", "NH", "HI", "AS", "nM", "MD", "--outBAMcompression", "1"]
    bins = max(1, min(_SORTING_BINS, _MOST_SORTING_FILES // threads))
    return [*argv, "--outBAMsortingBinsN", str(bins)]


def _run(argv: list[str], folder: Path, log_path: Path, sort_bytes: int) -> CommandRecord:
    try:
        return run_command(argv, log_path=log_path, tool="STAR", version=tool_version("STAR"), cwd=folder)
    except ToolError as error:
        needed = _SORTING_NEEDS.search(str(error))
        if needed is None:
            raise
        raise ToolError(
            "STAR needs more memory to sort the alignments: very many reads lie in one place",
            where=str(log_path),
            found=f"{sort_bytes / 1024**2:,.1f} MiB to spare",
            expected=f"{int(needed.group(1)) / 1024**2:,.1f} MiB",
            fix="Run fewer samples at once (--jobs 1), or use a machine with more memory.",
        ) from error


def _check_alignment(folder: Path, output_dir: Path, log_path: Path) -> None:
    bam = folder / _OUTPUTS["bam"][0]
    if not (folder / _OUTPUTS["log_final"][0]).is_file() or not bam.is_file():
        raise no_output_error("STAR", "complete output", output_dir.parent, log_path)
    index_bam(bam)
    if check_bam(bam) == 0:
        raise NotEnoughDataError(
            "STAR aligned no read",
            where=str(output_dir),
            fix="Do the reads come from the organism of the reference genome?",
        )


def _memory_to_spare_mib() -> float:
    return 0.6 * psutil.virtual_memory().available / 1024**2


@contextmanager
def _folder_for_pipes(folder: Path) -> Iterator[str]:
    """Name for STAR's temporary folder, which must not exist yet.

    It is in the work folder, because sorting writes as much there as the BAM file is large, and the system's
    folder for temporary files is often small. STAR also needs named pipes there; where the file system has
    none (some network and exFAT disks) the system's folder is taken.
    """
    probe = folder / "pipe"
    try:
        os.mkfifo(probe)
    except OSError:
        with tempfile.TemporaryDirectory(prefix="poma-star-") as text:
            yield f"{text}/tmp"
        return
    probe.unlink()
    yield "tmp"
