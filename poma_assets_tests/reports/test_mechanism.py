from __future__ import annotations

import pandas as pd
import pytest

from poma_assets.reports.inputs import declared_frame
from poma_assets.reports.mechanism import EDGES, HEIGHT, NODE_HEIGHT, NODE_WIDTH, NODES, WIDTH, mechanism


def states(genes=(), verdicts=(), programmes=()):
    columns = ("gene_name", "log2_fold_change", "p_adjusted", "status")
    de = pd.DataFrame(genes, columns=columns).assign(engine="deseq2")
    judged = pd.DataFrame(verdicts, columns=["gene_symbol", "verdict", "sub_verdict", "sentence"])
    moved = pd.DataFrame(programmes, columns=["programme", "log2_fold_change", "n_genes", "p_adjusted", "moved"])
    tables = {"de_results": de, "marker_verdicts": judged, "programme_scores": moved}
    drawn = mechanism("c", {name: declared_frame(frame, name) for name, frame in tables.items()}, fdr=0.05)
    return {state.node.label: state for state in drawn.states}


def test_measured_nodes_are_coloured_by_the_effect_and_marked_by_arrow_and_verdict():
    found = states(
        [("IRF4", -1.74, 1e-6, "tested"), ("MYC", -0.02, 0.7, "tested"), ("IFITM1", 4.0, 1e-9, "tested")],
        [("IRF4", "confirmed", "strong", "IRF4 fell."), ("MYC", "contradicted", "absent", "MYC stayed.")],
    )
    assert (found["IRF4"].state, found["IRF4"].figure, found["IRF4"].verdict_symbol) == ("down", "▼ −1.74", "✓")
    assert found["IRF4"].share == pytest.approx(0.87)
    assert found["IRF4"].words.endswith("IRF4 fell.")
    assert (found["MYC"].state, found["MYC"].share, found["MYC"].verdict_symbol) == ("flat", 0.0, "✗")
    assert (found["IFITM1"].state, found["IFITM1"].share) == ("up", 1.0)
    assert found["DNMT1"].state == "unmeasured"


def test_proteins_are_never_coloured_whatever_their_mrna_does():
    found = states([("IKZF1", -5.0, 1e-30, "tested")])
    assert (found["IKZF1"].state, found["IKZF1"].share, found["IKZF1"].figure) == ("silent", 0.0, "mRNA −5.00")
    assert "says nothing of it" in found["IKZF1"].words


def test_other_cells_are_silent_and_genes_without_reads_are_not_measured():
    found = states(
        [("IFNG", 2.0, 0.01, "tested"), ("IL2", None, None, "all_zero")],
        [("IFNG", "not_testable", "context", "IFNG is of T cells.")],
    )
    assert (found["IFNG"].state, found["IFNG"].verdict_symbol) == ("silent", "–")
    assert found["IL2"].state == "unmeasured"


def test_programmes_are_coloured_if_they_moved():
    found = states(programmes=[("proliferation", -0.6, 40, 0.001, True), ("apoptosis", 0.3, 12, 0.4, False)])
    assert found["Proliferation"].state == "down"
    assert "over 40 genes" in found["Proliferation"].words
    assert found["Apoptosis"].state == "flat"


def test_nodes_lie_within_the_drawing_and_apart():
    boxes = [(node.x, node.y) for node in NODES]
    assert all(0 <= x <= WIDTH - NODE_WIDTH and 0 <= y <= HEIGHT - NODE_HEIGHT for x, y in boxes)
    for i, (x, y) in enumerate(boxes):
        assert not any(abs(x - a) < NODE_WIDTH and abs(y - b) < NODE_HEIGHT for a, b in boxes[:i])
    assert {edge.ending for edge in EDGES} == {"arrow", "blunt"}
