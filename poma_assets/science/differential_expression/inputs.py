"""What every engine asks of its input: valid counts, names that match, a design that can be fitted.

Only checks belong here. The engines themselves misalign, hang or crash on what is refused here. Counts are
checked in ``count_validation``; ``design`` says the same about designs earlier and in the words of the sheet.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from poma_assets.science.confounding import guilty_columns
from poma_assets.science.count_validation import validate_counts
from poma_assets.science.errors import DesignError
from poma_assets.science.tables import listing


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
    design = design_matrix.rename(index=str, columns=str)
    _require_names(design)
    design = _as_numbers(design)
    _require_fittable(design)
    return validate_counts(counts, list(design.index)), design


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


def _require_names(design: pd.DataFrame) -> None:
    if design.empty:
        raise DesignError("The design is empty", found=f"{design.shape[0]} samples, {design.shape[1]} coefficients")
    for what, names in (("sample", design.index), ("coefficient", design.columns)):
        repeated = names[names.duplicated()].unique()
        if len(repeated):
            raise DesignError(
                f"A {what} is in the design twice", found=listing(repeated), expected=f"every {what} once"
            )


def _as_numbers(design: pd.DataFrame) -> pd.DataFrame:
    """The design as finite floats; samples without a value are named."""
    columns = {name: pd.to_numeric(design[name], errors="coerce").astype(float) for name in design.columns}
    numbers = pd.DataFrame(columns, index=design.index)
    missing = ~np.isfinite(numbers.to_numpy())
    if missing.any():
        raise DesignError(
            "The design has missing values",
            found=f"no value of {listing(design.columns[missing.any(axis=0)])} for "
            f"{listing(design.index[missing.any(axis=1)])}",
            expected="a number for every sample",
            fix="Fill the metadata of these samples in the sheet, or leave them out of the contrast",
        )
    return numbers


def require_reduced(full: pd.DataFrame, reduced_design: pd.DataFrame) -> np.ndarray:
    """Return the reduced design of a test of several coefficients as floats, its samples in the full design's order.

    Parameters
    ----------
    full, reduced_design
        Samples x coefficients.

    Raises
    ------
    DesignError
        Other samples, missing values, dependent coefficients, coefficients beyond the full design, or none left out.
    """
    samples, coefficients = list(full.index), list(full.columns)
    design = reduced_design.astype(float).rename(index=str, columns=str)
    others = set(design.index) ^ set(samples)
    if others or design.index.has_duplicates:
        raise DesignError(
            "The reduced design is not over the samples of the full design",
            found=f"a difference in sample {min(others)}" if others else "a sample twice",
            expected=f"each of {', '.join(samples)} once",
        )
    matrix = design.loc[samples].to_numpy()
    if not np.isfinite(matrix).all():
        raise DesignError("The reduced design has missing values")
    if matrix.shape[1] == 0 or np.linalg.matrix_rank(matrix) < matrix.shape[1]:
        raise DesignError(
            "The coefficients of the reduced design depend on each other, or there is none",
            found=", ".join(design.columns) or "no coefficient",
            expected="an intercept at least, and no coefficient that the others already describe",
        )
    fitted, *_ = np.linalg.lstsq(full.to_numpy(), matrix, rcond=None)
    unexplained = np.abs(full.to_numpy() @ fitted - matrix).max(axis=0) > 1e-8 * np.abs(matrix).max(axis=0)
    if unexplained.any():
        raise DesignError(
            "The reduced design is not part of the full design, so the two cannot be compared",
            found=", ".join(design.columns[unexplained]),
            expected=f"coefficients among {', '.join(coefficients)}",
        )
    if matrix.shape[1] >= len(coefficients):
        raise DesignError(
            "The reduced design leaves no coefficient out, so there is nothing to test",
            found=", ".join(design.columns),
            expected=f"fewer coefficients than {', '.join(coefficients)}",
        )
    return np.asarray(matrix)


def _require_fittable(design: pd.DataFrame) -> None:
    samples, coefficients = design.shape
    if len(design.drop_duplicates()) < 2:
        raise DesignError(
            "All samples of the design are in one group",
            found=f"{samples} samples that do not differ in {listing(design.columns)}",
            expected="two levels at least",
            fix="Compare a column of the sheet that has two levels among these samples",
        )
    rank = int(np.linalg.matrix_rank(design.to_numpy()))
    if rank < coefficients:
        raise DesignError(
            "Coefficients of the design depend on each other, so their effects cannot be told apart",
            where=listing(guilty_columns(design)),
            found=f"rank {rank}",
            expected=f"rank {coefficients} ({listing(design.columns)})",
            fix="Remove the blocking factor that is confounded with the compared variable",
        )
    if samples - coefficients < 1:
        raise DesignError(
            "The design leaves no residual degree of freedom: there are no replicates",
            found=f"{samples} samples for {coefficients} coefficients ({listing(design.columns)})",
            expected=f"at least {coefficients + 1} samples",
            fix="Add biological replicates",
        )
