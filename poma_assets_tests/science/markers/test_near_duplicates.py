"""Copies and technical repeats are told from cultures that are merely alike."""

import numpy as np
import pandas as pd
import pytest

from poma_assets.science.markers.identity import IDENTITY_COLUMNS
from poma_assets.science.markers.near_duplicates import near_duplicates, pair_variation

GENES = 6000


def expression(fragments=5e6, genes=GENES, seed=1):
    mean = np.exp(np.random.default_rng(seed).normal(4, 1.8, genes))
    return mean / mean.sum() * fragments


def culture(rng, mean, variation):
    own = rng.gamma(1 / variation**2, variation**2, len(mean)) if variation else 1.0
    return rng.poisson(mean * own)


def judged(columns):
    counts = pd.DataFrame(columns)
    frame = near_duplicates(counts, pd.DataFrame({"sample_id": list(columns)}))
    assert tuple(frame.columns) == IDENTITY_COLUMNS
    return frame.set_index("sample_id")


def test_deviation_and_dispersion_of_a_hand_worked_pair():
    # 200 genes of 100 fragments in all, half of the fragments in each sample; 55 against 45 in turn:
    # (55 - 50)^2 / (100 / 4) = 1 in every gene, so no variation beyond sampling.
    first = np.array([55, 45] * 100)
    pair = pair_variation(first, 100 - first)
    assert (pair.genes, pair.deviation, pair.dispersion) == (200, pytest.approx(1.0), pytest.approx(0.0))
    assert pair.deviation_error == pytest.approx(0.1)
    # 60 against 40: deviation 4; growth 2 * 1/4 * 100 = 50, so (4 - 1) / 50.
    first = np.array([60, 40] * 100)
    pair = pair_variation(first, 100 - first)
    assert (pair.deviation, pair.dispersion) == (pytest.approx(4.0), pytest.approx(0.06))


@pytest.mark.parametrize("variation", [0.05, 0.1, 0.2])
@pytest.mark.parametrize("depth", [0.5, 1.0, 3.0])
def test_the_variation_between_cultures_is_measured_at_any_depth(variation, depth):
    rng, mean = np.random.default_rng(2), expression()
    pair = pair_variation(culture(rng, mean, variation), culture(rng, mean * depth, variation))
    assert np.sqrt(pair.dispersion) == pytest.approx(variation, rel=0.15)


@pytest.mark.parametrize(("fragments", "genes"), [(20e6, 15_000), (2e6, 15_000), (5.5e4, 700)])
def test_cultures_of_five_per_cent_variation_are_never_called_one_library(fragments, genes):
    for seed in range(8):
        rng, mean = np.random.default_rng(seed), expression(fragments, genes, seed)
        frame = judged({f"S{i}": culture(rng, mean, 0.05) for i in range(3)})
        assert set(frame["status"]) <= {"match", "not_assessed"}
        if fragments > 1e6:
            assert set(frame["status"]) == {"match"}


def test_one_library_sequenced_twice_is_a_warning():
    rng, mean = np.random.default_rng(3), expression()
    library = mean * rng.gamma(100, 0.01, GENES)
    columns = {"S1": culture(rng, mean, 0.1), "S2": rng.poisson(library), "S3": rng.poisson(0.4 * library)}
    frame = judged(columns)
    assert frame["status"].to_dict() == {"S1": "match", "S2": "warn", "S3": "warn"}
    assert frame.loc["S2", "observed"] == "like another run of S3's library"


def test_equal_counts_are_a_mismatch_that_names_all_copies():
    rng, mean = np.random.default_rng(4), expression()
    columns = {f"S{i}": culture(rng, mean, 0.1) for i in (1, 2, 3)}
    frame = judged(columns | {"S4": columns["S2"], "S5": columns["S2"]})
    assert frame.loc[["S2", "S4", "S5"], "status"].tolist() == ["mismatch"] * 3
    assert frame.loc["S2", "observed"] == "the counts of S4, S5"
    assert frame.loc[["S1", "S3"], "status"].tolist() == ["match"] * 2


@pytest.mark.parametrize("kept", [0.3, 0.7, 0.95])
def test_a_part_of_the_same_reads_is_a_mismatch(kept):
    rng, mean = np.random.default_rng(5), expression()
    columns = {f"S{i}": culture(rng, mean, 0.1) for i in (1, 2, 3)}
    frame = judged(columns | {"S4": rng.binomial(columns["S1"], kept)})
    assert frame["status"].to_dict() == {"S1": "mismatch", "S2": "match", "S3": "match", "S4": "mismatch"}
    assert frame.loc["S4", "observed"] == "shares reads with S1"


def test_counts_scaled_down_everywhere_are_no_sign_of_shared_reads():
    rng, mean = np.random.default_rng(6), expression(1e6)
    scaled = {f"S{i}": np.round(culture(rng, mean, 0.05) / 8).astype(int) for i in (1, 2, 3, 4)}
    assert "mismatch" not in set(judged(scaled)["status"])


def test_too_little_to_tell():
    rng = np.random.default_rng(7)
    shallow = {f"S{i}": rng.poisson(np.full(500, 3.0)) for i in (1, 2)}
    frame = judged(shallow)
    assert set(frame["status"]) == {"not_assessed"}
    assert "0 genes" in frame.loc["S1", "detail"] or "too few" in frame.loc["S1", "detail"]
    assert judged({"S1": shallow["S1"]})["status"].tolist() == ["not_assessed"]
    empty = judged({"S1": np.zeros(300, int), "S2": np.zeros(300, int)})
    assert set(empty["status"]) == {"not_assessed"}
