"""Genome, annotation, gene table and STAR index: cohort assets that all samples share."""

import os
from pathlib import Path

import dagster as dg

from poma_assets.assets.given_counts import given_genes
from poma_assets.assets.steps import Step, finish, pipeline_asset
from poma_assets.planning import digest
from poma_assets.resources import Files, StudyResource
from poma_assets.science.annotation import check_names, fasta_contigs, parse_gtf_genes
from poma_assets.science.errors import ConfigError, ReferenceFilesError
from poma_assets.science.star_memory import choose_sparse_d
from poma_assets.science.unfilled import is_unfilled
from poma_assets.storage.cache_folder import cache_folder
from poma_assets.storage.lock import exclusive_lock
from poma_assets.storage.staging import make_folder, staged_directory
from poma_assets.storage.text_lines import LONGEST_SEQUENCE_LINE_BYTES, text_lines
from poma_assets.tools.command import CommandRecord
from poma_assets.tools.machine_memory import machine_memory_bytes
from poma_assets.tools.star import build_star_index, genome_sa_index_nbases
from poma_assets.tools.versions import tool_version
from poma_assets.vocabulary import STAR_POOL

_CONTIGS = "contigs.tsv"


def reference_file(study: StudyResource, key: str) -> Path:
    """Path of the genome FASTA or the annotation GTF (``key``: genome or annotation).

    Raises
    ------
    ConfigError
        If ``poma.yaml`` does not name it.
    ReferenceFilesError
        If it does not exist.
    """
    path = study.study.genome_path if key == "genome" else study.study.annotation_path
    if path is None:
        raise ConfigError(
            f"reference.{key} is missing",
            where=str(study.study.root / "poma.yaml"),
            expected="the path of a file",
            fix="Name the genome FASTA and the annotation GTF under `reference:`.",
        )
    if is_unfilled(getattr(study.study.config.reference, key)):
        raise ConfigError(
            f"reference.{key} is still to be filled in",
            where=str(study.study.root / "poma.yaml"),
            expected="the path of a file",
            fix="Write the path, or `poma reference fetch gencode --study DIR` fetches genome and annotation.",
        )
    if not path.is_file():
        raise ReferenceFilesError(
            "the file does not exist",
            where=str(path),
            expected=f"the file named as reference.{key} in poma.yaml",
            fix="Correct the path; relative paths start at the study folder.",
        )
    return path


@pipeline_asset(kinds={"fasta"})
def genome(context: dg.AssetExecutionContext, study: StudyResource) -> Step:
    """The genome FASTA of the study, read through once: its sequences and their lengths."""
    path = reference_file(study, "genome")
    with text_lines(path, longest_line_bytes=LONGEST_SEQUENCE_LINE_BYTES) as lines:
        contigs = fasta_contigs(lines, source=str(path))
    target = study.study.step_dir("genome", "all")
    with staged_directory(target) as staging:
        text = "".join(f"{name}\t{length}\n" for name, length in contigs.items())
        (staging / _CONTIGS).write_text(text, encoding="utf-8")
    metadata = {"sequences": len(contigs), "length_bp": sum(contigs.values()), "first": ", ".join(list(contigs)[:6])}
    files = {"fasta": path, "contigs": target / _CONTIGS}
    return finish(context, study, files=files, metadata=metadata, content=study.hashes.sha256(path))


def _contigs(genome: Files) -> dict[str, int]:
    rows = (line.split("\t") for line in genome["contigs"].read_text(encoding="utf-8").splitlines())
    return {name: int(length) for name, length in rows}


@pipeline_asset(kinds={"gtf", "duckdb"})
def gene_table(context: dg.AssetExecutionContext, study: StudyResource, annotation: Files) -> Step:
    """Genes of the annotation: symbol, biotype, place, length of the union of exons. Without one: symbols only."""
    if "gtf" not in annotation:
        genes = given_genes(study)
        return finish(context, study, tables={"genes": genes}, metadata={"genes": len(genes), "annotation": "none"})
    with text_lines(annotation["gtf"]) as lines:
        genes = parse_gtf_genes(lines, source=str(annotation["gtf"]))
    return finish(context, study, tables={"genes": genes}, metadata={"genes": len(genes)})


@pipeline_asset(kinds={"gtf"})
def annotation(context: dg.AssetExecutionContext, study: StudyResource, genome: Files) -> Step:
    """The annotation GTF, checked against the genome: same sequence names, no exon beyond a sequence's end."""
    path = reference_file(study, "annotation")
    with text_lines(genome["fasta"], longest_line_bytes=LONGEST_SEQUENCE_LINE_BYTES) as lines:
        contigs = fasta_contigs(lines, source=str(genome["fasta"]))
    with text_lines(path) as lines:
        warnings = check_names(contigs, lines, genome_source=str(genome["fasta"]), annotation_source=str(path))
    for warning in warnings:
        context.log.warning(warning)
    metadata = {"warnings": "; ".join(warnings) or "none"}
    return finish(context, study, files={"gtf": path}, metadata=metadata, content=study.hashes.sha256(path))


@pipeline_asset(kinds={"star"}, pool=STAR_POOL)
def star_index(context: dg.AssetExecutionContext, study: StudyResource, genome: Files, annotation: Files) -> Step:
    """The genome prepared for STAR, the aligner; kept in a cache by content, shared by studies with one reference."""
    fasta, gtf = genome["fasta"], annotation["gtf"]
    contigs = _contigs(genome)
    length_bp = sum(contigs.values())
    asked = study.study.config.reference.star_sparse_d
    choice = choose_sparse_d(length_bp, genome_sa_index_nbases(length_bp), machine_memory_bytes(), asked=asked)
    made_from = [study.hashes.sha256(fasta), study.hashes.sha256(gtf), tool_version("STAR")]
    # A dense index keeps the key that it had before there were sparse ones.
    key = digest([*made_from, *([choice.sparse_d] if choice.sparse_d > 1 else [])])[:24]
    index_dir = cache_folder("star_index") / key
    commands: tuple[CommandRecord, ...] = ()
    make_folder(index_dir.parent)
    with exclusive_lock(index_dir.with_name(f"{key}.lock"), timeout_s=6 * 3600, describe="building a STAR index"):
        if not (index_dir / "genomeParameters.txt").is_file():
            record = build_star_index(
                fasta,
                gtf,
                index_dir,
                genome_length_bp=length_bp,
                n_contigs=len(contigs),
                sparse_d=choice.sparse_d,
                threads=max(1, os.cpu_count() or 1),
                log_path=study.log_path("star_index"),
            )
            commands = (record,)
    metadata = {"index": dg.MetadataValue.path(str(index_dir)), "reused": not commands, "memory": choice.reason}
    files = {"parameters": index_dir / "genomeParameters.txt"}
    return finish(context, study, files=files, commands=commands, metadata=metadata, content=[*made_from, asked])
