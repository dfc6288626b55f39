"""What the reports are made from: frames of the declared tables, thresholds, versions and parameters.

Only the carriers of data belong here; they read nothing and draw nothing. Tables that are absent, empty or
lack a column are given to the reports as empty frames or missing values, so that a report of an unfinished
study says what is missing instead of failing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from poma_assets.storage.schema import TABLES


def declared_frame(frame: pd.DataFrame | None, table: str) -> pd.DataFrame:
    """Return a frame with at least the declared columns of a table, in order.

    Parameters
    ----------
    frame
        Rows of the table, or ``None`` if the table does not exist yet.
    table
        Name of a table of ``storage.schema``.

    Returns
    -------
    pandas.DataFrame
        The rows with a fresh index; declared columns that were absent hold ``None``.
    """
    columns = [column.name for column in TABLES[table].columns]
    if frame is None:
        return pd.DataFrame({name: pd.Series(dtype=object) for name in columns})
    frame = frame.reset_index(drop=True).copy()
    for name in columns:
        if name not in frame.columns:
            frame[name] = pd.Series([None] * len(frame), dtype=object)
    for name in frame.columns:
        if pd.api.types.is_extension_array_dtype(frame[name].dtype):
            frame[name] = _plain(frame[name])
    return frame[columns + [name for name in frame.columns if name not in columns]]


def _plain(column: pd.Series[Any]) -> pd.Series[Any]:
    """Turn a column of pandas' own types into numbers with NaN, or objects with ``None``."""
    if pd.api.types.is_numeric_dtype(column.dtype) and not pd.api.types.is_bool_dtype(column.dtype):
        return column.astype(float)
    return column.astype(object).where(column.notna(), None)


@dataclass(frozen=True)
class StudyReportInputs:
    """Everything that the report of a study shows.

    Attributes
    ----------
    study_name, created_at
        Name of the study and time of the report, as text.
    tables
        Frames of the declared tables by name; any may be absent.
    fdr, log2_fold_change
        Thresholds of a significant gene: adjusted p value below, absolute log2 fold change of at least.
    versions
        Program or package -> version.
    parameters
        Parameters of the study by name, as configured.
    truth
        Planted truth of a simulated study: columns ``contrast_id``, ``hypothesis_id`` or ``gene_symbol`` (or
        both), ``expected_verdict`` and optionally ``expected_sub_verdict``, where an empty one accepts any;
        ``None`` for real data.
    normalised_counts
        Counts divided by the size factors, genes x samples; ``None`` if not computed yet.
    gene_sets
        (collection, term id) -> symbols of its genes, for the curves of the strongest sets.
    overrides
        Rows of ``qc_overrides.tsv``: sample, metric, decision, reason, who, date; ``None`` without any.
    multiqc_link
        Address of the MultiQC report, relative to the page.
    """

    study_name: str
    created_at: str
    tables: Mapping[str, pd.DataFrame]
    fdr: float = 0.05
    log2_fold_change: float = 1.0
    versions: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    truth: pd.DataFrame | None = None
    normalised_counts: pd.DataFrame | None = None
    gene_sets: Mapping[tuple[str, str], Collection[str]] = field(default_factory=dict)
    overrides: pd.DataFrame | None = None
    multiqc_link: str | None = None

    def table(self, name: str) -> pd.DataFrame:
        """Return a declared table; empty if absent."""
        return declared_frame(self.tables.get(name), name)


@dataclass(frozen=True)
class ContrastReportInputs:
    """Everything that the report of one contrast shows; rows of other contrasts are ignored.

    Attributes
    ----------
    study_name, created_at
        Name of the study and time of the report, as text.
    contrast
        Row of ``contrasts``: a mapping or series with at least ``contrast_id``.
    de_results, verdicts, enrichment, engine_agreement, response_score, gene_dispersions, design_fit, design_findings,
    programme_scores
        Frames of the tables of these names (``verdicts``: of ``marker_verdicts``); ``None`` if absent.
    samples
        Frame of ``samples``; ``None`` if absent.
    marker_expression
        Frame of ``normalised_expression`` for the marker genes (long form); ``None`` if absent.
    fdr, log2_fold_change
        Thresholds of a significant gene.
    versions, parameters, gene_sets
        As in `StudyReportInputs`.
    """

    study_name: str
    created_at: str
    contrast: Mapping[str, Any] | pd.Series[Any]
    de_results: pd.DataFrame | None = None
    verdicts: pd.DataFrame | None = None
    enrichment: pd.DataFrame | None = None
    engine_agreement: pd.DataFrame | None = None
    response_score: pd.DataFrame | None = None
    gene_dispersions: pd.DataFrame | None = None
    design_fit: pd.DataFrame | None = None
    design_findings: pd.DataFrame | None = None
    samples: pd.DataFrame | None = None
    marker_expression: pd.DataFrame | None = None
    fdr: float = 0.05
    log2_fold_change: float = 1.0
    versions: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    programme_scores: pd.DataFrame | None = None
    gene_sets: Mapping[tuple[str, str], Collection[str]] = field(default_factory=dict)

    @property
    def contrast_id(self) -> str:
        """Name of the contrast."""
        return str(self.contrast["contrast_id"])

    def table(self, name: str) -> pd.DataFrame:
        """Return a declared table, restricted to this contrast where it has contrasts; empty if absent."""
        frames = {
            "contrasts": pd.DataFrame([dict(self.contrast)]),
            "de_results": self.de_results,
            "marker_verdicts": self.verdicts,
            "enrichment": self.enrichment,
            "engine_agreement": self.engine_agreement,
            "response_score": self.response_score,
            "programme_scores": self.programme_scores,
            "gene_dispersions": self.gene_dispersions,
            "design_fit": self.design_fit,
            "design_findings": self.design_findings,
            "samples": self.samples,
            "normalised_expression": self.marker_expression,
        }
        frame = declared_frame(frames.get(name), name)
        if "contrast_id" not in frame.columns:
            return frame
        return frame[frame["contrast_id"].astype(str) == self.contrast_id].reset_index(drop=True)
