"""Gene-set tests of each contrast: over-representation of the significant genes, and enrichment over the ranking."""

from collections.abc import Callable
from functools import partial

import dagster as dg
import pandas as pd

from poma_assets.assets.differential_expression import contrast_design, contrast_results, gene_names
from poma_assets.assets.steps import Step, finish, pipeline_asset
from poma_assets.partitions import CONTRASTS
from poma_assets.reports.figures import enrichment_dot_figure, markdown_image
from poma_assets.resources import StudyResource
from poma_assets.science.enrichment.frames import enrichment_frame
from poma_assets.science.enrichment.gene_identifiers import MappedCollection, map_collection, parse_gene_ids
from poma_assets.science.enrichment.gene_set_enrichment import gene_set_enrichment as run_gsea
from poma_assets.science.enrichment.gene_set_enrichment import rank_genes
from poma_assets.science.enrichment.gmt import GeneSetCollection
from poma_assets.science.enrichment.over_representation import over_representation as run_ora
from poma_assets.science.enrichment.redundancy import group_redundant_sets
from poma_assets.science.errors import NotEnoughDataError
from poma_assets.storage.package_data import data_file, read_gene_sets
from poma_assets.storage.text_files import read_text

_Test = Callable[[GeneSetCollection], pd.DataFrame]


def study_collections(study: StudyResource) -> list[MappedCollection]:
    """The study's gene sets with their genes named as the study names them."""
    path = data_file("gene_sets", "human_gene_ids.tsv.gz")
    table = parse_gene_ids(read_text(path), source=path.name)
    names = gene_names(study)
    symbols = names.where(names.notna() & (names != ""), pd.Series(names.index, index=names.index))
    known, by_id = set(symbols), dict(symbols)
    root = study.study.root
    return [
        map_collection(read_gene_sets(name, root), table, known, symbol_by_gene_id=by_id)
        for name in study.study.config.gene_sets
    ]


def _over_collections(
    context: dg.AssetExecutionContext, study: StudyResource, method: str, tests: dict[str, _Test]
) -> Step:
    """Run the tests (by direction) on every collection; a collection that is too small becomes a plain sentence."""
    contrast, frames, notes = context.partition_key, [], {}
    for mapped in study_collections(study):
        name = mapped.collection.name
        if mapped.note:
            notes[f"{name}, gene ids"] = mapped.note
        for direction, test in tests.items():
            try:
                frames.append(enrichment_frame(test(mapped.collection), contrast, method, direction))
            except NotEnoughDataError as error:
                notes[f"{name} {direction}"] = str(error)
                context.log.warning(str(error))
    return _finish(context, study, method, frames, notes)


def _finish(
    context: dg.AssetExecutionContext,
    study: StudyResource,
    method: str,
    frames: list[pd.DataFrame],
    notes: dict[str, str],
) -> Step:
    """Group alike sets and store all."""
    fdr = study.study.config.thresholds.fdr
    empty = enrichment_frame(pd.DataFrame(), context.partition_key, method, "both")
    tested = pd.concat([empty, *frames], ignore_index=True) if frames else empty
    frame = group_redundant_sets(tested, fdr=fdr)
    significant = frame.loc[frame["p_adjusted"] < fdr]
    metadata: dict[str, object] = {
        "sets tested": len(frame),
        "sets below the FDR": len(significant),
        "groups of alike sets": int(significant["group_term_id"].nunique()),
        **notes,
    }
    if len(frame):
        figure = enrichment_dot_figure(frame)
        metadata["sets"] = dg.MetadataValue.md(markdown_image(figure, f"{method} of {context.partition_key}"))
    replaces = {"enrichment": {"method": method}}
    return finish(context, study, tables={"enrichment": frame}, replaces=replaces, metadata=metadata)


@pipeline_asset(
    partitions_def=CONTRASTS, kinds={"python", "duckdb"}, deps=["de_results", "gene_table"], code_version="2"
)
def over_representation(context: dg.AssetExecutionContext, study: StudyResource) -> Step:
    """Gene sets with more changed genes (up, down, both) than by chance; the background is the tested genes."""
    config = study.study.config
    ranked = rank_genes(contrast_results(study, context.partition_key, "deseq2"))
    genes = ranked.table.loc[ranked.table["p_adjusted"] < config.thresholds.fdr]
    effects = genes["log2_fold_change"]
    # A threshold for differences between groups means nothing for a change per hour or per doubling of the dose.
    least = 0.0 if contrast_design(study, context.partition_key).effect_is_slope else config.thresholds.log2_fold_change
    up, down = set(effects.index[effects > least]), set(effects.index[effects < -least])
    chosen = {"up": up, "down": down, "both": up | down}
    if has_no_direction(ranked.table):
        chosen = {"both": set(genes.index)}
    run = partial(run_ora, min_size=config.enrichment.min_size, max_size=config.enrichment.max_size)
    tests: dict[str, _Test] = {
        direction: partial(run, symbols, ranked.background) for direction, symbols in chosen.items()
    }
    return _over_collections(context, study, "ora", tests)


@pipeline_asset(
    partitions_def=CONTRASTS, kinds={"python", "duckdb"}, deps=["de_results", "gene_table"], code_version="2"
)
def gene_set_enrichment(context: dg.AssetExecutionContext, study: StudyResource) -> Step:
    """Gene sets whose genes gather at one end of all tested genes, ranked by the Wald statistic (GSEA)."""
    config = study.study.config
    ranking = rank_genes(contrast_results(study, context.partition_key, "deseq2"))
    if has_no_direction(ranking.table):
        notes = {"not done": "a likelihood-ratio test has no direction, so its genes cannot be ranked from up to down"}
        return _finish(context, study, "gsea", [], notes)
    test = partial(
        run_gsea,
        ranking.statistic,
        min_size=config.enrichment.min_size,
        max_size=config.enrichment.max_size,
        permutations=config.enrichment.permutations,
        fdr=config.thresholds.fdr,
        seed=config.seed,
    )
    return _over_collections(context, study, "gsea", {"both": test})


def has_no_direction(results: pd.DataFrame) -> bool:
    """Whether the genes were tested by likelihood ratio: for several coefficients at once there is no up or down."""
    return bool((results["test"] == "lrt").any())
