"""The whole simulation in one call: from gene tables, size and seed to genome, counts and read library."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from poma_assets.science.simulation.annotation import GenomeLayout, layout_genes
from poma_assets.science.simulation.expression import (
    Counts,
    GeneEffects,
    choose_genes,
    draw_counts,
    plant_effects,
)
from poma_assets.science.simulation.genome import Sequence as BaseSequence
from poma_assets.science.simulation.genome import build_genome
from poma_assets.science.simulation.reads import ReadLibrary, build_read_library
from poma_assets.science.simulation.study_design import (
    EXPECTED_VERDICTS,
    ExpectedVerdict,
    SimulatedSample,
    simulated_samples,
)


@dataclass(frozen=True)
class SimulationSize:
    """How large a simulated study is.

    Attributes
    ----------
    n_background_genes
        Genes beside the planted markers and identity genes.
    read_pairs_per_sample
        Expected read pairs of a sample.
    replicates
        Biological replicates of each of the four arms.
    n_go_terms, genes_per_go_term
        GO terms from which background genes are taken, and how many genes of each.
    n_paralogue_pairs
        Pairs of background genes that share 300 bases.
    """

    n_background_genes: int
    read_pairs_per_sample: int
    replicates: int
    n_go_terms: int
    genes_per_go_term: int = 18
    n_paralogue_pairs: int = 6

    @property
    def expected_verdicts(self) -> tuple[ExpectedVerdict, ...]:
        """The planted verdicts that can be found at this size."""
        has_power = self.replicates >= 3 and self.read_pairs_per_sample >= DEMO.read_pairs_per_sample
        return tuple(expected for expected in EXPECTED_VERDICTS if has_power or not expected.needs_depth)


DEMO = SimulationSize(640, 60_000, 3, 34)
"""12 samples; every planted verdict can be found."""

TINY = SimulationSize(120, 5_000, 2, 5, genes_per_go_term=12, n_paralogue_pairs=2)
"""8 samples for tests; only the verdicts that need no depth are to be expected."""


@dataclass(frozen=True)
class Simulation:
    """A simulated study but for its reads, which `reads` draws sample by sample.

    ``counts`` are exonic fragments, genes x samples; ``term_members`` the genes of the planted
    GO terms.
    """

    samples: tuple[SimulatedSample, ...]
    effects: GeneEffects
    term_members: dict[str, list[str]]
    counts: Counts
    layout: GenomeLayout
    genome: dict[str, BaseSequence]
    library: ReadLibrary


def simulate_study(
    gene_ids: Mapping[str, str], terms: Mapping[str, Sequence[str]], size: SimulationSize, seed: int
) -> Simulation:
    """Decide everything but the reads.

    Parameters
    ----------
    gene_ids
        Symbol to Ensembl gene id.
    terms
        GO id to symbols.
    size
        How large the study is.
    seed
        Seed; each part has its own stream of random numbers.
    """
    streams = [np.random.default_rng([seed, part]) for part in range(6)]
    identities, members = choose_genes(
        gene_ids,
        terms,
        streams[0],
        n_background=size.n_background_genes,
        n_terms=size.n_go_terms,
        genes_per_term=size.genes_per_go_term,
    )
    effects = plant_effects(identities, members, streams[1])
    samples = simulated_samples(size.replicates, streams[2])
    counts = draw_counts(effects, samples, read_pairs=size.read_pairs_per_sample, rng=streams[3])
    layout = layout_genes(identities, streams[4])
    planted_as = zip(identities, effects.planted_as, strict=True)
    genome = build_genome(
        layout,
        streams[5],
        paralogue_candidates=[gene.gene_id for gene, planted in planted_as if planted == "background"],
        n_paralogue_pairs=size.n_paralogue_pairs,
    )
    rows = {identity.gene_id: row for row, identity in enumerate(identities)}
    library = build_read_library(genome, layout, rows)
    return Simulation(tuple(samples), effects, members, counts, layout, genome, library)
