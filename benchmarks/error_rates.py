"""Type I error, false discovery rate and power of both engines on simulated counts.

``python benchmarks/error_rates.py [--repetitions 200] [--genes 600]``. Counts are negative binomial; dispersions
scatter around a trend (0.03 + 2 / mean, standard deviation 0.5 on the natural log scale). Null: no gene is changed;
planted: a tenth of the genes changes by 1 to 2.5 log2, up or down. Rates are means over repetitions, with the standard
error of that mean. Type I error: share of tested genes with p below 0.05 and 0.01 under the null. At FDR 0.05: false
discovery rate (share of unchanged genes among those found, 0 where none is found), power over all changed genes and
over those with a mean count of 50 or more.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import pandas as pd

from poma_assets.science.differential_expression.contrast_tests import wald_test
from poma_assets.science.differential_expression.deseq2 import fit_deseq2
from poma_assets.science.differential_expression.edger import edger_ql

ALPHA = 0.05
PLANTED_SHARE = 0.1
WELL_EXPRESSED = 50.0
DESIGNS = {
    # name: condition and block of every sample
    "3 against 3": ([0, 0, 0, 1, 1, 1], None),
    "6 against 6": ([0] * 6 + [1] * 6, None),
    "3 pairs": ([0, 0, 0, 1, 1, 1], [0, 1, 2, 0, 1, 2]),
    "2 batches of 3 against 3": ([0] * 6 + [1] * 6, [0, 0, 0, 1, 1, 1] * 2),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=200)
    parser.add_argument("--genes", type=int, default=600)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    started = time.process_time()
    print(f"{arguments.repetitions} repetitions of {arguments.genes} genes, seed {arguments.seed}\n")
    print("| design | engine | p < 0.05, null | p < 0.01, null | FDR at 0.05 | power | power, mean >= 50 |")
    print("|---|---|---:|---:|---:|---:|---:|")
    for number, name in enumerate(DESIGNS):
        rates = [
            repetition(name, arguments.genes, np.random.default_rng([arguments.seed, number, i]))
            for i in range(arguments.repetitions)
        ]
        for engine in ("deseq2", "edger"):
            print(row(name, engine, pd.DataFrame([rate[engine] for rate in rates])), flush=True)
    print(f"\n{time.process_time() - started:.0f} CPU s")


def repetition(name: str, genes: int, rng: np.random.Generator) -> dict[str, dict[str, float]]:
    design = design_matrix(name)
    found: dict[str, dict[str, float]] = {"deseq2": {}, "edger": {}}
    for planted in (False, True):
        counts, mean, effect = draw(design, genes, rng, planted=planted)
        for engine, results in both_engines(counts, design).items():
            rates = discovery_rates(results, mean, effect) if planted else type_i_error(results)
            found[engine].update(rates)
    return found


def design_matrix(name: str) -> pd.DataFrame:
    condition, block = DESIGNS[name]
    columns = {"Intercept": np.ones(len(condition))}
    for level in sorted(set(block or []))[1:]:
        columns[f"block_{level}"] = (np.array(block) == level).astype(float)
    columns["condition"] = np.array(condition, dtype=float)
    return pd.DataFrame(columns, index=[f"sample{i}" for i in range(len(condition))])


def draw(
    design: pd.DataFrame, genes: int, rng: np.random.Generator, *, planted: bool
) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    mean = np.exp(rng.normal(4.5, 1.8, genes))
    dispersion = (0.03 + 2.0 / mean) * np.exp(rng.normal(0.0, 0.5, genes))
    changed = rng.random(genes) < PLANTED_SHARE
    size = rng.choice([-1, 1], genes) * rng.uniform(1.0, 2.5, genes)
    effect = np.where(changed & planted, size, 0.0)
    blocks = design.drop(columns=["Intercept", "condition"]).to_numpy()
    log2 = np.log2(mean)[:, None] + np.outer(effect, design["condition"])
    log2 += rng.normal(0.0, 0.4, (genes, blocks.shape[1])) @ blocks.T
    mu = 2**log2 * rng.uniform(0.7, 1.4, len(design))
    alpha = dispersion[:, None]
    counts = rng.negative_binomial(1 / alpha, 1 / (1 + mu * alpha))
    return pd.DataFrame(counts, index=[f"gene{i}" for i in range(genes)], columns=design.index), mean, effect


def both_engines(counts: pd.DataFrame, design: pd.DataFrame) -> dict[str, pd.DataFrame]:
    weights = np.array([0.0] * (design.shape[1] - 1) + [1.0])
    return {
        "deseq2": wald_test(fit_deseq2(counts, design), weights, alpha=ALPHA),
        "edger": edger_ql(counts, design, weights),
    }


def type_i_error(results: pd.DataFrame) -> dict[str, float]:
    p_values = results["p_value"].dropna()
    return {"p05": float((p_values < 0.05).mean()), "p01": float((p_values < 0.01).mean())}


def discovery_rates(results: pd.DataFrame, mean: np.ndarray, effect: np.ndarray) -> dict[str, float]:
    found = (results["p_adjusted"] < ALPHA).to_numpy()
    changed = effect != 0
    return {
        "fdr": float((found & ~changed).sum() / max(found.sum(), 1)),
        "power": float(found[changed].mean()),
        "power_expressed": float(found[changed & (mean >= WELL_EXPRESSED)].mean()),
    }


def row(name: str, engine: str, rates: pd.DataFrame) -> str:
    errors = rates.std(ddof=1) / np.sqrt(len(rates))
    cells = [f"{rates[column].mean():.4f} ({errors[column]:.4f})" for column in ("p05", "p01")]
    cells += [f"{rates[column].mean():.3f} ({errors[column]:.3f})" for column in ("fdr", "power", "power_expressed")]
    return f"| {name} | {engine} | " + " | ".join(cells) + " |"


if __name__ == "__main__":
    main()
