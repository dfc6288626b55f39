"""The report of a study: one HTML page that needs nothing else, neither network nor files beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from poma_assets.reports import figures, wording
from poma_assets.reports.contrast_section import CONTRAST_TABLES, ContrastSection, FigureBlock, contrast_section
from poma_assets.reports.inputs import StudyReportInputs
from poma_assets.reports.methods import methods_text
from poma_assets.reports.rendering import environment, flat_parameters, svg
from poma_assets.reports.study_tables import provenance, sample_table, truth_rows, verdict_matrix

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def render_study_report(inputs: StudyReportInputs) -> str:
    """Render the report of a study.

    Parameters
    ----------
    inputs
        Tables, thresholds, versions and parameters; tables may be empty or absent.

    Returns
    -------
    str
        A self-contained HTML page. Its content security policy forbids any request and any script but its
        own, so even an unescaped name could not run.
    """
    sections = _sections(inputs)
    samples = sample_table(inputs)
    verdicts = inputs.table("marker_verdicts")
    inclusion = inputs.table("sample_inclusion")
    return (
        environment()
        .get_template("study_report.html.j2")
        .render(
            title=inputs.study_name,
            created_at=inputs.created_at,
            inclusion_sentence=wording.inclusion_sentence(inclusion, len(samples.rows)),
            inclusion_remarks=wording.inclusion_remarks(inclusion),
            verdict_sentence=wording.verdict_sentence(verdicts),
            sections=sections,
            matrix=verdict_matrix(sections),
            truth=truth_rows(inputs.truth, verdicts),
            samples=samples,
            sample_figures=_sample_figures(inputs),
            fdr=inputs.fdr,
            log2_fold_change=inputs.log2_fold_change,
            methods=methods_text(inputs),
            versions=sorted(inputs.versions.items()),
            parameters=flat_parameters(inputs.parameters),
            provenance=provenance(inputs),
        )
    )


def _sections(inputs: StudyReportInputs) -> list[ContrastSection]:
    """Make a section for each declared contrast; contrasts with results but no declaration come last."""
    contrasts = inputs.table("contrasts")
    tables = {name: inputs.table(name) for name in CONTRAST_TABLES}
    names = dict.fromkeys(contrasts["contrast_id"].astype(str))
    for table in tables.values():
        names |= dict.fromkeys(table["contrast_id"].astype(str).unique())
    rows = {str(row["contrast_id"]): row for _, row in contrasts.iterrows()}
    by_contrast = {
        name: {str(key): part for key, part in table.groupby(table["contrast_id"].astype(str))}
        for name, table in tables.items()
    }
    return [
        contrast_section(
            rows.get(name, pd.Series({"contrast_id": name})),
            {table: by_contrast[table].get(name, tables[table].iloc[:0]) for table in tables},
            index=index,
            fdr=inputs.fdr,
            log2_fold_change=inputs.log2_fold_change,
        )
        for index, name in enumerate(names)
    ]


def _sample_figures(inputs: StudyReportInputs) -> list[FigureBlock]:
    """Draw the figures of the samples; those whose table is absent in this kind of study are left out."""
    drawings: list[tuple[Figure, str]] = [
        (
            figures.pca_figure(inputs.table("sample_pca"), inputs.table("samples")),
            "Principal components of the most variable genes.",
        ),
        (figures.library_size_figure(inputs.table("size_factors")), "Assigned fragments per sample."),
    ]
    optional = (
        ("sample_distances", figures.sample_distance_figure, "Distances of the samples."),
        ("alignment_quality", figures.alignment_figure, "Where the read pairs went."),
        ("strandedness", figures.strandedness_figure, "Library strandedness by the fragments in genes."),
        ("read_quality", figures.read_quality_figure, "Mean quality of the reads before and after trimming."),
    )
    for table, draw, caption in optional:
        frame = inputs.table(table)
        if len(frame):
            drawings.append((draw(frame), caption))
    return [FigureBlock(svg(figure, caption), caption) for figure, caption in drawings]
