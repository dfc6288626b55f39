"""What a report shows of one contrast: sentences, verdicts, figures, gene and gene-set tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from poma_assets.reports import wording
from poma_assets.reports.drawings import (
    DotPlot,
    EnrichmentCurve,
    GeneSets,
    Histogram,
    enrichment_curves,
    p_value_bars,
    set_dots,
)
from poma_assets.reports.gene_figures import primary_engine
from poma_assets.reports.gene_tables import MOST_GENE_ROWS, GeneNames, GeneTable, gene_table
from poma_assets.reports.marker_figures import CAPTION
from poma_assets.reports.palette import VERDICTS
from poma_assets.reports.rendering import is_missing
from poma_assets.reports.verdict_drawing import EffectPlot, effect_plot, verdict_drawing
from poma_assets.science.row_records import row_records

if TYPE_CHECKING:
    from markupsafe import Markup

_MAX_SETS = 25
_MAX_LABELS = 20
_GRAVE = ("error", "warning")

CONTRAST_TABLES = (
    "de_results",
    "marker_verdicts",
    "enrichment",
    "engine_agreement",
    "response_score",
    "design_findings",
    "programme_scores",
)
"""Tables that a section is made from."""
_MAX_DISAGREEMENTS = 50
_AGREEMENT_ORDER = ("both_significant", "neither", "deseq2_only", "edger_only", "opposite", "not_comparable")


@dataclass(frozen=True)
class FigureBlock:
    """A figure with its caption; the markup is a sentence where there is nothing to draw."""

    markup: Markup
    caption: str


@dataclass(frozen=True)
class EnrichmentBlock:
    """The best gene sets of one method and collection."""

    title: str
    rows: list[dict[str, Any]]
    total: int
    significant: int
    groups: int


@dataclass(frozen=True)
class ContrastSection:
    """Everything that a report shows of one contrast."""

    anchor: str
    name: str
    comparison: str
    kind: str | None
    design_warnings: list[str]
    sentences: list[str]
    verdict_sentence: str
    counts: dict[str, int]
    verdicts: list[dict[str, Any]]
    genes: GeneTable
    log2_fold_change: float
    labels: list[str]
    p_values: Histogram | None
    curves: list[EnrichmentCurve]
    effects: EffectPlot | None
    dots: dict[str, DotPlot]
    enrichment_sentence: str
    enrichment: list[EnrichmentBlock]
    agreement_sentence: str
    agreement: list[tuple[str, int]]
    disagreements: list[dict[str, Any]]
    n_disagreements: int

    @property
    def verdict_figures_caption(self) -> str | None:
        """How to read the figures of the verdicts; None if there are none."""
        return CAPTION if any(row["figure"] is not None for row in self.verdicts) else None

    def verdicts_of(self, verdict: str) -> list[dict[str, Any]]:
        """Return the judged hypotheses with this verdict."""
        return [row for row in self.verdicts if row["verdict"] == verdict]

    @property
    def findings(self) -> list[dict[str, Any]]:
        """What the summary tells: confirmed and contradicted, without the markers that are only there as expected."""
        told = self.verdicts_of("confirmed") + self.verdicts_of("contradicted")
        return [row for row in told if row not in self.expected_identity]

    @property
    def expected_identity(self) -> list[dict[str, Any]]:
        """Confirmed markers of what the cells are."""
        return [row for row in self.verdicts_of("confirmed") if row["policy"] == "identity"]


def contrast_section(
    contrast: Mapping[str, Any] | pd.Series[Any],
    tables: Mapping[str, pd.DataFrame],
    *,
    names: GeneNames,
    index: int,
    fdr: float,
    log2_fold_change: float,
    groups: Mapping[str, str] | None = None,
    gene_sets: GeneSets | None = None,
    most_rows: int = MOST_GENE_ROWS,
) -> ContrastSection:
    """Gather what is shown of one contrast.

    Parameters
    ----------
    contrast
        Row of ``contrasts``.
    tables
        Declared tables `CONTRAST_TABLES`, restricted to the contrast.
    names
        The genes of the page.
    index
        Position of the contrast in the report; makes its anchors unique.
    fdr, log2_fold_change
        Thresholds of a significant gene.
    groups
        Sample -> arm, for a figure of each verdict; it needs the table ``normalised_expression``. None: no figures.
    gene_sets
        Genes of the gene sets, for the curves of the strongest ones.
    most_rows
        Genes that the page may hold of the contrast.
    """
    if str(contrast.get("effect")) == "slope":
        log2_fold_change = 0.0  # a threshold for differences means nothing for a change per unit
    name = str(contrast["contrast_id"])
    anchor = wording.anchor(name, index)
    de, verdicts = tables["de_results"], tables["marker_verdicts"]
    genes = gene_table(
        de,
        names,
        fdr=fdr,
        log2_fold_change=log2_fold_change,
        agreement=tables["engine_agreement"],
        most_rows=most_rows,
    )
    target = contrast.get("target")
    if de["test"].eq("lrt").any():
        found = wording.any_difference_sentence(tested=genes.tested, passing=genes.passing, fdr=fdr)
    else:
        found = wording.genes_sentence(
            tested=genes.tested,
            total=genes.total,
            up=genes.up,
            down=genes.down,
            fdr=fdr,
            log2_fold_change=log2_fold_change,
            target=None if is_missing(target) else str(target),
        )
    findings = tables["design_findings"]
    drug = str(contrast.get("kind")) == "drug_vs_vehicle"
    response = wording.response_sentence(tables["response_score"]) if drug else None
    differing = _disagreements(tables["engine_agreement"])
    rows = _verdict_rows(verdicts, anchor, tables.get("normalised_expression"), groups)
    return ContrastSection(
        anchor=anchor,
        name=name,
        comparison=wording.comparison(contrast),
        kind=wording.kind_words(contrast),
        design_warnings=[str(text) for text in findings.loc[findings["severity"].isin(_GRAVE), "sentence"]],
        sentences=[found] + ([response] if response else []),
        verdict_sentence=wording.verdict_sentence(verdicts),
        counts=wording.verdict_counts(verdicts),
        verdicts=rows,
        genes=genes,
        log2_fold_change=log2_fold_change,
        labels=_labels(verdicts),
        p_values=p_value_bars(primary_engine(de)),
        curves=enrichment_curves(de, tables["enrichment"], gene_sets or {}),
        effects=effect_plot(rows),
        dots=_dots(tables["enrichment"], fdr),
        enrichment_sentence=wording.enrichment_sentence(tables["enrichment"], fdr),
        enrichment=_enrichment_blocks(tables["enrichment"], fdr),
        agreement_sentence=wording.agreement_sentence(tables["engine_agreement"]),
        agreement=_agreement_counts(tables["engine_agreement"]),
        disagreements=row_records(differing.head(_MAX_DISAGREEMENTS)),
        n_disagreements=len(differing),
    )


def _verdict_rows(
    verdicts: pd.DataFrame, anchor: str, expression: pd.DataFrame | None, groups: Mapping[str, str] | None
) -> list[dict[str, Any]]:
    rank = {name: i for i, name in enumerate(VERDICTS)}
    order = verdicts["verdict"].map(lambda verdict: rank.get(str(verdict), len(rank)))
    ordered = verdicts.assign(_rank=order).sort_values("_rank", kind="stable")
    rows = row_records(ordered.drop(columns="_rank"))
    for i, row in enumerate(rows):
        row["anchor"] = f"{anchor}-v{i}"
        sentence = row["sentence"]
        row["sentence"] = f"{row['gene_symbol']}: no explanation recorded." if is_missing(sentence) else sentence
        row["figure"] = None if expression is None or not groups else verdict_drawing(row, expression, groups)
    return rows


def _labels(verdicts: pd.DataFrame) -> list[str]:
    """Symbols that the plots label: the markers that were judged for a change, those with a call first."""
    rank = {"confirmed": 0, "contradicted": 1, "inconclusive": 2}
    judged = verdicts[verdicts["verdict"].isin(rank) & (verdicts["policy"] != "identity")]
    judged = judged.sort_values("verdict", key=lambda v: v.map(rank), kind="stable")
    return list(dict.fromkeys(str(symbol) for symbol in judged["gene_symbol"]))[:_MAX_LABELS]


def _dots(enrichment: pd.DataFrame, fdr: float) -> dict[str, DotPlot]:
    """The best gene sets by method, as far as there are any."""
    methods = sorted(set(enrichment["method"].dropna().astype(str)))
    plots = {method: set_dots(enrichment, method, fdr=fdr) for method in methods}
    return {method: plot for method, plot in plots.items() if plot is not None}


def _enrichment_blocks(enrichment: pd.DataFrame, fdr: float) -> list[EnrichmentBlock]:
    """The best sets by method and collection; of alike significant sets the one that stands for them."""
    blocks = []
    group = ["method", "collection", "direction", "group_term_id"]
    enrichment = enrichment.assign(
        n_alike=enrichment.groupby(group)["term_id"].transform("size") - 1,
        _p=pd.to_numeric(enrichment["p_value"], errors="coerce"),
        _significant=pd.to_numeric(enrichment["p_adjusted"], errors="coerce") < fdr,
    )
    stands_alone = enrichment["group_term_id"].isna() | (enrichment["group_term_id"] == enrichment["term_id"])
    keys = [enrichment[key].astype(str) for key in ("method", "collection")]
    for (method, collection), rows in enrichment.groupby(keys, sort=True):
        shown = rows[stands_alone[rows.index]].sort_values(["_p", "term_id"], kind="stable")
        title = f"{'Gene set enrichment' if method == 'gsea' else 'Over-representation'}, {collection}"
        significant, groups = int(rows["_significant"].sum()), int(shown["_significant"].sum())
        blocks.append(EnrichmentBlock(title, row_records(shown.head(_MAX_SETS)), len(rows), significant, groups))
    return blocks


def _agreement_counts(agreement: pd.DataFrame) -> list[tuple[str, int]]:
    counts = agreement["agreement"].astype(str).value_counts()
    order = [kind for kind in _AGREEMENT_ORDER if kind in counts.index]
    order += [str(kind) for kind in counts.index if kind not in _AGREEMENT_ORDER]
    return [(kind, int(counts[kind])) for kind in order]


def _disagreements(agreement: pd.DataFrame) -> pd.DataFrame:
    """Return the genes on which the engines differ, opposite directions first, then by the better FDR."""
    kinds = {"opposite": 0, "deseq2_only": 1, "edger_only": 1}
    differing = agreement[agreement["agreement"].isin(kinds)]
    columns = ["deseq2_p_adjusted", "edger_p_adjusted"]
    best = differing[columns].apply(pd.to_numeric, errors="coerce").min(axis=1)
    ranked = differing.assign(_kind=differing["agreement"].map(kinds), _best=best)
    return ranked.sort_values(["_kind", "_best"], kind="stable").drop(columns=["_kind", "_best"])
