from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pyedger
import pytest

from poma_assets.science.differential_expression.edger import EdgerFit, edger_fit, edger_ql, edger_test, results_frame
from poma_assets.science.differential_expression.edger_model import average_log2_cpm, f_test, fit_quasi_likelihood
from poma_assets.science.errors import CountsError, DesignError, NotEnoughDataError
from poma_assets.storage.schema import TABLES

DRUG = np.array([0.0, 0.0, 1.0])


@pytest.fixture(scope="module")
def results(reference_counts: pd.DataFrame, reference_design: pd.DataFrame) -> pd.DataFrame:
    return edger_ql(reference_counts, reference_design, DRUG)


def test_edger_equals_r(results: pd.DataFrame, r_table: Callable[[str], pd.DataFrame]) -> None:
    expected = r_table("edger_ql")
    tested = results[results.status == "tested"]
    assert list(tested.index) == list(expected.index)
    for column, name in {"log2_fold_change": "logFC", "statistic": "F", "p_value": "PValue"}.items():
        np.testing.assert_allclose(tested[column], expected[name], rtol=1e-5, atol=1e-8)
    np.testing.assert_allclose(tested.p_adjusted, expected.FDR, rtol=1e-5)


def test_genes_that_were_not_tested_say_why(results: pd.DataFrame, reference_counts: pd.DataFrame) -> None:
    assert results.status["gene007"] == "all_zero"
    silent = results[results.status != "tested"]
    assert set(silent.status) == {"all_zero", "filtered"}
    assert silent.p_value.isna().all()
    assert silent.reason.notna().all()
    assert results.reason[results.status == "tested"].isna().all()
    assert reference_counts[results.status == "filtered"].mean(axis=1).max() < 15


def test_samples_are_aligned_by_name(
    reference_counts: pd.DataFrame, reference_design: pd.DataFrame, results: pd.DataFrame
) -> None:
    turned = edger_ql(reference_counts[reference_counts.columns[::-1]], reference_design, DRUG)
    pd.testing.assert_frame_equal(turned, results)


def test_swapped_contrast_flips_the_sign(
    reference_counts: pd.DataFrame, reference_design: pd.DataFrame, results: pd.DataFrame
) -> None:
    swapped = edger_ql(reference_counts, reference_design, -DRUG)
    np.testing.assert_allclose(swapped.log2_fold_change, -results.log2_fold_change, rtol=1e-9)
    np.testing.assert_allclose(swapped.p_value, results.p_value, rtol=1e-9)


@pytest.fixture(scope="module")
def fit(reference_counts: pd.DataFrame, reference_design: pd.DataFrame) -> EdgerFit:
    return edger_fit(reference_counts, reference_design)


def test_one_fit_serves_all_contrasts(
    fit: EdgerFit, reference_counts: pd.DataFrame, reference_design: pd.DataFrame, results: pd.DataFrame
) -> None:
    pd.testing.assert_frame_equal(edger_test(fit, DRUG), results)
    batch = edger_test(fit, np.array([0.0, 1.0, 0.0]))
    pd.testing.assert_frame_equal(batch, edger_ql(reference_counts, reference_design, np.array([0.0, 1.0, 0.0])))
    assert (batch.p_value - results.p_value).abs().max() > 0.1


