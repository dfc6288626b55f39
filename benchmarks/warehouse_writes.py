"""Several processes write partitions of gene counts into one warehouse: are all rows there, and how long?

python benchmarks/warehouse_writes.py [--processes 8] [--partitions 3] [--rows 60000]
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import tempfile
import time
import zlib
from multiprocessing.sharedctypes import Synchronized
from multiprocessing.synchronize import Barrier
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd

from poma_assets.storage.step_output import StepOutput
from poma_assets.storage.warehouse import Warehouse

TARGET_S = 5.0


def counts_of_sample(sample: str, rows: int) -> pd.DataFrame:
    """A frame as an asset would store it in ``gene_counts``."""
    generator = np.random.default_rng(zlib.crc32(sample.encode()))
    return pd.DataFrame(
        {
            "sample_id": sample,
            "gene_id": [f"ENSG{i:011d}" for i in range(rows)],
            "counter": "featurecounts",
            "count": generator.negative_binomial(1, 0.01, rows),
        }
    )


def write_samples(
    folder: str, worker: int, partitions: int, rows: int, ready: Barrier, cpu_s: Synchronized[float]
) -> None:
    """Write the partitions of one process, after all processes have imported and made their frames."""
    warehouse = Warehouse(Path(folder) / "warehouse.duckdb")
    samples = [f"sample-{worker}-{partition}" for partition in range(partitions)]
    frames = {sample: counts_of_sample(sample, rows) for sample in samples}
    ready.wait()
    cpu_before_s = time.process_time()
    for sample, frame in frames.items():
        warehouse.write(
            StepOutput(tables={"gene_counts": frame}),
            asset="gene_counts",
            partition=sample,
            study_root=Path(folder),
            fingerprint="f",
            data_version="v",
            inputs={},
            run_id="benchmark",
            partition_values={"gene_counts": {"sample_id": sample, "counter": "featurecounts"}},
        )
    with cpu_s.get_lock():
        cpu_s.value += time.process_time() - cpu_before_s


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--partitions", type=int, default=3)
    parser.add_argument("--rows", type=int, default=60_000)
    options = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        ready = context.Barrier(options.processes + 1)
        cpu_s = context.Value("d", 0.0)
        workers = [
            context.Process(target=write_samples, args=(folder, i, options.partitions, options.rows, ready, cpu_s))
            for i in range(options.processes)
        ]
        for worker in workers:
            worker.start()
        ready.wait()
        ready_at = time.perf_counter()
        for worker in workers:
            worker.join()
        writes_s, all_s = time.perf_counter() - ready_at, time.perf_counter() - started
        warehouse = Warehouse(Path(folder) / "warehouse.duckdb")
        found = warehouse.query("SELECT sample_id, count(DISTINCT gene_id) AS n FROM gene_counts GROUP BY ALL")
        size_mib = warehouse.path.stat().st_size / 2**20
    expected = options.processes * options.partitions
    complete = len(found) == expected and bool((found["n"] == options.rows).all())
    print(
        f"duckdb {duckdb.__version__}: {options.processes} processes x {options.partitions} partitions "
        f"x {options.rows:,} rows"
    )
    print(
        f"rows found: {int(found['n'].sum()):,} of {expected * options.rows:,} "
        f"({'all there' if complete else 'ROWS ARE MISSING'}); file {size_mib:.1f} MiB"
    )
    print(f"writes: {writes_s:.2f} s wall (target {TARGET_S:.0f} s), {cpu_s.value:.2f} s CPU of all processes")
    print(
        f"with start and imports: {all_s:.2f} s wall; load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    )
    return 0 if complete and writes_s <= TARGET_S else 1


if __name__ == "__main__":
    sys.exit(main())
