"""The report of one contrast: one self-contained HTML page."""

from __future__ import annotations

import json

import pandas as pd

from poma_assets.reports import figures
from poma_assets.reports.contrast_section import CONTRAST_TABLES, FigureBlock, contrast_section
from poma_assets.reports.gene_tables import gene_names
from poma_assets.reports.inputs import ContrastReportInputs
from poma_assets.reports.mechanism import mechanism
from poma_assets.reports.methods import methods_text
from poma_assets.reports.rendering import environment, flat_parameters, is_missing, svg


def render_contrast_report(inputs: ContrastReportInputs) -> str:
    """Render the report of one contrast.

    Parameters
    ----------
    inputs
        Row of the contrast and its tables; all tables may be absent.

    Returns
    -------
    str
        A self-contained HTML page, see `study_report.render_study_report`.
    """
    tables = {name: inputs.table(name) for name in (*CONTRAST_TABLES, "normalised_expression")}
    names = gene_names(tables["de_results"])
    section = contrast_section(
        inputs.contrast,
        tables,
        names=names,
        index=0,
        fdr=inputs.fdr,
        log2_fold_change=inputs.log2_fold_change,
        groups=sample_groups(inputs),
        gene_sets=inputs.gene_sets,
    )
    return (
        environment()
        .get_template("contrast_report.html.j2")
        .render(
            title=f"{inputs.contrast_id} · {inputs.study_name}",
            study_name=inputs.study_name,
            created_at=inputs.created_at,
            section=section,
            mechanisms=[mechanism(inputs.contrast_id, tables, fdr=inputs.fdr)],
            gene_names=names,
            extra_figures=_extra_figures(inputs),
            design=_design_rows(inputs.table("design_fit")),
            fdr=inputs.fdr,
            log2_fold_change=inputs.log2_fold_change,
            methods=methods_text(inputs),
            versions=sorted(inputs.versions.items()),
            parameters=flat_parameters(inputs.parameters),
        )
    )


def _extra_figures(inputs: ContrastReportInputs) -> list[FigureBlock]:
    drawings = []
    dispersions = inputs.table("gene_dispersions")
    if len(dispersions):
        drawings.append((figures.dispersion_figure(dispersions), "Dispersions: estimates, trend, and those used."))
    return [FigureBlock(svg(figure, caption), caption) for figure, caption in drawings]


def sample_groups(inputs: ContrastReportInputs) -> dict[str, str]:
    """Return the group of each sample of the contrast, reference first.

    The groups are the levels of the compared variable; for a formula contrast they are the treatment, with
    the sensitivity where it differs. Samples are those of the design where there is one.
    """
    samples = inputs.table("samples")
    design = inputs.table("design_fit")
    if len(design):
        samples = samples[samples["sample_id"].isin(design["sample_id"])]
    variable = inputs.contrast.get("variable")
    if is_missing(variable):
        columns = [c for c in ("sensitivity", "treatment") if samples[c].nunique() > 1] or ["treatment"]
        rows = samples[columns].astype(str).itertuples(index=False, name=None)
        return dict(zip(samples["sample_id"].astype(str), map(" ".join, rows), strict=True))
    levels = _sheet_column(samples, str(variable))
    order = [str(inputs.contrast.get("reference")), str(inputs.contrast.get("target"))]
    kept = samples.assign(_level=levels)[levels.isin(order)].sort_values(
        "_level", key=lambda level: level.map(order.index), kind="stable"
    )
    return dict(zip(kept["sample_id"].astype(str), kept["_level"], strict=True))


def _sheet_column(samples: pd.DataFrame, column: str) -> pd.Series[str]:
    """Return a column of the sheet: a declared one, or a further one from the metadata."""
    if column in samples.columns:
        return samples[column].astype(str)
    return pd.Series(
        [str(json.loads(row).get(column)) if isinstance(row, str) else "" for row in samples["metadata"]],
        index=samples.index,
        dtype=object,
    )


def _design_rows(design: pd.DataFrame) -> tuple[list[str], list[tuple[str, object, list[object]]]]:
    """Arrange the design as samples x coefficients: names, then (sample, size factor, entries)."""
    if design.empty:
        return [], []
    coefficients = list(dict.fromkeys(design["coefficient"].astype(str)))
    rows = []
    for sample, part in design.groupby(design["sample_id"].astype(str), sort=False):
        entries = dict(zip(part["coefficient"].astype(str), part["value"], strict=True))
        rows.append((str(sample), part["size_factor"].iloc[0], [entries.get(name) for name in coefficients]))
    return coefficients, rows
