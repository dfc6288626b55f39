"""How often the verdicts are right where the truth is known: counts are drawn, fitted by DESeq2 and judged.

``python benchmarks/verdict_rates.py [--repetitions 1000] [--seed 1] [--noisier 1] [--table frequencies]``. Every
marker is a hypothesis "falls, by at least 1.5-fold" (delta 0.585), reference mean 500 counts, equal arms. The panel
has ten hypotheses, as many as the shipped table tests gene by gene in sensitive myeloma cells. Since the adjustment
depends on the other markers of the panel, a marker is judged in the company of nine of its own true effect; those with
effect 0 also beside nine that fall by 1 (the drug works), and those that fall by 1 beside nine that do not change. One
data set has 70 markers (ten of each true effect) among 400 other genes, whose dispersions scatter around a trend (the
markers' dispersion + 0.5 / mean; standard deviation 0.5 on the natural log scale) and a sixth of which changes in the
opposite direction, so that size factors have no bias. A repetition is one judged marker, ten per data set.
``--noisier 3``: the markers' dispersion is three times that of the other genes. Exposure is given as shown.

``--table replicates``: does the advised number of replicates bring the smallest detectable effect below delta?
``--table sets``: how often the competitive test calls a set changed that is not, by the true correlation of its genes
(11 genes, dispersions around 0.03, log-normal between samples; 400 other genes).
"""

from __future__ import annotations

import argparse
import time
from collections import Counter

import numpy as np
import pandas as pd

from poma_assets.science.differential_expression.contrast_tests import wald_test
from poma_assets.science.differential_expression.deseq2 import fit_deseq2
from poma_assets.science.markers.hypotheses import COLUMNS, Hypotheses, parse_hypotheses
from poma_assets.science.markers.judgement import ContrastFacts
from poma_assets.science.markers.set_tests import competitive_rank_test, inter_gene_correlation
from poma_assets.science.markers.statistics import replicates_needed, smallest_detectable_effect
from poma_assets.science.markers.verdicts import judge_markers

