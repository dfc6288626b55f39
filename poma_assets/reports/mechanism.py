"""How pomalidomide works, as a diagram, and what a contrast measured at each node of it.

The diagram is what is known of the drug (see ``guide_statement`` in the table of hypotheses), not a result. A node
where RNA is no evidence, because the drug acts on the protein or the cells are of another kind, is marked as such and
never coloured.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from poma_assets.reports.gene_figures import primary_engine
from poma_assets.reports.palette import verdict_mark
from poma_assets.reports.rendering import is_missing, number, p_value

NODE_WIDTH, NODE_HEIGHT = 124, 62
_FULL_COLOUR_LOG2 = 2.0
_LEAST_SHARE = 0.12


@dataclass(frozen=True)
class Node:
    """A node as drawn: ``kind`` is drug, protein, rna or programme; `gene` the symbol or programme it is read from."""

    key: str
    label: str
    below: str
    kind: str
    x: int
    y: int
    gene: str = ""


@dataclass(frozen=True)
class Edge:
    """An arrow, or a blunt end where the one restrains or removes the other; dashed: reported, not settled."""

    path: str
    ending: str
    dashed: bool = False


NODES = (
    Node("drug", "pomalidomide", "drug", "drug", 20, 96),
    Node("crbn", "CRBN", "mRNA; binds the drug", "rna", 182, 96, "CRBN"),
    Node("ikzf1", "IKZF1", "protein: degraded", "protein", 356, 48, "IKZF1"),
    Node("ikzf3", "IKZF3", "protein: degraded", "protein", 356, 144, "IKZF3"),
    Node("irf4", "IRF4", "mRNA", "rna", 530, 48, "IRF4"),
    Node("myc", "MYC", "mRNA", "rna", 530, 144, "MYC"),
    Node("proliferation", "Proliferation", "programme", "programme", 708, 48, "proliferation"),
    Node("apoptosis", "Apoptosis", "programme", "programme", 708, 144, "apoptosis"),
    Node("il2", "IL2", "mRNA", "rna", 530, 282, "IL2"),
    Node("ifng", "IFNG", "mRNA", "rna", 684, 282, "IFNG"),
    Node("dnmt1", "DNMT1", "mRNA", "rna", 20, 412, "DNMT1"),
    Node("dnmt3a", "DNMT3A", "mRNA", "rna", 164, 412, "DNMT3A"),
    Node("dnmt3b", "DNMT3B", "mRNA", "rna", 308, 412, "DNMT3B"),
    Node("ifitm1", "IFITM1", "mRNA", "rna", 530, 412, "IFITM1"),
)
EDGES = (
    Edge("M144 127H178", "arrow"),
    Edge("M306 120C330 120 326 79 350 79", "blunt"),
    Edge("M306 134C330 134 326 175 350 175", "blunt"),
    Edge("M480 79H526", "arrow"),
    Edge("M480 168C505 168 500 92 526 92", "arrow"),
    Edge("M592 110V140", "arrow"),
    Edge("M654 79H704", "arrow"),
    Edge("M654 162C685 162 676 96 704 96", "arrow"),
    Edge("M654 175H702", "blunt"),
    Edge("M654 92C690 92 666 160 702 160", "blunt"),
    Edge("M418 206C418 313 440 313 506 313", "blunt"),
    Edge("M82 158V408", "arrow", dashed=True),
    Edge("M60 158C60 390 130 340 226 408", "arrow", dashed=True),
    Edge("M104 158C104 330 370 330 370 408", "arrow", dashed=True),
    Edge("M128 158C140 262 460 350 526 432", "arrow", dashed=True),
)
WIDTH, HEIGHT = 852, 492


@dataclass(frozen=True)
class NodeState:
    """What a contrast says of a node.

    ``state``: up, down or flat (measured), silent (RNA is no evidence), unmeasured, or none (nothing to measure).
    ``share``: depth of the colour, 0 to 1. ``figure``: the effect as text. ``words``: all of it in one sentence.
    """

    node: Node
    state: str
    share: float
    figure: str
    words: str
    verdict_symbol: str = ""


@dataclass(frozen=True)
class Mechanism:
    """The diagram of one contrast."""

    contrast: str
    states: list[NodeState]
    edges: tuple[Edge, ...] = EDGES
    node_width: int = NODE_WIDTH
    node_height: int = NODE_HEIGHT
    width: int = WIDTH
    height: int = HEIGHT


def mechanism(contrast_id: str, tables: Mapping[str, pd.DataFrame], *, fdr: float) -> Mechanism:
    """Read the state of every node from the tables of one contrast.

    Parameters
    ----------
    contrast_id
        Name of the contrast.
    tables
        Rows of ``de_results``, ``marker_verdicts`` and ``programme_scores`` of the contrast.
    fdr
        An effect with an adjusted p value of at least this is drawn as no change.
    """
    de = primary_engine(tables["de_results"])
    genes = {str(row["gene_name"]): row for row in de[de["gene_name"].isin([n.gene for n in NODES])].to_dict("records")}
    verdicts = {str(row["gene_symbol"]): row for row in tables["marker_verdicts"].to_dict("records")}
    programmes = {str(row["programme"]): row for row in tables["programme_scores"].to_dict("records")}
    states = []
    for node in NODES:
        if node.kind == "programme":
            states.append(_programme_state(node, programmes.get(node.gene)))
        else:
            states.append(_gene_state(node, genes.get(node.gene), verdicts.get(node.gene), fdr))
    return Mechanism(contrast_id, states)


def _gene_state(node: Node, gene: Any, verdict: Any, fdr: float) -> NodeState:
    if node.kind == "drug":
        return NodeState(node, "none", 0.0, "", "Pomalidomide binds cereblon (CRBN).")
    effect: Any = None if gene is None else gene["log2_fold_change"]
    adjusted: Any = None if gene is None else gene["p_adjusted"]
    measured = not is_missing(effect) and str(gene["status"]) != "all_zero"
    found = f"log2 fold change {number(effect)}, FDR {p_value(adjusted)}" if measured else "no estimate"
    if node.kind == "protein":
        words = f"{node.label}: the drug acts on the protein; its mRNA ({found}) says nothing of it."
        return NodeState(node, "silent", 0.0, f"mRNA {number(effect)}" if measured else "", words)
    symbol = "" if verdict is None else verdict_mark(verdict["verdict"]).symbol
    sentence = "" if verdict is None or is_missing(verdict["sentence"]) else " " + str(verdict["sentence"])
    if verdict is not None and str(verdict["sub_verdict"]) == "context":
        return NodeState(node, "silent", 0.0, "other cells", f"{node.label}: {found}.{sentence}", symbol)
    if not measured:
        words = f"{node.label}: not measured in this contrast.{sentence}"
        return NodeState(node, "unmeasured", 0.0, "not measured", words, symbol)
    shown = not is_missing(adjusted) and float(adjusted) < fdr
    words = f"{node.label}: {found}{'' if shown else ', no change shown'}.{sentence}"
    return _measured(node, float(effect), shown, words, symbol)


def _programme_state(node: Node, row: Any) -> NodeState:
    if row is None or is_missing(row["log2_fold_change"]):
        return NodeState(node, "unmeasured", 0.0, "not measured", f"{node.label}: too few genes of it were tested.")
    moved = not is_missing(row["moved"]) and bool(row["moved"])
    effect = float(row["log2_fold_change"])
    words = (
        f"{node.label}: mean log2 fold change {number(effect)} over {row['n_genes']:.0f} genes, "
        f"FDR {p_value(row['p_adjusted'])}{'' if moved else ', no change shown'}."
    )
    return _measured(node, effect, moved, words, "")


def _measured(node: Node, effect: float, shown: bool, words: str, symbol: str) -> NodeState:
    if not shown:
        return NodeState(node, "flat", 0.0, f"= {number(effect)}", words, symbol)
    share = max(_LEAST_SHARE, min(1.0, abs(effect) / _FULL_COLOUR_LOG2))
    arrow, state = ("▲", "up") if effect > 0 else ("▼", "down")
    return NodeState(node, state, share, f"{arrow} {number(effect)}", words, symbol)
