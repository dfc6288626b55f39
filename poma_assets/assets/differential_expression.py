"""Differential expression of each contrast: the fitted design, both engines' results, and whether they agree."""

from pathlib import Path

import dagster as dg
import numpy as np
import pandas as pd

from poma_assets.assets.cohort import read_counts
from poma_assets.assets.steps import Step, finish, pipeline_asset
from poma_assets.partitions import CONTRASTS
from poma_assets.reports.figures import dispersion_figure, markdown_image, volcano_figure
from poma_assets.resources import Files, StudyResource
from poma_assets.science.contrasts import Contrast, select_samples
from poma_assets.science.design import Design, build_design, validate_counts
from poma_assets.science.differential_expression.agreement import engine_agreement as compare_engines
from poma_assets.science.differential_expression.contrast_tests import shrink_deseq2, wald_test
from poma_assets.science.differential_expression.deseq2 import fit_deseq2
from poma_assets.science.differential_expression.deseq2_fit import Deseq2Fit
from poma_assets.science.differential_expression.edger import edger_ql, results_frame
from poma_assets.storage.staging import staged_directory

_FIT = "deseq2_fit.npz"


def contrast_samples(study: StudyResource, contrast: Contrast) -> pd.DataFrame:
    """Design table of a contrast's samples, without those that the quality gates kept out."""
    inclusion = study.warehouse.read("sample_inclusion")
    out = set(inclusion.loc[~inclusion["included"].astype(bool), "sample_id"])
    table = study.sheet.design_table()
    return select_samples(contrast, table.loc[~table.index.isin(out)])


def contrast_design(study: StudyResource, contrast_id: str) -> Design:
    """Design of a contrast over the samples that passed the quality gates."""
    contrast = study.contrasts[contrast_id]
    return build_design(contrast, contrast_samples(study, contrast))


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


@pipeline_asset(partitions_def=CONTRASTS, kinds={"pydeseq2", "duckdb"}, deps=["count_matrix"])
def design_fit(context: dg.AssetExecutionContext, study: StudyResource) -> Step:
    """The contrast's design matrix over its samples, and the DESeq2 model fitted to it (size factors, dispersions)."""
    design = contrast_design(study, context.partition_key)
    for warning in design.warnings:
        context.log.warning(warning)
    fit = fit_deseq2(_contrast_counts(study, design), design.matrix)
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
    target = study.study.step_dir("design_fit", design.contrast_id)
    with staged_directory(target) as staging:
        np.savez_compressed(staging / _FIT, allow_pickle=False, **fit.to_arrays())
    figure = dispersion_figure(dispersions)
    return finish(
        context,
        study,
        tables={"design_fit": _design_frame(design, fit), "gene_dispersions": dispersions},
        files={"fit": target / _FIT},
        metadata={
            "formula": design.formula,
            "warnings": "; ".join(design.warnings) or "none",
            "notes on the fit": "; ".join(fit.notes) or "none",
            "dispersions": dg.MetadataValue.md(markdown_image(figure, "dispersion estimates")),
        },
    )


def read_fit(path: Path) -> Deseq2Fit:
    """Read the stored DESeq2 fit of a contrast."""
    with np.load(path, allow_pickle=False) as arrays:
        return Deseq2Fit.from_arrays({name: arrays[name] for name in arrays.files})


@pipeline_asset(partitions_def=CONTRASTS, kinds={"pydeseq2", "python", "duckdb"}, deps=["gene_table"])
def de_results(context: dg.AssetExecutionContext, study: StudyResource, design_fit: Files) -> Step:
    """Differential expression by the DESeq2 model (Wald test) and, beside it, the edgeR quasi-likelihood model."""
    contrast, config = context.partition_key, study.study.config
    design = contrast_design(study, contrast)
    counts, names = _contrast_counts(study, design), gene_names(study)
    fit = read_fit(design_fit["fit"])
    deseq2 = wald_test(fit, design.weights, alpha=config.thresholds.fdr)
    deseq2["shrunken_log2_fold_change"] = shrink_deseq2(counts, design.matrix, fit, design.weights)
    frames = [results_frame(contrast, "deseq2", deseq2, names)]
    if "edger" in config.engines:
        frames.append(results_frame(contrast, "edger", edger_ql(counts, design.matrix, design.weights), names))
    results = pd.concat(frames, ignore_index=True)
    figure = volcano_figure(frames[0], fdr=config.thresholds.fdr, log2_fold_change=config.thresholds.log2_fold_change)
    return finish(
        context,
        study,
        tables={"de_results": results},
        metadata={
            **_significant(results, config.thresholds.fdr, config.thresholds.log2_fold_change),
            "volcano": dg.MetadataValue.md(markdown_image(figure, f"volcano plot of {contrast}")),
        },
    )


def _significant(results: pd.DataFrame, fdr: float, log2_fold_change: float) -> dict[str, int]:
    significant = (results["p_adjusted"] < fdr) & (results["log2_fold_change"].abs() > log2_fold_change)
    counts = results.assign(significant=significant).groupby("engine")["significant"].sum()
    return {f"genes by {engine}": int(count) for engine, count in counts.items()}


def contrast_results(study: StudyResource, contrast: str, engine: str) -> pd.DataFrame:
    """Rows of ``de_results`` of one contrast and engine."""
    results = study.warehouse.read("de_results", {"contrast_id": contrast})
    return results.loc[results["engine"] == engine].reset_index(drop=True)


@pipeline_asset(partitions_def=CONTRASTS, kinds={"python", "duckdb"}, deps=["de_results"])
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
