from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from poma_assets.science.errors import StorageError
from poma_assets.storage.hashing import HashCache, column_digests, file_sha256, frame_digest

FRAME = pd.DataFrame(
    {
        "sample_id": ["S1", "S1", "S2"],
        "gene_id": ["a", "b", "a"],
        "count": [3, 0, 7],
        "cpm": [0.1, np.nan, 2.5],
    }
)


def test_file_sha256_is_the_sha256_of_the_content(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"abc")
    assert file_sha256(path) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    content = os.urandom(9 * 1024 * 1024 + 1)  # more than one block
    path.write_bytes(content)
    assert file_sha256(path) == hashlib.sha256(content).hexdigest()


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"reads\.fastq\.gz: the file cannot be read"):
        file_sha256(tmp_path / "reads.fastq.gz")
    with pytest.raises(StorageError, match="cannot be read"):
        HashCache(tmp_path / ".hashes").sha256(tmp_path / "reads.fastq.gz")


@pytest.mark.parametrize(
    "same",
    [
        FRAME.sample(frac=1, random_state=1),
        FRAME[["cpm", "count", "gene_id", "sample_id"]],
        FRAME.set_axis([7, 8, 9]),
        FRAME.astype({"count": "float64"}),
        FRAME.astype({"count": "Int64", "sample_id": "string"}),
        FRAME.astype({"count": object, "sample_id": "category"}),
        FRAME.assign(cpm=pd.Series([0.1, None, 2.5], dtype=object)),
        FRAME.assign(cpm=[0.1, -np.nan, 2.5]),
    ],
    ids=["rows", "columns", "index", "float", "nullable", "object", "none", "negative nan"],
)
def test_digest_ignores_order_and_storage_type(same: pd.DataFrame) -> None:
    assert frame_digest(same) == frame_digest(FRAME)


@pytest.mark.parametrize(
    "other",
    [
        FRAME.assign(count=[3, 0, 8]),
        FRAME.assign(count=[0, 3, 7]),  # the same values in other rows
        FRAME.assign(cpm=[0.1, 0.0, 2.5]),
        FRAME.assign(cpm=[0.1, np.nan, np.nextafter(2.5, 3)]),
        FRAME.assign(gene_id=["a", None, "a"]),
        FRAME.assign(gene_id=["a", "", "a"]),
        FRAME.rename(columns={"cpm": "tpm"}),
        FRAME.rename(columns={"sample_id": "gene_id", "gene_id": "sample_id"}),
        FRAME.iloc[:2],
        pd.concat([FRAME, FRAME.iloc[:1]]),
        FRAME.assign(count=["3", "0", "7"]),
    ],
    ids=range(11),
)
def test_digest_sees_every_change(other: pd.DataFrame) -> None:
    assert frame_digest(other) != frame_digest(FRAME)


def test_missing_is_not_the_text_nan_nor_empty() -> None:
    values: tuple[Any, ...] = (None, "nan", "None", "", 0, "0")
    digests = {frame_digest(pd.DataFrame({"x": [value]})) for value in values}
    assert len(digests) == 6


def test_negative_zero_is_zero_and_signs_count() -> None:
    def digest(value: float) -> str:
        return frame_digest(pd.DataFrame({"x": [value]}))

    assert digest(-0.0) == digest(0.0)
    assert digest(-1.0) != digest(1.0)
    assert digest(0.1 + 0.2) != digest(0.3)
    assert digest(2**60) != digest(2**60 + 1)


def test_empty_frames_differ_by_their_columns() -> None:
    empty = FRAME.iloc[:0]
    assert frame_digest(empty) == frame_digest(FRAME.iloc[3:].astype(object))
    assert frame_digest(empty) != frame_digest(empty[["gene_id"]])
    assert frame_digest(pd.DataFrame()) == frame_digest(pd.DataFrame())


def test_times_are_told_apart_to_the_microsecond() -> None:
    first = pd.DataFrame({"t": pd.to_datetime(["2024-01-01 00:00:00.000001", "NaT"])})
    assert frame_digest(first) == frame_digest(first.astype("datetime64[us]"))
    second = pd.DataFrame({"t": pd.to_datetime(["2024-01-01 00:00:00.000002", "NaT"])})
    assert frame_digest(first) != frame_digest(second)


def test_digest_is_the_same_in_another_process_and_release() -> None:
    code = (
        "import pandas as pd; from poma_assets.storage.hashing import frame_digest;"
        "print(frame_digest(pd.DataFrame({'gene_id': ['ENSG1', None], 'x': [0.5, float('nan')]})))"
    )
    known = "c3f8dcfef13eaed4404650b8f97f1886e977dae7f51450e7bb8cb7b1545e9e73"
    environment = {**os.environ, "PYTHONHASHSEED": "7"}
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert result.stdout.strip() == known


def test_a_million_rows_take_seconds_at_most() -> None:
    n = 1_000_000
    genes = np.array([f"ENSG{i:011d}" for i in range(50_000)], dtype=object)
    frame = pd.DataFrame(
        {
            "sample_id": np.repeat([f"S{i}" for i in range(20)], n // 20),
            "gene_id": np.tile(genes, 20),
            "count": range(n),
        }
    )
    started = time.process_time()
    frame_digest(frame)
    assert time.process_time() - started < 5


def test_cache_hashes_once_and_sees_a_change(tmp_path: Path) -> None:
    path, cache = tmp_path / "x", HashCache(tmp_path / "results" / ".hashes")
    path.write_bytes(b"abc")
    old = time.time() - 100
    os.utime(path, (old, old))
    first = cache.sha256(path)
    assert first == file_sha256(path)
    # Of one size, one time and one inode: only the time of the change of status tells.
    path.write_bytes(b"abd")
    os.utime(path, (old, old))
    assert cache.sha256(path) == file_sha256(path) != first


def test_cache_does_not_read_an_untouched_file_again(tmp_path: Path) -> None:
    path, cache = tmp_path / "big", HashCache(tmp_path / ".hashes")
    with path.open("wb") as file:
        file.truncate(150 * 2**20)
    os.utime(path, (1, 1))
    started = time.process_time()
    first = cache.sha256(path)
    once = time.process_time() - started
    started = time.process_time()
    assert HashCache(tmp_path / ".hashes").sha256(path) == first
    assert time.process_time() - started < once / 5


def test_a_file_just_written_is_not_trusted(tmp_path: Path) -> None:
    path, cache = tmp_path / "x", HashCache(tmp_path / ".hashes")
    for content in (b"1", b"2", b"3", b"4") * 5:
        path.write_bytes(content)
        assert cache.sha256(path) == hashlib.sha256(content).hexdigest()


def test_an_unusable_cache_is_no_obstacle(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"abc")
    damaged = tmp_path / ".hashes"
    damaged.write_text("this is no database, and longer than a header of one hundred bytes " * 4)
    assert HashCache(damaged).sha256(path) == file_sha256(path)
    assert HashCache(path / "below-a-file").sha256(path) == file_sha256(path)


def test_columns_of_a_matrix_have_the_digests_of_frames_of_their_own() -> None:
    index = pd.Index(["ENSG2", "ENSG1", "ENSG3"], name="gene_id")
    matrix = pd.DataFrame({"S1": [5, 0, 7], "S2": [5, 0, 8], "a sample": [0, 0, 0]}, index=index)
    found = column_digests(matrix)
    assert found == {name: frame_digest(matrix[[name]].reset_index()) for name in matrix.columns}
    assert len(set(found.values())) == 3
