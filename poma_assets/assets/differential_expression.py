"""Differential expression of each contrast: the fitted design, both engines' results, and whether they agree."""

from pathlib import Path

import dagster as dg
import numpy as np
import pandas as pd

from poma_assets.asset_tables import preview_name, table_preview
from poma_assets.assets.cohort import read_counts
from poma_assets.assets.steps import Step, finish, pipeline_asset
from poma_assets.partitions import CONTRASTS
from poma_assets.planning import digest
from poma_assets.reports.figures import dispersion_figure, markdown_image, volcano_figure
from poma_assets.resources import Files, StudyResource
from poma_assets.science.contrasts import Contrast, select_samples
from poma_assets.science.count_validation import validate_counts
from poma_assets.science.design import Design, build_design
from poma_assets.science.differential_expression.agreement import engine_agreement as compare_engines
from poma_assets.science.differential_expression.contrast_tests import shrink_deseq2, wald_test
from poma_assets.science.differential_expression.deseq2 import fit_deseq2
from poma_assets.science.differential_expression.deseq2_fit import Deseq2Fit
from poma_assets.science.differential_expression.edger import edger_ql, results_frame
from poma_assets.science.differential_expression.likelihood_ratio import likelihood_ratio_test
from poma_assets.storage.hashing import frame_digest
from poma_assets.storage.shared_file import drop_unused, link_or_copy, shared_file
from poma_assets.storage.staging import staged_directory

_FIT = "deseq2_fit.npz"
_PREVIEW_COLUMNS = ("gene_name", "log2_fold_change", "standard_error", "p_value", "p_adjusted", "base_mean")


def contrast_samples(study: StudyResource, contrast: Contrast) -> pd.DataFrame:
    """Design table of a contrast's samples, without those that the quality gates kept out."""
    inclusion = study.warehouse.read("sample_inclusion")
    out = set(inclusion.loc[~inclusion["included"].astype(bool), "sample_id"])
    table = study.design_table
    return select_samples(contrast, table.loc[~table.index.isin(out)])


def contrast_design(study: StudyResource, contrast_id: str) -> Design:
    """Design of a contrast over the samples that passed the quality gates."""
    contrast = study.contrasts[contrast_id]
    return build_design(contrast, contrast_samples(study, contrast), study.study.config.vehicle)


def gene_names(study: StudyResource) -> pd.Series:
    """Symbol of each gene, by gene id; empty without an annotation."""
    return study.warehouse.read("genes", columns=["gene_id", "gene_name"]).set_index("gene_id")["gene_name"]


def _contrast_counts(study: StudyResource, design: Design) -> pd.DataFrame:
    samples = list(design.matrix.index)
    return validate_counts(read_counts(study, samples), samples)


def _design_frame(design: Design, fit: Deseq2Fit) -> pd.DataFrame:
    long = design.matrix.rename_axis("sample_id").melt(ignore_index=False, var_name="coefficient", value_name="value")
    long = long.reset_index()
    weights = dict(zip(design.matrix.columns, design.weights, strict=True))
    factors = dict(zip(fit.sample_ids, fit.size_factors, strict=True))
    return long.assign(
        contrast_id=design.contrast_id,
        contrast_weight=long["coefficient"].map(weights),
        size_factor=long["sample_id"].map(factors),
    )[["contrast_id", "sample_id", "coefficient", "value", "contrast_weight", "size_factor"]]


def _fit_file(study: StudyResource, design: Design, counts: pd.DataFrame, code_version: str) -> tuple[Path, bool]:
    """The fit of a design, and whether another contrast had it fitted already: contrasts of one design share it."""
    key = digest([design.key, frame_digest(counts.reset_index()), code_version])[:32]

    def fit(path: Path) -> None:
        with path.open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, **fit_deseq2(counts, design.matrix).to_arrays())

    folder = study.study.results_dir / "shared" / "design_fit"
    drop_unused(folder)
    return shared_file(folder, f"{key}.npz", fit, describe=f"fitting {design.formula}")


@pipeline_asset(partitions_def=CONTRASTS, kinds={"pydeseq2", "duckdb"}, deps=["count_matrix"], code_version="2")
def design_fit(context: dg.AssetExecutionContext, study: StudyResource) -> Step:
    """The contrast's design (which sample stands on which side) with DESeq2's model, fitted once for each design."""
    design = contrast_design(study, context.partition_key)
    for warning in design.warnings:
        context.log.warning(warning)
    version = context.assets_def.code_versions_by_key[context.asset_key] or ""
    shared, reused = _fit_file(study, design, _contrast_counts(study, design), version)
    target = study.study.step_dir("design_fit", design.contrast_id)
    with staged_directory(target) as staging:
        link_or_copy(shared, staging / _FIT)
    fit = read_fit(target / _FIT)
    dispersions = pd.DataFrame(
        {
            "contrast_id": design.contrast_id,
            "gene_id": fit.gene_ids,
            "base_mean": fit.base_mean,
            "genewise_dispersion": fit.genewise_dispersion,
            "trend_dispersion": fit.trend_dispersion,
            "map_dispersion": fit.map_dispersion,
        }
    )
    figure = dispersion_figure(dispersions)
    return finish(
        context,
        study,
        tables={"design_fit": _design_frame(design, fit), "gene_dispersions": dispersions},
        files={"fit": target / _FIT},
        content=shared.name,
        metadata={
            "formula": design.formula,
            "warnings": "; ".join(design.warnings) or "none",
            "notes on the fit": "; ".join(fit.notes) or "none",
            "fitted already for another contrast": reused,
            "dispersions": dg.MetadataValue.md(markdown_image(figure, "dispersion estimates")),
        },
    )


