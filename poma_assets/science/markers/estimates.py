"""Finds a marker among the genes of an annotation and gathers both engines' estimates of it."""

from __future__ import annotations

import math
from collections import defaultdict

import pandas as pd

from poma_assets.science.gene_ids import strip_version
from poma_assets.science.markers.hypotheses import Hypothesis
from poma_assets.science.markers.judgement import Estimate


class MarkerEstimates:
    """Estimates of one contrast by marker.

    A marker is found by its Ensembl id (versions ignored); if the annotation has no such id, by its symbol,
    provided that only one gene bears it.

    Parameters
    ----------
    deseq2, edger
        Rows of the table ``de_results`` for one contrast, by engine; `edger` may be None.
    counted_genes
        Gene ids of the count matrix.
    """

    def __init__(self, deseq2: pd.DataFrame, edger: pd.DataFrame | None, counted_genes: pd.Index[str]) -> None:
        self._deseq2 = _by_gene(deseq2)
        self._edger = {} if edger is None else _by_gene(edger)
        self._ids: dict[str, set[str]] = defaultdict(set)
        self._symbols: dict[str, set[str]] = defaultdict(set)
        for gene_id in [*self._deseq2, *counted_genes]:
            self._ids[strip_version(str(gene_id))].add(str(gene_id))
        for gene_id, row in self._deseq2.items():
            self._symbols[str(row["gene_name"])].add(gene_id)

    @property
    def any_estimable(self) -> bool:
        """Whether the contrast has an estimate for any gene."""
        return any(math.isfinite(_number(row["log2_fold_change"])) for row in self._deseq2.values())

    def of(self, hypothesis: Hypothesis) -> Estimate:
        """Return the estimates of a hypothesis's gene; `problem` says why there are none."""
        candidates = self._ids.get(hypothesis.ensembl_gene_id, set())
        if not candidates:
            candidates = self._symbols.get(hypothesis.gene_symbol, set())
        if not candidates:
            return Estimate(problem=f"the annotation has no gene {_names(hypothesis)}")
        if len(candidates) > 1:
            found = ", ".join(sorted(candidates))
            return Estimate(problem=f"several genes of the annotation could be meant: {found}")
        (gene_id,) = candidates
        row, edger = self._deseq2.get(gene_id, {}), self._edger.get(gene_id, {})
        effect, error = _number(row.get("log2_fold_change")), _number(row.get("standard_error"))
        status = row.get("status")
        problem = None
        if not (math.isfinite(effect) and math.isfinite(error) and error > 0):
            effect = error = math.nan
            problem = f"DESeq2 gives no estimate ({status if isinstance(status, str) else 'not tested'})"
        return Estimate(
            gene_id,
            effect,
            error,
            status if isinstance(status, str) else None,
            _number(edger.get("log2_fold_change")),
            _number(edger.get("p_adjusted")),
            problem,
        )


def _by_gene(frame: pd.DataFrame) -> dict[str, dict[str, object]]:
    columns = ["gene_name", "log2_fold_change", "standard_error", "p_adjusted", "status"]
    return {
        str(gene_id): {str(name): value for name, value in zip(columns, values, strict=True)}
        for gene_id, *values in frame[["gene_id", *columns]].itertuples(index=False)
    }


def _number(value: object) -> float:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else math.nan


def _names(hypothesis: Hypothesis) -> str:
    return " or ".join(name for name in (hypothesis.ensembl_gene_id, hypothesis.gene_symbol) if name)
