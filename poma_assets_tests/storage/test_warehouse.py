from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest
from warehouse_helpers import EMBEDDED, LAKE, any_warehouse_in, assignment, counts, store

from poma_assets.science.errors import StorageError
from poma_assets.storage.hashing import file_sha256
from poma_assets.storage.schema import TABLES
from poma_assets.storage.step_output import FileArtefact, StepCost, StepOutput
from poma_assets.storage.warehouse import Warehouse


@pytest.fixture(params=[EMBEDDED, LAKE])
def warehouse(tmp_path: Path, request: pytest.FixtureRequest) -> Warehouse:
    return any_warehouse_in(request.param, tmp_path)


def stored_counts(warehouse: Warehouse, sample: str) -> dict[str, int]:
    frame = warehouse.read("gene_counts", {"sample_id": sample})
    return dict(zip(frame["gene_id"], frame["count"], strict=True))


def test_rows_are_stored_and_replaced_within_their_partition(warehouse: Warehouse) -> None:
    store(warehouse, {"gene_counts": counts("S1", {"b": 2, "a": 1})}, "S1")
    store(warehouse, {"gene_counts": counts("S2", {"a": 5})}, "S2")
    star = counts("S1", {"a": 9}, "star")
    store(warehouse, {"gene_counts": star}, "S1", counter="star", asset="star_counts")
    store(warehouse, {"gene_counts": counts("S1", {"c": 3})}, "S1")
    expected = pd.DataFrame(
        {
            "sample_id": ["S1", "S1", "S2"],
            "gene_id": ["a", "c", "a"],
            "counter": ["star", "featurecounts", "featurecounts"],
            "count": [9, 3, 5],
        }
    )
    pd.testing.assert_frame_equal(warehouse.read("gene_counts"), expected)


def test_column_order_and_index_of_the_frame_do_not_matter(warehouse: Warehouse) -> None:
    frame = counts("S1", {"a": 1, "b": 2})[["count", "counter", "gene_id", "sample_id"]].set_index(pd.Index([5, 5]))
    store(warehouse, {"gene_counts": frame})
    assert stored_counts(warehouse, "S1") == {"a": 1, "b": 2}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda frame: frame.drop(columns="count"), "missing count"),
        (lambda frame: frame.assign(cpm=0.5), "extra cpm"),
        (lambda frame: frame.rename(columns={"count": "n"}), "missing count; extra n"),
        (lambda frame: pd.concat([frame, frame[["count"]]], axis=1), "repeated count"),
        (lambda frame: frame.assign(sample_id="S2"), "rows of another partition.*'S2'.*'S1'"),
        (lambda frame: frame.assign(counter=None), "rows of another partition"),
        (lambda frame: frame.assign(count="12x"), "table gene_counts, column count:.*'12x'.*BIGINT"),
        (lambda frame: frame.assign(count=1.5), "column count:.*'1.5'.*BIGINT"),
        (lambda frame: frame.assign(count=pd.Series(["1.5"] * len(frame))), "column count:.*'1.5'"),
        (lambda frame: frame.assign(count=2.0**70), "column count:"),
        (lambda frame: frame.assign(count=np.inf), "column count:.*'inf'"),
    ],
    ids=range(11),
)
def test_a_frame_that_does_not_fit_changes_nothing(warehouse: Warehouse, change: Any, message: str) -> None:
    store(warehouse, {"gene_counts": counts("S1", {"a": 1})}, fingerprint="old")
    with pytest.raises(StorageError, match=message):
        store(warehouse, {"gene_counts": change(counts("S1", {"a": 7, "b": 8}))}, fingerprint="new")
    assert stored_counts(warehouse, "S1") == {"a": 1}
    assert list(warehouse.steps()["fingerprint"]) == ["old"]


