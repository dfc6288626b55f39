"""Expected and drawn fragment counts: planted markers, planted GO terms and a mostly unchanged background.

Effects are log2 fold changes. Counts are genes x samples, one row per gene.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from poma_assets.science.simulation.annotation import GeneIdentity
from poma_assets.science.simulation.study_design import (
    PLANTED_GENES,
    PLANTED_TERMS,
    PlantedGene,
    SimulatedSample,
)

Counts = NDArray[np.int64]
Effects = NDArray[np.float64]

DESIGN_FRAGMENTS = 54_000
"""Exonic fragments of a sample at the depth for which the planted fragment numbers are declared."""

_DISPERSION_FLOOR = 0.003
_DISPERSION_SLOPE = 2.0
_UNEXPRESSED_FRACTION = 0.04
_BACKGROUND_SPREAD = 1.0
_RESISTANCE_FRACTION = 0.05
_DRUG_FRACTION = 0.02
_DEPTH_SPREAD = 0.08
_CONSTANT_REGIONS = ("IGKC", "IGLC2", "IGHA1", "IGHG1", "IGHE")
_BIOTYPES = {"XIST": "lncRNA"} | dict.fromkeys(_CONSTANT_REGIONS, "IG_C_gene")


@dataclass(frozen=True)
class GeneEffects:
    """The truth about every gene; all arrays have one entry per gene.

    Attributes
    ----------
    identities
        The genes.
    fragments
        Expected fragments in a vehicle sample of the sensitive line, of ``DESIGN_FRAGMENTS`` in all.
    dispersion
        Negative binomial dispersion: variance = mean + dispersion x mean^2.
    drug_in_sensitive, drug_in_resistant
        Drug against vehicle in each line, log2.
    resistance_at_vehicle
        Resistant against sensitive line without drug, log2.
    planted_as
        ``marker``, a GO id, or ``background``.
    """

    identities: tuple[GeneIdentity, ...]
    fragments: NDArray[np.float64]
    dispersion: NDArray[np.float64]
    drug_in_sensitive: Effects
    drug_in_resistant: Effects
    resistance_at_vehicle: Effects
    planted_as: tuple[str, ...]

    @property
    def interaction(self) -> Effects:
        """Drug effect in the sensitive minus that in the resistant line, log2."""
        return self.drug_in_sensitive - self.drug_in_resistant

    def contrast_effects(self) -> dict[str, Effects]:
        """Return the true log2 fold changes of each contrast of the simulated study."""
        return {
            "pom_in_sensitive": self.drug_in_sensitive,
            "pom_in_resistant": self.drug_in_resistant,
            "resistance_at_vehicle": self.resistance_at_vehicle,
            "interaction": self.interaction,
        }


def choose_genes(
    gene_ids: Mapping[str, str],
    terms: Mapping[str, Sequence[str]],
    rng: np.random.Generator,
    *,
    n_background: int,
    n_terms: int,
    genes_per_term: int,
) -> tuple[list[GeneIdentity], dict[str, list[str]]]:
    """Choose the genes of the simulated genome.

    All planted genes come first, then genes of the planted GO terms, of further terms, and any others.

    Parameters
    ----------
    gene_ids
        Symbol to Ensembl gene id; the planted genes must be among them.
    terms
        GO id to symbols.
    rng
        Source of randomness.
    n_background
        Genes beside the planted ones.
    n_terms, genes_per_term
        How many GO terms to take genes from, and how many genes of each at most.

    Returns
    -------
    identities
        The genes.
    members
        Id of each planted GO term to the symbols of its genes on the genome, planted markers left out.
    """
    planted = [gene.symbol for gene in PLANTED_GENES]
    usable = {symbol for symbol, gene_id in gene_ids.items() if _is_plain_gene(symbol, gene_id)}
    usable -= set(planted)
    eligible = sorted(
        term
        for term, symbols in terms.items()
        if genes_per_term <= len(usable.intersection(symbols)) <= 3 * genes_per_term
    )
    wanted = [term.go_id for term in PLANTED_TERMS]
    others = [term for term in (eligible[i] for i in rng.permutation(len(eligible))) if term not in wanted]
    chosen: dict[str, None] = {}
    for term in (wanted + others)[:n_terms]:
        symbols = sorted(usable.intersection(terms[term]))
        picked = [symbols[i] for i in sorted(rng.permutation(len(symbols))[:genes_per_term])]
        if len(chosen | dict.fromkeys(picked)) <= n_background:
            chosen |= dict.fromkeys(picked)
    annotated = {symbol for symbols in terms.values() for symbol in symbols}
    fillers = sorted((usable & annotated) - chosen.keys())
    missing = n_background - len(chosen)
    chosen |= dict.fromkeys(fillers[i] for i in rng.permutation(len(fillers))[:missing])
    identities = [
        GeneIdentity(gene_ids[symbol], symbol, _BIOTYPES.get(symbol, "protein_coding"))
        for symbol in [*planted, *chosen]
    ]
    return identities, {go_id: sorted(chosen.keys() & set(terms[go_id])) for go_id in wanted}


def _is_plain_gene(symbol: str, gene_id: str) -> bool:
    return gene_id.startswith("ENSG") and not symbol.startswith(("LOC", "MIR", "SNOR", "LINC"))


def plant_effects(
    identities: Sequence[GeneIdentity], members: Mapping[str, Sequence[str]], rng: np.random.Generator
) -> GeneEffects:
    """Give every gene its expression, dispersion and true effects.

    Parameters
    ----------
    identities
        The genes; see `choose_genes`.
    members
        Id of each planted GO term to symbols; these genes receive that term's effect.
    rng
        Source of randomness for the background.
    """
    n_genes = len(identities)
    row = {identity.gene_name: number for number, identity in enumerate(identities)}
    planted = {gene.symbol: gene for gene in PLANTED_GENES}
    is_planted = np.array([identity.gene_name in planted for identity in identities])
    planted_as = ["background"] * n_genes
    fragments = _background_fragments(~is_planted, rng)
    effects = _background_effects(n_genes, rng)
    for term in PLANTED_TERMS:
        rows = [row[symbol] for symbol in members.get(term.go_id, ())]
        effects[:, rows] = 0.0
        spread = rng.normal(0.0, 0.15, len(rows))
        effects[_EFFECT_ROWS[term.effect], rows] = np.round(term.log2_fold_change + spread, 4)
        fragments[rows] = np.maximum(fragments[rows], 20.0)
        for number in rows:
            planted_as[number] = term.go_id
    for symbol, gene in planted.items():
        fragments[row[symbol]] = gene.fragments
        effects[:, row[symbol]] = (gene.drug_in_sensitive, gene.drug_in_resistant, gene.resistance)
        planted_as[row[symbol]] = "marker"
    dispersion = _DISPERSION_FLOOR + _DISPERSION_SLOPE / np.maximum(fragments, 1.0)
    for symbol, gene in planted.items():
        dispersion[row[symbol]] = _planted_dispersion(gene, dispersion[row[symbol]])
    return GeneEffects(tuple(identities), fragments, dispersion, effects[0], effects[1], effects[2], tuple(planted_as))


_EFFECT_ROWS = {"drug_in_sensitive": 0, "drug_in_resistant": 1, "resistance_at_vehicle": 2}


def _planted_dispersion(gene: PlantedGene, trend: float) -> float:
    return trend if gene.dispersion is None else gene.dispersion


def _background_fragments(is_background: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.float64]:
    """Log-normal expression that fills the library up to ``DESIGN_FRAGMENTS``; some genes are silent."""
    n_background = int(is_background.sum())
    weight = rng.lognormal(0.0, _BACKGROUND_SPREAD, n_background)
    weight[rng.random(n_background) < _UNEXPRESSED_FRACTION] = 0.0
    budget = DESIGN_FRAGMENTS - sum(gene.fragments for gene in PLANTED_GENES)
    fragments = np.zeros(len(is_background))
    if n_background:
        fragments[is_background] = np.round(weight / weight.sum() * budget, 2)
    return fragments


def _background_effects(n_genes: int, rng: np.random.Generator) -> Effects:
    """Effects (drug in sensitive, drug in resistant, resistance) x genes: zero for nearly all genes."""
    fractions = np.array([[_DRUG_FRACTION], [_DRUG_FRACTION / 2], [_RESISTANCE_FRACTION]])
    sizes = rng.choice([-1.0, 1.0], (3, n_genes)) * rng.uniform(0.7, 1.8, (3, n_genes))
    changed = rng.random((3, n_genes)) < fractions
    return np.where(changed, np.round(sizes, 4), 0.0)


def draw_counts(
    effects: GeneEffects, samples: Sequence[SimulatedSample], *, read_pairs: int, rng: np.random.Generator
) -> Counts:
    """Draw exonic fragment counts, genes x samples, from the negative binomial distribution.

    Parameters
    ----------
    effects
        The truth.
    samples
        The samples; their line and treatment decide which effects apply.
    read_pairs
        Read pairs wanted per sample, of which 90 % are exonic; depth differs between samples by some 8 %.
    rng
        Source of randomness.
    """
    scale = read_pairs * 0.9 / DESIGN_FRAGMENTS
    resistant = np.array([sample.sensitivity == "resistant" for sample in samples])
    treated = np.array([sample.is_treated for sample in samples])
    depth = np.exp(rng.normal(0.0, _DEPTH_SPREAD, len(samples)))
    log2_change = (
        np.outer(effects.drug_in_sensitive, treated & ~resistant)
        + np.outer(effects.drug_in_resistant, treated & resistant)
        + np.outer(effects.resistance_at_vehicle, resistant)
    )
    mean = effects.fragments[:, None] * scale * depth * 2.0**log2_change
    dispersion = effects.dispersion[:, None]
    rate = rng.gamma(1.0 / dispersion, dispersion * mean)
    return rng.poisson(rate).astype(np.int64)
