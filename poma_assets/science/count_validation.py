"""The checks that counts must pass before any engine or normalisation sees them.

Everything that would make an engine hang, crash or answer a wrong question is refused here, in words.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from poma_assets.science.errors import CountsError
from poma_assets.science.tables import listing


def validate_counts(counts: pd.DataFrame, sample_ids: Sequence[str]) -> pd.DataFrame:
    """Check counts and align them by name with the samples of a design.

    Parameters
    ----------
    counts
        Genes x samples: index ``gene_id``, one column per sample; further samples are left out.
    sample_ids
        Samples of the design, in the order that is returned.

    Returns
    -------
    pandas.DataFrame
        Genes x ``sample_ids``, int64.

    Raises
    ------
    CountsError
        Missing or repeated samples, repeated or no genes, values that are no counts, samples without counts.
    """
    _require_names(counts, sample_ids)
    aligned = counts.loc[:, list(sample_ids)]
    texts = [str(name) for name, kind in aligned.dtypes.items() if not pd.api.types.is_numeric_dtype(kind)]
    if texts:
        raise CountsError("counts that are no numbers", found=f"in sample {listing(texts)}", expected="numbers")
    values = aligned.to_numpy(dtype=float)
    checks = (
        (~np.isfinite(values), "missing or infinite counts", "a whole number for every gene"),
        (values < 0, "negative counts", "0 or more"),
        (
            values != np.floor(values),
            "counts that are no whole numbers",
            "raw counts, not CPM, TPM or other units",
        ),
    )
    for wrong, what, expected in checks:
        if wrong.any():
            gene, sample = (int(axis[0]) for axis in np.nonzero(wrong))
            raise CountsError(
                f"the count matrix holds {what}",
                where=f"sample {sample_ids[sample]}, gene {counts.index[gene]}",
                found=f"{values[gene, sample]:g}, and {int(wrong.sum()) - 1} more such values",
                expected=expected,
            )
    empty = [name for name, total in zip(sample_ids, values.sum(axis=0), strict=True) if total == 0]
    if empty:
        raise CountsError(
            "samples without a single count",
            found=listing(empty),
            expected="counts in every sample",
            fix="Look at their alignment and strandedness, or leave them out in qc_overrides.tsv",
        )
    return aligned.astype("int64")


def _require_names(counts: pd.DataFrame, sample_ids: Sequence[str]) -> None:
    if counts.empty:
        raise CountsError("the count matrix is empty", found=f"{counts.shape[0]} genes, {counts.shape[1]} samples")
    for what, names in (("sample", counts.columns), ("gene", counts.index)):
        repeated = names[names.duplicated()].unique()
        if len(repeated):
            raise CountsError(
                f"a {what} is there more than once in the count matrix",
                found=listing(repeated),
                expected=f"every {what} once",
            )
    missing = [name for name in sample_ids if name not in counts.columns]
    if missing:
        raise CountsError(
            "samples of the design are not in the count matrix",
            found=f"no {listing(missing)}",
            expected=f"samples among {listing(counts.columns)}",
        )
