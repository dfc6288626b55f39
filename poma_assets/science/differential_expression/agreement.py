"""Do DESeq2 and edgeR agree on a gene, and if not, why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from poma_assets.science.differential_expression.edger import symbols

_COLUMNS = (
    "gene_id",
    "gene_name",
    "deseq2_log2_fold_change",
    "edger_log2_fold_change",
    "deseq2_p_adjusted",
    "edger_p_adjusted",
    "deseq2_dispersion",
    "edger_dispersion",
    "agreement",
    "cause",
    "reason",
)

_BORDERLINE = 2.0
"""An FDR up to so many times the threshold is near it."""
_LARGER_DISPERSION = 1.1
_SMALLER_EFFECT = 0.9
_EXCUSES = {
    "low_count": "its mean count is below the threshold of independent filtering",
    "filtered": "it was filtered for too few fragments",
    "outlier": "an extreme count in one sample withholds the p value",
    "all_zero": "it has no fragment",
    "not_converged": "its fit did not converge",
    "not_tested": "it was not tested",
}


@dataclass(frozen=True, eq=False)
class _Engine:
    """What one engine says of every gene, as arrays in one order of genes."""

    name: str
    effect: NDArray[np.float64]
    p_adjusted: NDArray[np.float64]
    dispersion: NDArray[np.float64]
    status: NDArray[np.object_]
    reason: NDArray[np.object_]

    @property
    def silent(self) -> NDArray[np.bool_]:
        return np.isnan(self.p_adjusted)


def engine_agreement(
    deseq2: pd.DataFrame,
    edger: pd.DataFrame,
    *,
    alpha: float,
    gene_names: Mapping[str, str] | pd.Series | None = None,
    deseq2_dispersion: pd.Series | None = None,
    edger_dispersion: pd.Series | None = None,
) -> pd.DataFrame:
    """Compare the two engines gene by gene at one false discovery rate.

    A gene that only one engine could judge is ``not_comparable`` unless that engine finds it significant;
    then it is ``deseq2_only`` or ``edger_only``, with the reason why the other was silent.

    Parameters
    ----------
    deseq2, edger
        Results of `wald_test` and `edger_test` for the same contrast, or their rows of the table ``de_results``:
        index or column ``gene_id``; columns ``log2_fold_change, p_adjusted, status`` and, if known, ``reason``,
        ``gene_name`` and ``dispersion``.
    alpha
        False discovery rate.
    gene_names
        Symbol by gene id; default the column ``gene_name``, else the id.
    deseq2_dispersion, edger_dispersion
        Negative binomial dispersion that each engine's test used, by gene id, where the results lack it.

    Returns
    -------
    DataFrame
        One row per gene of either engine, in DESeq2's order; columns of the table ``engine_agreement``
        without ``contrast_id``. ``agreement`` is ``both_significant`` (same direction), ``opposite`` (both
        significant, directions differ), ``deseq2_only``, ``edger_only``, ``neither`` or ``not_comparable``.
        ``cause`` is None where they agree; the status of the silent engine where one has no adjusted p value;
        else ``direction`` (signs differ), ``borderline`` (the other FDR is below twice ``alpha``),
        ``dispersion`` (the engine that finds nothing takes the gene for more variable), ``effect`` (it
        estimates a smaller effect) or ``test`` (alike in both; the tests weigh them differently).
    """
    deseq2, edger = _by_gene(deseq2), _by_gene(edger)
    genes = deseq2.index.union(edger.index, sort=False)
    left = _engine("DESeq2", deseq2.reindex(genes), deseq2_dispersion)
    right = _engine("edgeR", edger.reindex(genes), edger_dispersion)
    agreement = _agreement(left, right, alpha)
    cause = _causes(left, right, agreement, alpha)
    names = gene_names if gene_names is not None else _own_names(deseq2, edger)
    frame = pd.DataFrame(
        {
            "gene_id": genes,
            "gene_name": symbols(genes, names),
            "deseq2_log2_fold_change": left.effect,
            "edger_log2_fold_change": right.effect,
            "deseq2_p_adjusted": left.p_adjusted,
            "edger_p_adjusted": right.p_adjusted,
            "deseq2_dispersion": left.dispersion,
            "edger_dispersion": right.dispersion,
            "agreement": agreement,
            "cause": cause,
            "reason": _reasons(left, right, agreement, cause),
        }
    )
    return frame[list(_COLUMNS)]


def _by_gene(results: pd.DataFrame) -> pd.DataFrame:
    return (results.set_index("gene_id") if "gene_id" in results.columns else results).rename(index=str)


def _own_names(*engines: pd.DataFrame) -> dict[str, str]:
    return {
        str(gene): str(name)
        for results in reversed(engines)
        if "gene_name" in results
        for gene, name in results["gene_name"].dropna().items()
    }


def _engine(name: str, results: pd.DataFrame, dispersion: pd.Series | None) -> _Engine:
    nothing = pd.Series(np.nan, index=results.index)
    known = results["dispersion"] if dispersion is None and "dispersion" in results else dispersion
    status = results["status"].astype(object)
    reason = results.get("reason", nothing).astype(object)
    status = status.where(status.notna(), "not_tested")
    return _Engine(
        name,
        results["log2_fold_change"].to_numpy(dtype=float),
        results["p_adjusted"].to_numpy(dtype=float),
        np.asarray((nothing if known is None else known.rename(index=str)).reindex(results.index), dtype=float),
        status.to_numpy(),
        reason.where(reason.notna(), status.map(_EXCUSES)).to_numpy(),
    )


def _agreement(left: _Engine, right: _Engine, alpha: float) -> NDArray[np.object_]:
    found_left, found_right = left.p_adjusted < alpha, right.p_adjusted < alpha
    both, same = found_left & found_right, np.sign(left.effect) == np.sign(right.effect)
    conditions = [both & same, both, found_left, found_right, left.silent | right.silent]
    kinds = ["both_significant", "opposite", "deseq2_only", "edger_only", "not_comparable"]
    return np.select(conditions, kinds, "neither").astype(object)


def _causes(left: _Engine, right: _Engine, agreement: NDArray[np.object_], alpha: float) -> NDArray[np.object_]:
    left_won = agreement == "deseq2_only"
    with np.errstate(invalid="ignore", divide="ignore"):
        dispersion_ratio = np.where(left_won, right.dispersion / left.dispersion, left.dispersion / right.dispersion)
        effect_ratio = np.abs(np.where(left_won, right.effect / left.effect, left.effect / right.effect))
    known = np.isfinite(dispersion_ratio)
    opposed = np.sign(left.effect) * np.sign(right.effect) < 0
    near = np.where(left_won, right.p_adjusted, left.p_adjusted) < _BORDERLINE * alpha
    causes = np.full(len(agreement), "test", dtype=object)
    # From the last word to the first; dispersions that are not known are the likeliest cause if effects are alike.
    causes[~known] = "dispersion"
    causes[effect_ratio < _SMALLER_EFFECT] = "effect"
    causes[known & (dispersion_ratio > _LARGER_DISPERSION)] = "dispersion"
    causes[near] = "borderline"
    causes[opposed] = "direction"
    causes[right.silent] = right.status[right.silent]
    causes[left.silent] = left.status[left.silent]
    causes[np.isin(agreement, ["both_significant", "neither"])] = None
    return causes


def _reasons(
    left: _Engine, right: _Engine, agreement: NDArray[np.object_], cause: NDArray[np.object_]
) -> NDArray[np.object_]:
    reasons = np.full(len(agreement), None, dtype=object)
    for i, (kind, why) in enumerate(zip(agreement, cause, strict=True)):
        if why is None:
            continue
        silent = [engine for engine in (left, right) if engine.silent[i]]
        if silent:
            reasons[i] = "; ".join(f"{engine.name}: {engine.reason[i]}" for engine in silent)
        elif kind == "opposite":
            reasons[i] = f"both engines find an effect, in different directions ({_effects(left, right, i)})"
        else:
            winner, loser = (left, right) if kind == "deseq2_only" else (right, left)
            fdr = f"{loser.name} has an FDR of {loser.p_adjusted[i]:.2g}"
            reasons[i] = f"{_difference(winner, loser, why, i)}; {fdr}"
    return reasons


def _difference(winner: _Engine, loser: _Engine, cause: str, i: int) -> str:
    if cause == "borderline":
        return "borderline"
    if cause == "direction":
        return f"the estimates have different directions ({_effects(winner, loser, i)})"
    if cause == "effect":
        return f"{loser.name} estimates a smaller effect ({_effects(winner, loser, i)})"
    if np.isnan(winner.dispersion[i]) or np.isnan(loser.dispersion[i]):
        return "the engines estimate its dispersion differently"
    dispersions = f"dispersion {winner.dispersion[i]:.2g} by {winner.name}, {loser.dispersion[i]:.2g} by {loser.name}"
    if cause == "dispersion":
        return f"{loser.name} takes the gene for more variable ({dispersions})"
    return f"effects and dispersions are alike ({dispersions}), the tests weigh them differently"


def _effects(one: _Engine, other: _Engine, i: int) -> str:
    return f"log2 fold change {one.effect[i]:.2f} by {one.name}, {other.effect[i]:.2f} by {other.name}"
