import math

import numpy as np
import pytest

from poma_assets.science.markers.statistics import (
    benjamini_hochberg,
    interval,
    p_values,
    replicates_needed,
    smallest_detectable_effect,
)


def phi(x):
    return 0.5 * math.erfc(-x / math.sqrt(2))


@pytest.mark.parametrize(("effect", "sign"), [(-1.2, -1), (-1.2, 1), (0.3, 1), (0.0, -1)])
def test_three_p_values_follow_the_formulas(effect, sign):
    error, delta = 0.4, 0.585
    p = p_values(effect, error, sign, delta)
    assert p.confirm == pytest.approx(1 - phi(sign * effect / error), abs=1e-12)
    assert p.opposite == pytest.approx(phi(sign * effect / error), abs=1e-12)
    equivalence = max(phi((effect - delta) / error), 1 - phi((effect + delta) / error))
    assert p.equivalence == pytest.approx(equivalence, abs=1e-12)


def test_without_a_direction_the_opposite_is_any_change():
    p = p_values(-0.8, 0.4, 0, 0.585)
    assert math.isnan(p.confirm)
    assert p.opposite == pytest.approx(0.0455, abs=1e-4)
    assert p.equivalence == pytest.approx(phi((-0.8 + 0.585) / -0.4), abs=1e-12)


def test_tiny_p_values_do_not_become_zero():
    assert 0 < p_values(-10.0, 0.3, -1, 0.585).confirm < 1e-200


@pytest.mark.parametrize(("effect", "error"), [(math.nan, 0.1), (1.0, math.nan), (1.0, 0.0), (math.inf, 1.0)])
def test_no_estimate_no_p(effect, error):
    assert all(math.isnan(p) for p in p_values(effect, error, 1, 1.0))


def test_benjamini_hochberg_by_hand_with_a_missing_value():
    adjusted = benjamini_hochberg([0.01, math.nan, 0.04, 0.03, 0.005])
    # Four tests: 0.005*4/1, 0.01*4/2, 0.03*4/3, 0.04*4/4.
    np.testing.assert_allclose(adjusted, [0.02, np.nan, 0.04, 0.04, 0.02])


def test_benjamini_hochberg_is_monotone_and_at_most_one():
    np.testing.assert_allclose(benjamini_hochberg([0.9, 0.9]), [0.9, 0.9])
    np.testing.assert_allclose(benjamini_hochberg([0.02, 0.021]), [0.021, 0.021])
    assert benjamini_hochberg([]).size == 0
    assert np.isnan(benjamini_hochberg([math.nan])).all()


def test_interval_and_smallest_detectable_effect():
    assert interval(-1.0, 0.5) == pytest.approx((-1.98, -0.02), abs=1e-3)
    assert smallest_detectable_effect(0.4) == pytest.approx(0.658)


def test_replicates_needed_bring_the_smallest_detectable_effect_below_delta():
    # 1.645 * 0.5 = 0.8225 against 0.585: ratio 1.406, squared 1.977, times 3 replicates: 5.93 -> 6.
    assert replicates_needed(0.5, 0.585, 3, 3) == 6
    assert 1.645 * 0.5 * math.sqrt(3 / 6) < 0.585 <= 1.645 * 0.5 * math.sqrt(3 / 5)
    # Unequal arms 2 and 6 are worth 3 and 3.
    assert replicates_needed(0.5, 0.585, 2, 6) == 6
    assert replicates_needed(math.nan, 0.585, 3, 3) is None
