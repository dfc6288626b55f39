"""The count matrix of the samples that passed, and what the samples look like beside each other."""

import dagster as dg
import pandas as pd

from poma_assets.assets.given_counts import read_given_matrix
from poma_assets.assets.steps import Step, finish, pipeline_asset
from poma_assets.reports.figures import library_size_figure, markdown_image, pca_figure
from poma_assets.resources import StudyResource
from poma_assets.science.errors import CountsError, NotEnoughDataError
from poma_assets.science.exploration import principal_components, sample_distances
from poma_assets.science.markers.identity import sample_identity as judge_identity
from poma_assets.science.normalisation import (
    log2_counts_per_million,
    normalised_expression_frame,
    size_factors_frame,
)
from poma_assets.science.quality_gates import decide_inclusion, parse_overrides
from poma_assets.storage.package_data import data_file
from poma_assets.storage.text_files import read_text


def read_counts(study: StudyResource, samples: list[str] | None = None) -> pd.DataFrame:
    """Counts of the samples that passed: genes x samples."""
    where = None if samples is None else {"sample_id": samples}
    return study.warehouse.read_matrix("count_matrix", value="count", where=where)


def _sample_counts(study: StudyResource, included: list[str]) -> pd.DataFrame:
    counter = study.study.config.counter
    where = {"sample_id": included, "counter": [counter, "given"]}
    counts = study.warehouse.read_matrix("gene_counts", value="count", where=where)
    missing = [name for name in included if name not in counts.columns]
    if missing:
        raise CountsError(
            f"samples have no counts by {counter}",
            found=", ".join(missing),
            fix="Run `poma run`, which counts them; or set `counter:` in poma.yaml back.",
        )
    return counts


def read_overrides(study: StudyResource) -> pd.DataFrame | None:
    """The signed decisions of ``qc_overrides.tsv``; None if there is no such file."""
    path = study.study.quality_overrides_path
    return parse_overrides(read_text(path), source=str(path)) if path.is_file() else None


def _inclusion(study: StudyResource) -> pd.DataFrame:
    names = list(study.sheet.samples["sample_id"])
    quality = study.warehouse.read("sample_quality", {"sample_id": names})
    return decide_inclusion(quality, read_overrides(study), names)


@pipeline_asset(kinds={"python", "duckdb"}, deps=["gene_counts", "htseq_counts", "sample_quality"])
def count_matrix(context: dg.AssetExecutionContext, study: StudyResource) -> Step:
    """Counts of the samples that passed the quality gates (genes x samples), and who stayed out and why."""
    inclusion, given = _inclusion(study), read_given_matrix(study)
    included = list(inclusion.loc[inclusion["included"], "sample_id"])
    counts = _sample_counts(study, included) if given is None else given.counts[included]
    for note in given.notes if given is not None else ():
        context.log.warning(note)
    if counts.empty:
        raise NotEnoughDataError(
            "no sample passed the quality gates, so there is no count matrix",
            found="; ".join(f"{row.sample_id}: {row.reason}" for row in inclusion.itertuples()),
            fix="See `poma status` for the failed steps and metrics.",
        )
    long = counts.rename_axis("gene_id").melt(ignore_index=False, var_name="sample_id", value_name="count")
    long = long.reset_index()[["sample_id", "gene_id", "count"]]
    out = inclusion.loc[~inclusion["included"]]
    return finish(
        context,
        study,
        tables={"count_matrix": long, "sample_inclusion": inclusion},
        metadata={
            "samples": counts.shape[1],
            "genes": counts.shape[0],
            "left out": "; ".join(f"{row.sample_id}: {row.reason}" for row in out.itertuples()) or "none",
            "notes on the given matrix": "; ".join(given.notes) if given is not None and given.notes else "none",
        },
    )


@pipeline_asset(kinds={"python", "duckdb"}, deps=["count_matrix", "gene_table"])
def normalised_expression(context: dg.AssetExecutionContext, study: StudyResource) -> Step:
    """Expression in comparable units: DESeq2-normalised counts, CPM, TPM and variance-stabilised values."""
    counts = read_counts(study)
    lengths = study.warehouse.read("genes", columns=["gene_id", "length_bp"]).set_index("gene_id")["length_bp"]
    factors = size_factors_frame(counts)
    figure = library_size_figure(factors)
    return finish(
        context,
        study,
        tables={
            "normalised_expression": normalised_expression_frame(counts, lengths),
            "size_factors": factors,
        },
        metadata={
            "method": factors["method"].iloc[0],
            "library sizes": dg.MetadataValue.md(markdown_image(figure, "assigned fragments and size factors")),
        },
    )


@pipeline_asset(kinds={"python", "duckdb"}, deps=["normalised_expression"])
def sample_exploration(context: dg.AssetExecutionContext, study: StudyResource) -> Step:
    """Principal components and distances of the samples, on variance-stabilised values."""
    log_values = log2_counts_per_million(read_counts(study))
    stabilised = study.warehouse.read_matrix("normalised_expression", value="vst", fill=float("nan"))
    values = log_values if stabilised.isna().to_numpy().any() else stabilised
    pca = principal_components(values)
    metadata = {}
    if len(pca):
        figure = pca_figure(pca, study.sheet.samples)
        metadata["samples in the plane"] = dg.MetadataValue.md(markdown_image(figure, "principal components"))
    tables = {"sample_pca": pca, "sample_distances": sample_distances(values, log_values)}
    return finish(context, study, tables=tables, metadata=metadata)


@pipeline_asset(kinds={"python", "duckdb"}, deps=["count_matrix", "gene_table"])
def sample_identity(context: dg.AssetExecutionContext, study: StudyResource) -> Step:
    """Is each sample the line that the sheet says: isotype and light chain, translocation outliers, sex, lineage."""
    lines, genes = (data_file("markers", name) for name in ("cell_line_identity.tsv", "sample_identity_genes.tsv"))
    counts = read_counts(study)
    samples = study.sheet.samples
    frame = judge_identity(
        counts,
        samples.loc[samples["sample_id"].isin(list(counts.columns))],
        study.warehouse.read("genes"),
        pd.read_csv(lines, sep="\t", dtype=str),
        pd.read_csv(genes, sep="\t", dtype=str),
    )
    mismatches = sorted(set(frame.loc[frame["status"] == "mismatch", "sample_id"]))
    metadata = {"mismatches": ", ".join(mismatches) or "none"}
    return finish(context, study, tables={"sample_identity": frame}, metadata=metadata)
