import numpy as np
import pytest

from poma_assets.science.simulation.annotation import GeneIdentity
from poma_assets.science.simulation.expression import (
    DESIGN_FRAGMENTS,
    GeneEffects,
    choose_genes,
    draw_counts,
    plant_effects,
)
from poma_assets.science.simulation.study_design import (
    PLANTED_GENES,
    PLANTED_TERMS,
    simulated_samples,
)


def gene_tables():
    """Planted genes, three planted GO terms of 20 genes, and ten further terms of 20."""
    symbols = [gene.symbol for gene in PLANTED_GENES] + [f"G{n}" for n in range(300)] + ["MIR1", "LOC2"]
    gene_ids = {symbol: f"ENSG{number:011d}" for number, symbol in enumerate(symbols)}
    names = [term.go_id for term in PLANTED_TERMS] + [f"GO:900000{n}" for n in range(10)]
    terms = {go_id: [f"G{n}" for n in range(20 * k, 20 * k + 20)] + ["MIR1"] for k, go_id in enumerate(names)}
    return gene_ids, terms


@pytest.fixture(scope="module")
def chosen():
    gene_ids, terms = gene_tables()
    return choose_genes(gene_ids, terms, np.random.default_rng(1), n_background=200, n_terms=8, genes_per_term=15)


@pytest.fixture(scope="module")
def effects(chosen) -> GeneEffects:
    return plant_effects(*chosen, np.random.default_rng(2))


def test_planted_genes_terms_and_background_are_chosen(chosen):
    identities, members = chosen
    names = [identity.gene_name for identity in identities]
    assert len(names) == len(set(names)) == len(PLANTED_GENES) + 200
    assert not {"MIR1", "LOC2"} & set(names)
    assert set(members) == {term.go_id for term in PLANTED_TERMS}
    for symbols in members.values():
        assert 15 <= len(symbols) <= 20
        assert set(symbols) <= set(names)


def test_markers_have_their_planted_effects(effects):
    row = {identity.gene_name: n for n, identity in enumerate(effects.identities)}
    irf4, ifitm1 = row["IRF4"], row["IFITM1"]
    assert effects.drug_in_sensitive[irf4] == -1.8
    assert effects.drug_in_resistant[irf4] == 0.0
    assert effects.interaction[ifitm1] == pytest.approx(3.2)
    assert effects.contrast_effects()["resistance_at_vehicle"][row["CRBN"]] == -1.0
    assert effects.planted_as[irf4] == "marker"


def test_planted_terms_change_in_their_comparison_only(chosen, effects):
    _, members = chosen
    row = {identity.gene_name: n for n, identity in enumerate(effects.identities)}
    for term in PLANTED_TERMS:
        rows = [row[symbol] for symbol in members[term.go_id]]
        planted = getattr(effects, term.effect)[rows]
        assert planted.mean() == pytest.approx(term.log2_fold_change, abs=0.15)
        assert (np.sign(planted) == np.sign(term.log2_fold_change)).all()
        assert not effects.drug_in_resistant[rows].any()


def test_most_genes_do_not_change(effects):
    for values in effects.contrast_effects().values():
        assert (values == 0).mean() > 0.75


def test_the_library_is_filled(effects):
    assert effects.fragments.sum() == pytest.approx(DESIGN_FRAGMENTS, rel=0.02)


def test_counts_have_the_planted_means_and_variances():
    """Negative binomial: variance = mean + dispersion x mean^2; depth varies by 8 % on top."""
    identity = (GeneIdentity("ENSG00000000001", "A"), GeneIdentity("ENSG00000000002", "B"))
    zero = np.zeros(2)
    effects = GeneEffects(
        identity,
        np.array([400.0, 0.0]),
        np.array([0.1, 0.1]),
        np.array([-1.0, 2.0]),
        zero,
        np.array([1.0, 1.0]),
        ("marker", "marker"),
    )
    samples = simulated_samples(2000, np.random.default_rng(0))
    counts = draw_counts(effects, samples, read_pairs=60_000, rng=np.random.default_rng(1))
    arms = {
        (sample.sensitivity, sample.is_treated): counts[0, n : n + 2000]
        for n, sample in enumerate(samples)
        if sample.replicate == 1
    }
    assert arms["sensitive", False].mean() == pytest.approx(400, rel=0.03)
    assert arms["sensitive", True].mean() == pytest.approx(200, rel=0.03)
    assert arms["resistant", False].mean() == pytest.approx(800, rel=0.03)
    assert arms["resistant", True].mean() == pytest.approx(800, rel=0.03)
    expected = 400 + (0.1 + 0.08**2) * 400**2
    assert arms["sensitive", False].var() == pytest.approx(expected, rel=0.12)
    assert not counts[1].any()


def test_depth_scales_with_the_read_pairs(effects):
    samples = simulated_samples(3, np.random.default_rng(0))
    counts = draw_counts(effects, samples, read_pairs=5_000, rng=np.random.default_rng(1))
    assert counts.shape == (len(effects.identities), 12)
    assert counts[:, :3].sum(axis=0).mean() == pytest.approx(4_500, rel=0.15)
