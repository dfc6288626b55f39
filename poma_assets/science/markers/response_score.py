"""Is the drug's programme seen at all: a signed score over a declared signature, per contrast.

A marker which did not change contradicts its hypothesis only if the drug acted. The judged gene is left out
of the score, so that it does not vouch for itself.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from poma_assets.science.errors import HypothesisError
from poma_assets.science.gene_ids import strip_version

RESPONSE_COLUMNS: Final = (
    "contrast_id",
    "judged_gene",
    "signature",
    "n_genes",
    "score",
    "p_value",
    "exposure_shown",
)
SIGNATURE_COLUMNS: Final = ("gene_symbol", "ensembl_gene_id", "direction", "version")
RANDOM_SETS: Final = 9_999
MINIMUM_GENES: Final = 3
SHOWN_BELOW: Final = 0.05


def response_scores(
    contrast_id: str,
    deseq2: pd.DataFrame,
    signature: pd.DataFrame,
    judged_genes: Mapping[str, Iterable[str]] | Iterable[str],
    *,
    seed: int,
) -> pd.DataFrame:
    """Score the signature for every judged gene, that gene left out.

    The score is the mean over signature genes of direction x Wald z. Its p value is the share of random
    gene sets of equal size and with the same signs that score at least as high: (b + 1) / (n + 1).

    Parameters
    ----------
    contrast_id
        The contrast, for the result.
    deseq2
        Rows of the table ``de_results`` for this contrast, engine deseq2.
    signature
        Columns gene_symbol, ensembl_gene_id, direction (up or down), version.
    judged_genes
        Symbols; or what is judged -> symbols to leave out, for sets (see `verdicts.judged_genes`).
    seed
        Seed of the random sets. All scores use the same sets, so their order does not matter.

    Returns
    -------
    pandas.DataFrame
        Columns `RESPONSE_COLUMNS`, one row per judged gene. Score and p are NaN, and exposure is not
        shown, with fewer than `MINIMUM_GENES` signature genes.

    Raises
    ------
    HypothesisError
        The signature lacks columns, or has a direction other than up and down.
    """
    _check_signature(signature)
    groups = (
        {name: set(genes) for name, genes in judged_genes.items()}
        if isinstance(judged_genes, Mapping)
        else {name: {name} for name in judged_genes}
    )
    symbols, signs, z, background = _match(deseq2, signature)
    name = "; ".join(sorted({str(version) for version in signature["version"]}))
    null = _null_terms(background, signs, seed)
    terms = signs * z
    rows = []
    for judged, left_out in groups.items():
        kept = np.array([symbol not in left_out for symbol in symbols], dtype=bool)
        n_genes, score, p = int(kept.sum()), math.nan, math.nan
        if n_genes >= MINIMUM_GENES:
            score = float(terms[kept].mean())
            at_least = int((null[:, kept].mean(axis=1) >= score - 1e-12).sum())
            p = (at_least + 1) / (RANDOM_SETS + 1)
        rows.append((contrast_id, judged, name, n_genes, score, p, p < SHOWN_BELOW))
    return pd.DataFrame(rows, columns=list(RESPONSE_COLUMNS))


def _check_signature(signature: pd.DataFrame) -> None:
    missing = [column for column in SIGNATURE_COLUMNS if column not in signature.columns]
    if missing:
        raise HypothesisError(
            "the response signature lacks columns", found=", ".join(map(str, signature.columns)),
            expected=", ".join(SIGNATURE_COLUMNS),
        )  # fmt: skip
    wrong = sorted(set(signature["direction"].astype(str)) - {"up", "down"})
    if wrong:
        raise HypothesisError(
            "the response signature has other directions", found=", ".join(wrong), expected="up or down"
        )


def _match(
    deseq2: pd.DataFrame, signature: pd.DataFrame
) -> tuple[list[str], npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return symbol, sign and z of the signature genes that were tested, and z of all tested genes."""
    statistic = deseq2["statistic"].astype(float)
    tested = deseq2[np.isfinite(statistic) & (deseq2["status"] != "outlier")]
    by_id = {strip_version(str(g)): float(z) for g, z in zip(tested["gene_id"], tested["statistic"], strict=True)}
    named = tested.drop_duplicates("gene_name", keep=False)
    by_symbol = {str(g): float(z) for g, z in zip(named["gene_name"], named["statistic"], strict=True)}
    symbols, signs, z_values = [], [], []
    for row in signature.to_dict("records"):
        symbol = str(row["gene_symbol"])
        z = by_id.get(strip_version(str(row["ensembl_gene_id"])), by_symbol.get(symbol))
        if z is not None:
            symbols.append(symbol)
            signs.append(1.0 if row["direction"] == "up" else -1.0)
            z_values.append(z)
    return symbols, np.array(signs), np.array(z_values), tested["statistic"].to_numpy(dtype=float)


def _null_terms(
    background: npt.NDArray[np.float64], signs: npt.NDArray[np.float64], seed: int
) -> npt.NDArray[np.float64]:
    """Return signed z of random gene sets, sets x genes; any choice of columns is a random set, too."""
    rng = np.random.default_rng(seed)
    drawn = np.empty((RANDOM_SETS, len(signs)))
    for number in range(RANDOM_SETS):
        drawn[number] = background[rng.choice(len(background), len(signs), replace=False)]
    return drawn * signs
