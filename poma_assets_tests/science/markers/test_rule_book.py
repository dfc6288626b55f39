"""The rules of the verdicts, line by line: numbers in, verdict out, with the arithmetic by hand.

One hypothesis is judged, so that q = p, unless a case says otherwise; delta is 0.585 (1.5-fold). Phi is the normal
distribution function, from a table. The same rules in words: docs/verdicts.md.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

BASELINE, INTERACTION = "resistant_vs_sensitive_at_vehicle", "drug_by_sensitivity_interaction"
T_CELLS, RESISTANT, UNKNOWN = frozenset({"t_cell"}), frozenset({"resistant"}), frozenset({"unknown"})
BOTH = frozenset({"sensitive", "resistant"})


@dataclass(frozen=True)
class Case:
    """`asked`: the hypothesis where it is not a directional fall; `given`: what is unusual about the contrast."""

    b: float
    s: float
    expected: str
    asked: dict[str, str] = field(default_factory=dict)
    given: dict[str, object] = field(default_factory=dict)


UP = {"direction": "up"}
PERMISSIVE = {"policy": "permissive"}
UNCHANGED = {"direction": "none", "policy": "equivalence"}

DIRECTIONAL = [
    # Confirmed: q_confirm < 0.05 and e b >= delta; strong if e b - 1.645 s >= delta.
    Case(-1.68, 0.20, "confirmed/strong"),  # p = Phi(-8.4); 1.68 - 0.329 = 1.351
    Case(-0.9141, 0.20, "confirmed/strong"),  # 0.9141 - 0.329 = 0.5851
    Case(-0.9139, 0.20, "confirmed/plain"),  # 0.9139 - 0.329 = 0.5849
    Case(-0.80, 0.20, "confirmed/plain"),  # p = Phi(-4) = 0.00003
    Case(-0.585, 0.20, "confirmed/plain"),  # exactly delta; p = Phi(-2.925) = 0.0017
    Case(-0.735, 0.30, "confirmed/plain"),  # p = Phi(-2.45) = 0.0071
    Case(1.68, 0.20, "confirmed/strong", UP),
    Case(1.33, 0.20, "confirmed/strong", {"direction": "up", "delta": "1.0"}),  # 1.33 - 0.329 = 1.001
    Case(1.32, 0.20, "confirmed/plain", {"direction": "up", "delta": "1.0"}),  # 1.32 - 0.329 = 0.991
    Case(-0.72, 0.30, "confirmed/plain"),  # p = Phi(-2.4) = 0.0082
    Case(-0.75, 0.45, "confirmed/plain"),  # p = Phi(-1.667) = 0.0478
    Case(-0.73, 0.45, "inconclusive/underpowered"),  # p = Phi(-1.622) = 0.0524; 1.645 * 0.45 = 0.740
    # Contradicted, opposite: q_opposite < 0.05 and e b <= -delta.
    Case(0.80, 0.20, "contradicted/opposite"),  # p_opposite = Phi(-4)
    Case(-0.80, 0.20, "contradicted/opposite", UP),
    Case(0.735, 0.30, "contradicted/opposite"),  # p_opposite = Phi(-2.45) = 0.0071
    Case(0.72, 0.30, "contradicted/opposite"),  # p_opposite = Phi(-2.4) = 0.0082
    Case(0.50, 0.20, "inconclusive/borderline"),  # p_opposite = 0.006, but 0.5 < delta; p_equivalence = Phi(-0.425)
    # Inconclusive, small effect: q_confirm < 0.05 and e b < delta. It comes before "absent".
    Case(-0.584, 0.20, "inconclusive/small_effect"),  # p = Phi(-2.92) = 0.0018
    Case(-0.20, 0.10, "inconclusive/small_effect"),  # p = Phi(-2) = 0.023, although p_equivalence = Phi(-3.85)
    Case(0.90, 0.20, "inconclusive/small_effect", {"direction": "up", "delta": "1.0"}),
    # Contradicted, absent: q_equivalence < 0.05, q_confirm >= 0.05, three replicates an arm.
    Case(-0.16, 0.10, "contradicted/absent"),  # p_confirm = Phi(-1.6) = 0.055; p_equivalence = Phi(-4.25)
    Case(0.00, 0.20, "contradicted/absent"),  # p_equivalence = Phi(-2.925) = 0.0017
    Case(0.25, 0.20, "contradicted/absent"),  # p_equivalence = Phi((0.25 - 0.585) / 0.2 = -1.675) = 0.047
    Case(0.26, 0.20, "inconclusive/borderline"),  # Phi(-1.625) = 0.052
    Case(0.00, 0.355, "contradicted/absent"),  # Phi(-1.648) = 0.0497
    Case(0.00, 0.20, "inconclusive/borderline", given={"n_reference": 2}),
    Case(0.00, 0.20, "inconclusive/borderline", given={"n_target": 2}),
    # Inconclusive: underpowered if 1.645 s >= delta, else borderline.
    Case(0.00, 0.356, "inconclusive/underpowered"),  # 1.645 * 0.356 = 0.5856; p_equivalence = Phi(-1.643) = 0.0502
    Case(-0.30, 0.50, "inconclusive/underpowered"),  # 1.645 * 0.5 = 0.82
    Case(-1.00, 0.70, "inconclusive/underpowered"),  # p = Phi(-1.43) = 0.076
    Case(-0.30, 0.30, "inconclusive/borderline"),  # 0.494; p_confirm = Phi(-1) = 0.16, p_equivalence = Phi(-0.95)
    Case(-1.68, 0.20, "confirmed/strong", given={"n_reference": 2, "n_target": 2}),  # two replicates suffice here
]

OTHER_POLICIES = [
    # Permissive ("can be down"): confirmed like any other, never contradicted.
    Case(-1.68, 0.20, "confirmed/strong", PERMISSIVE),
    Case(0.80, 0.20, "inconclusive/opposite", PERMISSIVE),
    Case(0.00, 0.20, "inconclusive/absent", PERMISSIVE),
    Case(-0.30, 0.50, "inconclusive/underpowered", PERMISSIVE),
    # Equivalence: no change is the expectation; a change is tested in both directions.
    Case(0.10, 0.20, "confirmed/equivalent", UNCHANGED),  # p_equivalence = Phi((0.1 - 0.585) / 0.2) = Phi(-2.425)
    Case(-0.10, 0.20, "confirmed/equivalent", UNCHANGED),
    Case(0.10, 0.20, "inconclusive/borderline", UNCHANGED, {"n_target": 2}),
    Case(0.82, 0.30, "contradicted/changed", UNCHANGED),  # 2 Phi(-2.733) = 0.0063
    Case(-0.82, 0.30, "contradicted/changed", UNCHANGED),
    Case(0.60, 0.30, "contradicted/changed", UNCHANGED),  # 2 Phi(-2) = 0.0455
    Case(0.588, 0.31, "inconclusive/borderline", UNCHANGED),  # 2 Phi(-1.897) = 0.058; 1.645 * 0.31 = 0.51 < delta
    Case(0.50, 0.10, "inconclusive/borderline", UNCHANGED),  # changed, but less than delta; Phi(-0.85) = 0.198
    Case(0.10, 0.50, "inconclusive/underpowered", UNCHANGED),
    # Interaction: by the interaction contrast alone.
    Case(2.00, 0.20, "confirmed/strong", {"direction": "up", "policy": "interaction", "kind": INTERACTION},
         {"kind": INTERACTION, "sensitivities": BOTH}),
    # Reported only, whatever the numbers.
    Case(-1.50, 0.20, "not_testable/report_only", {"direction": "none", "policy": "report_only"}),
    # Resistant against sensitive at vehicle: the same rules, no question of exposure.
    Case(-1.68, 0.20, "confirmed/strong", {"kind": BASELINE}, {"kind": BASELINE, "sensitivities": BOTH}),
    Case(0.00, 0.20, "contradicted/absent", {"kind": BASELINE}, {"kind": BASELINE, "exposed": None}),
]  # fmt: skip

WINDOW = {"window": "24 72"}
TIME_AND_EXPOSURE = [
    # Absence counts within the window only, its ends included; a change counts at any time.
    Case(0.00, 0.20, "contradicted/absent", WINDOW, {"time_h": (24.0,)}),
    Case(0.00, 0.20, "contradicted/absent", WINDOW, {"time_h": (72.0,)}),
    Case(0.00, 0.20, "inconclusive/outside_window", WINDOW, {"time_h": (6.0,)}),
    Case(0.00, 0.20, "inconclusive/outside_window", WINDOW, {"time_h": (96.0,)}),
    Case(0.00, 0.20, "inconclusive/outside_window", WINDOW, {"time_h": (6.0, 24.0)}),
    Case(0.00, 0.20, "contradicted/absent", {"window": "8 ."}, {"time_h": (240.0,)}),
    Case(0.00, 0.20, "inconclusive/outside_window", {"window": ". 72"}, {"time_h": (96.0,)}),
    Case(0.00, 0.20, "inconclusive/outside_window", {"window": "8 ."}, {"time_h": ()}),
    Case(0.00, 0.20, "contradicted/absent", {"window": ". ."}, {"time_h": ()}),
    Case(-1.68, 0.20, "confirmed/strong", WINDOW, {"time_h": (6.0,)}),
    Case(0.80, 0.20, "contradicted/opposite", WINDOW, {"time_h": (6.0,)}),
    Case(0.00, 0.20, "inconclusive/outside_window", WINDOW | UNCHANGED, {"time_h": (6.0,)}),
    # Absence counts only where the response score shows that the drug acted; a change counts anyway.
    Case(0.00, 0.20, "inconclusive/exposure_not_shown", given={"exposed": False}),
    Case(0.00, 0.20, "inconclusive/exposure_not_shown", given={"exposed": None}),
    Case(0.80, 0.20, "contradicted/opposite", given={"exposed": False}),
    Case(-1.68, 0.20, "confirmed/strong", given={"exposed": False}),
    # Resistant cells need not respond: confirmed, with a label.
    Case(0.10, 0.20, "confirmed/equivalent", UNCHANGED, {"exposed": False}),
]

MISMATCH = {"sample_id": "P2", "rule": "light_chain", "expected": "lambda", "observed": "kappa", "status": "mismatch"}
FAILED = {"sample_id": "D1", "metric": "uniquely_mapped_pct", "value": 31.0, "fail": "<50", "status": "fail"}
PROTEIN = {"policy": "protein_level", "level": "protein", "delta": "."}
IDENTITY = {"direction": "expressed", "policy": "identity", "kind": "none", "delta": "."}
GATES = [
    # No verdict without two biological replicates an arm.
    Case(-1.68, 0.20, "not_testable/no_replication", given={"n_reference": 1}),
    Case(-1.68, 0.20, "not_testable/no_replication", given={"n_target": 1}),
    # Context: other cells; cells not recorded; another sensitivity; sensitivity not declared or mixed.
    Case(-1.68, 0.20, "not_testable/context", given={"cell_contexts": T_CELLS}),
    Case(-1.68, 0.20, "not_testable/context", given={"cell_contexts": frozenset()}),
    Case(-1.68, 0.20, "not_testable/context", {"context": "myeloma_sensitive"}, {"sensitivities": RESISTANT}),
    Case(-1.68, 0.20, "not_testable/context", {"context": "myeloma_sensitive"}, {"sensitivities": UNKNOWN}),
    Case(-1.68, 0.20, "not_testable/context", {"context": "myeloma_sensitive"}, {"sensitivities": BOTH}),
    Case(-1.68, 0.20, "confirmed/strong", given={"sensitivities": UNKNOWN}),  # "myeloma" asks for none
    # Protein: mRNA is no evidence either way.
    Case(-1.68, 0.20, "not_testable/protein_level", PROTEIN),
    Case(0.00, 0.20, "not_testable/protein_level", PROTEIN),
    # Floor, 1,000,000 fragments a sample: 10 counts are CPM 10. A fall is judged by the reference arm.
    Case(-1.68, 0.20, "not_testable/below_floor", given={"counts": {"GENE1": [10, 10, 9, 500, 500, 500]}}),
    Case(-1.68, 0.20, "confirmed/strong", given={"counts": {"GENE1": [10, 10, 10, 0, 0, 0]}}),
    Case(1.68, 0.20, "confirmed/strong", UP, {"counts": {"GENE1": [0, 0, 0, 10, 10, 10]}}),
    Case(1.68, 0.20, "not_testable/below_floor", UP, {"counts": {"GENE1": [10, 10, 0, 10, 10, 0]}}),
    # Sample integrity: another identity, or failed quality control.
    Case(-1.68, 0.20, "not_testable/sample_integrity", given={"identity": [MISMATCH]}),
    Case(-1.68, 0.20, "not_testable/sample_integrity", given={"quality": [FAILED]}),
    # Identity of the cells: expressed in more than half of the samples of every arm.
    Case(0.00, 0.20, "confirmed/expressed", IDENTITY),
    Case(0.00, 0.20, "confirmed/expressed", IDENTITY, {"counts": {"GENE1": [500, 500, 9, 500, 500, 9]}}),
    Case(0.00, 0.20, "contradicted/not_expressed", IDENTITY, {"counts": {"GENE1": [500, 500, 500, 500, 9, 9]}}),
]

BOOK = {
    "directional": DIRECTIONAL,
    "other_policies": OTHER_POLICIES,
    "time_and_exposure": TIME_AND_EXPOSURE,
    "gates": GATES,
}


@pytest.mark.parametrize(
    "case",
    [pytest.param(case, id=f"{page}-{i}-{case.expected}") for page in BOOK for i, case in enumerate(BOOK[page])],
)
def test_rule(judge, one_hypothesis, case):
    frame = judge(one_hypothesis(**case.asked), {"GENE1": (case.b, case.s)}, **case.given)
    row = frame.loc["H1"]
    assert f"{row['verdict']}/{row['sub_verdict']}" == case.expected
    assert row["sentence"].count(f"{row['verdict'].replace('_', ' ')}, {row['sub_verdict'].replace('_', ' ')}") == 1


def test_every_sub_verdict_is_in_the_book():
    written = {case.expected for page in BOOK.values() for case in page}
    known = {
        "confirmed": "strong plain equivalent expressed",
        "contradicted": "opposite absent changed not_expressed",
        "inconclusive": "small_effect underpowered borderline outside_window exposure_not_shown opposite absent",
        "not_testable": "no_replication context protein_level below_floor sample_integrity report_only",
    }
    assert written == {f"{verdict}/{name}" for verdict, names in known.items() for name in names.split()}


class TestAdjustment:
    """The panel decides, too: GENE1 among others, by Benjamini and Hochberg."""

    @pytest.fixture
    def panel(self, judge, several_hypotheses):
        def run(*effects):
            names = [f"GENE{i + 1}" for i in range(len(effects))]
            frame = judge(several_hypotheses(names), dict(zip(names, effects, strict=True)))
            return [f"{row['verdict']}/{row['sub_verdict']}" for _, row in frame.iterrows()]

        return run

    def test_beside_others_that_do_not_move_p_is_multiplied(self, panel):
        # p = Phi(-2.467) = 0.0068; of ten, nine with p = 0.5: q = 0.068. Of five: 0.034.
        assert panel((-0.74, 0.3), *[(0.0, 0.3)] * 9)[0] == "inconclusive/borderline"
        assert panel((-0.74, 0.3), *[(0.0, 0.3)] * 4)[0] == "confirmed/plain"

    def test_beside_others_that_fall_p_stays(self, panel):
        # p = Phi(-2.2) = 0.0139: q = 0.0139 beside nine that are surer; beside nine with p = 0.5 it is 0.139.
        assert panel((-0.66, 0.3), *[(-2.0, 0.3)] * 9)[0] == "confirmed/plain"
        assert panel((-0.66, 0.3), *[(0.0, 0.3)] * 9)[0] == "inconclusive/borderline"

    def test_kinds_of_p_are_adjusted_apart(self, panel):
        # GENE1 is absent: p_equivalence = Phi(-2.925) = 0.0017, times 10 = 0.017, whatever p_confirm of the others.
        assert panel((0.0, 0.2), *[(-2.0, 0.2)] * 9)[0] == "contradicted/absent"
        # Phi(-1.95) = 0.0256, times 10 = 0.26: neither shown nor excluded.
        assert panel((0.0, 0.3), *[(-2.0, 0.3)] * 9)[0] == "inconclusive/borderline"