def test_a_failing_second_table_leaves_the_first_untouched(warehouse: Warehouse) -> None:
    store(warehouse, {"gene_counts": counts("S1", {"a": 1}), "count_assignment": assignment("S1", 1)})
    broken = {"gene_counts": counts("S1", {"a": 2}), "count_assignment": assignment("S1", "many")}
    with pytest.raises(StorageError, match="table count_assignment, column fragments"):
        store(warehouse, broken)
    assert stored_counts(warehouse, "S1") == {"a": 1}
    assert list(warehouse.read("count_assignment")["fragments"]) == [1]


def test_whole_numbers_may_come_as_floats_texts_or_objects(warehouse: Warehouse) -> None:
    columns: tuple[Any, ...] = (
        [1.0, np.nan],
        ["1", None],
        pd.array([1, None], dtype="Int64"),
        pd.Series([1, None], dtype=object),
    )
    for values in columns:
        store(warehouse, {"gene_counts": counts("S1", {"a": 0, "b": 0}).assign(count=values)})
        frame = warehouse.read("gene_counts")
        assert frame["count"].iloc[0] == 1
        assert frame["count"].isna().tolist() == [False, True]


def test_texts_after_a_thousand_missing_ones_are_kept(warehouse: Warehouse) -> None:
    n = 3000
    reasons = pd.Series([None] * (n - 1) + ["low RIN"], dtype=object)
    frame = pd.DataFrame({"sample_id": [f"S{i:04d}" for i in range(n)], "included": True, "reason": reasons})
    frame.loc[0, "reason"] = np.nan
    write_whole(warehouse, {"sample_inclusion": frame})
    stored = warehouse.read("sample_inclusion")
    assert stored["reason"].dropna().tolist() == ["low RIN"]
    assert stored["included"].dtype == bool


def test_an_empty_frame_replaces_a_partition_by_no_rows(warehouse: Warehouse) -> None:
    store(warehouse, {"gene_counts": counts("S1", {"a": 1})}, "S1")
    store(warehouse, {"gene_counts": counts("S2", {"a": 1})}, "S2")
    store(warehouse, {"gene_counts": counts("S1", {})}, "S1")
    assert warehouse.read("gene_counts")["sample_id"].tolist() == ["S2"]
    assert warehouse.read("steps", {"partition": "S1"})["rows"].tolist() == [0]


NASTY = [
    "it's",
    '"quoted"',
    "a;b",
    "'; DROP TABLE gene_counts; --",
    "?",
    "$1",
    "%s",
    "tab\there",
    "ä €",
    "",
    " S1",
]


def test_values_are_never_read_as_sql(warehouse: Warehouse) -> None:
    for sample in NASTY:
        store(warehouse, {"gene_counts": counts(sample, {sample: 1})}, sample)
    for sample in NASTY:
        assert stored_counts(warehouse, sample) == {sample: 1}
    assert len(warehouse.read("gene_counts", {"sample_id": NASTY[:4]})) == 4
    for sample in NASTY[1:]:
        warehouse.forget(partition=sample)
    assert warehouse.read("gene_counts")["sample_id"].tolist() == [NASTY[0]]


def write_whole(warehouse: Warehouse, tables: dict[str, pd.DataFrame]) -> None:
    store(warehouse, tables, "", asset="cohort", partition_values={})


def test_a_table_without_partitions_is_replaced_as_a_whole(warehouse: Warehouse) -> None:
    frame = pd.DataFrame({"sample_id": ["S1", "S2"], "size_factor": [0.5, 2.0], "library_size": 10, "method": "ratio"})
    write_whole(warehouse, {"size_factors": frame})
    write_whole(warehouse, {"size_factors": frame.iloc[1:]})
    assert warehouse.read("size_factors")["sample_id"].tolist() == ["S2"]


def test_a_partition_must_be_named_by_the_tables_columns(warehouse: Warehouse) -> None:
    with pytest.raises(StorageError, match=r"table gene_counts.*found sample_id; expected sample_id, counter"):
        store(
            warehouse,
            {"gene_counts": counts("S1", {})},
            partition_values={"gene_counts": {"sample_id": "S1"}},
        )
    with pytest.raises(StorageError, match="no such table"):
        store(warehouse, {"gene_count": counts("S1", {})})
    assert not warehouse.path.exists()


