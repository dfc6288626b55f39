"""How often a set of genes seems to move although nothing does, and how often a fall is found.

``python benchmarks/set_test_rates.py [--repetitions 1000]``. The set is a module whose genes share a factor per sample,
so that their residuals correlate by rho; so are the other genes, in modules of 20. Log2 expression is normal with a
standard deviation of 0.3, z has the known variance. Two-sided rates of p < 0.05 of the competitive rank test where
nothing moves: without allowing for correlation; with `set_tests.inter_gene_correlation` and the normal law; and as
programmes are scored (`programmes.py`), with Student's law for the residual degrees of freedom. The last column is the
latter where all genes of the set fall by 0.3 log2 (1.23-fold). The interval is 1.96 binomial standard errors.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import pandas as pd
from response_rates import design_of, rate

from poma_assets.science.markers.programmes import programme_scores
from poma_assets.science.markers.residual_correlation import Residuals, design_residuals
from poma_assets.science.markers.set_tests import competitive_rank_test, inter_gene_correlation

SPREAD, MODULE, OTHERS = 0.3, 20, 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    started = time.process_time()
    print(f"{arguments.repetitions} repetitions, seed {arguments.seed}\n")
    print("| replicates | genes | rho | independent | normal | Student | fall found |")
    print("|---:|---:|---:|---:|---:|---:|---:|")
    for n in (2, 3, 6):
        for genes in (13, 67):
            for rho in (0.0, 0.1, 0.3):
                streams = (np.random.default_rng([arguments.seed, n, genes, int(100 * rho), i])
                           for i in range(arguments.repetitions))  # fmt: skip
                found = [repetition(n, genes, rho, rng) for rng in streams]
                cells = [rate(np.array(column)) for column in zip(*found, strict=True)]
                print(f"| {n} | {genes} | {rho:g} | " + " | ".join(cells) + " |", flush=True)
    print(f"\n{time.process_time() - started:.0f} CPU s")


def repetition(n: int, genes: int, rho: float, rng: np.random.Generator) -> tuple[bool, bool, bool, bool]:
    values, results, residuals = draw(n, genes, rho, 0.0, rng)
    z, in_set = results["statistic"].to_numpy(), np.arange(len(results)) < genes
    counts = 100 * 2 ** (values - values.mean(axis=1).to_numpy()[:, None])
    arms = (list(values.columns[:n]), list(values.columns[n:]))
    size = pd.Series(1e6, index=values.columns)
    estimated = inter_gene_correlation(counts.iloc[:genes], size, arms)
    plain, normal = (min(competitive_rank_test(z, in_set, r)) < 0.025 for r in (0.0, estimated))
    student = score(results, residuals, genes)
    _, fallen, left = draw(n, genes, rho, -SPREAD, rng)
    return plain, normal, student < 0.05, score(fallen, left, genes) < 0.05


def draw(
    n: int, genes: int, rho: float, effect: float, rng: np.random.Generator
) -> tuple[pd.DataFrame, pd.DataFrame, Residuals]:
    design = design_of(n)
    module = np.concatenate([np.zeros(genes, dtype=int), 1 + np.arange(OTHERS) // MODULE])
    shared = rng.normal(size=(module.max() + 1, 2 * n))[module]
    noise = np.sqrt(rho) * shared + np.sqrt(1 - rho) * rng.normal(size=shared.shape)
    planted = np.where(module == 0, effect, 0.0)
    ids = [f"G{i}" for i in range(len(module))]
    values = pd.DataFrame(
        8 + SPREAD * noise + np.outer(planted, design["target"]), index=ids, columns=design.index
    )  # fmt: skip
    change = values.iloc[:, n:].mean(axis=1) - values.iloc[:, :n].mean(axis=1)
    error = SPREAD * np.sqrt(2 / n)
    results = pd.DataFrame({"gene_id": ids, "gene_name": ids, "log2_fold_change": change, "standard_error": error})
    results = results.assign(statistic=change / error, test="wald", status="tested", base_mean=500.0)
    return values, results.reset_index(drop=True), design_residuals(values, design)


def score(results: pd.DataFrame, residuals: Residuals, genes: int) -> float:
    ids = [f"G{i}" for i in range(genes)]
    listed = pd.DataFrame({"programme": "set", "gene_symbol": ids, "ensembl_gene_id": "", "version": "1"})
    return float(programme_scores("c", results, listed, residuals).loc[0, "p_value"])


if __name__ == "__main__":
    main()
