"""From the table of differential expression to one statistic per gene symbol."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from poma_assets.science.errors import InputError

_NEEDED = ("gene_id", "gene_name", "base_mean", "statistic", "p_value")


@dataclass(frozen=True)
class RankedGenes:
    """Tested genes, one per symbol.

    Attributes
    ----------
    statistic
        Wald statistic by gene symbol, largest first; ties in the order of the gene id.
    table
        The rows of ``de_results`` behind it, same order, index ``gene_symbol``: choose the significant genes
        of :func:`over_representation` here, so that they are a part of ``background``.
    dropped_duplicates
        Rows left out because another gene id with the same symbol has a larger ``base_mean``.
    dropped_untested
        Rows left out because they have no finite statistic or no p value.
    """

    statistic: pd.Series[float]
    table: pd.DataFrame
    dropped_duplicates: int
    dropped_untested: int

    @property
    def background(self) -> list[str]:
        """Symbols of all tested genes."""
        return list(self.statistic.index)


def rank_genes(de_results: pd.DataFrame) -> RankedGenes:
    """One Wald statistic per gene symbol, for gene-set tests.

    Of several gene ids with one symbol the one with the largest ``base_mean`` is kept (ties: first gene id).
    A gene without symbol goes under its gene id.

    Parameters
    ----------
    de_results
        Rows of the table ``de_results`` for one contrast, one row per gene; rows of the engine ``edger`` are
        ignored, for its F statistic has no sign.

    Raises
    ------
    InputError
        If a column is missing, or a gene id is there twice (several contrasts in one frame).
    """
    missing = [column for column in _NEEDED if column not in de_results.columns]
    if missing:
        raise InputError("Columns are missing", where="de_results", found=", ".join(missing) + " missing")
    genes = de_results
    if "engine" in genes.columns:
        genes = genes[genes["engine"] == "deseq2"]
    twice = genes.loc[genes["gene_id"].duplicated(), "gene_id"]
    if not twice.empty:
        raise InputError(
            "A gene is there twice",
            where="de_results",
            found=f"{len(twice)} repeated gene ids, first {twice.iloc[0]!r}",
            expected="one contrast, one row per gene",
        )
    tested = genes[np.isfinite(genes["statistic"].astype(float)) & genes["p_value"].notna()]
    symbols = tested["gene_name"].where(tested["gene_name"].fillna("") != "", tested["gene_id"])
    tested = tested.assign(gene_symbol=symbols.astype(str))
    kept = tested.sort_values(["base_mean", "gene_id"], ascending=[False, True]).drop_duplicates("gene_symbol")
    kept = kept.sort_values(["statistic", "gene_id"], ascending=[False, True]).set_index("gene_symbol")
    return RankedGenes(
        statistic=kept["statistic"].astype(float),
        table=kept,
        dropped_duplicates=len(tested) - len(kept),
        dropped_untested=len(genes) - len(tested),
    )
