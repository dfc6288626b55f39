"""CPU seconds and peak memory of DESeq2 and edgeR, ours and R's, on the same counts.

``python benchmarks/differential_expression.py [--sizes 8 24 100] [--design blocked] [--no-r]`` simulates 20,000 genes
once per size and gives them to each engine in a fresh process with one thread. "Start" is the CPU time until
libraries and counts are loaded, "work" all from the counts to the table of one contrast; both are user + system time.
Peak memory is the highest resident set of the process. R needs the packages DESeq2 and edgeR.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np

HERE = Path(__file__).parent
ENGINES = ("deseq2", "edger")
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


class Cost(NamedTuple):
    """CPU seconds before and at work, and peak memory in MiB, of one process."""

    start_s: float
    work_s: float
    peak_mib: float
    significant: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[8, 24, 100], help="numbers of samples")
    parser.add_argument("--genes", type=int, default=20_000)
    parser.add_argument("--design", choices=("two_groups", "blocked"), default="two_groups")
    parser.add_argument("--engines", nargs="+", choices=ENGINES, default=list(ENGINES))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--no-r", action="store_true", help="time our engines only")
    parser.add_argument("--worker", nargs=2, metavar=("ENGINE", "FOLDER"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        work(arguments.worker[0], Path(arguments.worker[1]))
        return
    print(f"{arguments.genes:,} genes, design {arguments.design}, seed {arguments.seed}, one thread an engine\n")
    print("| samples | engine | whose | start CPU s | work CPU s | peak MiB | genes at FDR 0.05 | work, ours / R |")
    print("|---:|---|---|---:|---:|---:|---:|---:|")
    for samples in arguments.sizes:
        with tempfile.TemporaryDirectory() as folder:
            simulate(Path(folder), arguments.genes, samples, arguments.design, arguments.seed)
            for engine in arguments.engines:
                compare(engine, samples, Path(folder), with_r=not arguments.no_r)


def compare(engine: str, samples: int, folder: Path, *, with_r: bool) -> None:
    ours = run([sys.executable, __file__, "--worker", engine, str(folder)])
    theirs = run(["Rscript", str(HERE / "time_r.R"), engine, str(folder)]) if with_r else None
    ratio = "" if theirs is None else f"{ours.work_s / theirs.work_s:.2f}"
    print(row(samples, engine, "ours", ours, ratio), flush=True)
    if theirs is not None:
        print(row(samples, engine, "R", theirs, ""), flush=True)


def row(samples: int, engine: str, whose: str, cost: Cost, ratio: str) -> str:
    return (
        f"| {samples} | {engine} | {whose} | {cost.start_s:.1f} | {cost.work_s:.1f} | {cost.peak_mib:,.0f} "
        f"| {cost.significant:,} | {ratio} |"
    )


def run(command: list[str]) -> Cost:
    """Run one engine in its own process; it prints its CPU time at start and the significant genes as JSON."""
    reading, writing = os.pipe()
    process = os.posix_spawnp(
        command[0],
        command,
        {**os.environ, **ONE_THREAD},
        file_actions=[(os.POSIX_SPAWN_DUP2, writing, 1), (os.POSIX_SPAWN_CLOSE, reading)],
    )
    os.close(writing)
    with os.fdopen(reading) as output:
        told = output.read()
    _, status, usage = os.wait4(process, 0)
    if status:
        raise SystemExit(f"{' '.join(command)} failed:\n{told}")
    answer = json.loads(told.strip().splitlines()[-1])
    total = usage.ru_utime + usage.ru_stime
    return Cost(answer["start_s"], total - answer["start_s"], usage.ru_maxrss / 1024, answer["significant"])


def work(engine: str, folder: Path) -> None:
    import pandas as pd

    from poma_assets.science.differential_expression.contrast_tests import wald_test
    from poma_assets.science.differential_expression.deseq2 import fit_deseq2
    from poma_assets.science.differential_expression.edger import edger_ql

    if engine == "deseq2":
        import pydeseq2.dds  # noqa: F401
    else:
        import pyedger  # noqa: F401

    facts = json.loads((folder / "facts.json").read_text())
    values = np.fromfile(folder / "counts.int32", dtype=np.int32).reshape(facts["genes"], facts["samples"], order="F")
    names = [f"s{i + 1}" for i in range(facts["samples"])]
    counts = pd.DataFrame(values, index=[f"g{i + 1}" for i in range(facts["genes"])], columns=names)
    design = pd.DataFrame(facts["design"], index=names)
    weights = np.array([0.0] * (design.shape[1] - 1) + [1.0])
    start = time.process_time()
    table = wald_test(fit_deseq2(counts, design), weights, alpha=0.05) if engine == "deseq2" else None
    if table is None:
        table = edger_ql(counts, design, weights)
    print(json.dumps({"start_s": start, "significant": int((table["p_adjusted"] < 0.05).sum())}))


def simulate(folder: Path, genes: int, samples: int, design: str, seed: int) -> None:
    """Write counts (log-normal means, dispersions scattered around a trend, a tenth of the genes changed)."""
    rng = np.random.default_rng([seed, samples])
    condition = np.repeat([0.0, 1.0], samples // 2)
    batch = np.tile([0.0, 1.0], samples)[:samples]
    columns = {"Intercept": [1.0] * samples}
    if design == "blocked":
        columns["batch"] = batch.tolist()
    columns["condition"] = condition.tolist()
    mean = np.exp(rng.normal(4.0, 2.0, genes))
    dispersion = (0.03 + 2.0 / mean) * np.exp(rng.normal(0.0, 0.5, genes))
    effect = np.where(rng.random(genes) < 0.1, rng.normal(0.0, 1.2, genes), 0.0)
    log2 = np.log2(mean)[:, None] + np.outer(effect, condition)
    if design == "blocked":
        log2 += np.outer(rng.normal(0.0, 0.3, genes), batch)
    mu = 2**log2 * rng.uniform(0.6, 1.6, samples)
    alpha = dispersion[:, None]
    counts = rng.negative_binomial(1 / alpha, 1 / (1 + mu * alpha)).astype(np.int32)
    counts.ravel(order="F").tofile(folder / "counts.int32")
    facts = {"genes": genes, "samples": samples, "design": columns}
    (folder / "facts.json").write_text(json.dumps(facts))
    np.savetxt(folder / "design.tsv", np.column_stack(list(columns.values())), header=" ".join(columns), comments="")


if __name__ == "__main__":
    main()
