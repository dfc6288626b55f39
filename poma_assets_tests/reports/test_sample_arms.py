from __future__ import annotations

import pandas as pd
from made_up_samples import make_samples

from poma_assets.reports.sample_arms import sample_arms


def test_arms_name_what_differs_in_the_order_of_the_sheet():
    arms = sample_arms(make_samples())
    # The dose goes with the treatment and the time is one: neither is named.
    assert list(dict.fromkeys(arms.values())) == [
        *("MM.1S, DMSO", "MM.1S, pomalidomide", "MM.1S-res, DMSO", "MM.1S-res, pomalidomide")
    ]
    assert len(arms) == 12


def test_doses_have_units_and_what_is_missing_is_said():
    samples = make_samples().iloc[3:7].assign(dose_um=[0.1, 1.0, 10.0, None], treatment="drug", cell_line="MM.1S")
    assert list(sample_arms(samples).values()) == ["0.1 µM", "1 µM", "10 µM", "dose not recorded"]


def test_equal_samples_are_one_arm():
    same = make_samples().iloc[:2]
    assert set(sample_arms(same).values()) == {"all samples"}
    assert sample_arms(pd.DataFrame(same.iloc[:0])) == {}
