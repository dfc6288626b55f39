"""What every engine asks of its input: whole counts, names that match, a design that can be fitted.

Only checks belong here. The engines themselves misalign, hang or crash on what is refused here.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from poma_assets.science.errors import CountsError, DesignError


def require_counts(counts: pd.DataFrame) -> pd.DataFrame:
    """Check that counts are whole, non-negative and uniquely named.

    Parameters
    ----------
    counts
        Genes x samples.

    Returns
    -------
    DataFrame
        The same as int64, with ids as text.

    Raises
    ------
    CountsError
        With gene and sample of the first offence.
    """
    for axis, ids in (("gene", counts.index), ("sample", counts.columns)):
        repeated = ids[ids.duplicated()]
        if len(repeated):
            raise CountsError(f"A {axis} id is there twice", found=repeated[0], expected="unique ids")
    if counts.empty:
        raise CountsError("The count matrix is empty", found=f"{counts.shape[0]} genes x {counts.shape[1]} samples")
    values = counts.apply(pd.to_numeric, errors="coerce").to_numpy(dtype=float)
    wrong = np.argwhere(~np.isfinite(values) | (values < 0) | (values != np.floor(values)))
    if len(wrong):
        gene, sample = wrong[0]
        raise CountsError(
            "A count is not a whole non-negative number",
            where=f"gene {counts.index[gene]}, sample {counts.columns[sample]}",
            found=counts.iat[int(gene), int(sample)],
            expected="raw fragments, such as 0 or 17",
            fix="Give raw counts, neither normalised nor logarithmic.",
        )
    return pd.DataFrame(values.astype(np.int64), index=counts.index.astype(str), columns=counts.columns.astype(str))


def require_depth(counts: pd.DataFrame) -> pd.DataFrame:
    """Return the counts, or refuse samples without a single fragment (``CountsError``)."""
    empty = counts.columns[counts.sum(axis=0) == 0]
    if len(empty):
        raise CountsError(
            "A sample has no fragment in any gene",
            where=f"sample {empty[0]}",
            found=0,
            fix="Leave the sample out, or count it again.",
        )
    return counts


def require_design(counts: pd.DataFrame, design_matrix: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Align counts with a design by sample name and check that the design can be fitted.

    Parameters
    ----------
    counts
        Genes x samples; samples that the design does not name are left out.
    design_matrix
        Samples x coefficients, index sample id.

    Returns
    -------
    tuple
        Counts (genes x the design's samples, in the design's order) and the design as floats.

    Raises
    ------
    CountsError
        If a sample of the design has no counts, or counts are not valid.
    DesignError
        If the design has missing values, one group only, dependent coefficients or no residual degree of
        freedom.
    """
    design = design_matrix.astype(float)
    design.index = design.index.astype(str)
    design.columns = design.columns.astype(str)
    _require_fittable(design)
    named = counts.rename(columns=str)
    missing = design.index.difference(named.columns)
    if len(missing):
        raise CountsError(
            "A sample of the design has no counts",
            where=f"sample {missing[0]}",
            expected="one column of the count matrix per sample of the design",
        )
    return require_depth(require_counts(named[design.index])), design


def require_weights(weights: np.ndarray, coefficients: tuple[str, ...]) -> np.ndarray:
    """Return contrast weights as floats, or raise ``DesignError``: one per coefficient, finite, not all 0."""
    vector = np.asarray(weights, dtype=float)
    if vector.shape != (len(coefficients),) or not np.isfinite(vector).all() or not vector.any():
        raise DesignError(
            "The weights of the contrast do not fit the design",
            found=vector.tolist(),
            expected=f"one number for each of {', '.join(coefficients)}, not all 0",
        )
    return vector


def _require_fittable(design: pd.DataFrame) -> None:
    samples, coefficients = design.shape
    if design.index.has_duplicates or design.columns.has_duplicates:
        raise DesignError("A sample or coefficient is in the design twice")
    if not np.isfinite(design.to_numpy()).all():
        raise DesignError("The design has missing values", fix="Fill the metadata of all samples of the contrast.")
    if len(design.drop_duplicates()) < 2:
        raise DesignError("All samples of the design are in one group", expected="two levels at least")
    rank = int(np.linalg.matrix_rank(design.to_numpy()))
    if rank < coefficients:
        raise DesignError(
            "Coefficients of the design depend on each other, so the effect cannot be told from the blocking",
            found=f"rank {rank}",
            expected=f"rank {coefficients} ({', '.join(design.columns)})",
            fix="Remove the blocking factor that is confounded with the compared variable.",
        )
    if samples - coefficients < 1:
        raise DesignError(
            "The design leaves no residual degree of freedom: there are no replicates",
            found=f"{samples} samples for {coefficients} coefficients",
            expected=f"at least {coefficients + 1} samples",
            fix="Add biological replicates.",
        )
