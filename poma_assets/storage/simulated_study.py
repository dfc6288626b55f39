"""Writes the simulated study: a complete study folder with reads, reference and the planted truth.

Its content is decided in ``science.simulation``; here the shipped gene tables are read and files are written.
"""

from __future__ import annotations

import csv
import gzip
import multiprocessing
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

from poma_assets.science.errors import InputError
from poma_assets.science.simulation.annotation import format_gtf
from poma_assets.science.simulation.genome import format_fasta
from poma_assets.science.simulation.reads import (
    Integers,
    ReadLibrary,
    ReadProfile,
    draw_fragments,
    render_pairs,
)
from poma_assets.science.simulation.study import DEMO, TINY, Simulation, SimulationSize, simulate_study
from poma_assets.science.simulation.study_design import (
    CONTRASTS,
    PLANTED_TERMS,
    ExpectedVerdict,
    SimulatedSample,
)
from poma_assets.storage.package_data import data_file
from poma_assets.storage.staging import staged_directory
from poma_assets.storage.text_files import read_text

__all__ = ["DEMO", "TINY", "SimulationSize", "read_gene_tables", "write_simulated_study"]

_TRUTH_NOTE = "# synthetic: the planted truth of a simulated study; nothing here was measured\n"
_NOTE = """SIMULATED STUDY - nothing in this folder was measured.

Made by poma-assets (seed {seed}): genome sequence, gene positions, exons, reads, RNA quality and all
effects are invented. Only gene ids, symbols and GO terms are real names. The truth is in truth/:

  expected_verdicts.tsv  the marker verdicts that the pipeline has to find
  gene_effects.tsv       expression, dispersion and true log2 fold changes of every gene
  planted_terms.tsv      the GO terms whose genes were changed, and those genes
  fragment_counts.tsv    exonic fragments drawn per gene and sample (paralogues lose some as multi-mapped)
"""
_CONFIG = """# Simulated study: see SIMULATED.txt
name: simulated_pomalidomide_demo
organism: human
profile: small_reference
reference:
  genome: reference/genome.fa
  annotation: reference/genes.gtf
samples: samples.tsv
contrasts: contrasts.tsv
vehicle: [DMSO]
gene_sets: [go_bp]
"""


def write_simulated_study(
    directory: Path,
    *,
    size: SimulationSize = DEMO,
    seed: int = 1,
    jobs: int = 2,
    on_progress: Callable[[str], None] | None = None,
) -> Path:
    """Write a complete simulated study folder.

    Files are the same, byte for byte, for the same ``size`` and ``seed``, whatever ``jobs`` is.

    Parameters
    ----------
    directory
        The study folder to make; it must not exist or be empty. It appears only when it is complete.
    size
        How large the study is.
    seed
        Seed of all randomness.
    jobs
        Processes that write reads.
    on_progress
        Called with a sentence after each part.

    Returns
    -------
    Path
        ``directory``.

    Raises
    ------
    InputError
        If the folder already holds something.
    StorageError
        If it cannot be written.
    """
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise InputError(
            "the folder for the simulated study is not empty",
            where=str(directory),
            expected="a folder that does not exist or is empty",
            fix="Choose another folder, or remove this one.",
        )
    report = on_progress or (lambda message: None)
    simulation = simulate_study(*read_gene_tables(), size, seed)
    with staged_directory(directory) as staging:
        _write_reference(staging / "reference", simulation)
        report(f"reference: {len(simulation.effects.identities)} genes, {len(simulation.genome)} chromosomes")
        _write_truth(staging / "truth", simulation, size)
        _write_study_files(staging, simulation, seed)
        (staging / "reads").mkdir()
        for message in _write_all_reads(staging / "reads", simulation, seed, jobs):
            report(message)
    return directory


def read_gene_tables() -> tuple[dict[str, str], dict[str, list[str]]]:
    """Read symbol -> Ensembl gene id, and GO id -> symbols, from the shipped tables.

    A gene id belongs to one symbol, the marker tables first; of several ids of a symbol the lowest is taken
    (alternative haplotypes have later ones).
    """
    markers = [*_table("markers", "marker_hypotheses.tsv"), *_table("markers", "sample_identity_genes.tsv")]
    gene_ids = {row["gene_symbol"]: row["ensembl_gene_id"] for row in markers}
    taken = set(gene_ids.values())
    for row in sorted(_table("gene_sets", "human_gene_ids.tsv.gz"), key=lambda row: row["ensembl_gene_id"]):
        symbol, gene_id = row["gene_symbol"], row["ensembl_gene_id"]
        if gene_id and gene_id not in taken and symbol not in gene_ids:
            gene_ids[symbol] = gene_id
            taken.add(gene_id)
    gmt = read_text(data_file("gene_sets", "go_bp.symbols.gmt.gz"))
    terms = {fields[0]: fields[2:] for fields in (line.split("\t") for line in gmt.splitlines())}
    return gene_ids, terms


def _table(*parts: str) -> list[dict[str, str]]:
    return list(csv.DictReader(read_text(data_file(*parts)).splitlines(), delimiter="\t"))


def _write_reference(directory: Path, simulation: Simulation) -> None:
    directory.mkdir()
    (directory / "genome.fa").write_bytes(format_fasta(simulation.genome))
    (directory / "genes.gtf").write_text(format_gtf(simulation.layout))


