from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from poma_assets.science.differential_expression.edger import edger_ql, results_frame
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
