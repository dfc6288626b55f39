"""Of which columns of other assets the columns of an asset's main table are made.

Dagster's page shows it as a list in the asset's metadata. It stands in every materialisation, too, where Dagster+ and
whoever asks Dagster by GraphQL look for it: the free page has no view of its own for it.

Written by hand from what the steps compute. A column that decides which rows there are counts, too. What comes from the
sheets, from files or from settings has no entry: it is no column of an asset before it.
"""

from collections.abc import Mapping
from types import MappingProxyType

import dagster as dg

COLUMN_LINEAGE_KEY = "dagster/column_lineage"
"""Metadata key of Dagster's own for the lineage, in the latest materialisation of an asset."""

COLUMN_SOURCES_KEY = "what the columns are made from"
"""Metadata key of the same as a list for readers, known before anything has run."""

Columns = Mapping[str, tuple[str, ...]]
"""Column -> the columns it is made of, each as ``asset.column``; the column may be of any table of that asset."""


def _same(asset: str, *columns: str) -> Columns:
    return {column: (f"{asset}.{column}",) for column in columns}


def _all(columns: str, *upstream: str) -> Columns:
    return dict.fromkeys(columns.split(), upstream)


_MODEL = ("count_matrix.count", "design_fit.value", "design_fit.size_factor")
_ESTIMATE = (*_MODEL, "design_fit.contrast_weight", "design_fit.map_dispersion")
_EFFECT, _ERROR = "de_results.log2_fold_change", "de_results.standard_error"
_OF_SETS = "count_matrix.count"
"""Verdicts on sets of genes allow for how the genes' counts go together."""

_VERDICT = (
    *(_EFFECT, _ERROR, "de_results.status", _OF_SETS, "count_matrix.included"),
    *("response_score.exposure_shown", "sample_identity.status", "sample_quality.status"),
)
_QUALITY = (
    *("read_quality.duplication_pct", "trimmed_reads.read_pairs_in", "trimmed_reads.pass_filter_pct"),
    *("trimmed_read_quality.q30_pct", "alignment_quality.uniquely_mapped_pct", "alignment_quality.agrees"),
    *("gene_counts.count", "gene_counts.fragments", "gene_table.chromosome", "gene_table.biotype"),
)
_COUNTED: Columns = {**_same("alignment_quality", "sample_id"), "count": ("alignment_quality.used",)}
_SETS = ("de_results.gene_name", "de_results.statistic", "de_results.p_value", "gene_table.gene_name")

