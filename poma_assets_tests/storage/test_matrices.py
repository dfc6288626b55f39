from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from warehouse_helpers import EMBEDDED, LAKE, any_warehouse_in, counts, store

from poma_assets.science.errors import StorageError
from poma_assets.storage.matrices import natural_key
from poma_assets.storage.warehouse import Warehouse


@pytest.fixture(scope="module", params=[EMBEDDED, LAKE])
def warehouse(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Warehouse:
    warehouse = any_warehouse_in(request.param, tmp_path_factory.mktemp("matrices"))
    store(warehouse, {"gene_counts": counts("S10", {"g10": 5, "g2": 2**40})}, "S10")
    store(warehouse, {"gene_counts": counts("S2", {"g2": 3, "g1": 1})}, "S2")
    store(warehouse, {"gene_counts": counts("S2", {"g2": 30}, "star")}, "S2", counter="star")
    expression = pd.DataFrame(
        {
            "sample_id": ["S10", "S10", "S2"],
            "gene_id": ["g2", "g10", "g2"],
            "normalised_count": [1.5, 2.5, 3.5],
            "cpm": 0.0,
            "tpm": 0.0,
            "vst": [np.nan, 7.0, np.nan],
        }
    )
    store(warehouse, {"normalised_expression": expression}, "", partition_values={})
    return warehouse


def test_counts_are_genes_by_samples_in_natural_order_with_zeros(warehouse: Warehouse) -> None:
    matrix = warehouse.read_matrix("gene_counts", value="count", where={"counter": "featurecounts"})
    expected = pd.DataFrame(
        [[1, 0], [3, 2**40], [0, 5]],
        index=pd.Index(["g1", "g2", "g10"], name="gene_id"),
        columns=pd.Index(["S2", "S10"], name="sample_id"),
    )
    pd.testing.assert_frame_equal(matrix, expected)


def test_only_the_rows_asked_for_count(warehouse: Warehouse) -> None:
    where = {"counter": ["star", "featurecounts"], "sample_id": "S10"}
    matrix = warehouse.read_matrix("gene_counts", value="count", where=where)
    assert matrix.columns.tolist() == ["S10"]
    assert matrix.index.tolist() == ["g2", "g10"]


def test_absent_and_null_floats_are_nan_or_the_fill(warehouse: Warehouse) -> None:
    matrix = warehouse.read_matrix("normalised_expression", value="vst")
    np.testing.assert_array_equal(matrix.loc[["g2", "g10"], ["S10", "S2"]], [[np.nan, np.nan], [7.0, np.nan]])
    filled = warehouse.read_matrix("normalised_expression", value="normalised_count", fill=-1)
    np.testing.assert_array_equal(filled.loc[["g2", "g10"], ["S10", "S2"]], [[1.5, 3.5], [2.5, -1.0]])


def test_counts_with_a_fractional_fill_are_floats(warehouse: Warehouse) -> None:
    where = {"counter": "featurecounts"}
    matrix = warehouse.read_matrix("gene_counts", value="count", where=where, fill=float("nan"))
    assert matrix.dtypes.unique().tolist() == [np.float64]
    assert np.isnan(matrix.loc["g1", "S10"])
    assert matrix.loc["g2", "S10"] == 2**40


def test_the_matrix_may_be_turned(warehouse: Warehouse) -> None:
    where = {"counter": "star"}
    matrix = warehouse.read_matrix("gene_counts", row="sample_id", column="gene_id", value="count", where=where)
    assert (matrix.index.name, matrix.columns.name) == ("sample_id", "gene_id")
    assert matrix.loc["S2", "g2"] == 30


def test_several_values_of_a_cell_are_refused(warehouse: Warehouse) -> None:
    with pytest.raises(StorageError, match=r"table gene_counts.*2 values for g2 in S2.*one counter"):
        warehouse.read_matrix("gene_counts", value="count")


def test_a_text_column_is_refused(warehouse: Warehouse) -> None:
    with pytest.raises(StorageError, match=r"numeric column.*counter"):
        warehouse.read_matrix("gene_counts", value="counter")


def test_no_rows_give_an_empty_matrix(warehouse: Warehouse) -> None:
    matrix = warehouse.read_matrix("gene_counts", value="count", where={"sample_id": "S99"})
    assert matrix.shape == (0, 0)


def test_natural_order() -> None:
    names = ["S10", "S2", "S1a", "10", "9", "S", "S02", "MM.1S-2", "MM.1S-10", ""]
    expected = ["", "9", "10", "MM.1S-2", "MM.1S-10", "S", "S1a", "S02", "S2", "S10"]
    assert sorted(names, key=natural_key) == expected