def quality(scope: str, **values: float) -> pd.DataFrame:
    """Rows of ``sample_quality``: sample -> value."""
    names = ["warn", "fail", "status", "source"]
    frame = pd.DataFrame({"sample_id": list(values), "metric": scope, "value": list(values.values()), "scope": scope})
    return frame.assign(**dict.fromkeys(names, ""))


def values_of(warehouse: Warehouse) -> dict[tuple[str, str], float]:
    frame = warehouse.read("sample_quality")
    return dict(zip(zip(frame["sample_id"], frame["scope"], strict=True), frame["value"], strict=True))


def test_the_rows_of_all_samples_are_replaced_by_what_they_share(warehouse: Warehouse) -> None:
    own = {"sample_quality": {"sample_id": "S1", "scope": "sample"}}
    together = {"sample_quality": {"scope": "cohort"}}
    store(warehouse, {"sample_quality": quality("sample", S1=1)}, asset="sample_quality", partition_values=own)
    first = {"sample_quality": quality("cohort", S1=2, S2=3, S3=4)}
    store(warehouse, first, "", asset="sample_exploration", partition_values=together)
    # S3 was withdrawn.
    second = {"sample_quality": quality("cohort", S1=5, S2=6)}
    store(warehouse, second, "", asset="sample_exploration", partition_values=together)
    assert values_of(warehouse) == {("S1", "sample"): 1, ("S1", "cohort"): 5, ("S2", "cohort"): 6}
    store(warehouse, {"sample_quality": quality("sample", S1=7)}, asset="sample_quality", partition_values=own)
    assert values_of(warehouse) == {("S1", "sample"): 7, ("S1", "cohort"): 5, ("S2", "cohort"): 6}
    warehouse.forget(partition="S1")
    assert values_of(warehouse) == {("S2", "cohort"): 6}


@pytest.mark.parametrize("named", [{"sample_id": "S1"}, {}, {"scope": "sample", "metric": "sample"}])
def test_only_the_declared_columns_may_be_named_alone(warehouse: Warehouse, named: dict[str, str]) -> None:
    rows = quality("sample", S1=1)
    with pytest.raises(StorageError, match=r"expected sample_id, scope or scope"):
        store(warehouse, {"sample_quality": rows}, partition_values={"sample_quality": named})


def test_every_declared_type_comes_back_as_it_went(warehouse: Warehouse) -> None:
    history = dict.fromkeys(TABLES["verdict_history"].column_names, "text")
    numbers = {"log2_fold_change": -1.74, "standard_error": 0.1, "n_reference": 3, "n_target": 3}
    frame = pd.DataFrame([{**history, "contrast_id": "c", "run_id": "r", **numbers}])
    for moment in (
        pd.Timestamp("2024-05-01 10:00:00.5"),
        pd.Timestamp("2024-05-01 12:00:00.5", tz="Europe/Berlin"),
    ):
        frame["recorded_at"] = [moment]
        values = {"verdict_history": {"contrast_id": "c", "run_id": "r"}}
        store(warehouse, {"verdict_history": frame}, partition_values=values)
        assert warehouse.read("verdict_history")["recorded_at"].tolist() == [pd.Timestamp("2024-05-01 10:00:00.5")]
    assert warehouse.read("verdict_history")["log2_fold_change"].tolist() == [-1.74]


def test_floats_come_back_bit_by_bit_and_nan_is_null(warehouse: Warehouse) -> None:
    values = [0.1 + 0.2, 5e-324, 1.7976931348623157e308, np.nan, np.inf]
    samples = [f"S{i}" for i in range(len(values))]
    write_whole(
        warehouse,
        {"size_factors": pd.DataFrame({"sample_id": samples, "size_factor": values, "library_size": 1, "method": "r"})},
    )
    assert warehouse.read("size_factors")["size_factor"].to_numpy().tobytes() == np.array(values).tobytes()
    assert warehouse.query("SELECT count(*) AS n FROM size_factors WHERE size_factor IS NULL")["n"].item() == 1


