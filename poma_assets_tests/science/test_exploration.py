from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from poma_assets.science.errors import CountsError, NotEnoughDataError
from poma_assets.science.exploration import components_or_reason, principal_components, sample_distances
from poma_assets.storage.schema import TABLES


@pytest.fixture
def values() -> pd.DataFrame:
    rng = np.random.default_rng(4)
    matrix = rng.normal(8, 0.2, (40, 6))
    matrix[:20, 3:] += 3
    return pd.DataFrame(matrix, index=[f"g{i}" for i in range(40)], columns=list("abcdef"))


def test_components_rebuild_the_centred_values(values: pd.DataFrame) -> None:
    frame = principal_components(values)
    assert tuple(frame.columns) == tuple(column.name for column in TABLES["sample_pca"].columns)
    scores = frame.pivot(index="sample_id", columns="component", values="score").to_numpy()
    centred = values.sub(values.mean(axis=1), axis=0).to_numpy()
    np.testing.assert_allclose(scores @ scores.T, centred.T @ centred, atol=1e-9)
    explained = frame.drop_duplicates("component").explained_variance_pct
    assert explained.sum() == pytest.approx(100)
    assert explained.iloc[0] > 90
    # Half of the genes rise in d, e, f, the gene of largest loading too: those scores are positive.
    assert (scores[3:, 0] > 0).all()


def test_only_the_most_variable_genes_enter(values: pd.DataFrame) -> None:
    top = values.var(axis=1).nlargest(10).index
    pd.testing.assert_frame_equal(
        principal_components(values, n_top=10),
        principal_components(values.loc[sorted(top, key=lambda g: int(g[1:]))]),
    )


def test_order_of_samples_does_not_change_the_sign(values: pd.DataFrame) -> None:
    straight = principal_components(values).set_index(["component", "sample_id"]).score
    turned = principal_components(values[values.columns[::-1]]).set_index(["component", "sample_id"]).score
    np.testing.assert_allclose(turned.reindex(straight.index), straight, atol=1e-9)


def test_two_samples_and_three_genes() -> None:
    frame = principal_components(pd.DataFrame({"a": [1.0, 2, 3], "b": [2.0, 2, 3]}))
    assert list(frame.component) == [1, 1]
    np.testing.assert_allclose(frame.score, [-0.5, 0.5])
    np.testing.assert_allclose(frame.explained_variance_pct, 100)


def test_too_little_for_components() -> None:
    with pytest.raises(NotEnoughDataError, match="two samples"):
        principal_components(pd.DataFrame({"a": [1.0, 2]}))
    with pytest.raises(NotEnoughDataError, match="differ"):
        principal_components(pd.DataFrame({"a": [1.0, 2], "b": [1.0, 2]}))


@pytest.mark.parametrize(
    ("samples", "reason"),
    [
        ({"a": [1.0, 2]}, "Principal components need at least two samples (found 1)"),
        ({"a": [1.0, 2], "b": [1.0, 2]}, "Principal components need samples that differ (found equal values in all)"),
        ({"a": [5.0, 5], "b": [5.0, 5], "c": [5.0, 5]}, "Principal components need samples that differ"),
    ],
)
def test_samples_without_components_get_the_reason_and_an_empty_table(samples, reason) -> None:
    frame, said = components_or_reason(pd.DataFrame(samples))
    assert said.startswith(reason)
    assert len(frame) == 0
    assert tuple(frame.columns) == tuple(column.name for column in TABLES["sample_pca"].columns)


def test_two_samples_have_one_component_and_nothing_to_excuse(values: pd.DataFrame) -> None:
    frame, said = components_or_reason(values[["a", "d"]])
    assert (said, set(frame.component)) == ("", {1})
    pd.testing.assert_frame_equal(frame, principal_components(values[["a", "d"]]))


def test_distances_by_hand(values: pd.DataFrame) -> None:
    small = pd.DataFrame({"a": [0.0, 0, 1], "b": [3.0, 4, 1]})
    frame = sample_distances(small, small)
    assert tuple(frame.columns) == tuple(column.name for column in TABLES["sample_distances"].columns)
    np.testing.assert_allclose(frame.euclidean_distance, [0, 5, 5, 0], atol=1e-12)
    pairs = sample_distances(values, values).set_index(["sample_id", "other_sample_id"])
    assert len(pairs) == 36
    assert pairs.spearman["a", "d"] == pytest.approx(spearmanr(values.a, values.d).statistic)
    assert pairs.spearman["b", "b"] == pytest.approx(1.0)
    assert pairs.euclidean_distance["a", "f"] == pytest.approx(np.linalg.norm(values.a - values.f))


def test_near_equal_samples_have_a_small_exact_distance() -> None:
    base = np.linspace(1e6, 2e6, 100)
    frame = sample_distances(*[pd.DataFrame({"a": base, "b": base + 1e-3})] * 2)
    assert frame.euclidean_distance[1] == pytest.approx(1e-2, rel=1e-6)


def test_genes_seen_nowhere_do_not_enter_the_correlation() -> None:
    seen = pd.DataFrame({"a": [1.0, 2, 3, 5], "b": [2.0, 1, 5, 3]})
    padded = pd.concat([seen, pd.DataFrame(0.0, index=range(4, 100), columns=["a", "b"])])
    assert sample_distances(padded, padded).spearman[1] == pytest.approx(spearmanr(seen.a, seen.b).statistic)


def test_bad_values_are_refused(values: pd.DataFrame) -> None:
    with pytest.raises(CountsError, match="gene g0, sample a"):
        principal_components(values.mask(values == values.iloc[0, 0]))
    with pytest.raises(CountsError, match="different samples"):
        sample_distances(values, values.drop(columns="a"))
