import numpy as np
import pandas as pd
import pytest

from poma_assets.science.errors import CountsError
from poma_assets.science.markers.sample_response import (
    SAMPLE_RESPONSE_COLUMNS,
    sample_response_scores,
    silent_samples,
)
from poma_assets.storage.schema import TABLES

SIGNATURE = pd.DataFrame(
    {
        "gene_symbol": ["UP1", "UP2", "DOWN1", "DOWN2"],
        "ensembl_gene_id": [f"ENSG{i:011d}" for i in range(4)],
        "direction": ["up", "up", "down", "down"],
        "version": "toy 1.0",
    }
)
SIGNS = np.array([1, 1, -1, -1])


def sheet(rows):
    columns = ["sample_id", "cell_line", "cell_context", "treatment", "dose_um", "time_h"]
    return pd.DataFrame(rows, columns=columns).astype({"dose_um": float, "time_h": float})


def two_arms(n=3, line="MM.1S", time=24):
    return [(f"{line}_D{i}", line, "myeloma", "DMSO", 0, time) for i in range(1, n + 1)] + [
        (f"{line}_P{i}", line, "myeloma", "pomalidomide", 1, time) for i in range(1, n + 1)
    ]


def expression(samples, response, spread=0.1, seed=3):
    """400 genes at log2 8; the first four respond by the sample's `response`, in the signature's directions."""
    rng = np.random.default_rng(seed)
    values = 8 + spread * rng.normal(size=(400, len(samples)))
    values[:4] += np.outer(SIGNS, response)
    return pd.DataFrame(values, index=[f"ENSG{i:011d}" for i in range(400)], columns=samples["sample_id"])


def scores(samples, response, **kwargs):
    frame = sample_response_scores(expression(samples, response, **kwargs), samples, SIGNATURE, ["DMSO"])
    return frame.set_index("sample_id", drop=False)


def test_columns_are_those_of_the_warehouse():
    assert TABLES["sample_response"].column_names == SAMPLE_RESPONSE_COLUMNS


def test_the_score_by_hand():
    """Standard deviation of the vehicles 1 for every gene: scale 1 + 1."""
    samples = sheet(two_arms(2))
    values = pd.DataFrame(8.0, index=[f"ENSG{i:011d}" for i in range(20)], columns=samples["sample_id"])
    step = 1 / np.sqrt(2)  # squares 0.5 + 0.5 over one degree of freedom
    values += np.array([step, -step, step, -step])
    values.iloc[:4, 2:] += np.outer(SIGNS, [2.0, 2.0])
    frame = sample_response_scores(values, samples, SIGNATURE, ["DMSO"]).set_index("sample_id")
    assert frame.loc["MM.1S_P1", "score"] == pytest.approx(2.0 / 2)  # the common step cancels over up and down
    assert frame.loc["MM.1S_D1", "score"] == pytest.approx(0.0)
    assert frame.loc["MM.1S_P1", "reference_samples"] == "MM.1S_D1;MM.1S_D2"
    assert frame.loc["MM.1S_D1", "reference_samples"] == "MM.1S_D2"
    assert frame["n_genes"].eq(4).all()


def test_a_dead_aliquot_is_seen_and_named():
    samples = sheet(two_arms())
    frame = scores(samples, [0, 0, 0, 1.5, 0.0, 1.4])
    assert frame.loc["MM.1S_P2", "score"] < 2 < 5 < min(frame.loc[["MM.1S_P1", "MM.1S_P3"], "score"])
    found = silent_samples(frame.reset_index(drop=True), samples, ["DMSO"])
    assert list(found) == ["MM.1S_P2"]
    assert "MM.1S_P2 shows no response" in found["MM.1S_P2"]
    assert "was it treated" in found["MM.1S_P2"]


@pytest.mark.parametrize("response", [[0, 0, 0, 1.5, 0.9, 1.4], [0] * 6, [0, 0, 0, 1.5, 0, 0]])
def test_weaker_responses_and_arms_without_response_are_not_accused(response):
    samples = sheet(two_arms())
    assert silent_samples(scores(samples, response), samples, ["DMSO"]) == {}


def test_one_against_one_tells_nothing():
    samples = sheet(two_arms(2))
    assert silent_samples(scores(samples, [0, 0, 1.5, 0.0]), samples, ["DMSO"]) == {}


