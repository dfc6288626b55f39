"""A large cohort from a count matrix to its reports: wall, CPU and memory of every step.

``python benchmarks/cohort.py [--samples 1000] [--genes 60000] [--folder DIR] [--profile]``

A matrix of counts (negative binomial, dispersion 0.1, library sizes within a factor of three, a twentieth of the genes
changed by the drug, two thirds of the genes hardly expressed, as in human annotations) with real Ensembl ids is written
as a study that begins at counts: half of the samples under pomalidomide, two contrasts: a tenth of either arm, and all.
Then ``poma run`` as anybody calls it, and the sizes of what it made. With ``--profile`` the steps of the cohort and of
the contrasts are run again under cProfile, one file a step.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
from process_cost import measure

from poma_assets.storage.package_data import read_gene_ids
from poma_assets.storage.warehouse import Warehouse

REPOSITORY = Path(__file__).resolve().parents[1]
DISPERSION = 0.1
BATCH_SHARE = 10
"""One in so many samples is in the small contrast."""

PROFILED = """
import cProfile, sys
import dagster as dg
from poma_assets.definitions import defs
job, asset, partition, target = sys.argv[1:]
profile = cProfile.Profile()
with dg.DagsterInstance.get() as instance:
    profile.enable()
    defs.resolve_job_def(job).execute_in_process(
        instance=instance, partition_key=partition or None, asset_selection=[dg.AssetKey(asset)]
    )
    profile.disable()
profile.dump_stats(target)
"""


def write_study(root: Path, samples: int, genes: int) -> None:
    """A study that begins at a count matrix."""
    rng = np.random.default_rng(1)
    known = read_gene_ids()["ensembl_gene_id"].drop_duplicates().to_numpy()
    more = [f"ENSG{number:011d}" for number in range(900_000_000, 900_000_000 + max(0, genes - len(known)))]
    ids = np.concatenate([rng.permutation(known)[:genes], more])
    mean = np.where(rng.random(genes) < 1 / 3, rng.lognormal(5, 1.5, genes), rng.lognormal(-1, 1.5, genes))
    effect = np.where(rng.random(genes) < 1 / 20, rng.normal(0, 1.2, genes), 0.0)
    names = [f"S{number:05d}" for number in range(1, samples + 1)]
    treated = np.arange(samples) % 2
    depth = rng.uniform(0.5, 1.5, samples)
    with (root / "counts.tsv").open("w") as out:
        out.write("\t".join(["gene_id", *names]) + "\n")
        for gene in range(genes):
            expected = mean[gene] * depth * 2.0 ** (effect[gene] * treated)
            counts = rng.poisson(expected * rng.gamma(1 / DISPERSION, DISPERSION, samples))
            out.write(ids[gene] + "\t" + "\t".join(map(str, counts)) + "\n")
    (root / "poma.yaml").write_text("name: cohort\ncount_matrix: counts.tsv\n")
    drug = np.where(treated == 1, "pomalidomide", "DMSO")
    plate = np.where(np.arange(samples) // 2 % BATCH_SHARE == 0, "P1", "P2")
    sheet = pd.DataFrame({"sample": names, "cell_line": "MM.1S", "cell_context": "myeloma", "treatment": drug})
    sheet.assign(replicate=np.arange(samples) // 2 + 1, plate=plate).to_csv(root / "samples.tsv", sep="\t", index=False)
    rows = ["id\tvariable\treference\ttarget\tsubset", "few\ttreatment\tDMSO\tpomalidomide\tplate=P1"]
    (root / "contrasts.tsv").write_text("\n".join([*rows, "all\ttreatment\tDMSO\tpomalidomide\t"]) + "\n")


def step_table(root: Path) -> pd.DataFrame:
    """The steps that took longest, with their rows."""
    steps = Warehouse(root / "results" / "warehouse.duckdb").steps()
    return steps.sort_values("wall_s", ascending=False)[["asset", "partition", "wall_s", "rows"]]


def profile_steps(root: Path, env: dict[str, str], steps: pd.DataFrame) -> None:
    """Run the five longest steps again, each in a process of its own, under cProfile."""
    from poma_assets.jobs import COHORT_ASSETS
    from poma_assets.vocabulary import CONTRAST_ASSETS

    jobs = dict.fromkeys(COHORT_ASSETS, "analyse_cohort") | dict.fromkeys(CONTRAST_ASSETS, "analyse_contrast")
    for row in steps.head(5).itertuples():
        job = jobs.get(str(row.asset), "publish_reports")
        target = root / f"{row.asset}_{row.partition}.prof"
        argv = [sys.executable, "-W", "ignore", "-c", PROFILED, job, str(row.asset), str(row.partition), str(target)]
        subprocess.run(argv, cwd=root, env=env, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        print(f"profile: {target}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=1_000)
    parser.add_argument("--genes", type=int, default=60_000)
    parser.add_argument("--folder", type=Path, help="keeps the study; default: a temporary one")
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    print(f"{date.today()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory(prefix="cohort-") as temporary:
        root = (options.folder or Path(temporary)).resolve() / f"cohort_{options.samples}_{options.genes}"
        if not (root / "contrasts.tsv").is_file():
            root.mkdir(parents=True, exist_ok=True)
            write_study(root, options.samples, options.genes)
        env = {**os.environ, "PYTHONPATH": str(REPOSITORY), "PYTHONWARNINGS": "ignore"}
        env |= {"POMA_STUDY": str(root), "DAGSTER_HOME": str(root / ".dagster")}
        log = root / "last.log"
        cost = measure([sys.executable, "-m", "poma_assets.cli.main", "run"], log=log, cwd=root, env=env)
        print("\n".join(log.read_text().splitlines()[-12:]))
        print(f"\n`poma run`: {cost.wall_s:.1f} s, {cost.cpu_s:.1f} CPU s, peak {cost.peak_mib:,.0f} MiB")
        steps = step_table(root)
        print("\n| step | wall s | rows |\n|---|---:|---:|")
        for row in steps.head(16).itertuples():
            print(f"| {row.asset} {row.partition} | {row.wall_s:.1f} | {row.rows:,} |")
        for path in ("results/warehouse.duckdb", "results/study.duckdb", "results/reports/study/study_report.html"):
            if (root / path).is_file():
                print(f"{path}: {(root / path).stat().st_size / 1e6:.1f} MB")
        if options.profile:
            profile_steps(root, env, steps)
    return 0


if __name__ == "__main__":
    sys.exit(main())
