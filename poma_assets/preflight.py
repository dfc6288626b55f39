"""`poma check`: everything that can be known before anything runs."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from poma_assets.assets.accessions import describe_accessions
from poma_assets.assets.cohort import read_overrides
from poma_assets.assets.differential_expression import contrast_samples
from poma_assets.assets.enrichment import study_collections
from poma_assets.assets.given_counts import examine_given_samples, read_given_matrix
from poma_assets.assets.marker_tables import read_cell_lines
from poma_assets.assets.markers import read_hypotheses
from poma_assets.assets.reads import examine_designs
from poma_assets.assets.reference import reference_file
from poma_assets.resources import StudyResource
from poma_assets.science.contrasts import contrasts_frame
from poma_assets.science.design_doctor import DesignReport, common_findings, examine_design
from poma_assets.science.enrichment.gene_identifiers import MappedCollection
from poma_assets.science.errors import DesignError, StorageError
from poma_assets.science.markers.hypotheses import Hypotheses
from poma_assets.science.markers.hypothesis_warnings import hypothesis_warnings
from poma_assets.storage.gene_set_cache import cached_gene_sets, is_intact
from poma_assets.storage.package_data import read_gene_ids
from poma_assets.tools.command import require_tool

_LEAST_FREE_BYTES = 200 * 1024**2
_FITTING_SHARE = 0.2
"""Gene sets of which fewer genes are the study's are most likely of another organism."""


_LISTS = ("samples_outside", "in_model_only")
"""Findings that list samples: in Dagster's picture of the designs and the table, too long for a terminal."""

Severity = Literal["ok", "note", "warning", "error"]


@dataclass(frozen=True)
class CheckLine:
    """One line of `poma check`: how grave it is, and what was found."""

    severity: Severity
    text: str


def check_study(study: StudyResource) -> list[CheckLine]:
    """Validate a study without running anything.

    Returns
    -------
    list of CheckLine
        What was found to be right or weak, and every contrast whose design cannot be estimated as an ``error``.

    Raises
    ------
    PomaError
        The first thing that is wrong elsewhere.
    """
    config, sheet = study.study.config, study.sheet
    lines = [f"poma.yaml: study {config.name}, organism {config.organism}, profile {config.profile}"]
    _check_results_folder(study.study.results_dir)
    lanes = len(sheet.units)
    lines.append(f"sample sheet: {len(sheet.samples)} samples in {lanes} sequencing units, every file is there")
    lines += [text for text in [describe_accessions(study)] if text]
    mapped = study_collections(study)
    sets = [one.collection for one in mapped]
    lines.append("gene sets: " + (", ".join(f"{one.name} ({len(one.sets)} sets)" for one in sets) or "none"))
    hypotheses = read_hypotheses(study)
    lines.append(f"hypotheses: {len(hypotheses.table)} ({hypotheses.version})")
    lines.append(f"cell lines that are known: {len(read_cell_lines(study))}")
    read_overrides(study)
    warnings = [
        CheckLine("warning", f"gene sets {one.name} are not as they were fetched on {one.date}: edited or damaged")
        for one in cached_gene_sets(study.study.root)
        if one.name in config.gene_sets and not is_intact(one, study.study.root)
    ]
    matrix = read_given_matrix(study)
    if matrix is not None:
        lines.append(f"count matrix: {matrix.counts.shape[0]} genes x {matrix.counts.shape[1]} samples")
        warnings += [CheckLine("warning", note) for note in matrix.notes]
    elif sheet.units["counts"].notna().any():
        warnings += [CheckLine("warning", note) for note in examine_given_samples(study)]
    odd = _odd_hypotheses(study, hypotheses) + _foreign_organism(study, mapped)
    warnings += [CheckLine("warning", text) for text in odd]
    if sheet.units[["fastq_1", "accession"]].notna().any(axis=None) and not config.count_matrix:
        paths = [reference_file(study, key) for key in ("genome", "annotation")]
        names = " and ".join(path.name for path in paths)
        lines.append(f"reference: {names} are there (their sequence names are compared when the run begins)")
        lines.append(_check_tools(study))
    return [*(CheckLine("ok", line) for line in lines), *warnings, *_check_designs(study)]