def test_steps_keep_what_a_step_was_made_from_and_its_cost(warehouse: Warehouse) -> None:
    output = StepOutput(tables={"gene_counts": counts("S1", {"a": 1, "b": 2})}, cost=StepCost(2.5, 1.5, 300.0))
    inputs = {"upstream": {"alignments[S1]": "abc"}, "path": Path("x")}
    before = pd.Timestamp.now("UTC").tz_localize(None)
    store(warehouse, {}, output=output, inputs=inputs, run_id="run-7", data_version="v7")
    step = warehouse.steps().iloc[0]
    assert (step["asset"], step["partition"], step["rows"], step["run_id"]) == (
        "gene_counts",
        "S1",
        2,
        "run-7",
    )
    assert (step["wall_s"], step["cpu_s"], step["peak_memory_mib"]) == (2.5, 1.5, 300.0)
    assert json.loads(step["inputs"]) == {"upstream": {"alignments[S1]": "abc"}, "path": "x"}
    assert before <= step["finished_at"] <= pd.Timestamp.now("UTC").tz_localize(None)


def test_files_are_recorded_relative_to_the_study_and_replaced(warehouse: Warehouse, tmp_path: Path) -> None:
    root = tmp_path / "study"
    inside, outside = root / "results" / "S1.bam", tmp_path / "genome.fa"
    inside.parent.mkdir(parents=True)
    inside.write_bytes(b"abc")
    outside.write_bytes(b">1\nACGT\n")
    files = {"bam": FileArtefact(inside, "STAR", "2.7.10b"), "genome": FileArtefact(outside)}
    store(warehouse, {}, output=StepOutput(files=files), study_root=root, asset="alignments")
    rows = warehouse.read("artefacts").set_index("role")
    assert rows.loc["bam", "path"] == "results/S1.bam"
    assert rows.loc["genome", "path"] == str(outside)
    assert rows.loc["bam", ["bytes", "sha256", "tool", "tool_version", "run_id"]].tolist() == [
        3,
        file_sha256(inside),
        "STAR",
        "2.7.10b",
        "run",
    ]
    assert warehouse.files("alignments", "S1", root) == {"bam": inside, "genome": outside}
    moved = tmp_path / "moved"
    assert warehouse.files("alignments", "S1", moved)["bam"] == moved / "results" / "S1.bam"
    store(
        warehouse,
        {},
        output=StepOutput(files={"genome": files["genome"]}),
        study_root=root,
        asset="alignments",
    )
    assert set(warehouse.files("alignments", "S1", root)) == {"genome"}
    assert warehouse.files("alignments", "S2", root) == {}


def test_a_missing_file_stores_nothing(warehouse: Warehouse, tmp_path: Path) -> None:
    output = StepOutput(
        tables={"gene_counts": counts("S1", {"a": 1})}, files={"bam": FileArtefact(tmp_path / "gone.bam")}
    )
    with pytest.raises(StorageError, match=r"gone\.bam: the file cannot be read"):
        store(warehouse, {}, output=output)
    assert warehouse.read("gene_counts").empty


def test_reading_before_the_first_write_gives_empty_frames(warehouse: Warehouse) -> None:
    for name, table in TABLES.items():
        frame = warehouse.read(name)
        assert tuple(frame.columns) == table.column_names
        assert frame.empty
    assert warehouse.read("gene_counts")["count"].dtype == np.int64
    assert warehouse.read_matrix("gene_counts", value="count").shape == (0, 0)
    assert warehouse.query("SELECT count(*) AS n FROM de_results")["n"].item() == 0
    assert warehouse.files("alignments", "S1", Path("/study")) == {}
    assert warehouse.steps().empty
    warehouse.forget(partition="S1")
    assert not warehouse.exists()
    assert not warehouse.path.exists()


