from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from poma_assets.science.differential_expression.dispersion import (
    DispersionTrend,
    fit_dispersion_trend,
    prior_variance,
)
from poma_assets.science.differential_expression.local_regression import fit_local_curve
from poma_assets.science.errors import NotEnoughDataError

VERSIONS = Path(__file__).parents[2] / "reference" / "count_statistics" / "versions.txt"


def test_trend_on_r_dispersions_equals_r(r_table: Callable[[str], pd.DataFrame]) -> None:
    dispersions = r_table("dispersions").dispGeneEst.to_numpy()
    means = r_table("deseq2").baseMean.to_numpy()
    from_r = dict(line.split() for line in VERSIONS.read_text().splitlines()[3:])
    trend = fit_dispersion_trend(means, dispersions)
    assert trend.kind == "parametric"
    assert trend.asymptote == pytest.approx(float(from_r["asymptDisp"]), rel=1e-6)
    assert trend.extra == pytest.approx(float(from_r["extraPois"]), rel=1e-6)
    assert prior_variance(dispersions, trend.at(means), 9) == pytest.approx(float(from_r["dispPriorVar"]))


def test_trend_recovers_planted_coefficients() -> None:
    rng = np.random.default_rng(1)
    means = np.exp(rng.uniform(1, 9, 5000))
    dispersions = (0.05 + 3.0 / means) * rng.gamma(2.0, 0.5, 5000)
    trend = fit_dispersion_trend(means, dispersions)
    assert trend.asymptote == pytest.approx(0.05, rel=0.05)
    assert trend.extra == pytest.approx(3.0, rel=0.05)


def test_trend_that_rises_with_the_mean_falls_back_to_a_local_regression() -> None:
    means = np.geomspace(10, 1000, 50)
    trend = fit_dispersion_trend(means, means / 1000)
    assert trend.kind == "local"
    np.testing.assert_allclose(trend.at(np.array([5.0, 77.0, 4000.0])), [0.005, 0.077, 4.0], rtol=1e-9)
    assert np.isnan(trend.at(np.array([0.0]))).all()
    assert np.isnan([trend.asymptote, trend.extra]).all()


def test_few_genes_without_a_falling_trend_get_their_mean_dispersion() -> None:
    means = np.linspace(10, 1000, 9)
    trend = fit_dispersion_trend(means, means / 1000)
    assert trend.kind == "mean"
    assert trend.at(means) == pytest.approx(np.full(9, (means / 1000).mean()))


def test_no_overdispersion_is_said_in_plain_words() -> None:
    with pytest.raises(NotEnoughDataError, match="chance"):
        fit_dispersion_trend(np.array([5.0, 8.0]), np.array([1e-8, np.nan]))


@pytest.mark.parametrize("residual_df", [1, 2, 3, 4, 10])
@pytest.mark.parametrize("planted", [0.5, 1.5, 4.0])
def test_prior_variance_recovers_the_planted_one(residual_df: int, planted: float) -> None:
    rng = np.random.default_rng(residual_df)
    sampling = np.log(rng.chisquare(residual_df, 40_000) / residual_df)
    dispersions = np.exp(np.log(0.1) + rng.normal(0, np.sqrt(planted), 40_000) + sampling)
    estimate = prior_variance(dispersions, np.full(40_000, 0.1), residual_df)
    # Above three degrees of freedom the MAD takes a log chi-square for normal, so it is less exact.
    assert estimate == pytest.approx(planted, rel=0.2 if residual_df <= 3 else 0.35)


def test_prior_variance_has_a_lower_bound() -> None:
    assert prior_variance(np.full(50, 0.1), np.full(50, 0.1), 6) == 0.25
    assert prior_variance(np.full(50, 0.1), np.full(50, 0.1), 2) == 0.25


def flat_local_trend(dispersion: float) -> DispersionTrend:
    logs = np.linspace(0, 10, 20)
    curve = fit_local_curve(logs, np.full(20, np.log(dispersion)), np.ones(20))
    return DispersionTrend("local", np.nan, np.nan, curve)


def test_numerical_stabilisation_of_a_flat_trend_equals_the_formula() -> None:
    rng = np.random.default_rng(1)
    normalised = np.exp(rng.uniform(0, 12, (3000, 1))) * rng.uniform(0.8, 1.2, (3000, 6))
    formula = DispersionTrend("mean", 0.1, 0.0).stabilise(normalised)
    np.testing.assert_allclose(flat_local_trend(0.1).stabilise(normalised), formula, atol=0.02)


def test_stabilised_values_are_log2_for_large_counts() -> None:
    for trend in (DispersionTrend("parametric", 0.1, 2.0), DispersionTrend("mean", 0.1, 0.0)):
        one, two = trend.stabilise(np.array([1e7, 2e7]))
        assert two - one == pytest.approx(1.0, abs=1e-4)
        assert one == pytest.approx(np.log2(1e7), abs=1e-3)
        small = trend.stabilise(np.arange(50.0))
        assert np.isfinite(small).all()
        assert (np.diff(small) > 0).all()
