import csv
from pathlib import Path

import numpy as np
import pytest

from poma_assets.science.simulation.study_design import (
    CONTRASTS,
    EXPECTED_VERDICTS,
    PLANTED_GENES,
    simulated_samples,
)

MARKERS = Path(__file__).parents[3] / "data" / "markers"


def rows(name):
    with (MARKERS / name).open() as file:
        return list(csv.DictReader(file, delimiter="\t"))


def test_samples_are_two_lines_by_two_treatments_with_good_rna():
    samples = simulated_samples(3, np.random.default_rng(1))
    assert len({sample.sample_id for sample in samples}) == 12
    assert {(s.cell_line, s.sensitivity, s.parent_line) for s in samples} == {
        ("MM.1S", "sensitive", ""),
        ("MM.1S-PR", "resistant", "MM.1S"),
    }
    assert {(s.treatment, s.dose_um) for s in samples} == {("DMSO", 0.0), ("pomalidomide", 1.0)}
    assert all(8.5 <= sample.rin <= 9.8 for sample in samples)
    assert all(1.95 <= sample.a260_a280 <= 2.08 for sample in samples)


def test_every_class_of_verdict_is_planted():
    assert {expected.verdict for expected in EXPECTED_VERDICTS} == {
        "confirmed",
        "contradicted",
        "inconclusive",
        "not_testable",
    }
    subs = {expected.sub_verdict for expected in EXPECTED_VERDICTS}
    assert {"strong", "equivalent", "absent", "opposite", "small_effect", "underpowered"} <= subs
    assert {"below_floor", "context", "protein_level"} <= subs


def test_every_contrast_is_judged():
    assert {expected.contrast_id for expected in EXPECTED_VERDICTS} == {c.contrast_id for c in CONTRASTS}


@pytest.mark.parametrize("expected", EXPECTED_VERDICTS, ids=lambda e: f"{e.contrast_id}-{e.hypothesis_id}")
def test_expectation_matches_a_shipped_hypothesis_of_its_kind(expected):
    hypotheses = {row["hypothesis_id"]: row for row in rows("marker_hypotheses.tsv")}
    kind = {contrast.contrast_id: contrast.kind for contrast in CONTRASTS}[expected.contrast_id]
    hypothesis = hypotheses.get(expected.hypothesis_id)
    if hypothesis is None:
        # Sets are judged under the name of their panel.
        hypothesis = next(row for row in hypotheses.values() if row["panel"] == expected.hypothesis_id)
        assert hypothesis["policy"] == "set_member"
    else:
        assert hypothesis["gene_symbol"] == expected.symbol
    assert hypothesis["contrast_kind"] in (kind, "none")


def test_every_gene_of_the_marker_tables_is_planted():
    wanted = {row["gene_symbol"] for row in rows("marker_hypotheses.tsv")}
    wanted |= {row["gene_symbol"] for row in rows("sample_identity_genes.tsv")}
    assert {gene.symbol for gene in PLANTED_GENES} == wanted


def test_the_line_shows_the_identity_of_mm1s():
    """Female, IgA lambda, MAF outlier; no T, NK, myeloid, B or red cells (cell_line_identity.tsv)."""
    fragments = {gene.symbol: gene.fragments for gene in PLANTED_GENES}
    line = next(row for row in rows("cell_line_identity.tsv") if row["cell_line"] == "MM.1S")
    assert (line["sex"], line["heavy_chain_gene"], line["light_chain"]) == ("F", "IGHA1", "lambda")
    assert fragments["IGLC2"] > 1000 * fragments["IGKC"]
    assert fragments[line["heavy_chain_gene"]] > 100 * max(fragments["IGHG1"], fragments["IGHE"])
    assert fragments[line["outlier_genes"]] > 20 * max(fragments[g] for g in ("NSD2", "CCND1", "MAFB"))
    absent = ("RPS4Y1", "DDX3Y", "CD3E", "NKG7", "LYZ", "CD14", "MS4A1", "HBB")
    assert not any(fragments[symbol] for symbol in absent)
    assert fragments["XIST"] > 50