def _write_truth(directory: Path, simulation: Simulation, size: SimulationSize) -> None:
    directory.mkdir()
    effects = simulation.effects
    by_contrast = effects.contrast_effects()
    row = {identity.gene_name: number for number, identity in enumerate(effects.identities)}

    def true_effect(expected: ExpectedVerdict) -> object:
        # The planted sets are flat.
        return 0.0 if expected.symbol is None else by_contrast[expected.contrast_id][row[expected.symbol]]

    _write_tsv(
        directory / "expected_verdicts.tsv",
        (
            "contrast_id",
            "hypothesis_id",
            "expected_verdict",
            "expected_sub_verdict",
            "true_log2_fold_change",
        ),
        (
            (
                e.contrast_id,
                e.hypothesis_id,
                e.verdict,
                e.sub_verdict,
                true_effect(e),
            )
            for e in size.expected_verdicts
        ),
        note=_TRUTH_NOTE,
    )
    columns = (effects.fragments, effects.dispersion.round(6), *by_contrast.values())
    _write_tsv(
        directory / "gene_effects.tsv",
        (
            "gene_id",
            "gene_name",
            "planted_as",
            "expected_fragments_at_demo_depth",
            "dispersion",
            *(f"log2_fold_change_{contrast_id}" for contrast_id in by_contrast),
        ),
        (
            (identity.gene_id, identity.gene_name, planted_as, *(column[number] for column in columns))
            for number, (identity, planted_as) in enumerate(zip(effects.identities, effects.planted_as, strict=True))
        ),
        note=_TRUTH_NOTE,
    )
    _write_tsv(
        directory / "planted_terms.tsv",
        ("term_id", "term_name", "effect", "mean_log2_fold_change", "gene_symbols"),
        (
            (t.go_id, t.name, t.effect, t.log2_fold_change, ";".join(simulation.term_members[t.go_id]))
            for t in PLANTED_TERMS
        ),
        note=_TRUTH_NOTE,
    )
    _write_tsv(
        directory / "fragment_counts.tsv",
        ("gene_id", *(sample.sample_id for sample in simulation.samples)),
        ((identity.gene_id, *counts) for identity, counts in zip(effects.identities, simulation.counts, strict=True)),
        note=_TRUTH_NOTE,
    )


def _write_study_files(directory: Path, simulation: Simulation, seed: int) -> None:
    (directory / "SIMULATED.txt").write_text(_NOTE.format(seed=seed))
    (directory / "poma.yaml").write_text(_CONFIG)
    rows = [_sample_row(sample) for sample in simulation.samples]
    _write_tsv(directory / "samples.tsv", tuple(rows[0]), (row.values() for row in rows))
    _write_tsv(
        directory / "contrasts.tsv",
        ("id", "variable", "reference", "target", "blocking", "subset", "formula", "contrast", "kind"),
        (
            (c.contrast_id, c.variable, c.reference, c.target, "", c.subset, c.formula, c.contrast, c.kind)
            for c in CONTRASTS
        ),
    )


def _sample_row(sample: SimulatedSample) -> dict[str, object]:
    return {
        "sample": sample.sample_id,
        "fastq_1": f"reads/{sample.sample_id}_R1.fastq.gz",
        "fastq_2": f"reads/{sample.sample_id}_R2.fastq.gz",
        "strandedness": "auto",
        "cell_line": sample.cell_line,
        "cell_context": "myeloma",
        "sensitivity": sample.sensitivity,
        "parent_line": sample.parent_line,
        "treatment": sample.treatment,
        "dose_um": f"{sample.dose_um:g}",
        "time_h": sample.time_h,
        "replicate": sample.replicate,
        "batch": f"batch_{sample.replicate}",
        "rin": sample.rin,
        "a260_a280": sample.a260_a280,
        "origin": "synthetic",
    }


def _write_tsv(path: Path, header: Sequence[str], rows: Iterable[Iterable[object]], *, note: str = "") -> None:
    lines = ["\t".join(header), *("\t".join(_text(value) for value in row) for row in rows)]
    path.write_text(note + "\n".join(lines) + "\n")


def _text(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


_WORKER: Mapping[str, ReadLibrary] = {}
"""The library of a worker process: sent once, not with every sample."""


def _write_all_reads(directory: Path, simulation: Simulation, seed: int, jobs: int) -> Iterable[str]:
    """Write the reads of every sample; yields a sentence for each."""
    tasks = [
        (directory, sample.sample_id, simulation.counts[:, number], (seed, 1000 + number))
        for number, sample in enumerate(simulation.samples)
    ]
    if jobs <= 1:
        for task in tasks:
            yield _write_sample_reads(simulation.library, *task)
        return
    # Spawn: a fork of a process with threads may hang.
    with ProcessPoolExecutor(
        min(jobs, len(tasks)),
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_start_worker,
        initargs=(simulation.library,),
    ) as pool:
        yield from pool.map(_write_in_worker, tasks)


def _start_worker(library: ReadLibrary) -> None:
    global _WORKER
    _WORKER = {"library": library}


def _write_in_worker(task: tuple[Path, str, Integers, tuple[int, int]]) -> str:
    return _write_sample_reads(_WORKER["library"], *task)


def _write_sample_reads(
    library: ReadLibrary, directory: Path, sample_id: str, counts: Integers, seed: tuple[int, int]
) -> str:
    rng = np.random.default_rng(seed)
    profile = ReadProfile()
    fragments = draw_fragments(library, counts, profile, rng)
    paths = [directory / f"{sample_id}_R{mate}.fastq.gz" for mate in (1, 2)]
    # No name and no time in the gzip header: the same seed gives the same bytes.
    with (
        paths[0].open("wb") as file_1,
        paths[1].open("wb") as file_2,
        gzip.GzipFile("", "wb", 1, file_1, mtime=0) as packed_1,
        gzip.GzipFile("", "wb", 1, file_2, mtime=0) as packed_2,
    ):
        for text_1, text_2 in render_pairs(library.buffer, fragments, sample_id, profile, rng):
            packed_1.write(text_1)
            packed_2.write(text_2)
    return f"{sample_id}: {len(fragments.start):,} read pairs"
