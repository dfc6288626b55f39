"""Agreement with tables that R DESeq2 1.38.3 and edgeR 3.40.2 made (``reference/r_agreement``); no R is needed.

The tables have nine digits. Where a test allows more than that, it says why.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from poma_assets.science.differential_expression.contrast_tests import shrink_deseq2, wald_test
from poma_assets.science.differential_expression.deseq2 import fit_deseq2
from poma_assets.science.differential_expression.deseq2_fit import Deseq2Fit
from poma_assets.science.differential_expression.edger import edger_ql
from poma_assets.science.differential_expression.likelihood_ratio import likelihood_ratio_test

FOLDER = Path(__file__).parents[2] / "reference" / "r_agreement"
ALPHA = 0.05
DIGITS = 1e-8
TESTS = pd.read_csv(FOLDER / "tests.tsv", sep="\t", keep_default_na=False).set_index(["study", "test"])
STUDIES = list(TESTS.index.unique("study"))
WALD_TESTS = list(TESTS.index[TESTS["reduced"] == ""])
LIKELIHOOD_RATIO_TESTS = list(TESTS.index[TESTS["reduced"] != ""])
PAIRS = {
    "log2_fold_change": "log2FoldChange",
    "standard_error": "lfcSE",
    "statistic": "stat",
    "p_value": "pvalue",
    "p_adjusted": "padj",
}

LAST_DIGITS = {"n6_paired": ["gene205"], "n24_interaction": ["gene038", "gene156"]}
"""Dispersions that end up to 1e-5 away from R's: both search uphill, and the last digits decide when a step gains too
little. Adjusted p values of other genes share their ranks."""

FLOORED_LIKELIHOOD = {"n24_interaction": ["gene035"]}
"""R takes the likelihood of genes that its first method cannot fit at means of 0.5 at least; we at the fitted means."""


@cache
def table(study: str, name: str) -> pd.DataFrame:
    frame = pd.read_csv(FOLDER / study / f"{name}.tsv.gz", sep="\t", index_col=0)
    return frame.fillna({"planted": ""}) if "planted" in frame else frame


@cache
def trend(study: str) -> pd.Series:
    return pd.read_csv(FOLDER / "trends.tsv", sep="\t", index_col=0).loc[study]


@cache
def fit(study: str) -> Deseq2Fit:
    return fit_deseq2(table(study, "counts"), table(study, "design"))


def weights(study: str, test: str) -> np.ndarray:
    return np.array([float(weight) for weight in TESTS.loc[(study, test), "weights"].split(",")])


def compared_samples(study: str, test: str) -> list[str]:
    """Return the samples of both levels where R was asked for two levels of a factor."""
    contrast = TESTS.loc[(study, test), "contrast"]
    if not contrast:
        return []
    factor, *levels = contrast.split(",")
    samples = pd.read_csv(FOLDER / study / "samples.tsv", sep="\t", index_col=0)
    return list(samples.index[samples[factor].isin(levels)])


@cache
def deseq2(study: str, test: str) -> pd.DataFrame:
    reduced, vector = TESTS.loc[(study, test), "reduced"], weights(study, test)
    if not reduced:
        return wald_test(fit(study), vector, alpha=ALPHA, compared_samples=compared_samples(study, test))
    smaller = table(study, f"{test}.reduced")
    return likelihood_ratio_test(fit(study), table(study, "counts"), smaller, vector, alpha=ALPHA)


def relative(ours: pd.Series, theirs: pd.Series) -> pd.Series:
    """Return relative differences where both have a value; both must miss the same values."""
    np.testing.assert_array_equal(ours.isna(), theirs.isna())
    difference = (ours - theirs).abs() / theirs.abs()
    return difference.where(ours != theirs, 0.0)[theirs.notna()]


def by_gene(study: str, values: np.ndarray) -> pd.Series:
    return pd.Series(values, index=table(study, "counts").index)


def jaccard(one: pd.Series, other: pd.Series) -> float:
    return float((one & other).sum() / (one | other).sum())


def found(results: pd.DataFrame, p_adjusted: str, effect: str, least_effect: float) -> pd.Series:
    return (results[p_adjusted] < ALPHA) & (results[effect].abs() > least_effect)


@pytest.mark.parametrize("study", STUDIES)
def test_size_factors_and_base_means_equal_r(study: str) -> None:
    ours, theirs = fit(study), table(study, "size_factors")["size_factor"]
    assert ours.size_factor_method == trend(study)["size_factors"]
    assert relative(pd.Series(ours.size_factors, index=theirs.index), theirs).max() < 1e-11
    assert relative(by_gene(study, ours.base_mean), table(study, "genes")["baseMean"]).max() < DIGITS


@pytest.mark.parametrize("study", STUDIES)
def test_dispersions_equal_r(study: str) -> None:
    ours, genes = fit(study), table(study, "genes")
    assert ours.trend_kind == trend(study)["kind"]
    if ours.trend_kind == "parametric":
        expected = trend(study)[["asymptote", "extra"]].astype(float)
        np.testing.assert_allclose(ours.trend_coefficients, expected, rtol=DIGITS)
    assert ours.prior_variance == pytest.approx(trend(study)["prior_variance"], rel=DIGITS)
    loose = LAST_DIGITS.get(study, [])
    # Below 1e-6 the likelihood is flat; such estimates enter neither trend nor prior.
    judged = genes["dispGeneEst"].gt(1e-6) | genes["dispGeneEst"].isna()
    genewise = relative(by_gene(study, ours.genewise_dispersion)[judged], genes["dispGeneEst"][judged])
    assert genewise.drop(loose).max() < DIGITS
    assert (ours.genewise_dispersion[~judged] < 1e-6).all()
    assert relative(by_gene(study, ours.trend_dispersion), genes["dispFit"]).max() < DIGITS
    final = relative(by_gene(study, ours.map_dispersion), genes["dispersion"])
    assert final.drop(loose).max() < DIGITS
    assert (final[loose] < 1e-5).all()


@pytest.mark.parametrize("study", STUDIES)
def test_genes_with_replaced_counts_are_those_of_r(study: str) -> None:
    genes = table(study, "genes")
    expected = genes["replace"].eq(True) if "replace" in genes else pd.Series(False, index=genes.index)
    np.testing.assert_array_equal(fit(study).replaced, expected)
    truth = table(study, "truth")["planted"]
    if study in {"n24_three_levels", "n100_two_batches"}:
        assert expected[truth == "outlier"].sum() >= 9
        assert fit(study).emptied[truth == "emptied"].all()


@pytest.mark.parametrize(("study", "test"), [*WALD_TESTS, *LIKELIHOOD_RATIO_TESTS])
def test_effects_and_p_values_equal_r(study: str, test: str) -> None:
    ours, theirs = deseq2(study, test), table(study, f"{test}.deseq2")
    likelihood_ratio = (study, test) in LIKELIHOOD_RATIO_TESTS
    loose = [*LAST_DIGITS.get(study, []), *(FLOORED_LIKELIHOOD.get(study, []) if likelihood_ratio else [])]
    largest = 1e-5 if loose else 2 * DIGITS  # other genes share ranks with these, or end as they do in the LRT
    for here, there in PAIRS.items():
        difference = relative(ours[here], theirs[there]).drop(loose, errors="ignore")
        assert difference.median() < DIGITS, here
        if here == "p_adjusted" and likelihood_ratio and study in FLOORED_LIKELIHOOD:
            assert difference.quantile(0.9) < DIGITS  # ranks between the two p values of one gene move by one
        else:
            assert difference.max() < largest, here
    assert (ours["log2_fold_change"] - theirs["log2FoldChange"]).abs().max() < 5e-4


@pytest.mark.parametrize(("study", "test"), [*WALD_TESTS, *LIKELIHOOD_RATIO_TESTS])
@pytest.mark.parametrize("least_effect", [0.0, 1.0])
def test_the_significant_genes_are_those_of_r(study: str, test: str, least_effect: float) -> None:
    ours = found(deseq2(study, test), "p_adjusted", "log2_fold_change", least_effect)
    theirs = found(table(study, f"{test}.deseq2"), "padj", "log2FoldChange", least_effect)
    assert theirs.any()
    assert jaccard(ours, theirs) == 1.0


def test_every_gene_that_r_leaves_without_p_value_has_its_reason() -> None:
    ours, theirs = deseq2("n8_low_counts", "drug"), table("n8_low_counts", "drug.deseq2")
    without_p = theirs["pvalue"].isna() & (theirs["baseMean"] > 0)
    assert without_p.any()
    assert set(ours.index[ours["status"] == "outlier"]) == set(theirs.index[without_p])
    assert (ours.loc[theirs["baseMean"] == 0, "status"] == "all_zero").all()
    filtered = theirs["padj"].isna() & theirs["pvalue"].notna()
    assert filtered.any()
    assert set(ours.loc[filtered, "status"]) == {"low_count"}


@pytest.mark.parametrize(("study", "test"), WALD_TESTS)
def test_edger_equals_r(study: str, test: str) -> None:
    ours = edger_ql(table(study, "counts"), table(study, "design"), weights(study, test))
    theirs = table(study, f"{test}.edger_ql").reindex(ours.index)
    # One-way layouts are fitted exactly; others by an iteration that stops once the deviance moves by 1e-6.
    interaction, one_way = study == "n24_interaction", "+" not in TESTS.loc[(study, test), "design"]
    largest = DIGITS if one_way else 3e-4 if interaction else 1e-5
    assert relative(ours["p_value"], theirs["PValue"]).max() < largest
    assert relative(ours["p_adjusted"], theirs["FDR"]).max() < largest
    assert ((ours["statistic"] - theirs["F"]).abs() / (1 + theirs["F"])).max() < largest
    assert (ours["log2_fold_change"] - theirs["logFC"]).abs().max() < (1e-7 if one_way else 3e-5)
    both = found(ours, "p_adjusted", "log2_fold_change", 0.0), found(theirs, "FDR", "logFC", 0.0)
    assert both[0].equals(both[1])


@pytest.mark.parametrize(("study", "test"), LIKELIHOOD_RATIO_TESTS)
def test_edger_tests_of_several_coefficients_equal_r(study: str, test: str) -> None:
    design, reduced = table(study, "design"), table(study, f"{test}.reduced")
    ours = edger_ql(table(study, "counts"), design, weights(study, test), reduced_design=reduced)
    theirs = table(study, f"{test}.edger_ql").reindex(ours.index)
    assert relative(ours["p_value"], theirs["PValue"]).max() < (3e-4 if study == "n24_interaction" else DIGITS)
    assert (ours["p_adjusted"] < ALPHA).equals(theirs["FDR"] < ALPHA)


def test_planted_effects_come_out() -> None:
    truth, ours = table("n100_two_batches", "truth"), deseq2("n100_two_batches", "drug")
    usual = (truth["mean"] > 10) & (truth["planted"] == "")
    planted = usual & (truth["effect_drug"] != 0)
    assert (ours["p_adjusted"][planted] < ALPHA).mean() > 0.9
    covered = (ours["log2_fold_change"] - truth["effect_drug"]).abs() < 1.96 * ours["standard_error"]
    assert covered[usual].mean() == pytest.approx(0.95, abs=0.05)


# Tables that the authors of PyDESeq2 made with R DESeq2 1.34; they allow 2 % (4 % with outliers).
PYDESEQ2 = {
    # name: folder of counts and samples, coefficients (the last is tested), file of results
    "single_factor": ("", ["condition_B"], "r_test_res.csv"),
    "multi_factor": ("", ["group_Y", "condition_B"], "r_test_res.csv"),
    "multi_factor_outliers": ("", ["group_Y", "condition_C", "condition_B"], "r_test_res_outliers.csv"),
    "continuous": ("continuous", ["group_Y", "condition_B", "measurement"], "r_test_res.csv"),
    "continuous_outliers": (
        "continuous",
        ["group_Y", "condition_B", "condition_C", "measurement"],
        "r_test_res_outliers.csv",
    ),
    "wide": ("wide", ["group_Y", "condition_B"], "r_test_res.csv"),
    "large_counts": ("large_counts", ["condition_B"], "r_test_res.csv"),
}
SHRUNKEN = {"single_factor": 0.002, "multi_factor": 0.006, "continuous": 0.005, "large_counts": 0.03}
"""Largest relative difference. Ours is the maximum of the posterior; apeglm stops before it, most with large counts."""


def pydeseq2_table(*path: str) -> pd.DataFrame:
    return pd.read_csv(FOLDER.joinpath("pydeseq2_tables", *path), index_col=0)


def pydeseq2_study(name: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return counts and design; the effect is the last coefficient."""
    folder, coefficients, _ = PYDESEQ2[name]
    counts = pydeseq2_table(folder, "test_counts.csv")
    if name == "large_counts":
        samples = pd.DataFrame({"condition": [sample[0] for sample in counts.columns]}, index=counts.columns)
    else:
        samples = pydeseq2_table(folder, "test_metadata.csv")
    if name.endswith("outliers"):
        counts.loc["gene1", "sample1"] = 2000
        counts.loc["gene7", "sample11"] = 1000
        samples.loc["sample1", "condition"] = "C"
    design = pd.DataFrame({"Intercept": 1.0}, index=counts.columns)
    for coefficient in coefficients:
        factor, _, level = coefficient.partition("_")
        design[coefficient] = (samples[factor] == level).astype(float) if level else samples[factor]
    return counts, design