def test_read_selects_rows_and_columns(warehouse: Warehouse) -> None:
    for sample in ("S2", "S1", "S3"):
        store(warehouse, {"gene_counts": counts(sample, {"b": 2, "a": 1})}, sample)
    frame = warehouse.read("gene_counts", {"sample_id": ["S3", "S1"], "gene_id": "a"}, ["count", "sample_id"])
    pd.testing.assert_frame_equal(frame, pd.DataFrame({"count": [1, 1], "sample_id": ["S1", "S3"]}))
    assert warehouse.read("gene_counts", {"sample_id": []}).empty
    with pytest.raises(StorageError, match=r"unknown column.*'sample'"):
        warehouse.read("gene_counts", {"sample": "S1"})
    with pytest.raises(StorageError, match="unknown column"):
        warehouse.read("gene_counts", None, ["count", "count) --"])
    with pytest.raises(StorageError, match="no such table"):
        warehouse.read("gene_counts; DROP TABLE steps")


def test_forget_removes_a_withdrawn_sample_everywhere_and_only_it(warehouse: Warehouse) -> None:
    for sample in ("S1", "S2"):
        store(
            warehouse,
            {"gene_counts": counts(sample, {"a": 1}), "count_assignment": assignment(sample, 1)},
            sample,
        )
        store(warehouse, {}, sample, asset="alignments")
    warehouse.forget(partition="S1", asset="alignments")
    assert len(warehouse.steps()) == 3
    assert len(warehouse.read("gene_counts")) == 2
    warehouse.forget(partition="S1")
    for table in ("gene_counts", "count_assignment"):
        assert warehouse.read(table)["sample_id"].tolist() == ["S2"]
    assert warehouse.steps()["partition"].tolist() == ["S2", "S2"]


def test_forgetting_a_contrast_keeps_samples_of_that_name_and_the_history(warehouse: Warehouse) -> None:
    store(warehouse, {"gene_counts": counts("X", {"a": 1})}, "X")
    agreement = pd.DataFrame([dict.fromkeys(TABLES["engine_agreement"].column_names)]).assign(contrast_id="X")
    history = pd.DataFrame([dict.fromkeys(TABLES["verdict_history"].column_names)]).assign(contrast_id="X", run_id="r")
    values = {
        "engine_agreement": {"contrast_id": "X"},
        "verdict_history": {"contrast_id": "X", "run_id": "r"},
    }
    tables = {"engine_agreement": agreement, "verdict_history": history}
    store(warehouse, tables, "X", asset="engine_agreement", partition_values=values)
    warehouse.forget(partition="X", key="contrast_id")
    assert warehouse.read("engine_agreement").empty
    assert len(warehouse.read("verdict_history")) == 1
    assert len(warehouse.read("gene_counts")) == 1


def test_query_binds_values_and_cannot_write(warehouse: Warehouse) -> None:
    store(warehouse, {"gene_counts": counts("it's", {"a": 1})}, "it's")
    assert len(warehouse.query("SELECT * FROM gene_counts WHERE sample_id = ?", ["it's"])) == 1
    with pytest.raises(StorageError, match="read-only"):
        warehouse.query("DELETE FROM gene_counts")
    with pytest.raises(StorageError, match="nonsense"):
        warehouse.query("SELECT nonsense FROM gene_counts")
    with pytest.raises(StorageError, match="warehouse"):
        warehouse.query("SELECT * FROM warehouse")  # a Python variable of this name is not a table
    assert len(warehouse.read("gene_counts")) == 1


def test_a_block_of_reads_within_another_opens_the_file_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    warehouse = any_warehouse_in(EMBEDDED, tmp_path)
    store(warehouse, {"gene_counts": counts("S1", {"a": 1})}, "S1")
    opened: list[str] = []
    connect = duckdb.connect
    monkeypatch.setattr(duckdb, "connect", lambda path, **options: opened.append(path) or connect(path, **options))
    with warehouse.held_open():
        with warehouse.held_open():
            assert stored_counts(warehouse, "S1") == {"a": 1}
        assert stored_counts(warehouse, "S1") == {"a": 1}
    assert opened == [str(warehouse.path)]
    assert stored_counts(warehouse, "S1") == {"a": 1}
    assert len(opened) == 2
