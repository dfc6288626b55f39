"""Cost of gene set enrichment, ours and gseapy's in one run: ``python benchmarks/gene_set_enrichment.py``.

Random statistics for 18,000 genes and random sets of 10 to 500 genes, without and with enriched sets; the first
round of permutations and the rounds for small p values are told apart. Target: 5,000 sets x 1,000 permutations in at
most 15 CPU-s and 1 GB. gseapy's prerank runs on fewer sets of such a study with two numbers of permutations; the
line through them gives its cost for all. Every measurement is made in a process of its own.

``--redundancy`` instead counts the groups of significant GO terms where five terms were planted; ``--null 200`` counts
false positives in so many studies without any enriched set.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import gseapy
import numpy as np
import pandas as pd
from scipy.stats import kstest

from poma_assets.science.enrichment.frames import enrichment_frame
from poma_assets.science.enrichment.gene_set_enrichment import gene_set_enrichment
from poma_assets.science.enrichment.gmt import GeneSet, GeneSetCollection
from poma_assets.science.enrichment.redundancy import group_redundant_sets
from poma_assets.storage.package_data import read_gene_sets

_ENRICHED_SHIFT = 0.5
_PLANTED_TERMS = ("GO:0060337", "GO:0006986", "GO:0006270", "GO:0006695", "GO:0006119")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", type=int, default=5_000)
    parser.add_argument("--genes", type=int, default=18_000)
    parser.add_argument("--permutations", type=int, default=1_000)
    parser.add_argument("--enriched", type=int, default=500, help="sets whose genes are shifted, in the second study")
    parser.add_argument("--gseapy-sets", type=int, default=200)
    parser.add_argument("--gseapy-permutations", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--redundancy", action="store_true")
    parser.add_argument("--null", type=int, default=0, metavar="STUDIES")
    arguments = parser.parse_args()
    if arguments.redundancy:
        report_redundancy(arguments.seed)
    elif arguments.null:
        report_false_positives(arguments.null, arguments.seed)
    else:
        report_cost(arguments)


def report_cost(arguments: argparse.Namespace) -> None:
    what = f"{arguments.sets:,} sets x {arguments.permutations:,} permutations x {arguments.genes:,} genes"
    for enriched in (0, arguments.enriched):
        study = (arguments.genes, arguments.sets, enriched, arguments.seed)
        first_s, _, _ = apart(measure_ours, *study, arguments.permutations, arguments.permutations)
        cpu_s, peak_mib, result = apart(measure_ours, *study, arguments.permutations, 1_000_000)
        more = result["permutations"] > arguments.permutations
        print(
            f"poma_assets, {what}, {enriched} sets enriched: {first_s:.1f} CPU-s;"
            f" with the extra rounds {cpu_s:.1f} CPU-s"
            f" ({more.sum():,} sets, up to {result['permutations'].max():,} permutations;"
            f" {(result['p_adjusted'] < 0.05).sum():,} sets below FDR 0.05); peak memory {peak_mib:,.0f} MiB"
        )
    fewer = (arguments.genes, arguments.gseapy_sets, 0, arguments.seed)
    few = arguments.gseapy_permutations
    base_s, _, _ = apart(measure_gseapy, *fewer, few)
    cpu_s, peak_mib, theirs = apart(measure_gseapy, *fewer, 2 * few)
    _, _, ours = apart(measure_ours, *fewer, few, few)
    per_permutation_s = (cpu_s - base_s) / few
    scaled_s = (cpu_s + (arguments.permutations - 2 * few) * per_permutation_s) * arguments.sets / arguments.gseapy_sets
    print(
        f"gseapy {gseapy.__version__} prerank, {arguments.gseapy_sets:,} sets: {few} permutations {base_s:.1f} CPU-s,"
        f" {2 * few} permutations {cpu_s:.1f} CPU-s, peak memory {peak_mib:,.0f} MiB; extended along this line:"
        f" {scaled_s:,.0f} CPU-s for {what}"
    )
    difference = (ours.set_index("term_id")["score"] - theirs).abs().max()
    print(f"largest difference of the enrichment scores: {difference:.1e}")


def apart(function: Callable[..., object], *arguments: object) -> tuple[float, float, pd.DataFrame]:
    """Run a measurement in a new process."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def measure_ours(
    n_genes: int, n_sets: int, n_enriched: int, seed: int, permutations: int, max_permutations: int
) -> tuple[float, float, pd.DataFrame]:
    ranking, collection = random_study(n_genes, n_sets, n_enriched, np.random.default_rng(seed))
    started = time.process_time()
    result = gene_set_enrichment(
        ranking, collection, permutations=permutations, max_permutations=max_permutations, seed=seed
    )
    return time.process_time() - started, peak_memory_mib(), result.drop(columns="leading_genes")


