from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from pydeseq2.dds import DeseqDataSet
from pydeseq2.default_inference import DefaultInference
from pydeseq2.ds import DeseqStats

from poma_assets.science.differential_expression.contrast_tests import wald_test
from poma_assets.science.differential_expression.deseq2 import fit_deseq2
from poma_assets.science.differential_expression.deseq2_fit import Deseq2Fit
from poma_assets.science.differential_expression.pydeseq2_dataset import fit_dataset
from poma_assets.science.errors import ConfigError, CountsError, DesignError, NotEnoughDataError

DRUG = np.array([0.0, 0.0, 1.0])
PYDESEQ2_COLUMNS = {
    "base_mean": "baseMean",
    "log2_fold_change": "log2FoldChange",
    "standard_error": "lfcSE",
    "statistic": "stat",
    "p_value": "pvalue",
}


def draw(genes: int, samples: int, seed: int, mean: float = 200.0) -> pd.DataFrame:
    """Draw counts without any effect: negative binomial, dispersion 0.1."""
    rng = np.random.default_rng(seed)
    means = mean * rng.uniform(0.3, 3.0, (genes, 1))
    counts = rng.negative_binomial(10, 10 / (10 + means), (genes, samples))
    return pd.DataFrame(counts, index=[f"g{i}" for i in range(genes)], columns=[f"s{i}" for i in range(samples)])


def two_groups(replicates: int) -> pd.DataFrame:
    return pd.DataFrame(
        {"Intercept": 1.0, "target": np.repeat([0.0, 1.0], replicates)},
        index=[f"s{i}" for i in range(2 * replicates)],
    )


