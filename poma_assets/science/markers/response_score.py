"""Is the drug's programme seen at all: a signed score over a declared signature, per contrast.

A marker which did not change contradicts its hypothesis only if the drug acted. The judged gene is left out
of the score, so that it does not vouch for itself. The score of single samples is in ``sample_response``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from poma_assets.science.errors import HypothesisError
from poma_assets.science.gene_ids import strip_version
from poma_assets.science.markers.residual_correlation import PRESET_CORRELATION, Residuals, wald_z
from poma_assets.science.markers.set_tests import MINIMUM_OTHER_GENES

RESPONSE_COLUMNS: Final = (
    "contrast_id",
    "judged_gene",
    "signature",
    "n_genes",
    "score",
    "expected_score",
    "correlation",
    "residual_df",
    "p_value",
    "exposure_shown",
)
SIGNATURE_COLUMNS: Final = ("gene_symbol", "ensembl_gene_id", "direction", "version")
WINDOW_COLUMNS: Final = ("window_start_h", "window_end_h")
RANDOM_SETS: Final = 9_999
MINIMUM_GENES: Final = 3
SHOWN_BELOW: Final = 0.05

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class _Signature:
    """The genes of the signature that can speak in a contrast, and the scores of random sets of as many genes."""

    name: str
    symbols: list[str]
    gene_ids: list[str]
    signs: Floats
    terms: Floats
    random_terms: Floats
    widening: Floats


def response_scores(
    contrast_id: str,
    deseq2: pd.DataFrame,
    signature: pd.DataFrame,
    judged_genes: Mapping[str, Iterable[str]] | Iterable[str],
    *,
    seed: int,
    residuals: Residuals | None = None,
    time_h: Sequence[float] = (),
) -> pd.DataFrame:
    """Score the signature for every judged gene, that gene left out.

    The score is the mean over signature genes of direction x z. It is compared with the scores of random sets of
    other genes, of equal size and with the same signs. Genes of one programme move together without any drug, random
    ones do not; so the distances of the random scores from their mean are multiplied by ``sqrt(VIF v)`` with
    ``VIF = 1 + (m - 1) r``, r the mean signed correlation of the residuals of the m genes (Wu and Smyth 2012,
    Nucleic Acids Research 40:e133), and ``v = d / chi2(d)``, drawn anew for every set, for what d residual degrees
    of freedom leave open about r: without correlated background this is Student's t with d degrees of freedom. The
    p value is the share of the widened random scores that reach the score: ``(b + 1) / (n + 1)``.

    Parameters
    ----------
    contrast_id
        The contrast, for the result.
    deseq2
        Rows of the table ``de_results`` for this contrast, engine deseq2.
    signature
        Columns gene_symbol, ensembl_gene_id, direction (up or down), version; and, if wished, window_start_h and
        window_end_h: hours of treatment within which the gene is expected to respond.
    judged_genes
        Symbols; or what is judged -> symbols to leave out, for sets (see `verdicts.judged_genes`).
    seed
        Seed of the random sets. All scores use the same sets, so their order does not matter.
    residuals
        Of the contrast's design (`residual_correlation.design_residuals`). Without them, or without residual
        degrees of freedom, r is the preset 0.01 and v is 1: such a p value is too small where genes are correlated.
    time_h
        Hours of treatment that occur in the contrast; only genes whose window holds all of them are scored. All are
        if no time is recorded.

    Returns
    -------
    pandas.DataFrame
        Columns `RESPONSE_COLUMNS`, one row per judged gene. Score and p are NaN, and exposure is not
        shown, with fewer than `MINIMUM_GENES` signature genes, or fewer other genes than those and than 10.

    Raises
    ------
    HypothesisError
        The signature lacks columns, or has a direction other than up and down.
    """
    check_signature(signature)
    groups = (
        {name: set(genes) for name, genes in judged_genes.items()}
        if isinstance(judged_genes, Mapping)
        else {name: {name} for name in judged_genes}
    )
    matched = _match(deseq2, genes_in_window(signature, time_h), residuals, seed)
    rows = []
    for judged, left_out in groups.items():
        kept = np.array([symbol not in left_out for symbol in matched.symbols], dtype=bool)
        rows.append((contrast_id, judged, matched.name, *_score(matched, kept, residuals)))
    return pd.DataFrame(rows, columns=list(RESPONSE_COLUMNS))


def _score(
    matched: _Signature, kept: npt.NDArray[np.bool_], residuals: Residuals | None
) -> tuple[int, float, float, float, int, float, bool]:
    """Return genes, score, expected score, correlation, residual degrees of freedom, p and whether it is shown."""
    n_genes = int(kept.sum())
    freedom = residuals.degrees_of_freedom if residuals is not None else 0
    if n_genes < MINIMUM_GENES or not len(matched.random_terms):
        return n_genes, math.nan, math.nan, math.nan, freedom, math.nan, False
    correlation = PRESET_CORRELATION
    if residuals is not None:
        ids = [gene_id for gene_id, keep in zip(matched.gene_ids, kept, strict=True) if keep]
        correlation = residuals.mean_correlation(ids, matched.signs[kept])
    inflation = 1.0 + (n_genes - 1) * correlation
    random_scores = matched.random_terms[:, kept].mean(axis=1)
    expected = float(random_scores.mean())
    widened = expected + (random_scores - expected) * np.sqrt(inflation * matched.widening)
    score = float(matched.terms[kept].mean())
    p = (int((widened >= score - 1e-12).sum()) + 1) / (RANDOM_SETS + 1)
    return n_genes, score, expected, correlation, freedom, p, p < SHOWN_BELOW


def check_signature(signature: pd.DataFrame) -> None:
    """Refuse a table that is no signature.

    Raises
    ------
    HypothesisError
        Columns are missing, or a direction is neither up nor down.
    """
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


def genes_in_window(signature: pd.DataFrame, time_h: Sequence[float]) -> pd.DataFrame:
    """Keep the genes that are expected to respond at all the given hours of treatment; all without a time."""
    kept = pd.Series(True, index=signature.index)
    times = [time for time in time_h if time > 0]
    for column, outside in zip(WINDOW_COLUMNS, ("lt", "gt"), strict=True):
        if column in signature.columns and times:
            limit = pd.to_numeric(signature[column])
            extreme = pd.Series(min(times) if outside == "lt" else max(times), index=signature.index)
            kept &= ~getattr(extreme, outside)(limit)
    return signature[kept]


def signature_name(signature: pd.DataFrame) -> str:
    """Name and version of a signature."""
    return "; ".join(sorted({str(version) for version in signature["version"]}))


def _match(deseq2: pd.DataFrame, signature: pd.DataFrame, residuals: Residuals | None, seed: int) -> _Signature:
    """Find the genes of the signature among the tested ones, and draw the random sets."""
    z = wald_z(deseq2)
    names = deseq2.set_index(deseq2["gene_id"].astype(str))["gene_name"].reindex(z.index).astype(str)
    found = find_genes(signature, names)
    signs = np.where(signature["direction"].reindex(found.index) == "up", 1.0, -1.0)
    values = z.reindex(found).to_numpy(dtype=float)
    rng = np.random.default_rng(seed)
    others = z.drop(found.to_list()).to_numpy(dtype=float)
    random_terms = _random_sets(others, len(values), rng) * signs
    freedom = residuals.degrees_of_freedom if residuals is not None else 0
    widening = freedom / rng.chisquare(freedom, RANDOM_SETS) if freedom else np.ones(RANDOM_SETS)
    symbols = signature["gene_symbol"].reindex(found.index).astype(str).to_list()
    return _Signature(
        signature_name(signature), symbols, found.to_list(), signs, signs * values, random_terms, widening
    )


def find_genes(listed: pd.DataFrame, gene_names: pd.Series) -> pd.Series:
    """Find listed genes in a study: by Ensembl id, versions ignored, else by a symbol that one gene alone bears.

    Parameters
    ----------
    listed
        Columns gene_symbol and ensembl_gene_id.
    gene_names
        Symbol of each gene of the study, index ``gene_id``.

    Returns
    -------
    pandas.Series
        Gene id of the study, by the index of `listed`; genes that are not there are left out.
    """
    by_id = {strip_version(str(gene_id)): str(gene_id) for gene_id in gene_names.index}
    unique = gene_names[~gene_names.duplicated(keep=False)]
    by_symbol = {str(name): str(gene_id) for gene_id, name in unique.items()}
    found: dict[object, str] = {}
    for row, symbol, ensembl in zip(listed.index, listed["gene_symbol"], listed["ensembl_gene_id"], strict=True):
        gene_id = by_id.get(strip_version(str(ensembl)), by_symbol.get(str(symbol)))
        if gene_id is not None and gene_id not in found.values():
            found[row] = gene_id
    return pd.Series(found, dtype=object)


def _random_sets(background: Floats, n_genes: int, rng: np.random.Generator) -> Floats:
    """Return z of random gene sets, sets x genes; any choice of columns is a random set, too. None if too few genes."""
    drawn = np.empty((RANDOM_SETS if len(background) >= max(n_genes, MINIMUM_OTHER_GENES) else 0, n_genes))
    for number in range(len(drawn)):
        drawn[number] = background[rng.choice(len(background), n_genes, replace=False)]
    return drawn
