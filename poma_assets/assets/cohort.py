"""The count matrix of the samples that passed, and what the samples look like beside each other."""

import dagster as dg
import pandas as pd

from poma_assets.assets.given_counts import read_given_matrix
from poma_assets.assets.marker_tables import read_cell_lines, shipped_markers
from poma_assets.assets.quality_rules import read_thresholds, user_rules
from poma_assets.assets.steps import Step, finish, pipeline_asset
from poma_assets.reports.figures import library_size_figure, markdown_image, pca_figure
from poma_assets.resources import StudyResource
from poma_assets.science.errors import CountsError, NotEnoughDataError
from poma_assets.science.exploration import components_or_reason, sample_distances
from poma_assets.science.gene_agreement import compare_genes
from poma_assets.science.markers.identity_table import identity_table
from poma_assets.science.markers.replicates import replicate_spearman
from poma_assets.science.markers.sample_response import sample_response_scores, silent_samples
from poma_assets.science.normalisation import (
    log2_counts_per_million,
    normalised_expression_frame,
    size_factors_frame,
)
from poma_assets.science.quality_gates import (
    REPLICATE_SPEARMAN,
    decide_inclusion,
    evaluate_quality,
    parse_overrides,
)
from poma_assets.storage.text_files import read_text


def read_counts(study: StudyResource, samples: list[str] | None = None) -> pd.DataFrame:
    """Counts of the samples that passed: genes x samples."""
    where = None if samples is None else {"sample_id": samples}
    return study.warehouse.read_matrix("count_matrix", value="count", where=where)


def _sample_counts(study: StudyResource, included: list[str]) -> pd.DataFrame:
    counter = study.study.config.counter
    where = {"sample_id": included, "counter": [counter, "given"]}
    counts = study.warehouse.read_matrix("gene_counts", value="count", where=where, fill=float("nan"))
    counted = counts.notna()
    if not counted.to_numpy().all():
        compare_genes({str(sample): counts.index[counted[sample]] for sample in counts.columns})
    missing = [name for name in included if name not in counts.columns]
    if missing:
        raise CountsError(
            f"samples have no counts by {counter}",
            found=", ".join(missing),
            fix="Run `poma run`, which counts them; or set `counter:` in poma.yaml back.",
        )
    return counts.fillna(0).astype("int64")


def read_overrides(study: StudyResource) -> pd.DataFrame | None:
    """The signed decisions of ``qc_overrides.tsv``; None if there is no such file."""
    path = study.study.quality_overrides_path
    return parse_overrides(read_text(path), source=str(path)) if path.exists() else None


def inclusion_of_samples(study: StudyResource) -> pd.DataFrame:
    """Which samples enter the count matrix by the quality that is stored now, and why not: ``sample_inclusion``."""
    names = list(study.sheet.samples["sample_id"])
    quality = study.warehouse.read("sample_quality", {"sample_id": names})
    return decide_inclusion(quality, read_overrides(study), names)


@pipeline_asset(kinds={"python", "duckdb"}, deps=["gene_counts", "htseq_counts", "sample_quality"])
def count_matrix(context: dg.AssetExecutionContext, study: StudyResource) -> Step:
    """Counts of the samples that passed the quality gates (genes x samples), and who stayed out and why."""
    inclusion, given = inclusion_of_samples(study), read_given_matrix(study)
    included = list(inclusion.loc[inclusion["included"], "sample_id"])
    counts = _sample_counts(study, included) if given is None else given.counts[included]
    for note in given.notes if given is not None else ():
        context.log.warning(note)
    if counts.empty:
        raise NotEnoughDataError(
            "no sample passed the quality gates, so there is no count matrix",
            found="; ".join(f"{row.sample_id}: {row.reason}" for row in inclusion.itertuples()),
            fix="Mend or replace the samples; for a small genome or another organism set `profile: small_reference` "
            "or thresholds of your own under `quality:` in poma.yaml (docs/configuration.md).",
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


@pipeline_asset(kinds={"python", "duckdb"}, deps=["normalised_expression"], code_version="2")
def sample_exploration(context: dg.AssetExecutionContext, study: StudyResource) -> Step:
    """How samples look beside each other: principal components, distances, likeness of replicates, drug response."""
    log_values = log2_counts_per_million(read_counts(study))
    stabilised = study.warehouse.read_matrix("normalised_expression", value="vst", fill=float("nan"))
    values = log_values if stabilised.isna().to_numpy().any() else stabilised
    pca, why_none = components_or_reason(values)
    metadata: dict[str, object] = {"principal components": why_none or f"{pca['component'].max()}"}
    if why_none:
        context.log.warning(why_none)
    else:
        figure = pca_figure(pca, study.sheet.samples)
        metadata["samples in the plane"] = dg.MetadataValue.md(markdown_image(figure, "principal components"))
    response = _sample_response(study, log_values)
    silent = silent_samples(response, study.sheet.samples, study.study.config.vehicle)
    for sentence in silent.values():
        context.log.warning(sentence)
    metadata["samples without response"] = "; ".join(silent.values()) or "none"
    distances = sample_distances(values, log_values)
    quality = _cohort_quality(study, distances)
    unlike = quality.loc[quality["status"] == "warn", "sample_id"]
    metadata["samples unlike their replicates"] = ", ".join(unlike) or "none"
    tables = {
        "sample_pca": pca,
        "sample_distances": distances,
        "sample_response": response,
        "sample_quality": quality,
    }
    replaces = {"sample_quality": {"scope": "cohort"}}
    return finish(context, study, tables=tables, replaces=replaces, metadata=metadata)


def _cohort_quality(study: StudyResource, distances: pd.DataFrame) -> pd.DataFrame:
    """The quality metrics for which a sample is compared with others, with their thresholds."""
    thresholds, own = read_thresholds(study), user_rules(study)
    frames = [
        evaluate_quality(sample, {REPLICATE_SPEARMAN: metric}, thresholds, own, scope="cohort")
        for sample, metric in replicate_spearman(distances, study.sheet.samples).items()
    ]
    return pd.concat(frames, ignore_index=True)


def _sample_response(study: StudyResource, log_values: pd.DataFrame) -> pd.DataFrame:
    names = study.warehouse.read("genes", columns=["gene_id", "gene_name"]).set_index("gene_id")["gene_name"]
    signature, vehicle = shipped_markers("response_signature.tsv"), study.study.config.vehicle
    return sample_response_scores(log_values, study.sheet.samples, signature, vehicle, names)


@pipeline_asset(kinds={"python", "duckdb"}, deps=["count_matrix", "gene_table"], code_version="2")
def sample_identity(context: dg.AssetExecutionContext, study: StudyResource) -> Step:
    """Is each sample what the sheet says: its line (chains, translocations, lineage), parent, arm, own culture."""
    genes = shipped_markers("sample_identity_genes.tsv")
    frame = identity_table(
        read_counts(study),
        study.sheet.samples,
        study.warehouse.read("genes"),
        read_cell_lines(study),
        genes,
    )
    named = {status: sorted(set(frame.loc[frame["status"] == status, "sample_id"])) for status in ("mismatch", "warn")}
    metadata = {status: ", ".join(names) or "none" for status, names in named.items()}
    return finish(context, study, tables={"sample_identity": frame}, metadata=metadata)
