"""Gene-set tests of each contrast: over-representation of the significant genes, and enrichment over the ranking."""

from collections.abc import Callable
from functools import partial

import dagster as dg
import pandas as pd

from poma_assets.assets.differential_expression import contrast_results
from poma_assets.assets.steps import Step, finish, pipeline_asset
from poma_assets.partitions import CONTRASTS
from poma_assets.reports.figures import enrichment_dot_figure, markdown_image
from poma_assets.resources import StudyResource
from poma_assets.science.enrichment.frames import enrichment_frame
from poma_assets.science.enrichment.gene_set_enrichment import gene_set_enrichment as run_gsea
from poma_assets.science.enrichment.gene_set_enrichment import rank_genes
from poma_assets.science.enrichment.gmt import GeneSetCollection
from poma_assets.science.enrichment.over_representation import over_representation as run_ora
from poma_assets.science.errors import NotEnoughDataError
from poma_assets.storage.package_data import read_gene_sets

_Test = Callable[[GeneSetCollection], pd.DataFrame]


def _over_collections(
    context: dg.AssetExecutionContext, study: StudyResource, method: str, tests: dict[str, _Test]
) -> tuple[pd.DataFrame, dict[str, str]]:
    """Run the tests (by direction) on every collection; a collection that is too small becomes a plain sentence."""
    contrast, frames, notes = context.partition_key, [], {}
    for name in study.study.config.gene_sets:
        collection = read_gene_sets(name, study.study.root)
        for direction, test in tests.items():
            try:
                frames.append(enrichment_frame(test(collection), contrast, method, direction))
            except NotEnoughDataError as error:
                notes[f"{name} {direction}"] = str(error)
                context.log.warning(str(error))
    empty = enrichment_frame(pd.DataFrame(), contrast, method, "both")
    return pd.concat([empty, *frames], ignore_index=True) if frames else empty, notes


def _finish(
    context: dg.AssetExecutionContext,
    study: StudyResource,
    method: str,
    frame: pd.DataFrame,
    notes: dict[str, str],
) -> Step:
    significant = frame.loc[frame["p_adjusted"] < study.study.config.thresholds.fdr]
    metadata: dict[str, object] = {"sets tested": len(frame), "sets below the FDR": len(significant), **notes}
    if len(frame):
        figure = enrichment_dot_figure(frame)
        metadata["sets"] = dg.MetadataValue.md(markdown_image(figure, f"{method} of {context.partition_key}"))
    replaces = {"enrichment": {"method": method}}
    return finish(context, study, tables={"enrichment": frame}, replaces=replaces, metadata=metadata)


@pipeline_asset(partitions_def=CONTRASTS, kinds={"python", "duckdb"}, deps=["de_results"])
def over_representation(context: dg.AssetExecutionContext, study: StudyResource) -> Step:
    """Gene sets over-represented among the genes up, down, and both; the background is the tested genes."""
    thresholds = study.study.config.thresholds
    results = contrast_results(study, context.partition_key, "deseq2")
    ranked = rank_genes(results)
    genes = ranked.table.loc[ranked.table["p_adjusted"] < thresholds.fdr, "log2_fold_change"]
    up = set(genes.index[genes > thresholds.log2_fold_change])
    down = set(genes.index[genes < -thresholds.log2_fold_change])
    tests: dict[str, _Test] = {
        direction: partial(run_ora, chosen, ranked.background)
        for direction, chosen in (("up", up), ("down", down), ("both", up | down))
    }
    frame, notes = _over_collections(context, study, "ora", tests)
    return _finish(context, study, "ora", frame, notes)


@pipeline_asset(partitions_def=CONTRASTS, kinds={"python", "duckdb"}, deps=["de_results"])
def gene_set_enrichment(context: dg.AssetExecutionContext, study: StudyResource) -> Step:
    """Gene set enrichment analysis over all tested genes, ranked by the Wald statistic."""
    results = contrast_results(study, context.partition_key, "deseq2")
    ranking = rank_genes(results)
    tests: dict[str, _Test] = {"both": partial(run_gsea, ranking.statistic, seed=study.study.config.seed)}
    frame, notes = _over_collections(context, study, "gsea", tests)
    return _finish(context, study, "gsea", frame, notes)