def read_fit(path: Path) -> Deseq2Fit:
    """Read the stored DESeq2 fit of a contrast."""
    with np.load(path, allow_pickle=False) as arrays:
        return Deseq2Fit.from_arrays({name: arrays[name] for name in arrays.files})


def _deseq2_results(
    fit: Deseq2Fit, design: Design, counts: pd.DataFrame, compared_samples: tuple[str, ...], alpha: float
) -> pd.DataFrame:
    """Wald test of the contrast, or the likelihood-ratio test against its reduced design, with shrunken effects."""
    weights = design.weights
    if design.reduced is None:
        results = wald_test(fit, weights, alpha=alpha, compared_samples=compared_samples).assign(test="wald")
    else:
        results = likelihood_ratio_test(
            fit, counts, design.reduced, weights, alpha=alpha, compared_samples=compared_samples
        ).assign(test="lrt")
    shrunken = shrink_deseq2(counts, design.matrix, fit, weights, compared_samples=compared_samples)
    return results.assign(shrunken_log2_fold_change=shrunken, dispersion=fit.map_dispersion)


@pipeline_asset(partitions_def=CONTRASTS, kinds={"pydeseq2", "python", "duckdb"}, deps=["gene_table"], code_version="2")
def de_results(context: dg.AssetExecutionContext, study: StudyResource, design_fit: Files) -> Step:
    """Which genes differ, by how much and how surely: by DESeq2's model and, beside it, edgeR's.

    Positive log2 fold change is higher in the target of the contrast.
    """
    contrast, config = context.partition_key, study.study.config
    design = contrast_design(study, contrast)
    counts, names = _contrast_counts(study, design), gene_names(study)
    of_levels = study.contrasts[contrast].formula is None
    compared = (*design.reference_samples, *design.target_samples) if of_levels else ()
    deseq2 = _deseq2_results(read_fit(design_fit["fit"]), design, counts, compared, config.thresholds.fdr)
    frames = [results_frame(contrast, "deseq2", deseq2, names)]
    if "edger" in config.engines:
        edger = edger_ql(counts, design.matrix, design.weights, reduced_design=design.reduced)
        frames.append(results_frame(contrast, "edger", edger, names))
    results = pd.concat(frames, ignore_index=True)
    figure = volcano_figure(frames[0], fdr=config.thresholds.fdr, log2_fold_change=config.thresholds.log2_fold_change)
    return finish(
        context,
        study,
        tables={"de_results": results},
        metadata={
            **_significant(results, config.thresholds.fdr, config.thresholds.log2_fold_change),
            "volcano": dg.MetadataValue.md(markdown_image(figure, f"volcano plot of {contrast}")),
            preview_name("de_results"): table_preview(
                "de_results", frames[0].sort_values("p_value"), columns=_PREVIEW_COLUMNS
            ),
        },
    )


def _significant(results: pd.DataFrame, fdr: float, log2_fold_change: float) -> dict[str, int]:
    significant = (results["p_adjusted"] < fdr) & (results["log2_fold_change"].abs() > log2_fold_change)
    counts = results.assign(significant=significant).groupby("engine")["significant"].sum()
    return {f"significant genes by {engine}": int(count) for engine, count in counts.items()}


def contrast_results(study: StudyResource, contrast: str, engine: str) -> pd.DataFrame:
    """Rows of ``de_results`` of one contrast and engine."""
    results = study.warehouse.read("de_results", {"contrast_id": contrast})
    return results.loc[results["engine"] == engine].reset_index(drop=True)


@pipeline_asset(partitions_def=CONTRASTS, kinds={"python", "duckdb"}, deps=["de_results"], code_version="2")
def engine_agreement(context: dg.AssetExecutionContext, study: StudyResource) -> Step:
    """Gene by gene: do DESeq2 and edgeR agree, and if not, why."""
    contrast = context.partition_key
    frame = compare_engines(
        contrast_results(study, contrast, "deseq2"),
        contrast_results(study, contrast, "edger"),
        alpha=study.study.config.thresholds.fdr,
    )
    if "contrast_id" not in frame.columns:
        frame.insert(0, "contrast_id", contrast)
    counts = {str(kind): int(count) for kind, count in frame["agreement"].value_counts().items()}
    return finish(context, study, tables={"engine_agreement": frame}, metadata=counts)
