"""What must hold for any design: names decide, not positions; targets and references are symmetric."""

from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from poma_assets.science.differential_expression.edger import edger_ql


@st.composite
def studies(draw: st.DrawFn) -> tuple[pd.DataFrame, pd.DataFrame, int]:
    """Counts of 30 to 60 genes, a two-group design with or without a batch, and a seed."""
    seed = draw(st.integers(0, 10_000))
    rng = np.random.default_rng(seed)
    n, genes = draw(st.integers(5, 12)), draw(st.integers(30, 60))
    means = rng.uniform(20, 3000, (genes, 1)) * rng.uniform(0.5, 2, (1, n))
    counts = rng.negative_binomial(8, 8 / (8 + means))
    samples = [f"s{i}" for i in range(n)]
    treated = (np.arange(n) >= n // 2).astype(float)
    design = pd.DataFrame({"Intercept": 1.0, "treated": treated}, index=samples)
    if draw(st.booleans()):
        design.insert(1, "batch", np.arange(n) % 2.0)
    return pd.DataFrame(counts, index=[f"g{i}" for i in range(genes)], columns=samples), design, seed


def _last(design: pd.DataFrame) -> np.ndarray:
    return np.eye(design.shape[1])[-1]


@settings(max_examples=15, deadline=None, derandomize=True)
@given(studies())
def test_order_of_samples_and_genes_changes_nothing(study: tuple[pd.DataFrame, pd.DataFrame, int]) -> None:
    counts, design, seed = study
    rng = np.random.default_rng(seed)
    expected = edger_ql(counts, design, _last(design))
    genes, samples = rng.permutation(counts.index), rng.permutation(design.index)
    shuffled = edger_ql(counts.loc[genes], design.loc[samples], _last(design)).loc[counts.index]
    for column in ("log2_fold_change", "p_value", "p_adjusted"):
        np.testing.assert_allclose(shuffled[column], expected[column], rtol=1e-4, atol=1e-7)


@settings(max_examples=15, deadline=None, derandomize=True)
@given(studies())
def test_swapped_levels_flip_the_sign_and_all_zero_genes_change_nothing(
    study: tuple[pd.DataFrame, pd.DataFrame, int],
) -> None:
    counts, design, _ = study
    expected = edger_ql(counts, design, _last(design))
    turned = edger_ql(counts, design.assign(treated=1 - design["treated"]), _last(design))
    np.testing.assert_allclose(turned.log2_fold_change, -expected.log2_fold_change, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(turned.p_value, expected.p_value, rtol=1e-4)
    empty = pd.concat([counts, pd.DataFrame(0, index=["empty"], columns=counts.columns)])
    more = edger_ql(empty, design, _last(design))
    assert (more.status["empty"], np.isnan(more.p_value["empty"])) == ("all_zero", True)
    pd.testing.assert_frame_equal(more.drop(index="empty"), expected)