def test_every_line_is_compared_with_its_own_vehicle():
    samples = sheet([*two_arms(), *two_arms(line="U266")])
    values = expression(samples, [0, 0, 0, 1, 1, 1] + [3, 3, 3, 3, 3, 3])
    frame = sample_response_scores(values, samples, SIGNATURE, ["DMSO"]).set_index("sample_id")
    assert (frame["score"][["MM.1S_P1", "MM.1S_P2", "MM.1S_P3"]] > 3).all()
    assert frame["score"].filter(like="U266").abs().max() < 2
    assert set(frame.loc["U266_P1", "reference_samples"].split(";")) == {"U266_D1", "U266_D2", "U266_D3"}


def test_vehicles_of_the_same_time_come_first_and_others_are_said():
    early = [(f"D{i}", "MM.1S", "myeloma", "DMSO", 0, 0) for i in (1, 2)]
    late = [(f"E{i}", "MM.1S", "myeloma", "DMSO", 0, 24) for i in (1, 2)]
    drug = [("P", "MM.1S", "myeloma", "pomalidomide", 1, 24)]
    with_late = sheet([*early, *late, *drug])
    frame = scores(with_late, [0, 0, 0, 0, 1])
    assert (frame.loc["P", "reference_samples"], frame.loc["P", "time_matched"]) == ("E1;E2", True)
    frame = scores(sheet([*early, *drug]), [0, 0, 1])
    assert (frame.loc["P", "reference_samples"], frame.loc["P", "time_matched"]) == ("D1;D2", False)


def test_without_vehicle_or_signature_there_is_no_score():
    drug_only = sheet(two_arms()[3:])
    frame = scores(drug_only, [1, 1, 1])
    assert frame["score"].isna().all()
    assert frame["time_matched"].isna().all()
    samples = sheet(two_arms())
    values = expression(samples, [0] * 6).rename(index=lambda name: name.replace("ENSG", "FB"))
    assert sample_response_scores(values, samples, SIGNATURE, ["DMSO"])["score"].isna().all()


def test_cells_without_a_line_are_matched_by_context_and_missing_times_match():
    rows = [(f"D{i}", None, "t_cell", "DMSO", 0, None) for i in (1, 2)] + [("P", None, "t_cell", "pom", 1, None)]
    rows += [("M", None, "myeloma", "DMSO", 0, None)]
    frame = scores(sheet(rows), [0, 0, 1, 0])
    assert frame.loc["P", "reference_samples"] == "D1;D2"
    assert frame.loc["P", "time_matched"] is None
    assert frame.loc["P", "score"] > 3


def test_genes_outside_their_window_are_not_asked():
    samples = sheet(two_arms())
    windows = SIGNATURE.assign(window_start_h=["", "", "", "48"], window_end_h="")
    frame = sample_response_scores(expression(samples, [0] * 6), samples, windows, ["DMSO"])
    assert set(frame["n_genes"]) == {3}


def test_symbols_serve_where_the_id_is_not_there():
    samples = sheet(two_arms())
    values = expression(samples, [0, 0, 0, 1, 1, 1])
    other_ids = SIGNATURE.assign(ensembl_gene_id=["X1", "X2", "X3", "X4"])
    names = pd.Series(["UP1", "UP2", "DOWN1", "DOWN2"], index=values.index[:4])
    frame = sample_response_scores(values, samples, other_ids, ["DMSO"], names)
    assert set(frame["n_genes"]) == {4}
    assert (frame["score"].iloc[3:] > 3).all()


def test_excluded_samples_are_left_out_and_none_at_all_is_refused():
    samples = sheet(two_arms())
    values = expression(samples, [0] * 6)
    assert len(sample_response_scores(values.iloc[:, 1:], samples, SIGNATURE, ["DMSO"])) == 5
    with pytest.raises(CountsError, match="no sample has expression"):
        sample_response_scores(values.iloc[:, :0], samples, SIGNATURE, ["DMSO"])


def test_constant_genes_are_no_division_by_zero():
    samples = sheet(two_arms())
    frame = scores(samples, [0] * 6, spread=0.0)
    assert np.isfinite(frame["score"]).all()


def test_arms_without_response_are_hardly_ever_accused():
    samples = sheet(two_arms())
    accused = [silent_samples(scores(samples, [0] * 6, seed=seed), samples, ["DMSO"]) for seed in range(100)]
    assert sum(map(len, accused)) <= 1


def test_a_dead_aliquot_is_found_in_most_studies():
    samples = sheet(two_arms())
    response = [0, 0, 0, 0.8, 0.0, 0.8]
    found = [silent_samples(scores(samples, response, seed=seed), samples, ["DMSO"]) for seed in range(50)]
    assert sum(list(accused) == ["MM.1S_P2"] for accused in found) >= 48