def require_sound(study: StudyResource) -> None:
    """Refuse to start on a study that `check_study` finds an error in.

    Raises
    ------
    PomaError
        What is wrong; of several bad designs all are named.
    """
    errors = [line.text for line in check_study(study) if line.severity == "error"]
    if errors:
        raise DesignError("; ".join(errors), fix="`poma check` shows all contrasts; mend or delete these")


def _odd_hypotheses(study: StudyResource, hypotheses: Hypotheses) -> list[str]:
    """Hypotheses of the study's own table that can hardly be meant."""
    if study.study.hypotheses_path is None:
        return []
    contexts = study.sheet.samples["cell_context"].dropna().unique()
    return hypothesis_warnings(hypotheses, read_gene_ids(), list(contexts))


def _foreign_organism(study: StudyResource, collections: list[MappedCollection]) -> list[str]:
    """Settings that fit human cells in a study of another organism, and gene sets that do not fit the genes."""
    config, lines = study.study.config, []
    if config.organism != "human" and config.profile == "human_poly_a":
        lines.append(
            f"organism {config.organism} is judged by the quality thresholds of human poly(A) libraries: set "
            "profile: small_reference, or thresholds of your own under quality:"
        )
    n_genes = len(study.warehouse.read("genes", columns=["gene_id"]))
    if n_genes:
        for mapped in collections:
            if mapped.n_mapped < _FITTING_SHARE * min(mapped.n_genes, n_genes) and mapped.note:
                lines.append(f"gene sets: {mapped.note}")
    return lines


def _check_designs(study: StudyResource) -> list[CheckLine]:
    """The design doctor on every contrast as declared, and on what the quality gates have left of it."""
    reports = examine_designs(study)
    if not reports:
        return [CheckLine("warning", "no contrasts are declared; the run ends at the count matrix and its quality")]
    declared = contrasts_frame(list(study.contrasts.values()), study.sheet, study.study.config.vehicle)
    kinds = {
        str(row.contrast_id): str(row.kind).replace("_", " ") for row in declared[["contrast_id", "kind"]].itertuples()
    }
    shared = common_findings(reports)
    lines = [CheckLine(finding.severity, finding.sentence) for finding in shared]
    for report in reports:
        text = _summary(report, kinds[report.contrast_id])
        lines.append(CheckLine("ok" if report.severity != "error" else "error", text))
        own = [finding for finding in report.findings if finding not in shared and finding.code not in _LISTS]
        lines += [CheckLine(finding.severity, f"{report.contrast_id}: {finding.sentence}") for finding in own]
        lines += _lost_replicates(study, report)
    return lines


def _summary(report: DesignReport, kind: str) -> str:
    compared = f"contrast {report.contrast_id} ({kind}): {report.formula}"
    if not report.coefficients:
        return f"{compared}: cannot be built"
    tested = "likelihood ratio" if report.test == "lrt" else report.weights
    return (
        f"{compared}; {report.n_reference} against {report.n_target} replicates, {report.residual_df} residual "
        f"degrees of freedom; coefficients {', '.join(report.coefficients)}; tested: {tested}"
    )


def _lost_replicates(study: StudyResource, declared: DesignReport) -> list[CheckLine]:
    """What is left of a design without the samples that failed their quality gates."""
    contrast = study.contrasts[declared.contrast_id]
    left = examine_design(contrast, contrast_samples(study, contrast), vehicle=study.study.config.vehicle)
    if (left.n_reference, left.n_target) == (declared.n_reference, declared.n_target):
        return []
    text = (
        f"{declared.contrast_id}: without the samples that failed quality control {left.n_reference} against "
        f"{left.n_target} replicates are left (declared: {declared.n_reference} against {declared.n_target})"
    )
    errors = [finding.sentence for finding in left.findings if finding.severity == "error"]
    return [CheckLine("warning", "; ".join([text, *errors]))]


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
