"""The quality metrics of one sample, gathered from the tables of its steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import pandas as pd

from poma_assets.science.markers.sex import y_linked_in_female_line
from poma_assets.science.quality_gates import Y_LINKED
from poma_assets.storage.warehouse import Warehouse

MITOCHONDRIAL_CONTIGS = ("MT", "chrM", "chrMT", "M", "mitochondrion_genome")
RIBOSOMAL_BIOTYPES = ("rRNA", "Mt_rRNA", "rRNA_pseudogene")

Metrics = dict[str, tuple[float | Literal["not_assessed"] | None, str]]
"""Metric -> (value; None when not recorded; or not assessed, source)."""


def sample_metrics(
    warehouse: Warehouse,
    sample: str,
    row: Mapping[str, Any],
    given_counts: pd.Series | None = None,
    *,
    lines: pd.DataFrame,
    identity_genes: pd.DataFrame,
) -> Metrics:
    """Gather the metrics of a sample that its own artefacts give.

    Parameters
    ----------
    row
        The sample's row of the table ``samples``.
    given_counts
        Counts by gene id where the study begins at a matrix; otherwise those of the table ``gene_counts``.
    lines, identity_genes
        Known cell lines, and the genes that tell them apart, as for `identity.sample_identity`.

    Returns
    -------
    dict
        Metric of ``qc_thresholds.tsv`` -> (value, source). A metric whose source table has no row for the sample
        (a study that begins at the counts) is left out: not assessed.
    """
    where = {"sample_id": sample}
    metrics: Metrics = {
        "rna_integrity_number": (_number(row.get("rin")), "sample sheet"),
        "a260_a280": (_number(row.get("a260_a280")), "sample sheet"),
    }
    trimming = warehouse.read("trimming", where)
    if len(trimming):
        metrics["read_pairs"] = (_number(trimming["read_pairs_in"].iloc[0]), "trimming")
        metrics["pass_filter_pct"] = (_number(trimming["pass_filter_pct"].iloc[0]), "trimming")
    quality = warehouse.read("read_quality", where)
    trimmed, raw = (quality.loc[quality["stage"] == stage] for stage in ("trimmed", "raw"))
    if len(trimmed):
        metrics["q30_pct"] = (_number(trimmed["q30_pct"].min()), "read_quality, trimmed, the worse read")
    if len(raw):
        metrics["duplication_pct"] = (
            _number(raw["duplication_pct"].max()),
            "read_quality, raw, the worse read",
        )
    aligned = warehouse.read("alignment_quality", where)
    if len(aligned):
        metrics["uniquely_mapped_pct"] = (
            _number(aligned["uniquely_mapped_pct"].iloc[0]),
            "alignment_quality",
        )
    metrics.update(_assignment_metric(warehouse, where))
    counts = _counts(warehouse, where) if given_counts is None else given_counts
    genes = warehouse.read("genes", columns=["gene_id", "gene_name", "chromosome", "biotype"])
    metrics.update(_count_metrics(counts, genes))
    if counts.sum() > 0:
        value, words = y_linked_in_female_line(counts, row, genes, lines, identity_genes)
        metrics[Y_LINKED] = (value, f"gene_counts: {words}")
    metrics.update(_strandedness_metric(warehouse, where))
    return metrics


def _assignment_metric(warehouse: Warehouse, where: Mapping[str, str]) -> Metrics:
    assignment = warehouse.read("count_assignment", {**where, "counter": "featurecounts"})
    if not len(assignment):
        return {}
    fragments = assignment.set_index("category")["fragments"]
    considered = fragments[~fragments.index.isin(["Unassigned_Unmapped", "Unassigned_MultiMapping"])].sum()
    if not considered:
        return {}
    assigned_pct = 100 * float(fragments["Assigned"]) / float(considered)
    return {"assigned_pct": (assigned_pct, "count_assignment, featureCounts")}


def _counts(warehouse: Warehouse, where: Mapping[str, str]) -> pd.Series:
    rows = warehouse.read("gene_counts", where)
    return rows.loc[rows["counter"] != "htseq"].set_index("gene_id")["count"]


def _count_metrics(counts: pd.Series, genes: pd.DataFrame) -> Metrics:
    metrics: Metrics = {}
    total = float(counts.sum())
    if not total:
        return metrics
    metrics["genes_detected"] = (float((counts / total * 1e6 >= 1).sum()), "gene_counts, CPM >= 1")
    for metric, chosen in (
        ("mitochondrial_pct", genes["chromosome"].isin(MITOCHONDRIAL_CONTIGS)),
        ("rrna_pct", genes["biotype"].isin(RIBOSOMAL_BIOTYPES)),
    ):
        if chosen.any():
            share = counts[counts.index.isin(set(genes.loc[chosen, "gene_id"]))].sum()
            metrics[metric] = (100 * float(share) / total, "gene_counts")
    return metrics


def _strandedness_metric(warehouse: Warehouse, where: Mapping[str, str]) -> Metrics:
    rows = warehouse.read("strandedness", where)
    if not len(rows):
        return {}
    row = rows.iloc[0]
    words = f"strandedness: declared {row['declared']}, inferred {row['inferred']}"
    return {"strandedness": (0.0 if bool(row["agrees"]) else 1.0, words)}


def _number(value: object) -> float | None:
    return None if value is None or pd.isna(value) else float(value)  # type: ignore[arg-type, call-overload]