REPLICATES = (2, 3, 4, 6)
DISPERSIONS = (0.01, 0.03, 0.1)
EFFECTS = (-2.0, -1.0, -0.585, -0.2, 0.0, 0.2, 1.0)
DELTA = 0.585
PANEL = 10
BACKGROUND = 400
MEAN_COUNT = 500.0
SETS, SET_SIZE = 20, 11
COMPANIES = {0.0: -1.0, -1.0: 0.0}
WEAK = "plain, weak by itself"
SUB_VERDICTS = ("strong", "plain", WEAK, "small_effect", "borderline", "underpowered", "absent", "opposite")
CONFIRMED = ("strong", "plain", WEAK)
Cell = tuple[int, float, float, float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--noisier", type=float, default=1.0)
    parser.add_argument("--table", choices=("rates", "replicates", "sets"), default="rates")
    arguments = parser.parse_args()
    started = time.process_time()
    if arguments.table == "replicates":
        print_replicates(arguments.repetitions, arguments.seed)
    elif arguments.table == "sets":
        print_sets(arguments.repetitions, arguments.seed)
    else:
        counted: dict[Cell, Counter[str]] = {}
        for n in REPLICATES:
            for dispersion in DISPERSIONS:
                for number in range(-(-arguments.repetitions // PANEL)):
                    rng = np.random.default_rng([arguments.seed, n, round(1000 * dispersion), number])
                    judge_data_set(n, dispersion, arguments.noisier, rng, counted)
        print_errors(counted)
        print("\nIn per cent; the other nine markers of the panel have the same true effect:\n")
        print_frequencies(counted)
    print(f"\n{arguments.repetitions} repetitions, seed {arguments.seed}, {time.process_time() - started:.0f} CPU s")


def judge_data_set(
    n: int, dispersion: float, noisier: float, rng: np.random.Generator, counted: dict[Cell, Counter[str]]
) -> None:
    """Draw and fit one data set; count sub-verdicts by replicates, dispersion, effect and the others' effect."""
    counts, results = fitted(n, np.repeat(EFFECTS, PANEL), dispersion, noisier, rng)
    facts = contrast_facts(n)
    genes = {effect: [f"marker{i}" for i in range(j * PANEL, (j + 1) * PANEL)] for j, effect in enumerate(EFFECTS)}
    for effect in EFFECTS:
        cell = counted.setdefault((n, dispersion, effect, effect), Counter())
        cell.update(judged(genes[effect], counts, results, facts))
    for effect, company in COMPANIES.items():
        cell = counted.setdefault((n, dispersion, effect, company), Counter())
        for gene in genes[effect]:
            cell.update(judged([gene, *genes[company][1:]], counts, results, facts)[:1])


def fitted(
    n: int, effects: np.ndarray, dispersion: float, noisier: float, rng: np.random.Generator
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Counts of markers and other genes, and their rows of ``de_results``."""
    mirrored = np.zeros(BACKGROUND)
    mirrored[: len(effects)] = -effects
    mean = np.concatenate([np.full(len(effects), MEAN_COUNT), np.exp(rng.normal(5.5, 1.3, BACKGROUND))])
    others = (dispersion / noisier + 0.5 / mean[len(effects) :]) * np.exp(rng.normal(0, 0.5, BACKGROUND))
    alpha = np.concatenate([np.full(len(effects), dispersion), others])[:, None]
    arm = np.repeat([0.0, 1.0], n)
    mu = mean[:, None] * 2 ** np.outer(np.concatenate([effects, mirrored]), arm) * rng.uniform(0.7, 1.4, 2 * n)
    names = [f"marker{i}" for i in range(len(effects))] + [f"gene{i}" for i in range(BACKGROUND)]
    samples = [f"sample{i}" for i in range(2 * n)]
    counts = pd.DataFrame(rng.negative_binomial(1 / alpha, 1 / (1 + mu * alpha)), index=names, columns=samples)
    design = pd.DataFrame({"Intercept": 1.0, "drug": arm}, index=samples)
    results = wald_test(fit_deseq2(counts, design), np.array([0.0, 1.0]), alpha=0.05)
    results = results.rename_axis("gene_id").reset_index()
    return counts, results.assign(gene_name=results["gene_id"], engine="deseq2", contrast_id="drug")


def contrast_facts(n: int) -> ContrastFacts:
    samples = tuple(f"sample{i}" for i in range(2 * n))
    cells = (frozenset({"myeloma"}), frozenset({"sensitive"}), (24.0,))
    return ContrastFacts("drug", "drug_vs_vehicle", *cells, n, n, samples[:n], samples[n:], True)


def hypotheses_on(genes: list[str]) -> Hypotheses:
    fields = "\tcore\tmyeloma\trna\tdrug_vs_vehicle\tdown\t0.585\t\t\tdirectional"
    lines = ["\t".join(COLUMNS), *(f"{gene}\t{gene}\t{fields}" for gene in genes)]
    return parse_hypotheses("\n".join(lines), source="simulated")


def judged(genes: list[str], counts: pd.DataFrame, results: pd.DataFrame, facts: ContrastFacts) -> list[str]:
    """Return the sub-verdicts of a panel, in the order of its genes."""
    rows = results[results["gene_id"].isin(genes)]
    empty = pd.DataFrame(columns=["sample_id", "status"])
    response = pd.DataFrame({"judged_gene": genes, "exposure_shown": True})
    hypotheses = hypotheses_on(genes)
    frame = judge_markers(hypotheses, facts, rows, None, counts.loc[genes], counts.sum(), empty, empty, response, None)
    rows = frame.set_index("gene_symbol").loc[genes]
    weak = rows["label"].eq("weak_by_itself") & rows["sub_verdict"].eq("plain")
    return list(rows["sub_verdict"].mask(weak, WEAK))


def print_errors(counted: dict[Cell, Counter[str]]) -> None:
    pairs = [f"{what}, others 0 | others -1" for what in ("confirmed at 0", "contradicted at -1", "confirmed at -1")]
    pairs[0] += " | of these not labelled weak"
    print("| replicates | dispersion | " + " | ".join(pairs) + " | confirmed at -0.585, others too |")
    print("|---:" * 10 + "|")
    for n in REPLICATES:
        for dispersion in DISPERSIONS:
            cells = [rate(counted[n, dispersion, 0.0, other], *CONFIRMED) for other in (0.0, -1.0)]
            cells.append(rate(counted[n, dispersion, 0.0, -1.0], "strong", "plain"))
            cells += [rate(counted[n, dispersion, -1.0, other], "absent", "opposite") for other in (0.0, -1.0)]
            cells += [rate(counted[n, dispersion, -1.0, other], *CONFIRMED) for other in (0.0, -1.0)]
            cells.append(rate(counted[n, dispersion, -0.585, -0.585], *CONFIRMED))
            print(f"| {n} | {dispersion:g} | " + " | ".join(cells) + " |")


def print_frequencies(counted: dict[Cell, Counter[str]]) -> None:
    print("| replicates | dispersion | true effect | " + " | ".join(SUB_VERDICTS) + " |")
    print("|---:|---:|---:|" + "---:|" * len(SUB_VERDICTS))
    for (n, dispersion, effect, company), cell in counted.items():
        if company == effect:
            cells = [rate(cell, name) for name in SUB_VERDICTS]
            print(f"| {n} | {dispersion:g} | {effect:+g} | " + " | ".join(cells) + " |")


def rate(cell: Counter[str], *names: str) -> str:
    """Per cent."""
    return f"{100 * sum(cell[name] for name in names) / cell.total():.1f}"


def print_replicates(repetitions: int, seed: int) -> None:
    """Judge the advice: at the advised number, 1.645 standard errors should lie just below delta."""
    print("| dispersion | replicates | smallest detectable | advised (median) | smallest detectable there |")
    print("|---:|---:|---:|---:|---:|")
    for dispersion in (0.1, 0.2, 0.4):
        for n in (2, 3, 4):
            errors = standard_errors(n, dispersion, repetitions, seed)
            needed = [replicates_needed(float(error), DELTA, n, n) for error in errors]
            advised = round(float(np.median([number for number in needed if number is not None])))
            there = standard_errors(advised, dispersion, repetitions, seed)
            cells = [
                f"{float(np.median([smallest_detectable_effect(float(s)) for s in e])):.3f}" for e in (errors, there)
            ]
            print(f"| {dispersion:g} | {n} | {cells[0]} | {advised} | {cells[1]} |")


def print_sets(repetitions: int, seed: int) -> None:
    print("| replicates | correlation | estimated (mean) | p < 0.05 | p < 0.01 | and mean change >= delta |")
    print("|---:|---:|---:|---:|---:|---:|")
    for n in REPLICATES:
        for rho in (0.0, 0.05, 0.1, 0.3):
            tests = [
                row
                for number in range(-(-repetitions // SETS))
                for row in set_tests(n, rho, np.random.default_rng([seed, n, round(100 * rho), number]))
            ]
            correlation, p, effect = np.array(tests).T
            calls = [p < 0.05, p < 0.01, (p < 0.01) & (np.abs(effect) >= DELTA)]
            cells = [f"{100 * called.mean():.1f} %" for called in calls]
            print(f"| {n} | {rho:g} | {correlation.mean():.2f} | " + " | ".join(cells) + " |", flush=True)


def set_tests(n: int, rho: float, rng: np.random.Generator) -> list[tuple[float, float, float]]:
    """Correlation as estimated, one-sided p (up and down) and mean effect of sets that do not change."""
    members, samples = SETS * SET_SIZE, [f"sample{i}" for i in range(2 * n)]
    mean = np.exp(rng.normal(5.5, 1.0, members + BACKGROUND))
    deviation = np.sqrt(0.03) * np.exp(rng.normal(0, 0.2, len(mean)))
    noise = rng.normal(size=(len(mean), 2 * n))
    shared = np.repeat(rng.normal(size=(SETS, 2 * n)), SET_SIZE, axis=0)
    noise[:members] = np.sqrt(rho) * shared + np.sqrt(1 - rho) * noise[:members]
    depth = rng.uniform(0.7, 1.4, 2 * n)
    drawn = rng.poisson(mean[:, None] * np.exp(deviation[:, None] * noise) * depth)
    counts = pd.DataFrame(drawn, index=[f"gene{i}" for i in range(len(mean))], columns=samples)
    design = pd.DataFrame({"Intercept": 1.0, "drug": np.repeat([0.0, 1.0], n)}, index=samples)
    results = wald_test(fit_deseq2(counts, design), np.array([0.0, 1.0]), alpha=0.05)
    z = results["statistic"].to_numpy()
    found = []
    for first in range(0, members, SET_SIZE):
        in_set = np.zeros(len(mean), dtype=bool)
        in_set[first : first + SET_SIZE] = True
        used = (in_set | (np.arange(len(mean)) >= members)) & np.isfinite(z)
        correlation = inter_gene_correlation(counts[in_set], counts.sum(), [samples[:n], samples[n:]])
        effect = float(results["log2_fold_change"][in_set].mean())
        found += [(correlation, p, effect) for p in competitive_rank_test(z[used], in_set[used], correlation)]
    return found


def standard_errors(n: int, dispersion: float, repetitions: int, seed: int) -> np.ndarray:
    effects = np.zeros(100)
    found = []
    for number in range(-(-repetitions // len(effects))):
        rng = np.random.default_rng([seed, n, round(1000 * dispersion), number])
        _, results = fitted(n, effects, dispersion, 1.0, rng)
        found.append(results["standard_error"].to_numpy()[: len(effects)])
    return np.concatenate(found)


if __name__ == "__main__":
    main()
