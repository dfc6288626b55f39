"""Do DESeq2 and edgeR agree on a gene, and if not, why."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from poma_assets.science.differential_expression.edger import symbols

_COLUMNS = (
    "gene_id",
    "gene_name",
    "deseq2_log2_fold_change",
    "edger_log2_fold_change",
    "deseq2_p_adjusted",
    "edger_p_adjusted",
    "agreement",
    "reason",
)

_BORDERLINE = 2.0
_EXCUSES = {
    "low_count": "its mean count is below the threshold of independent filtering",
    "filtered": "it was filtered for too few fragments",
    "outlier": "an extreme count in one sample withholds the p value",
    "all_zero": "it has no fragment",
    "not_converged": "its fit did not converge",
}


def engine_agreement(
    deseq2: pd.DataFrame,
    edger: pd.DataFrame,
    *,
    alpha: float,
    gene_names: Mapping[str, str] | pd.Series | None = None,
) -> pd.DataFrame:
    """Compare the two engines gene by gene at one false discovery rate.

    A gene that only one engine could judge is ``not_comparable`` unless that engine finds it significant;
    then it is ``deseq2_only`` or ``edger_only``, with the reason why the other was silent.

    Parameters
    ----------
    deseq2, edger
        Results of `wald_test` and `edger_ql` for the same contrast, index ``gene_id``.
    alpha
        False discovery rate.
    gene_names
        Symbol by gene id; the id stands in where there is none.

    Returns
    -------
    DataFrame
        One row per gene of either engine, in DESeq2's order; columns of the table ``engine_agreement``
        without ``contrast_id``. ``agreement`` is ``both_significant`` (same direction), ``opposite`` (both
        significant, directions differ), ``deseq2_only``, ``edger_only``, ``neither`` or ``not_comparable``.
    """
    genes = deseq2.index.union(edger.index, sort=False)
    left, right = deseq2.reindex(genes), edger.reindex(genes)
    p_left = left["p_adjusted"].to_numpy(dtype=float)
    p_right = right["p_adjusted"].to_numpy(dtype=float)
    found_left, found_right = p_left < alpha, p_right < alpha
    same = np.sign(left["log2_fold_change"].to_numpy(float)) == np.sign(right["log2_fold_change"].to_numpy(float))
    agreement = np.select(
        [
            found_left & found_right & same,
            found_left & found_right,
            found_left,
            found_right,
            np.isnan(p_left) | np.isnan(p_right),
        ],
        ["both_significant", "opposite", "deseq2_only", "edger_only", "not_comparable"],
        "neither",
    )
    frame = pd.DataFrame(
        {
            "gene_id": genes.astype(str),
            "gene_name": symbols(genes, gene_names if gene_names is not None else {}),
            "deseq2_log2_fold_change": left["log2_fold_change"].to_numpy(dtype=float),
            "edger_log2_fold_change": right["log2_fold_change"].to_numpy(dtype=float),
            "deseq2_p_adjusted": p_left,
            "edger_p_adjusted": p_right,
            "agreement": agreement.astype(object),
        }
    )
    statuses = zip(left["status"].to_numpy(), right["status"].to_numpy(), strict=True)
    frame["reason"] = pd.Series(
        [
            _reason(str(verdict), {"DESeq2": (p_left[i], status_left), "edgeR": (p_right[i], status_right)}, alpha)
            for i, (verdict, (status_left, status_right)) in enumerate(zip(agreement, statuses, strict=True))
        ],
        dtype=object,
    )
    return frame[list(_COLUMNS)]


def _reason(agreement: str, engines: dict[str, tuple[float, object]], alpha: float) -> str | None:
    if agreement in {"both_significant", "neither"}:
        return None
    if agreement == "opposite":
        return "both engines find an effect, in different directions"
    silent = [name for name, (p_adjusted, _) in engines.items() if np.isnan(p_adjusted)]
    if silent:
        return "; ".join(f"{name}: {_excuse(engines[name][1])}" for name in silent)
    loser = "edgeR" if agreement == "deseq2_only" else "DESeq2"
    p_adjusted = engines[loser][0]
    if p_adjusted < _BORDERLINE * alpha:
        return f"borderline: {loser} has an FDR of {p_adjusted:.2g}"
    return f"the engines estimate its dispersion differently: {loser} has an FDR of {p_adjusted:.2g}"


def _excuse(status: object) -> str:
    return _EXCUSES.get(str(status), "it was not tested")
