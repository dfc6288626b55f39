"""Do the count tables of a study's samples speak of the same genes: one annotation, one kind of names."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from poma_assets.science.errors import CountsError
from poma_assets.science.tables import listing

SHARED_AT_LEAST = 0.5
"""A table that shares less of its genes with the others was made with other names or another annotation."""


def compare_genes(genes: Mapping[str, pd.Index]) -> list[str]:
    """Compare the genes of every sample with those that most samples have.

    Parameters
    ----------
    genes
        Gene ids by sample.

    Returns
    -------
    list of str
        A sentence for every sample that lacks genes of the others or has further ones; genes that are missing in
        a table count as 0 there.

    Raises
    ------
    CountsError
        Less than half of a sample's genes are known to most samples, or the reverse.
    """
    if len(genes) < 2:
        return []
    seen = pd.Series([gene for index in genes.values() for gene in index], dtype=object).value_counts()
    common = frozenset(seen.index[seen * 2 > len(genes)])
    notes = []
    for sample, index in genes.items():
        own = frozenset(index)
        missing, further = sorted(common - own), sorted(own - common)
        if not missing and not further:
            continue
        if len(own & common) < SHARED_AT_LEAST * max(len(own), len(common)):
            raise CountsError(
                "the count tables of the samples do not speak of the same genes",
                where=f"sample {sample}",
                found=f"{len(own & common):,} of its {len(own):,} genes in most samples; it has {_some(further)}",
                expected=f"genes such as {_some(sorted(common)) if common else 'those of the other samples'}",
                fix="Count all samples with one annotation and one kind of gene names (ids, not symbols)",
            )
        parts = [f"lacks {len(missing):,} that most samples have ({_some(missing)})"] * bool(missing)
        parts += [f"has {len(further):,} that most lack ({_some(further)})"] * bool(further)
        notes.append(f"genes of sample {sample}: it {' and '.join(parts)}; what a table lacks counts as 0 there")
    return notes


def _some(genes: list[str]) -> str:
    return listing(genes, 3) if genes else "none"