@pytest.mark.filterwarnings("ignore:.*encountered in:RuntimeWarning")
def test_fit_and_f_test_equal_pyedger(
    fit: EdgerFit, reference_counts: pd.DataFrame, reference_design: pd.DataFrame, results: pd.DataFrame
) -> None:
    listed = pyedger.calc_norm_factors(pyedger.DGEList(reference_counts[fit.kept]))
    listed.trended_dispersion = fit.trended_dispersion[fit.kept]
    listed.AveLogCPM = average_log2_cpm(fit.model.counts, np.exp(fit.model.offsets), 0.1)
    with np.errstate(all="ignore"):
        model = pyedger.glm_ql_fit(listed, design=reference_design, legacy=True)
    ours = fit_quasi_likelihood(
        fit.model.counts,
        np.asarray(pyedger.effective_lib_sizes(listed)),
        reference_design.to_numpy(),
        listed.trended_dispersion,
        listed.AveLogCPM,
    )
    np.testing.assert_allclose(ours.quasi_dispersion, model.s2_post, rtol=1e-9)
    np.testing.assert_allclose(ours.effects, model.coefficients, rtol=1e-9, atol=1e-12)
    with np.errstate(all="ignore"):
        expected = pyedger.glm_qlf_test(model, contrast=DRUG).table
    statistic, p_value = f_test(ours, reference_design.to_numpy()[:, :2])
    np.testing.assert_allclose(statistic, expected["F"], rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(p_value, expected["PValue"], rtol=1e-6)


def test_reduced_design_tests_several_coefficients_together(
    fit: EdgerFit, reference_design: pd.DataFrame, results: pd.DataFrame
) -> None:
    alone = edger_test(fit, DRUG, reduced_design=reference_design[["Intercept", "batch_b2"]].iloc[::-1])
    np.testing.assert_allclose(alone.p_value, results.p_value, rtol=1e-6)
    both = edger_test(fit, DRUG, reduced_design=reference_design[["Intercept"]])
    np.testing.assert_allclose(both.log2_fold_change, results.log2_fold_change, rtol=1e-12)
    batch = edger_test(fit, np.array([0.0, 1.0, 0.0]))
    strong = (results.p_value < 1e-4) | (batch.p_value < 1e-4)
    assert strong.sum() > 10
    assert (both.p_value[strong] < 1e-2).all()
    assert (both.p_value - results.p_value).abs().max() > 0.1
    for reduced in (reference_design, reference_design.assign(Intercept=np.arange(12.0))[["Intercept"]]):
        with pytest.raises(DesignError, match=r"reduced design (leaves no coefficient out|is not part of)"):
            edger_test(fit, DRUG, reduced_design=reduced)


def test_filtered_genes_name_the_threshold(results: pd.DataFrame, reference_counts: pd.DataFrame) -> None:
    (reason,) = set(results.reason[results.status == "filtered"])
    lowest = 10 / reference_counts.sum().median() * 1e6
    assert reason == f"fewer than 4 samples with {lowest:.3g} CPM (edgeR's filterByExpr)"
    cpm = reference_counts / reference_counts.sum() * 1e6
    kept = ((cpm >= lowest).sum(axis=1) >= 4) & (reference_counts.sum(axis=1) >= 15)
    np.testing.assert_array_equal(kept, results.status == "tested")


def test_a_sample_outside_the_kept_genes_is_named(
    reference_counts: pd.DataFrame, reference_design: pd.DataFrame
) -> None:
    sample = reference_counts.columns[0]
    lonely = pd.concat([reference_counts, pd.DataFrame(0, index=["lonely"], columns=reference_counts.columns)])
    lonely[sample] = 0
    lonely.loc["lonely", sample] = 100
    with pytest.raises(NotEnoughDataError, match=f"sample {sample}: A sample has no fragment in the genes that pass"):
        edger_ql(lonely, reference_design, DRUG)


def test_bad_input_is_refused(reference_counts: pd.DataFrame, reference_design: pd.DataFrame) -> None:
    sample = reference_counts.columns[0]
    with pytest.raises(CountsError, match=sample):
        edger_ql(reference_counts.assign(**{sample: 0}), reference_design, DRUG)
    with pytest.raises(DesignError, match="one group"):
        edger_ql(reference_counts, pd.DataFrame({"Intercept": 1.0}, index=reference_counts.columns), DRUG[2:])
    with pytest.raises(DesignError, match="weights"):
        edger_ql(reference_counts, reference_design, DRUG[1:])
    with pytest.raises(NotEnoughDataError, match="filterByExpr"):
        edger_ql(reference_counts.iloc[[7, 109]] + 1, reference_design, DRUG)


def test_results_frame_has_the_declared_columns(results: pd.DataFrame) -> None:
    frame = results_frame("drug_vs_control", "edger", results, {"gene000": "IRF4", "gene001": ""})
    assert tuple(frame.columns) == tuple(column.name for column in TABLES["de_results"].columns)
    assert list(frame.gene_name[:3]) == ["IRF4", "gene001", "gene002"]
    assert frame.contrast_id.eq("drug_vs_control").all()
    assert frame.shrunken_log2_fold_change.isna().all()
    assert len(frame) == 300