def measure_gseapy(
    n_genes: int, n_sets: int, n_enriched: int, seed: int, permutations: int
) -> tuple[float, float, pd.Series[float]]:
    ranking, collection = random_study(n_genes, n_sets, n_enriched, np.random.default_rng(seed))
    started = time.process_time()
    result = gseapy.prerank(
        rnk=ranking,
        gene_sets={gene_set.term_id: list(gene_set.genes) for gene_set in collection.sets},
        min_size=10,
        max_size=500,
        permutation_num=permutations,
        seed=seed,
        outdir=None,
        no_plot=True,
        threads=1,
    ).res2d
    return time.process_time() - started, peak_memory_mib(), result.set_index("Term")["ES"].astype(float)


def peak_memory_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def random_study(
    n_genes: int, n_sets: int, n_enriched: int, rng: np.random.Generator
) -> tuple[pd.Series[float], GeneSetCollection]:
    genes = np.array([f"GENE{number:05d}" for number in range(n_genes)])
    sizes = np.exp(rng.uniform(np.log(10), np.log(500), n_sets)).astype(int)  # small sets prevail, as in GO
    sets = tuple(
        GeneSet(f"set{number}", f"set{number}", tuple(rng.choice(genes, size, replace=False)))
        for number, size in enumerate(sizes)
    )
    ranking = pd.Series(rng.standard_normal(n_genes), genes)
    for number, gene_set in enumerate(sets[:n_enriched]):
        ranking[list(gene_set.genes)] += (-1) ** number * _ENRICHED_SHIFT
    return ranking, GeneSetCollection("random", sets, "random", "")


def report_false_positives(n_studies: int, seed: int) -> None:
    p_values, n_called, tests = [], 0, 500
    for study in range(n_studies):
        ranking, collection = random_study(5_000, tests, 0, np.random.default_rng([seed, study]))
        result = gene_set_enrichment(ranking, collection, seed=seed + study)
        p_values.append(result["p_value"].to_numpy())
        n_called += bool((result["p_adjusted"] < 0.05).any())
    p = np.concatenate(p_values)
    print(f"{n_studies} studies x {tests} sets, none enriched; {n_called} studies with a set below FDR 0.05")
    print(f"Kolmogorov-Smirnov test of uniform p values: p = {kstest(p, 'uniform').pvalue:.2f}")
    for level in (0.05, 0.01, 0.001, 0.0001):
        error = np.sqrt(level * (1 - level) / p.size)
        print(f"p < {level:g}: {(p < level).mean():.5f} (expected {level:g} +- {error:.5f})")


def report_redundancy(seed: int) -> None:
    collection = read_gene_sets("go_bp", Path())
    genes = sorted(collection.genes)
    ranking = pd.Series(np.random.default_rng(seed).standard_normal(len(genes)), genes)
    for gene_set in collection.sets:
        if gene_set.term_id in _PLANTED_TERMS:
            print(f"planted: {gene_set.term_id} {gene_set.term_name}, {len(gene_set.genes)} genes")
            ranking[list(gene_set.genes)] += 2
    result = gene_set_enrichment(ranking, collection, seed=seed)
    frame = enrichment_frame(result, "planted", "gsea", "both")
    for shared in (0.3, 0.4, 0.5, 0.6, 0.7, 0.9):
        started = time.process_time()
        grouped = group_redundant_sets(frame, fdr=0.05, shared=shared)["group_term_id"].dropna()
        cpu_s = time.process_time() - started
        print(f"shared {shared}: {len(grouped)} significant sets in {grouped.nunique()} groups, {cpu_s:.2f} CPU-s")


if __name__ == "__main__":
    main()
