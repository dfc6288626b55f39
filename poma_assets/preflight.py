"""`poma check`: everything that can be known before anything runs."""

import os
import shutil
from pathlib import Path

from poma_assets.assets.cohort import read_given_matrix
from poma_assets.assets.differential_expression import contrast_samples
from poma_assets.assets.markers import read_hypotheses
from poma_assets.assets.reference import reference_file
from poma_assets.resources import StudyResource
from poma_assets.science.design import build_design
from poma_assets.science.errors import StorageError
from poma_assets.storage.package_data import read_gene_sets
from poma_assets.tools.command import require_tool

_LEAST_FREE_BYTES = 200 * 1024**2


def check_study(study: StudyResource) -> list[str]:
    """Validate a study without running anything.

    Returns
    -------
    list of str
        What was found to be right, one sentence each; warnings begin with "warning".

    Raises
    ------
    PomaError
        The first thing that is wrong.
    """
    config, sheet = study.study.config, study.sheet
    lines = [f"poma.yaml: study {config.name}, organism {config.organism}, profile {config.profile}"]
    _check_results_folder(study.study.results_dir)
    lanes = len(sheet.units)
    lines.append(f"sample sheet: {len(sheet.samples)} samples in {lanes} sequencing units, every file is there")
    for contrast in study.contrasts.values():
        design = build_design(contrast, contrast_samples(study, contrast))
        lines.append(
            f"contrast {contrast.id}: {design.formula}, {design.n_reference} against {design.n_target} samples"
        )
        lines += [f"warning, contrast {contrast.id}: {warning}" for warning in design.warnings]
    if not study.contrasts:
        lines.append("warning: no contrasts are declared; the run ends at the count matrix and its quality")
    sets = [read_gene_sets(name, study.study.root) for name in config.gene_sets]
    lines.append("gene sets: " + ", ".join(f"{one.name} ({len(one.sets)} sets)" for one in sets))
    lines.append(f"hypotheses: {len(read_hypotheses(study).table)}")
    if study.study.count_matrix_path is not None:
        counts = read_given_matrix(study, study.study.count_matrix_path)
        lines.append(f"count matrix: {counts.shape[0]} genes x {counts.shape[1]} samples")
    if sheet.units["fastq_1"].notna().any() and not config.count_matrix:
        paths = [reference_file(study, key) for key in ("genome", "annotation")]
        names = " and ".join(path.name for path in paths)
        lines.append(f"reference: {names} are there (their sequence names are compared when the run begins)")
        lines.append(_check_tools(study))
    return lines


def _check_results_folder(folder: Path) -> None:
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK) or os.statvfs(existing).f_flag & os.ST_RDONLY:
        raise StorageError(
            "the results folder cannot be written",
            where=str(folder),
            found=f"{existing} is not writable",
            fix="Change its permissions, or move the study to a folder that you may write.",
        )
    free = shutil.disk_usage(existing).free
    if free < _LEAST_FREE_BYTES:
        raise StorageError(
            "the disk is nearly full",
            where=str(existing),
            found=f"{free / 1e6:.0f} MB free",
            expected=f"{_LEAST_FREE_BYTES / 1e6:.0f} MB at least",
            fix="Free some space and run again.",
        )


def _check_tools(study: StudyResource) -> str:
    config = study.study.config
    programs = ["fastqc", config.trimmer, "STAR", "multiqc"]
    if config.counter != "star":
        programs.append("featureCounts")
    if config.counter == "htseq":
        programs.append("htseq-count")
    for program in programs:
        require_tool(program)
    return f"tools: {', '.join(programs)}"
