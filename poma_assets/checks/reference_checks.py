"""Checks on the reference: the annotation can carry the questions that the study asks."""

import dagster as dg
import pandas as pd

from poma_assets.checks.outcome import WARN, outcome
from poma_assets.resources import StudyResource
from poma_assets.storage.package_data import data_file


@dg.asset_check(asset="gene_table", blocking=True)
def gene_ids_are_unique(study: StudyResource) -> dg.AssetCheckResult:
    """No gene id stands twice in the gene table."""
    genes = study.warehouse.read("genes", columns=["gene_id"])["gene_id"]
    return outcome(genes[genes.duplicated()], expected="every gene id stands once", checked=len(genes))


@dg.asset_check(asset="gene_table")
def gene_lengths_are_positive(study: StudyResource) -> dg.AssetCheckResult:
    """Every gene has exons of at least one base."""
    genes = study.warehouse.read("genes", columns=["gene_id", "length_bp"])
    return outcome(genes.loc[genes["length_bp"] < 1, "gene_id"], expected="length_bp >= 1", checked=len(genes))


@dg.asset_check(asset="gene_table")
def marker_genes_are_annotated(study: StudyResource) -> dg.AssetCheckResult:
    """The annotation names every gene of the marker panel (a fly or a cut-out reference cannot)."""
    genes = study.warehouse.read("genes", columns=["gene_id", "gene_name"])
    panel = pd.read_csv(data_file("markers", "marker_hypotheses.tsv"), sep="\t", dtype=str, comment="#")
    present = panel["ensembl_gene_id"].isin(set(genes["gene_id"])) | panel["gene_symbol"].isin(set(genes["gene_name"]))
    missing = panel.loc[~present, "gene_symbol"].drop_duplicates()
    return outcome(
        missing,
        severity=WARN,
        expected="every marker is in the annotation",
        checked=panel["gene_symbol"].nunique(),
    )


CHECKS = [gene_ids_are_unique, gene_lengths_are_positive, marker_genes_are_annotated]
