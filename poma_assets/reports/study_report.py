"""The report of a study: one HTML page that needs nothing else, neither network nor files beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from poma_assets.reports import figures, wording
from poma_assets.reports.contrast_section import CONTRAST_TABLES, ContrastSection, FigureBlock, contrast_section
from poma_assets.reports.gene_tables import (
    LEAST_ROWS_PER_CONTRAST,
    MOST_GENE_ROWS,
    ExpressionTable,
    GeneNames,
    expression_table,
    gene_names,
)
from poma_assets.reports.inputs import StudyReportInputs
from poma_assets.reports.mechanism import mechanism
from poma_assets.reports.methods import methods_text
from poma_assets.reports.rendering import environment, flat_parameters, svg
from poma_assets.reports.sample_arms import sample_arms
from poma_assets.reports.study_tables import provenance, sample_table, truth_rows, verdict_matrix
from poma_assets.reports.workflow import Workflow, workflow

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ContrastRows = tuple["pd.Series[Any]", dict[str, pd.DataFrame]]


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
    names = gene_names(inputs.table("de_results"), _counted_genes(inputs))
    by_contrast = _rows_by_contrast(inputs)
    sections = _sections(inputs, by_contrast, names)
    samples = sample_table(inputs)
    verdicts = inputs.table("marker_verdicts")
    inclusion = inputs.table("sample_inclusion")
    return (
        environment()
        .get_template("study_report.html.j2")
        .render(
            title=inputs.study_name,
            created_at=inputs.created_at,
            design_sentence=wording.design_sentence(inputs.table("samples"), len(sections)),
            inclusion_sentence=wording.inclusion_sentence(inclusion, len(samples.rows)),
            inclusion_remarks=wording.inclusion_remarks(inclusion),
            verdict_sentence=wording.verdict_sentence(verdicts),
            sections=sections,
            matrix=verdict_matrix(sections),
            mechanisms=[mechanism(name, tables, fdr=inputs.fdr) for name, (_, tables) in by_contrast.items()],
            truth=truth_rows(inputs.truth, verdicts),
            samples=samples,
            sample_figures=_sample_figures(inputs),
            multiqc_link=inputs.multiqc_link,
            gene_names=names,
            gene_blocks=[{"name": s.name, "block": f"{s.anchor}-genes"} for s in sections if s.genes.total],
            expression=_expression(inputs, names, sections),
            arms=sample_arms(inputs.table("samples")),
            workflow=_workflow(inputs),
            fdr=inputs.fdr,
            log2_fold_change=inputs.log2_fold_change,
            methods=methods_text(inputs),
            overrides=[] if inputs.overrides is None else inputs.overrides.to_dict("records"),
            versions=sorted(inputs.versions.items()),
            parameters=flat_parameters(inputs.parameters),
            provenance=provenance(inputs),
        )
    )


def _rows_by_contrast(inputs: StudyReportInputs) -> dict[str, ContrastRows]:
    """Rows of every contrast, as declared; contrasts with results but no declaration come last."""
    contrasts = inputs.table("contrasts")
    tables = {name: inputs.table(name) for name in CONTRAST_TABLES}
    names = dict.fromkeys(contrasts["contrast_id"].astype(str))
    for table in tables.values():
        names |= dict.fromkeys(table["contrast_id"].astype(str).unique())
    rows = {str(row["contrast_id"]): row for _, row in contrasts.iterrows()}
    parts = {
        name: {str(key): part for key, part in table.groupby(table["contrast_id"].astype(str))}
        for name, table in tables.items()
    }
    return {
        name: (
            rows.get(name, pd.Series({"contrast_id": name})),
            {table: parts[table].get(name, tables[table].iloc[:0]) for table in tables},
        )
        for name in names
    }


def _sections(
    inputs: StudyReportInputs, by_contrast: dict[str, ContrastRows], names: GeneNames
) -> list[ContrastSection]:
    most_rows = max(LEAST_ROWS_PER_CONTRAST, MOST_GENE_ROWS // max(1, len(by_contrast)))
    return [
        contrast_section(
            contrast,
            tables,
            names=names,
            index=index,
            fdr=inputs.fdr,
            log2_fold_change=inputs.log2_fold_change,
            gene_sets=inputs.gene_sets,
            most_rows=most_rows,
        )
        for index, (contrast, tables) in enumerate(by_contrast.values())
    ]


def _expression(inputs: StudyReportInputs, names: GeneNames, sections: list[ContrastSection]) -> ExpressionTable:
    """Markers first, then the genes by their place in the contrasts' tables."""
    markers = list(inputs.table("marker_verdicts")["ensembl_gene_id"].dropna())
    by_place = pd.Series(
        [place for section in sections for place in range(len(section.genes.ids))],
        index=[gene for section in sections for gene in section.genes.ids],
        dtype=float,
    )
    ranked = by_place.groupby(level=0).min().sort_values(kind="stable").index
    counts = pd.DataFrame() if inputs.normalised_counts is None else inputs.normalised_counts
    return expression_table(counts, names, [*markers, *ranked])


def _counted_genes(inputs: StudyReportInputs) -> pd.DataFrame:
    """The genes of the counts, with the symbols of the annotation."""
    ids = pd.Series([] if inputs.normalised_counts is None else inputs.normalised_counts.index, dtype=object)
    symbols = inputs.table("genes").drop_duplicates("gene_id").set_index("gene_id")["gene_name"]
    return pd.DataFrame({"gene_id": ids, "gene_name": ids.map(symbols)})


def _workflow(inputs: StudyReportInputs) -> Workflow | None:
    inclusion = inputs.table("sample_inclusion")
    return workflow(
        inputs.table("steps"),
        samples=list(inputs.table("samples")["sample_id"].astype(str)),
        contrasts=list(inputs.table("contrasts")["contrast_id"].astype(str)),
        n_included=int(inclusion["included"].map(wording.truth_of).sum()) if len(inclusion) else None,
    )


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
