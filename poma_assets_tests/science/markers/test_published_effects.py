"""Published effects through the shipped hypotheses; the table in docs/verdicts.md is made here, so that it holds.

MM.1S (declared sensitive), lenalidomide, 24 h. Published: the six effects, and p for IRF4 and MYC, whence their
standard errors: |b| / Phi^-1(1 - p / 2). The other standard errors are assumed and varied; three replicates an arm,
a time-matched vehicle and a response score that shows the drug are assumed, too. The last four hypotheses need no
number: no effect of theirs could be evidence in these cells.
"""

from __future__ import annotations

from pathlib import Path
from statistics import NormalDist

import pytest

DOCUMENT = Path(__file__).parents[3] / "docs" / "verdicts.md"
EFFECTS = {"IRF4": -1.74, "MYC": -0.02, "DNMT1": 0.08, "IKZF1": -0.02, "IKZF3": -0.37, "CRBN": -0.33}
PUBLISHED_P = {"IRF4": 2e-5, "MYC": 0.74}
STANDARD_ERRORS = (0.1, 0.2, 0.3, 0.5)
HYPOTHESES = {
    "IRF4_drug": "IRF4",
    "MYC_drug": "MYC",
    "DNMT1_drug": "DNMT1",
    "IKZF1_degradation": "IKZF1",
    "IKZF3_degradation": "IKZF3",
    "CRBN_drug": "CRBN",
    "CSNK1A1_degradation": "CSNK1A1",
    "ZFP91_degradation": "ZFP91",
    "IFNG_drug": "IFNG",
    "IL2_drug": "IL2",
}


def published_error(gene: str) -> float:
    return abs(EFFECTS[gene]) / NormalDist().inv_cdf(1 - PUBLISHED_P[gene] / 2)


def judged(judge, shipped, errors):
    frame = judge(shipped, {gene: (effect, errors[gene]) for gene, effect in EFFECTS.items()})
    return frame.loc[list(HYPOTHESES)]


def columns(judge, shipped):
    """Verdicts by column of the table: standard errors as published where they are, else 0.1; then all the same."""
    published = {gene: published_error(gene) if gene in PUBLISHED_P else 0.1 for gene in EFFECTS}
    given = {"s from p": published} | {f"s = {s:g}": dict.fromkeys(EFFECTS, s) for s in STANDARD_ERRORS}
    return {name: judged(judge, shipped, errors) for name, errors in given.items()}


def markdown(found):
    lines = ["| hypothesis | published b | " + " | ".join(found) + " |", "|---|---:|" + "---|" * len(found)]
    for identifier, gene in HYPOTHESES.items():
        rows = [frame.loc[identifier] for frame in found.values()]
        cells = [f"{row['verdict']}, {row['sub_verdict']}".replace("_", " ") for row in rows]
        effect = f"{EFFECTS[gene]:+.2f}" if gene in EFFECTS else "none"
        lines.append(f"| {identifier} | {effect} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def test_standard_errors_follow_from_the_published_p():
    assert published_error("IRF4") == pytest.approx(1.74 / 4.265, abs=1e-3)  # 0.408
    assert published_error("MYC") == pytest.approx(0.02 / 0.332, abs=1e-3)  # 0.060


def test_the_table_in_the_documentation_is_what_the_rules_say(judge, shipped):
    table = markdown(columns(judge, shipped))
    assert table in DOCUMENT.read_text(), f"docs/verdicts.md should contain:\n{table}"


def test_irf4_is_confirmed_up_to_a_standard_error_of_one_half(judge, shipped):
    found = columns(judge, shipped)
    # 1.74 - 1.645 * 0.5 = 0.918 >= 0.585; p = Phi(-3.48) = 0.00025.
    assert {frame.loc["IRF4_drug", "sub_verdict"] for frame in found.values()} == {"strong"}


def test_a_flat_myc_is_absent_only_while_1_5_fold_can_be_excluded(judge, shipped):
    found = {name: frame.loc["MYC_drug", "sub_verdict"] for name, frame in columns(judge, shipped).items()}
    # p_equivalence = Phi((0.02 - 0.585) / s): s = 0.2: Phi(-2.83) = 0.0024; s = 0.3: Phi(-1.88) = 0.030, of three.
    assert found == {
        "s from p": "absent",
        "s = 0.1": "absent",
        "s = 0.2": "absent",
        "s = 0.3": "borderline",
        "s = 0.5": "underpowered",
    }


def test_messages_of_degraded_proteins_are_never_evidence(judge, shipped):
    for frame in columns(judge, shipped).values():
        degraded = [name for name in HYPOTHESES if name.endswith("_degradation")]
        assert set(frame.loc[degraded, "sub_verdict"]) == {"protein_level"}
