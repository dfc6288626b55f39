"""How strongly the genes of a programme move together without any effect: from the residuals of the design.

Genes of one programme share what differs between replicates (confluence, cycle, stress), so their z values are not
independent even where nothing changed. Which set is meant and what follows for a test belongs elsewhere.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from poma_assets.science.errors import CountsError
from poma_assets.science.tables import listing

PRESET_CORRELATION: Final = 0.01
"""Mean correlation where there are no residuals (the default of limma's camera)."""
MINIMUM_MEAN_COUNT: Final = 10.0
"""Mean normalised count below which z hardly varies, so that the gene says nothing about a set."""
_CONSTANT_BELOW: Final = 1e-9

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Residuals:
    """What a design leaves unexplained of every gene.

    Attributes
    ----------
    directions
        Genes x residual degrees of freedom, index ``gene_id``: the residuals in coordinates of the residual space,
        of length 1 (0 for a gene without residual variance). The product of two rows is the genes' correlation.
    """

    directions: pd.DataFrame

    @property
    def degrees_of_freedom(self) -> int:
        """Samples minus rank of the design."""
        return int(self.directions.shape[1])

    def mean_correlation(self, gene_ids: npt.ArrayLike, signs: npt.ArrayLike) -> float:
        """Return the mean over pairs of genes of ``sign x sign x correlation``.

        A correlation computed from d degrees of freedom is too small on average, near 0 by the factor
        ``Gamma((d + 1) / 2)^2 / (Gamma(d / 2) Gamma(d / 2 + 1))``, which is 0.79 for 2 and 0.88 for 4; a positive mean
        is divided by it. `PRESET_CORRELATION` without residual degrees of freedom or with fewer than two genes that
        vary.
        """
        ids = np.asarray(gene_ids, dtype=object)
        rows = self.directions.reindex(ids).fillna(0.0).to_numpy(dtype=float) * np.asarray(signs, dtype=float)[:, None]
        varying = int((np.abs(rows).sum(axis=1) > 0).sum())
        if self.degrees_of_freedom == 0 or varying < 2:
            return PRESET_CORRELATION
        mean = (float((rows.sum(axis=0) ** 2).sum()) - varying) / (varying * (varying - 1))
        return min(mean / _attenuation(self.degrees_of_freedom), 1.0) if mean > 0 else mean


def _attenuation(freedom: int) -> float:
    return math.exp(2 * math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2) - math.lgamma(freedom / 2 + 1))


def design_residuals(expression: pd.DataFrame, *designs: pd.DataFrame) -> Residuals:
    """Take what designs explain out of the expression values.

    Parameters
    ----------
    expression
        Genes x samples on the log2 scale (`normalisation.log2_counts_per_million`), index ``gene_id``.
    designs
        Samples x coefficients (`design.Design.matrix`). Further designs add the residuals of other samples of the
        study, which say more about the correlation: see `arm_design`. No sample may be in two of them.

    Returns
    -------
    Residuals

    Raises
    ------
    CountsError
        Samples of a design have no expression values, or are in two designs.
    """
    samples = [str(sample) for design in designs for sample in design.index]
    missing = [sample for sample in samples if sample not in expression.columns]
    if missing:
        raise CountsError("samples of the design have no expression values", found=listing(missing))
    repeated = sorted({sample for sample in samples if samples.count(sample) > 1})
    if repeated:
        raise CountsError("samples are in two designs", found=listing(repeated), expected="every sample in one")
    parts = [np.zeros((len(expression), 0)), *(_coordinates(expression, design) for design in designs)]
    coordinates = np.concatenate(parts, axis=1)
    length = np.sqrt((coordinates**2).sum(axis=1, keepdims=True))
    unit = np.divide(coordinates, length, out=np.zeros_like(coordinates), where=length > _CONSTANT_BELOW)
    return Residuals(pd.DataFrame(unit, index=expression.index.astype(str)))


def _coordinates(expression: pd.DataFrame, design: pd.DataFrame) -> Floats:
    """Return the values in an orthonormal basis of what the design leaves unexplained."""
    left, singular, _ = np.linalg.svd(design.to_numpy(dtype=float), full_matrices=True)
    rank = int((singular > singular.max(initial=0.0) * 1e-10).sum())
    values: Floats = expression[list(design.index)].to_numpy(dtype=float) @ left[:, rank:]
    return values


def arm_design(arms: pd.Series) -> pd.DataFrame:
    """Return the design with one mean per arm.

    Parameters
    ----------
    arms
        Name of each sample's arm, index ``sample_id``. An arm of one sample explains it fully.

    Returns
    -------
    pandas.DataFrame
        Samples x arms, 1 where the sample belongs to the arm.
    """
    return pd.get_dummies(arms.astype(str), dtype=float)


def contrast_residuals(expression: pd.DataFrame, design: pd.DataFrame, samples: pd.DataFrame) -> Residuals:
    """Return the residuals of a contrast's design, and of the study's other samples about the means of their arms.

    Parameters
    ----------
    expression
        As for `design_residuals`, all samples of the count matrix.
    design
        Samples x coefficients of the contrast.
    samples
        Rows of the table ``samples``; those without expression values are left out.
    """
    table = samples.set_index("sample_id")
    others = [sample for sample in table.index if sample in expression.columns and sample not in design.index]
    return design_residuals(expression, design, *([arm_design(arm_labels(table.loc[others]))] if others else []))


def arm_labels(samples: pd.DataFrame) -> pd.Series:
    """Name each sample's arm: line, context, treatment, dose and time.

    Parameters
    ----------
    samples
        Rows of the table ``samples``, index ``sample_id``; what is not recorded counts as one level.
    """
    columns = ["cell_line", "cell_context", "treatment", "dose_um", "time_h"]
    return samples[columns].apply(recorded_texts).agg("|".join, axis=1)


def recorded_texts(column: pd.Series) -> pd.Series:
    """Return values as text, "" where nothing is recorded."""
    return column.astype(object).where(column.notna(), "").astype(str)


def wald_z(results: pd.DataFrame) -> pd.Series:
    """Return z (effect over standard error) by gene id, for the genes that can speak.

    Left out are genes without an estimate, those whose p value Cook's distance took away, and those with a mean count
    below `MINIMUM_MEAN_COUNT`, whose z hardly varies. The chi-square of a likelihood-ratio test has no direction, so
    z is computed there.

    Parameters
    ----------
    results
        Rows of the table ``de_results`` of one contrast, engine deseq2.
    """
    z = results["statistic"].astype(float)
    if results["test"].eq("lrt").any():
        z = results["log2_fold_change"].astype(float) / results["standard_error"].astype(float)
    usable = np.isfinite(z) & (results["status"] != "outlier") & (results["base_mean"] >= MINIMUM_MEAN_COUNT)
    return pd.Series(z[usable].to_numpy(), index=results.loc[usable, "gene_id"].astype(str), name="z")
