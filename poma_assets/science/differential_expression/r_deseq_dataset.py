"""PyDESeq2's data set with the steps replaced in which it differs from R. Imports PyDESeq2: load when needed."""

from __future__ import annotations

import numpy as np
import pandas as pd
from anndata import AnnData
from pydeseq2.dds import DeseqDataSet

from poma_assets.science.differential_expression.dispersion import (
    DispersionTrend,
    fit_dispersion_trend,
    log_residual_variance,
    prior_variance,
)
from poma_assets.science.differential_expression.dispersion_fit import map_dispersions
from poma_assets.science.differential_expression.negative_binomial import SMALLEST_MEAN
from poma_assets.science.differential_expression.pydeseq2_inference import BatchedInference

_OUTLIER_SDS = 2.0


class RDeseqDataSet(DeseqDataSet):  # type: ignore[misc]
    """A data set with given size factors whose fit follows R DESeq2 1.38.

    Parameters
    ----------
    counts
        Whole counts, samples x genes.
    design
        Samples x coefficients, in the order of ``counts``.
    factors
        Size factors in the same order.
    """

    trend: DispersionTrend
    counts_to_refit: AnnData

    def __init__(self, counts: pd.DataFrame, design: pd.DataFrame, factors: np.ndarray) -> None:
        super().__init__(
            counts=counts,
            metadata=pd.DataFrame(index=counts.index),
            design=design,
            refit_cooks=True,
            inference=BatchedInference(),
            quiet=True,
        )
        self.obs["size_factors"] = factors
        self.layers["normed_counts"] = self.X / factors[:, None]
        self.var["_normed_means"] = self.layers["normed_counts"].mean(axis=0)

    def fit(self) -> None:
        """Run all steps, from gene-wise dispersions to the refit without outliers."""
        self.fit_genewise_dispersions()
        self.fit_dispersion_trend()
        self._fit_with_trend()
        self.calculate_cooks()
        self.refit()

    def fit_dispersion_trend(self, vst: bool = False) -> None:
        """Fit trend and prior as R; PyDESeq2's optimiser stops before R's trend and has no local regression."""
        means, genewise = self.var["_normed_means"].to_numpy(), self.var["genewise_dispersions"].to_numpy()
        self.trend = fit_dispersion_trend(means, genewise)
        fitted = self.trend.at(means)
        self.var["fitted_dispersions"] = fitted
        self.uns["_squared_logres"] = np.float64(log_residual_variance(genewise, fitted))
        residual_df = self.n_obs - self.obsm["design_matrix"].shape[1]
        self.uns["prior_disp_var"] = np.float64(prior_variance(genewise, fitted, residual_df))

    def fit_MAP_dispersions(self) -> None:
        """Shrink dispersions; the climb starts from gene-wise estimates as in R, PyDESeq2's from the trend."""
        index = self.non_zero_idx
        genewise = self.var["genewise_dispersions"].to_numpy(dtype=float)
        trend = self.var["fitted_dispersions"].to_numpy(dtype=float)
        shrunken = np.full(self.n_vars, np.nan)
        shrunken[index] = map_dispersions(
            self.X[:, index].T,
            self.obsm["design_matrix"].to_numpy(dtype=float),
            np.maximum(self.layers["_mu_hat"][:, index], SMALLEST_MEAN).T,
            genewise[index],
            trend[index],
            float(self.uns["prior_disp_var"]),
        )
        limit = np.log(trend) + _OUTLIER_SDS * np.sqrt(self.uns["_squared_logres"])
        outlying = np.log(genewise) > limit
        self.var["MAP_dispersions"] = shrunken
        self.var["_outlier_genes"] = outlying
        self.var["dispersions"] = np.where(outlying, genewise, shrunken)

    def refit(self) -> None:
        """Replace outlying counts and fit these genes again, on the trend and prior of all genes.

        PyDESeq2 would make a data set of its own kind for it, without R's steps.
        """
        self._replace_outliers()
        replaced = self.var["replaced"].to_numpy(dtype=bool)
        self.var["refitted"] = False
        if not replaced.any():
            return
        emptied = (self.counts_to_refit.X == 0).all(axis=0)
        positions = np.flatnonzero(replaced)
        self.var.iloc[positions[emptied], self.var.columns.get_loc("_normed_means")] = 0.0
        self.varm["LFC"].iloc[positions[emptied]] = 0.0
        kept = self.counts_to_refit[:, ~emptied].copy()
        self.counts_to_refit = kept
        if not emptied.all():
            self._refit(kept.to_df(), positions[~emptied])

    def _refit(self, counts: pd.DataFrame, positions: np.ndarray) -> None:
        again = RDeseqDataSet(counts, self.obsm["design_matrix"], self.obs["size_factors"].to_numpy())
        again.fit_genewise_dispersions()
        again.trend = self.trend
        again.var["fitted_dispersions"] = self.trend.at(again.var["_normed_means"].to_numpy())
        for name in ("_squared_logres", "prior_disp_var"):
            again.uns[name] = self.uns[name]
        again._fit_with_trend()
        names = ["_normed_means", "genewise_dispersions", "fitted_dispersions", "dispersions", "_LFC_converged"]
        for name in names:
            self.var.iloc[positions, self.var.columns.get_loc(name)] = again.var[name].to_numpy()
        self.varm["LFC"].iloc[positions] = again.varm["LFC"].to_numpy()
        self.var.iloc[positions, self.var.columns.get_loc("refitted")] = True
        self.layers["replace_cooks"] = self.layers["cooks"].copy()
        self.layers["replace_cooks"][np.ix_(self.obs["replaceable"].to_numpy(dtype=bool), positions)] = 0.0

    def _fit_with_trend(self) -> None:
        self.fit_MAP_dispersions()
        self.fit_LFC()
