"""All that is asked of a sample's identity, in one table."""

from __future__ import annotations

import pandas as pd

from poma_assets.science.markers.identity import IDENTITY_COLUMNS, SEX, sample_identity
from poma_assets.science.markers.near_duplicates import near_duplicates
from poma_assets.science.markers.parentage import parent_identity
from poma_assets.science.markers.relatedness import relatedness


def identity_table(
    counts: pd.DataFrame,
    samples: pd.DataFrame,
    genes: pd.DataFrame,
    lines: pd.DataFrame,
    identity_genes: pd.DataFrame,
) -> pd.DataFrame:
    """Judge every sample by the rules of its line, its parent, its arm and its likeness to others.

    Parameters
    ----------
    counts
        Genes x samples, as counted.
    samples
        Rows of the table ``samples``; those without counts are left out.
    genes, lines, identity_genes
        As for `identity.sample_identity`; `lines` from `cell_lines.merge_cell_lines`.

    Returns
    -------
    pandas.DataFrame
        Rows of the table ``sample_identity``, sample by sample. What the sex of a line says of a sample is a metric of
        ``sample_quality``, and stands there only.
    """
    present = samples[samples["sample_id"].isin(list(counts.columns))]
    of_lines = sample_identity(counts, present, genes, lines, identity_genes)
    parts = [
        of_lines[of_lines["rule"] != SEX],
        parent_identity(of_lines, present),
        relatedness(counts, present),
        near_duplicates(counts, present),
    ]
    frame = pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True).astype(object)
    place = {str(sample): number for number, sample in enumerate(present["sample_id"])}
    order = frame["sample_id"].map(place).to_numpy(dtype=int).argsort(kind="stable")
    return frame.iloc[order].reset_index(drop=True)[list(IDENTITY_COLUMNS)]
