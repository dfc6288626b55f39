"""CPU seconds and peak memory of gene set enrichment: ``python benchmarks/gene_set_enrichment.py``.

Random statistics for 18,000 genes and random sets of 10 to 500 genes; target: 5,000 sets x 1,000 permutations
in at most 15 CPU-s and 1 GB. ``--gseapy`` runs gseapy's prerank on the same instead (slow).
"""

from __future__ import annotations

import argparse
import resource
import time

import numpy as np
import pandas as pd

from poma_assets.science.enrichment.gene_set_enrichment import gene_set_enrichment
from poma_assets.science.enrichment.gmt import GeneSet, GeneSetCollection


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", type=int, default=5_000)
    parser.add_argument("--genes", type=int, default=18_000)
    parser.add_argument("--permutations", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--gseapy", action="store_true")
    arguments = parser.parse_args()

    ranking, collection = random_study(arguments.genes, arguments.sets, np.random.default_rng(arguments.seed))
    started = time.process_time()
    if arguments.gseapy:
        import gseapy

        gseapy.prerank(
            rnk=ranking,
            gene_sets={gene_set.term_id: list(gene_set.genes) for gene_set in collection.sets},
            min_size=10,
            max_size=500,
            permutation_num=arguments.permutations,
            seed=arguments.seed,
            outdir=None,
            threads=1,
        )
    else:
        gene_set_enrichment(ranking, collection, permutations=arguments.permutations, seed=arguments.seed)
    cpu_s = time.process_time() - started
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    what = f"{arguments.sets:,} sets x {arguments.permutations:,} permutations x {arguments.genes:,} genes"
    name = "gseapy.prerank" if arguments.gseapy else "poma_assets"
    print(f"{name}: {what}: {cpu_s:.1f} CPU-s, peak memory {peak_mib:,.0f} MiB")


def random_study(n_genes: int, n_sets: int, rng: np.random.Generator) -> tuple[pd.Series[float], GeneSetCollection]:
    genes = np.array([f"GENE{number:05d}" for number in range(n_genes)])
    sizes = np.exp(rng.uniform(np.log(10), np.log(500), n_sets)).astype(int)  # small sets prevail, as in GO
    sets = tuple(
        GeneSet(f"set{number}", f"set{number}", tuple(rng.choice(genes, size, replace=False)))
        for number, size in enumerate(sizes)
    )
    return pd.Series(rng.standard_normal(n_genes), genes), GeneSetCollection("random", sets, "random", "")


if __name__ == "__main__":
    main()