COLUMN_LINEAGE: Mapping[str, Columns] = MappingProxyType(
    {
        "contrast_sheet": {
            "kind": ("sample_sheet.treatment", "sample_sheet.sensitivity", "sample_sheet.cell_line"),
            "effect": ("sample_sheet.metadata",),
        },
        "gene_counts": _COUNTED,
        "htseq_counts": _COUNTED,
        "sample_quality": {
            **_same("gene_counts", "sample_id"),
            **_all("value status", *_QUALITY),
            "source": ("alignment_quality.declared", "alignment_quality.inferred"),
        },
        "count_matrix": {
            "sample_id": ("gene_counts.sample_id", "htseq_counts.sample_id", "sample_quality.status"),
            "gene_id": ("gene_counts.gene_id", "htseq_counts.gene_id"),
            "count": ("gene_counts.count", "htseq_counts.count"),
        },
        "normalised_expression": {
            **_same("count_matrix", "sample_id", "gene_id"),
            **_all("normalised_count cpm vst", "count_matrix.count"),
            "tpm": ("count_matrix.count", "gene_table.length_bp"),
        },
        "sample_exploration": {
            **_same("normalised_expression", "sample_id"),
            **_all("score explained_variance_pct", "normalised_expression.vst", "count_matrix.count"),
        },
        "sample_identity": {
            **_same("count_matrix", "sample_id"),
            **_all("observed status likelier_line detail", "count_matrix.count", "gene_table.gene_name"),
        },
        "design_fit": {
            **_same("count_matrix", "sample_id"),
            "size_factor": ("count_matrix.count",),
        },
        "de_results": {
            **_same("design_fit", "contrast_id"),
            **_same("count_matrix", "gene_id"),
            **_same("gene_table", "gene_name"),
            "base_mean": ("count_matrix.count", "design_fit.size_factor"),
            **_all("log2_fold_change standard_error statistic p_value p_adjusted", *_ESTIMATE),
            **_all("shrunken_log2_fold_change status reason", *_ESTIMATE),
            "dispersion": ("design_fit.map_dispersion", "count_matrix.count"),
        },
        "engine_agreement": {
            **_same("de_results", "contrast_id", "gene_id", "gene_name"),
            **_all("deseq2_log2_fold_change edger_log2_fold_change", _EFFECT),
            **_all("deseq2_p_adjusted edger_p_adjusted", "de_results.p_adjusted"),
            **_all("deseq2_dispersion edger_dispersion", "de_results.dispersion"),
            "agreement": ("de_results.p_adjusted", _EFFECT),
            **_all("cause", "de_results.p_adjusted", "de_results.status", "de_results.dispersion", _EFFECT),
            **_all("reason", "de_results.reason", "de_results.p_adjusted", "de_results.dispersion", _EFFECT),
        },
        "over_representation": {
            **_same("de_results", "contrast_id"),
            "set_size": _SETS,
            **_all("overlap expected_overlap score p_value", *_SETS, "de_results.p_adjusted", _EFFECT),
            **_all("p_adjusted leading_genes group_term_id", *_SETS, "de_results.p_adjusted", _EFFECT),
        },
        "gene_set_enrichment": {
            **_same("de_results", "contrast_id"),
            "set_size": _SETS,
            **_all("overlap score normalised_score p_value permutations", *_SETS),
            **_all("p_adjusted leading_genes group_term_id", *_SETS),
        },
        "response_score": {
            **_same("de_results", "contrast_id"),
            "n_genes": ("de_results.gene_id", "de_results.gene_name", "de_results.base_mean", "de_results.statistic"),
            **_all("score expected_score", "de_results.statistic", _EFFECT, _ERROR),
            "correlation": ("count_matrix.count",),
            "residual_df": ("count_matrix.included",),
            **_all("p_value exposure_shown", "de_results.statistic", _EFFECT, _ERROR, "count_matrix.count"),
        },
        "marker_verdicts": {
            **_same("de_results", "contrast_id"),
            "ensembl_gene_id": ("de_results.gene_id",),
            **_all("verdict sub_verdict label", *_VERDICT),
            "sentence": (*_VERDICT, "response_score.moved"),
            "log2_fold_change": (_EFFECT,),
            "standard_error": (_ERROR, _OF_SETS),
            **_all("ci_low ci_high", _EFFECT, _ERROR, _OF_SETS),
            **_all("p_confirm q_confirm p_opposite q_opposite", _EFFECT, _ERROR, _OF_SETS),
            **_all("p_equivalence q_equivalence", _EFFECT, _ERROR, _OF_SETS),
            "smallest_detectable_effect_log2": (_ERROR, _OF_SETS),
            **_all("n_reference n_target", "count_matrix.included"),
            "edger_log2_fold_change": (_EFFECT,),
            "edger_p_adjusted": ("de_results.p_adjusted",),
            "engines_agree": (_EFFECT,),
        },
        "verdict_history": {
            **_same("marker_verdicts", "contrast_id", "hypothesis_id", "gene_symbol", "verdict", "sub_verdict"),
            **_same("marker_verdicts", "log2_fold_change", "standard_error", "n_reference", "n_target"),
        },
    }
)
"""Asset -> its columns that are made of columns of other assets."""


def column_lineage(asset: str) -> dict[str, dg.TableColumnLineage]:
    """The lineage as metadata of a materialisation; empty where the asset has none."""
    columns = COLUMN_LINEAGE.get(asset)
    if not columns:
        return {}
    return {COLUMN_LINEAGE_KEY: dg.TableColumnLineage({name: _deps(made_of) for name, made_of in columns.items()})}


def column_sources(asset: str) -> dict[str, dg.MarkdownMetadataValue]:
    """The lineage as a list, metadata of the asset's definition; empty where the asset has none."""
    columns = COLUMN_LINEAGE.get(asset)
    if not columns:
        return {}
    lines = [f"- `{name}`: {', '.join(f'`{source}`' for source in made_of)}" for name, made_of in columns.items()]
    return {COLUMN_SOURCES_KEY: dg.MarkdownMetadataValue("\n".join(lines))}


def _deps(made_of: tuple[str, ...]) -> list[dg.TableColumnDep]:
    named = (column.split(".") for column in made_of)
    return [dg.TableColumnDep(asset_key=dg.AssetKey(asset), column_name=column) for asset, column in named]
