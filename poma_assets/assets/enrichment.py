"""Gene-set tests of each contrast: over-representation of the significant genes, and enrichment over the ranking."""

import time
from collections.abc import Callable

import dagster as dg
import pandas as pd

from poma_assets.assets.differential_expression import contrast_results
from poma_assets.assets.steps import Step, finish
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
from poma_assets.vocabulary import OWNER, WAREHOUSE_IO

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
    started: float,
) -> Step:
    significant = frame.loc[frame["p_adjusted"] < study.study.config.thresholds.fdr]
    metadata: dict[str, object] = {"sets tested": len(frame), "sets below the FDR": len(significant), **notes}
    if len(frame):
        figure = enrichment_dot_figure(frame)
        metadata["sets"] = dg.MetadataValue.md(markdown_image(figure, f"{method} of {context.partition_key}"))
    replaces = {"enrichment": {"method": method}}
    return finish(
        context, study, tables={"enrichment": frame}, replaces=replaces, metadata=metadata, started=started
    )


@dg.asset(
    partitions_def=CONTRASTS,
    io_manager_key=WAREHOUSE_IO,
    owners=[OWNER],
    kinds={"python", "duckdb"},
    code_version="1",
    deps=["de_results"],
)
def over_representation(context: dg.AssetExecutionContext, study: StudyResource) -> Step:
    """Gene sets over-represented among the genes up, down, and both; the background is the tested genes."""
    started = time.monotonic()
    thresholds = study.study.config.thresholds
    results = contrast_results(study, context.partition_key, "deseq2")
    tested = results.loc[results["p_value"].notna()]
    significant = tested.loc[
        (tested["p_adjusted"] < thresholds.fdr) & (tested["log2_fold_change"].abs() > thresholds.log2_fold_change)
    ]
    chosen = {
        "up": significant.loc[significant["log2_fold_change"] > 0, "gene_name"],
        "down": significant.loc[significant["log2_fold_change"] < 0, "gene_name"],
        "both": significant["gene_name"],
    }
    background = set(tested["gene_name"])
    tests: dict[str, _Test] = {
        direction: lambda collection, genes=genes: run_ora(set(genes), background, collection)  # type: ignore[misc]
        for direction, genes in chosen.items()
    }
    frame, notes = _over_collections(context, study, "ora", tests)
    return _finish(context, study, "ora", frame, notes, started)


@dg.asset(
    partitions_def=CONTRASTS,
    io_manager_key=WAREHOUSE_IO,
    owners=[OWNER],
    kinds={"gseapy", "duckdb"},
    code_version="1",
    deps=["de_results"],
)
def gene_set_enrichment(context: dg.AssetExecutionContext, study: StudyResource) -> Step:
    """Gene set enrichment analysis over all tested genes, ranked by the Wald statistic."""
    started = time.monotonic()
    results = contrast_results(study, context.partition_key, "deseq2")
    ranking = rank_genes(results)
    tests: dict[str, _Test] = {
        "both": lambda collection: run_gsea(ranking.statistic, collection, seed=study.study.config.seed)
    }
    frame, notes = _over_collections(context, study, "gsea", tests)
    return _finish(context, study, "gsea", frame, notes, started)
