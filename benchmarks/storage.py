"""DESIGN section 8's figures of the storage, for the embedded file and for DuckLake side by side.

    python benchmarks/storage.py [--on duckdb,ducklake] [--catalogue ducklake:postgres:...] [--small]
        [--processes 8] [--partitions 3] [--rows 60000] [--samples 1000] [--genes 60000] [--kills 100]

Writes: processes that store partitions of gene counts at the same time; are all rows there, and how long? Matrix:
counts of many samples, each stored as one partition, read as genes x samples. Kills: a process that stores one
partition after another is killed (-9) at random moments; the stored partition must be whole and one of the last two.
Without `--catalogue` DuckLake's catalogue is an SQLite file (one machine); PostgreSQL's password is in PGPASSWORD.
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import os
import random
import resource
import sys
import tempfile
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd

from poma_assets.storage.lake_catalogue import Catalogue, parse_catalogue
from poma_assets.storage.step_output import StepOutput
from poma_assets.storage.warehouse import Warehouse

WRITES_S, MATRIX_S, MATRIX_GIB = 5.0, 20.0, 4.0
KILL_ROWS = 20_000
CONTEXT = multiprocessing.get_context("spawn")


@dataclass(frozen=True)
class Place:
    """Where a warehouse is; may be sent to another process."""

    folder: Path
    catalogue: Catalogue | None

    def open(self) -> Warehouse:
        return Warehouse(self.folder / "warehouse.duckdb", catalogue=self.catalogue)


def counts_of_sample(sample: str, rows: int, value: int | None = None) -> pd.DataFrame:
    """A frame as an asset would store it in ``gene_counts``."""
    generator = np.random.default_rng(zlib.crc32(sample.encode()))
    counts = generator.negative_binomial(1, 0.01, rows) if value is None else value
    genes = [f"ENSG{i:011d}" for i in range(rows)]
    return pd.DataFrame({"sample_id": sample, "gene_id": genes, "counter": "featurecounts", "count": counts})


def store(warehouse: Warehouse, sample: str, frame: pd.DataFrame, fingerprint: str = "f") -> None:
    warehouse.write(
        StepOutput(tables={"gene_counts": frame}),
        asset="gene_counts",
        partition=sample,
        study_root=warehouse.path.parent,
        fingerprint=fingerprint,
        data_version="v",
        inputs={},
        run_id="benchmark",
        partition_values={"gene_counts": {"sample_id": sample, "counter": "featurecounts"}},
    )


def write_samples(place: Place, worker: int, partitions: int, rows: int, ready: Barrier) -> None:
    """Write the partitions of one process, after all processes have imported, attached and made their frames."""
    warehouse = place.open()
    frames = {name: counts_of_sample(name, rows) for name in (f"sample-{worker}-{i}" for i in range(partitions))}
    warehouse.read("steps")
    ready.wait()
    for sample, frame in frames.items():
        store(warehouse, sample, frame)


def measure_writes(place: Place, options: argparse.Namespace) -> tuple[str, bool]:
    processes, partitions, rows = options.processes, options.partitions, options.rows
    store(place.open(), "first", counts_of_sample("first", 1))
    ready = CONTEXT.Barrier(processes + 1)
    workers = [
        CONTEXT.Process(target=write_samples, args=(place, i, partitions, rows, ready)) for i in range(processes)
    ]
    for worker in workers:
        worker.start()
    ready.wait()
    began = time.perf_counter()
    for worker in workers:
        worker.join()
    wall_s = time.perf_counter() - began
    found = place.open().query(
        "SELECT sample_id, count(DISTINCT gene_id) AS n FROM gene_counts WHERE sample_id <> 'first' GROUP BY ALL"
    )
    complete = len(found) == processes * partitions and bool((found["n"] == rows).all())
    text = f"{processes} processes x {partitions} x {rows:,} rows: {wall_s:.2f} s (target {WRITES_S:.0f} s), "
    return text + ("all rows there" if complete else "ROWS ARE MISSING"), complete and wall_s <= WRITES_S


def read_matrix(place: Place, answer: Connection) -> None:
    """Read all counts as a matrix in a process of its own, whose peak memory counts."""
    began = time.perf_counter()
    matrix = place.open().read_matrix("gene_counts", value="count", where={"counter": "featurecounts"})
    wall_s = time.perf_counter() - began
    peak_gib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    answer.send((matrix.shape, int(matrix.to_numpy().sum()), wall_s, peak_gib))


def measure_matrix(place: Place, options: argparse.Namespace) -> tuple[str, bool]:
    warehouse, total = place.open(), 0
    began = time.perf_counter()
    frame = counts_of_sample("", options.genes)
    for number in range(options.samples):
        sample = f"sample{number:05d}"
        frame["sample_id"], frame["count"] = sample, np.roll(frame["count"].to_numpy(), 1)
        store(warehouse, sample, frame)
        total += int(frame["count"].sum())
    stored_s = time.perf_counter() - began
    here, there = CONTEXT.Pipe(duplex=False)
    reader = CONTEXT.Process(target=read_matrix, args=(place, there))
    reader.start()
    shape, found, wall_s, peak_gib = here.recv()
    reader.join()
    right = shape == (options.genes, options.samples) and found == total
    text = (
        f"{options.samples:,} samples x {options.genes:,} genes to a matrix: {wall_s:.1f} s (target {MATRIX_S:.0f} s), "
        f"{peak_gib:.1f} GiB (target {MATRIX_GIB:.0f}), {'all counts right' if right else 'COUNTS ARE WRONG'}; "
        f"stored one by one in {stored_s:.0f} s"
    )
    return text, right and wall_s <= MATRIX_S and peak_gib <= MATRIX_GIB


def write_generations(place: Place, acknowledge: Connection) -> None:
    warehouse = place.open()
    for number in itertools.count(1):
        store(warehouse, "S1", counts_of_sample("S1", KILL_ROWS, number), str(number))
        acknowledge.send(number)


def measure_kills(place: Place, options: argparse.Namespace) -> tuple[str, bool]:
    warehouse, moments, damaged = place.open(), random.Random(8), 0
    for _ in range(options.kills):
        here, there = CONTEXT.Pipe(duplex=False)
        process = CONTEXT.Process(target=write_generations, args=(place, there))
        process.start()
        last = here.recv()
        time.sleep(moments.uniform(0, 0.5))
        process.kill()
        process.join()
        while here.poll():
            last = here.recv()
        rows = warehouse.query("SELECT count, count(*) AS n FROM gene_counts WHERE sample_id = 'S1' GROUP BY count")
        steps = warehouse.read("steps", {"partition": "S1"})["fingerprint"].tolist()
        numbers = rows["count"].tolist()
        whole = rows["n"].tolist() == [KILL_ROWS] and steps == [str(numbers[0])] and numbers[0] in (last, last + 1)
        damaged += not whole
    return f"{options.kills} kills in mid-write: {damaged} damaged or lost", damaged == 0


MEASURES: dict[str, Callable[[Place, argparse.Namespace], tuple[str, bool]]] = {
    "writes": measure_writes,
    "matrix": measure_matrix,
    "kills": measure_kills,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--on", default="duckdb,ducklake")
    parser.add_argument("--catalogue", default="")
    parser.add_argument("--only", choices=[*MEASURES], action="append")
    parser.add_argument("--small", action="store_true", help="sizes of seconds, to see that it works")
    sizes = {"processes": (8, 2), "partitions": (3, 2), "rows": (60_000, 2000), "samples": (1000, 20)}
    for name, (size, _) in {**sizes, "genes": (60_000, 2000), "kills": (100, 3)}.items():
        parser.add_argument(f"--{name}", type=int, default=size)
    options = parser.parse_args()
    if options.small:
        small = {name: size for name, (_, size) in sizes.items()} | {"genes": 2000, "kills": 3}
        for name, size in small.items():
            setattr(options, name, size)
    print(f"duckdb {duckdb.__version__}, {os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f}")
    fine = True
    for kind in options.on.split(","):
        for name, measure in MEASURES.items():
            if options.only and name not in options.only:
                continue
            with tempfile.TemporaryDirectory(prefix="poma-storage-") as folder:
                text, reached = measure(Place(Path(folder), catalogue(kind, name, options.catalogue, folder)), options)
            print(f"{kind:9}{text}{'' if reached else '   NOT REACHED'}", flush=True)
            fine &= reached
    return 0 if fine else 1


def catalogue(kind: str, measure: str, given: str, folder: str) -> Catalogue | None:
    """A new catalogue for one measurement; None for the embedded file."""
    if kind == "duckdb":
        return None
    schema = f"bench_{measure}_{os.getpid()}"
    return parse_catalogue(f"{given} schema={schema}" if given else f"ducklake:sqlite:{folder}/catalogue.sqlite")


if __name__ == "__main__":
    sys.exit(main())