@pytest.mark.parametrize("name", PYDESEQ2)
def test_the_r_tables_of_pydeseq2_are_met(name: str) -> None:
    counts, design = pydeseq2_study(name)
    folder, file = name.removesuffix("_outliers"), PYDESEQ2[name][2]
    ours = fit_deseq2(counts, design)
    if not name.endswith("outliers"):
        expected = pydeseq2_table(folder, "r_test_size_factors.csv").squeeze()
        np.testing.assert_allclose(ours.size_factors, expected, rtol=1e-12)
        np.testing.assert_allclose(
            ours.map_dispersion, pydeseq2_table(folder, "r_test_dispersions.csv").squeeze(), rtol=1e-10
        )
    results = wald_test(ours, np.eye(design.shape[1])[-1], alpha=ALPHA)
    for here, there in PAIRS.items():
        assert relative(results[here], pydeseq2_table(folder, file)[there]).max() < 1e-8, here


@pytest.mark.parametrize("name", SHRUNKEN)
def test_shrunken_effects_agree_with_r(name: str) -> None:
    counts, design = pydeseq2_study(name)
    ours = shrink_deseq2(counts, design, fit_deseq2(counts, design), np.eye(design.shape[1])[-1])
    theirs = pydeseq2_table(name, "r_test_lfc_shrink_res.csv")["log2FoldChange"]
    np.testing.assert_array_equal(np.sign(ours), np.sign(theirs))
    assert relative(ours, theirs).max() < SHRUNKEN[name]
