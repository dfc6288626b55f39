"""A small simulated genome whose genes are all known."""

from dataclasses import dataclass

import numpy as np
import pytest

from poma_assets.science.simulation.annotation import GeneIdentity, GenomeLayout, layout_genes
from poma_assets.science.simulation.genome import build_genome


@dataclass(frozen=True)
class SmallGenome:
    layout: GenomeLayout
    sequences: dict[str, np.ndarray]


def make_identities(n_genes: int) -> list[GeneIdentity]:
    return [GeneIdentity(f"ENSG{number:011d}", f"GENE{number}") for number in range(1, n_genes + 1)]


@pytest.fixture(scope="session")
def small_genome() -> SmallGenome:
    layout = layout_genes(make_identities(60), np.random.default_rng(3))
    return SmallGenome(layout, build_genome(layout, np.random.default_rng(4)))