def pydeseq2_with_our_trend(counts: pd.DataFrame, design: pd.DataFrame, fit: Deseq2Fit) -> DeseqDataSet:
    """Run PyDESeq2's own steps and optimisers, with the trend and prior that the fit reports."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = DeseqDataSet(
            counts=counts.T,
            metadata=pd.DataFrame(index=counts.columns),
            design=design,
            inference=DefaultInference(n_cpus=1),
            quiet=True,
        )
        dataset.fit_size_factors()
        np.testing.assert_allclose(dataset.obs["size_factors"], fit.size_factors, rtol=1e-12)
        dataset.fit_genewise_dispersions()
        dataset.uns["disp_function_type"] = "parametric"
        dataset.uns["trend_coeffs"] = pd.Series(fit.trend_coefficients, index=["a0", "a1"])
        dataset.var["fitted_dispersions"] = dataset.disp_function(dataset.var["_normed_means"])
        residuals = np.log(dataset.var["genewise_dispersions"] / dataset.var["fitted_dispersions"])
        used = residuals[dataset.var["genewise_dispersions"] >= 1e-6]
        mad = (used - used.median()).abs().median() / 0.6744897501960817
        dataset.uns["_squared_logres"] = mad**2
        dataset.uns["prior_disp_var"] = np.float64(fit.prior_variance)
        dataset.fit_MAP_dispersions()
        dataset.fit_LFC()
        dataset.calculate_cooks()
        dataset.refit()
    return dataset


def summary(dataset: DeseqDataSet, weights: np.ndarray, alpha: float = 0.05) -> pd.DataFrame:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        statistics = DeseqStats(
            dataset, contrast=weights, alpha=alpha, quiet=True, inference=DefaultInference(n_cpus=1)
        )
        statistics.summary()
    return statistics.results_df


@pytest.fixture(scope="module")
def dataset(reference_counts: pd.DataFrame, reference_design: pd.DataFrame, reference_fit: Deseq2Fit) -> DeseqDataSet:
    return fit_dataset(reference_counts, reference_design, reference_fit.size_factors)


@pytest.mark.parametrize("weights", [[0, 0, 1], [0, 1, 0], [0, 0.5, 1], [0, -1, 1], [0, 0, -1]])
def test_wald_test_equals_pydeseq2(reference_fit: Deseq2Fit, dataset: DeseqDataSet, weights: list[float]) -> None:
    vector = np.array(weights, dtype=float)
    ours = wald_test(reference_fit, vector, alpha=0.05)
    theirs = summary(dataset, vector)
    means = reference_fit.size_factors * 2 ** (reference_fit.beta_log2 @ reference_fit.design_matrix.T)
    comparable = ~(means < 0.5).any(axis=1)  # below, we follow R, which bounds fitted means
    assert comparable.sum() > 250
    for column, name in PYDESEQ2_COLUMNS.items():
        expected = theirs[name].where(~reference_fit.outlier)
        np.testing.assert_allclose(
            ours.loc[comparable, column].where(~reference_fit.outlier[comparable]),
            expected[comparable],
            rtol=1e-5,  # PyDESeq2's ridge is half of R's
            atol=1e-7,
        )


def test_results_are_near_those_of_pydeseq2s_own_optimisers() -> None:
    counts, design = draw(60, 8, seed=5), two_groups(4)
    counts.iloc[:20, 4:] *= 3
    fit = fit_deseq2(counts, design)
    theirs = summary(pydeseq2_with_our_trend(counts, design, fit), np.array([0.0, 1.0]))
    ours = wald_test(fit, np.array([0.0, 1.0]), alpha=0.05)
    np.testing.assert_allclose(ours.log2_fold_change, theirs.log2FoldChange, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(ours.p_value, theirs.pvalue, rtol=0.01)
    np.testing.assert_allclose(ours.p_adjusted, theirs.padj, rtol=0.01)
    assert (ours.p_adjusted < 0.05).sum() >= 17


def test_fit_and_results_equal_r(reference_fit: Deseq2Fit, r_table: Callable[[str], pd.DataFrame]) -> None:
    expected, dispersions = r_table("deseq2"), r_table("dispersions")
    ours = wald_test(reference_fit, DRUG, alpha=0.05)
    assert list(ours.index) == list(expected.index)
    np.testing.assert_array_equal(ours.p_value.isna(), expected.pvalue.isna())
    np.testing.assert_array_equal(ours.p_adjusted.isna(), expected.padj.isna())
    np.testing.assert_allclose(ours.base_mean, expected.baseMean, rtol=1e-8)
    np.testing.assert_allclose(reference_fit.trend_dispersion, dispersions.dispFit, rtol=1e-6)
    np.testing.assert_allclose(reference_fit.map_dispersion, dispersions.dispersion, rtol=1e-5)
    # R's optimiser is vague about a group without any fragment.
    bounded = ours.log2_fold_change.abs() < 8
    assert (~bounded & ours.log2_fold_change.notna()).sum() <= 1
    for column, name in {**PYDESEQ2_COLUMNS, "p_adjusted": "padj"}.items():
        np.testing.assert_allclose(ours.loc[bounded, column], expected.loc[bounded, name], rtol=1e-4, atol=1e-6)


def test_planted_effects_are_found_with_their_sign(
    reference_fit: Deseq2Fit, r_table: Callable[[str], pd.DataFrame]
) -> None:
    truth = r_table("truth").effect_log2
    ours = wald_test(reference_fit, DRUG, alpha=0.05)
    planted = (truth != 0) & (ours.base_mean > 50)
    assert (ours.p_adjusted[planted] < 0.05).mean() > 0.9
    np.testing.assert_array_equal(np.sign(ours.log2_fold_change[planted]), np.sign(truth[planted]))
    covered = (ours.log2_fold_change - truth).abs() < 1.96 * ours.standard_error
    assert covered[ours.base_mean > 20].mean() > 0.88
    false = (ours.p_adjusted < 0.05) & (truth == 0) & (ours.index != "gene017")
    assert false.sum() <= 4


def test_swapped_reference_and_target_flip_the_sign_only(
    reference_counts: pd.DataFrame, reference_design: pd.DataFrame, reference_fit: Deseq2Fit
) -> None:
    forward = wald_test(reference_fit, DRUG, alpha=0.05)
    pd.testing.assert_frame_equal(
        wald_test(reference_fit, -DRUG, alpha=0.05).assign(
            log2_fold_change=lambda t: -t.log2_fold_change, statistic=lambda t: -t.statistic
        ),
        forward,
    )
    # The other way of swapping, by the design's reference level, gives the same up to the optimiser.
    swapped = reference_design.assign(condition_drug=1 - reference_design.condition_drug)
    genes = reference_counts.index[:40]
    one = wald_test(fit_deseq2(reference_counts.loc[genes], reference_design), DRUG, alpha=0.05)
    two = wald_test(fit_deseq2(reference_counts.loc[genes], swapped), DRUG, alpha=0.05)
    expressed = one.base_mean > 10
    expressed["gene017"] = False
    np.testing.assert_allclose(two.log2_fold_change[expressed], -one.log2_fold_change[expressed], rtol=1e-3, atol=1e-4)


def test_every_gene_without_adjusted_p_has_status_and_reason(reference_fit: Deseq2Fit) -> None:
    ours = wald_test(reference_fit, DRUG, alpha=0.05)
    assert ours.status["gene007"] == "all_zero"
    assert ours.base_mean["gene007"] == 0
    assert ours.loc["gene007", ["log2_fold_change", "p_value", "p_adjusted"]].isna().all()
    assert ours.status["gene027"] == "outlier"
    assert np.isnan(ours.p_value["gene027"])
    assert np.isfinite(ours.log2_fold_change["gene027"])
    silent = ours.p_adjusted.isna()
    assert (ours.status[silent] != "tested").all()
    assert ours.reason[silent].notna().all()
    assert ours.reason[ours.status == "tested"].isna().all()


def test_columns_are_aligned_by_name_and_other_samples_ignored(
    reference_counts: pd.DataFrame, reference_design: pd.DataFrame
) -> None:
    genes = reference_counts.iloc[:40]
    straight = fit_deseq2(genes, reference_design)
    shuffled = genes[genes.columns[::-1]].assign(extra=5)
    turned = fit_deseq2(shuffled, reference_design)
    np.testing.assert_array_equal(turned.beta_log2, straight.beta_log2)
    assert turned.sample_ids == tuple(reference_design.index)


def test_fit_survives_a_round_trip_through_a_file(reference_fit: Deseq2Fit) -> None:
    buffer = io.BytesIO()
    np.savez(buffer, **reference_fit.to_arrays())
    buffer.seek(0)
    with np.load(buffer, allow_pickle=False) as stored:
        again = Deseq2Fit.from_arrays(dict(stored))
    assert again.gene_ids == reference_fit.gene_ids
    assert (again.notes, again.trend_kind) == (reference_fit.notes, reference_fit.trend_kind)
    pd.testing.assert_frame_equal(wald_test(again, DRUG, alpha=0.1), wald_test(reference_fit, DRUG, alpha=0.1))


def test_outliers_are_replaced_with_seven_replicates() -> None:
    counts, design = draw(40, 14, seed=1), two_groups(7)
    counts.iloc[4, 2] = 100_000
    fit = fit_deseq2(counts, design)
    assert (fit.trend_kind, fit.replaced[4]) == ("parametric", True)
    ours = wald_test(fit, np.array([0.0, 1.0]), alpha=0.05)
    assert abs(ours.log2_fold_change["g4"]) < 1
    theirs = summary(pydeseq2_with_our_trend(counts, design, fit), np.array([0.0, 1.0]))
    np.testing.assert_allclose(ours.p_value, theirs.pvalue, rtol=0.01)


def test_trend_that_is_not_parametric_is_local_and_serves_replaced_outliers_too() -> None:
    counts, design = draw(40, 14, seed=2), two_groups(7)
    counts.iloc[4, 2] = 100_000
    fit = fit_deseq2(counts, design)
    assert (fit.trend_kind, fit.replaced[4]) == ("local", True)
    assert "local regression" in fit.notes[0]
    assert fit.trend_dispersion[4] == pytest.approx(np.median(fit.trend_dispersion), rel=0.5)
    assert abs(wald_test(fit, np.array([0.0, 1.0]), alpha=0.05).log2_fold_change["g4"]) < 1


def test_gene_with_only_an_outlier_is_all_zero_after_replacement() -> None:
    counts, design = draw(40, 14, seed=3), two_groups(7)
    counts.iloc[6] = [0, 0, 5000] + 11 * [0]
    fit = fit_deseq2(counts, design)
    ours = wald_test(fit, np.array([0.0, 1.0]), alpha=0.05).loc["g6"]
    assert fit.emptied[6]
    assert (ours.base_mean, ours.log2_fold_change, ours.p_value) == (0.0, 0.0, 1.0)
    assert "replaced" in str(ours.reason)


def test_three_genes_are_fitted_or_refused_in_plain_words() -> None:
    counts = pd.DataFrame(
        {"s0": [10, 100, 30], "s1": [15, 90, 22], "s2": [30, 80, 41], "s3": [25, 130, 28]},
        index=["a", "b", "c"],
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit = fit_deseq2(counts, two_groups(2))
        ours = wald_test(fit, np.array([0.0, 1.0]), alpha=0.05)
    assert fit.trend_kind == "mean"
    assert "mean dispersion is used" in fit.notes[0]
    assert ours.p_value.between(0, 1).all()


def test_counts_that_vary_by_chance_only_are_refused() -> None:
    counts = pd.DataFrame(100, index=["a", "b", "c"], columns=["s0", "s1", "s2", "s3"])
    with pytest.raises(NotEnoughDataError, match="chance"):
        fit_deseq2(counts, two_groups(2))


def test_no_gene_seen_everywhere_falls_back_to_positive_counts() -> None:
    counts, design = draw(30, 6, seed=8), two_groups(3)
    holed = counts.mask(np.arange(30)[:, None] % 6 == np.arange(6)[None, :], 0)
    fit = fit_deseq2(holed, design)
    assert fit.size_factor_method == "poscounts"
    assert any("positive counts" in note for note in fit.notes)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (lambda c, d: (c.assign(s1=0), d), CountsError, "sample s1"),
        (lambda c, d: (c.drop(columns="s3"), d), CountsError, "sample s3"),
        (lambda c, d: (c.assign(s1=c.s1 + 0.5), d), CountsError, "whole"),
        (lambda c, d: (c.assign(s1=-1), d), CountsError, "non-negative"),
        (lambda c, d: (c.rename(index={"g1": "g0"}), d), CountsError, "g0"),
        (lambda c, d: (c, d.assign(copy=d.target)), DesignError, "depend on each other"),
        (lambda c, d: (c, d.assign(target=1.0)), DesignError, "one group"),
        (lambda c, d: (c, d.loc[["s0", "s3"]]), DesignError, "no residual degree"),
        (lambda c, d: (c, d.assign(target=[0, 0, np.nan, 1])), DesignError, "missing"),
    ],
)
def test_bad_input_is_refused_before_pydeseq2_can_hang(
    change: Callable[[pd.DataFrame, pd.DataFrame], tuple[pd.DataFrame, pd.DataFrame]],
    error: type[Exception],
    words: str,
) -> None:
    counts, design = change(draw(5, 4, seed=1), two_groups(2))
    with pytest.raises(error, match=words):
        fit_deseq2(counts, design)


def test_wrong_weights_and_alpha_are_refused(reference_fit: Deseq2Fit) -> None:
    for weights in ([0.0, 1.0], [0.0, 0.0, 0.0], [0.0, np.nan, 1.0]):
        with pytest.raises(DesignError, match="weights"):
            wald_test(reference_fit, np.array(weights), alpha=0.05)
    with pytest.raises(ConfigError, match="false discovery"):
        wald_test(reference_fit, DRUG, alpha=1.5)


def test_genes_that_did_not_converge_say_so(reference_fit: Deseq2Fit) -> None:
    converged = reference_fit.converged.copy()
    converged[0] = False
    ours = wald_test(replace(reference_fit, converged=converged), DRUG, alpha=0.05)
    assert ours.status["gene000"] == "not_converged"
    assert np.isfinite(ours.p_value["gene000"])


def test_order_of_samples_and_genes_and_an_empty_gene_change_nothing(
    reference_counts: pd.DataFrame, reference_design: pd.DataFrame, reference_fit: Deseq2Fit
) -> None:
    rng = np.random.default_rng(2)
    samples, genes = rng.permutation(reference_counts.shape[1]), rng.permutation(len(reference_counts))
    moved = reference_counts.iloc[genes, samples]
    moved = pd.concat([moved, pd.DataFrame(0, index=["empty"], columns=moved.columns)])
    straight = wald_test(reference_fit, DRUG, alpha=0.05)
    turned = wald_test(fit_deseq2(moved, reference_design.iloc[samples]), DRUG, alpha=0.05).loc[straight.index]
    for column in [*PYDESEQ2_COLUMNS, "p_adjusted"]:
        np.testing.assert_allclose(turned[column], straight[column], rtol=1e-8, atol=1e-8)


def test_fitting_the_same_counts_with_another_base_level_flips_the_sign() -> None:
    counts, design = draw(200, 8, seed=11), two_groups(4)
    counts.iloc[:50, 4:] *= 2
    one = wald_test(fit_deseq2(counts, design), np.array([0.0, 1.0]), alpha=0.05)
    two = wald_test(fit_deseq2(counts, design.assign(target=1 - design.target)), np.array([0.0, 1.0]), alpha=0.05)
    np.testing.assert_allclose(two.log2_fold_change, -one.log2_fold_change, atol=1e-5)
    np.testing.assert_allclose(two.p_value, one.p_value, rtol=1e-3)
