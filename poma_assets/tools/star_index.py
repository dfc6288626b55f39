"""STAR's genome index: its parameters, making it, and checking that it is whole."""

from __future__ import annotations

import gzip
import math
import shutil
import zlib
from pathlib import Path

from poma_assets.science.errors import ReferenceFilesError, ToolError
from poma_assets.storage.staging import replace_folder, work_folder
from poma_assets.tools.command import CommandRecord, run_command
from poma_assets.tools.machine_memory import machine_memory_bytes
from poma_assets.tools.versions import tool_version

GENOME_FILES = ("Genome", "SA", "SAindex", "chrName.txt", "chrLength.txt", "genomeParameters.txt")
GENE_COUNTS_FILE = "exonGeTrInfo.tab"
"""Made only with an annotation; GeneCounts need it."""

_MOST_SA_INDEX_BASES, _MOST_BIN_BITS = 14, 18


def genome_sa_index_nbases(genome_length_bp: int) -> int:
    """Length of the words of STAR's suffix-array index: min(14, log2(genome length) / 2 - 1).

    STAR manual 2.7.10b, section 2.2.5; 14 for a human genome. A larger value crashes on a small genome.
    """
    if genome_length_bp < 1:
        raise ValueError(f"a genome has at least one base, not {genome_length_bp}")
    return max(1, min(_MOST_SA_INDEX_BASES, int(math.log2(genome_length_bp) / 2 - 1)))


def genome_chr_bin_nbits(genome_length_bp: int, n_contigs: int, read_length_bp: int) -> int:
    """Bits of STAR's bins: min(18, log2(max(genome length / contigs, read length))); STAR manual, 2.2.6."""
    return min(_MOST_BIN_BITS, int(math.log2(max(genome_length_bp / n_contigs, read_length_bp))))


def build_star_index(
    genome: Path,
    annotation: Path | None,
    index_dir: Path,
    *,
    genome_length_bp: int,
    n_contigs: int,
    read_length_bp: int = 101,
    threads: int,
    sparse_d: int = 1,
    log_path: Path,
) -> CommandRecord:
    """Make STAR's genome index.

    Parameters
    ----------
    genome, annotation
        FASTA and GTF, plain or .gz. Exon lines with ``gene_id`` and ``transcript_id`` are enough. Without an
        annotation there are no gene counts.
    index_dir
        Appears (or is replaced) when the index is complete.
    read_length_bp
        Longest read; annotated junctions get one base less on either side (``--sjdbOverhang``).
    sparse_d
        2 halves the suffix array: about 17 GB for a human genome instead of 30 GB, alignment 16 % slower
        (`science.star_memory` chooses).

    Raises
    ------
    ReferenceFilesError
        A compressed reference is damaged.
    ToolError
        STAR failed or left an incomplete index.
    """
    with work_folder(index_dir) as folder:
        # Names without spaces, relative to the work folder: STAR splits its parameters at spaces.
        made = folder / "index"
        made.mkdir()
        _provide(genome, folder / "genome.fa")
        argv = ["STAR", "--runMode", "genomeGenerate", "--runThreadN", str(threads), "--genomeDir", "index"]
        argv += ["--genomeFastaFiles", "genome.fa", "--outFileNamePrefix", "index/", "--outTmpDir", "tmp"]
        argv += ["--genomeSAindexNbases", str(genome_sa_index_nbases(genome_length_bp))]
        argv += [
            "--genomeChrBinNbits",
            str(genome_chr_bin_nbits(genome_length_bp, n_contigs, read_length_bp)),
        ]
        argv += [
            "--genomeSAsparseD",
            str(sparse_d),
            "--limitGenomeGenerateRAM",
            # STAR's own limit of 31 GB is too low for a human genome with annotation, and too high for a small
            # machine, where it would be killed instead of saying what it needs.
            str(machine_memory_bytes()),
        ]
        if annotation is not None:
            _provide(annotation, folder / "annotation.gtf")
            argv += ["--sjdbGTFfile", "annotation.gtf", "--sjdbOverhang", str(max(1, read_length_bp - 1))]
        record = run_command(argv, log_path=log_path, tool="STAR", version=tool_version("STAR"), cwd=folder)
        check_star_index(made, with_genes=annotation is not None)
        replace_folder(made, index_dir)
    return record


def check_star_index(index_dir: Path, *, with_genes: bool) -> None:
    """Check that the files of an index are there and not empty.

    Raises
    ------
    ToolError
        One is missing.
    """
    names = (*GENOME_FILES, GENE_COUNTS_FILE) if with_genes else GENOME_FILES
    missing = [name for name in names if not _is_filled(index_dir / name)]
    if missing:
        raise ToolError(
            "the genome index of STAR is not complete",
            where=str(index_dir),
            found=f"no {', '.join(missing)}",
            fix="Delete this folder and run again: it will be made anew.",
        )


def _is_filled(path: Path) -> bool:
    return path.is_file() and path.stat().st_size > 0


def _provide(source: Path, target: Path) -> None:
    """Link a plain file, or decompress a .gz, to a name that STAR can read."""
    if source.suffix != ".gz":
        target.symlink_to(source.resolve())
        return
    try:
        with gzip.open(source, "rb") as compressed, target.open("wb") as plain:
            shutil.copyfileobj(compressed, plain, 1024 * 1024)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ReferenceFilesError(
            f"the gzip file is damaged: {error}", where=str(source), fix="Download or copy it again."
        ) from error
