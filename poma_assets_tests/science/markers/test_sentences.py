import math

import pytest

from poma_assets.science.markers.sentences import fold, probability


@pytest.mark.parametrize(("log2", "text"), [(-1.68, "3.2"), (0.585, "1.5"), (1.0, "2"), (-4.0, "16"), (0.0, "1")])
def test_fold(log2, text):
    assert fold(log2) == text


@pytest.mark.parametrize(
    ("p", "text"), [(2.1e-9, "2e-9"), (0.0312, "0.031"), (0.74, "0.74"), (1.0, "1"), (0.0, "< 1e-300")]
)
def test_probability(p, text):
    assert probability(p) == text
    assert probability(math.nan) == "not given"


def test_the_sentence_of_a_confirmed_fall(judge, one_hypothesis):
    sentence = judge(one_hypothesis(), {"GENE1": (-1.68, 0.2)}, edger={"GENE1": -1.66}).loc["H1", "sentence"]
    assert sentence == (
        "GENE1 fell 3.2-fold (log2 -1.68, 95 % CI -2.07 to -1.29, q = 2e-17), at least the 1.5-fold asked "
        "for, also at the cautious end of the estimate: confirmed, strong. Standard error 0.20, smallest "
        "detectable effect 0.33 (log2), 3 against 3 replicates, edgeR log2 -1.66 (FDR 0.5)."
    )


def test_the_sentence_of_an_absent_fall_gives_the_q_of_equivalence(judge, one_hypothesis):
    sentence = judge(one_hypothesis(), {"GENE1": (0.01, 0.1)}).loc["H1", "sentence"]
    assert sentence.startswith(
        "GENE1 stayed level (log2 0.01, 95 % CI -0.19 to 0.21, q of equivalence = 4e-9); "
        "a fall of 1.5-fold or more is excluded: contradicted, absent."
    )


def test_the_sentence_outside_the_window(judge, one_hypothesis):
    sentence = judge(one_hypothesis(window="24 72"), {"GENE1": (0.0, 0.1)}, time_h=(6.0,)).loc["H1", "sentence"]
    assert (
        "no fall of 1.5-fold, but the treatment lasted 6 h and the hypothesis speaks of 24 to 72 h: "
        "inconclusive, outside window." in sentence
    )


def test_what_is_not_testable_still_shows_its_numbers(judge, shipped):
    sentence = judge(shipped, {"IKZF1": (-0.02, 0.1)}).loc["IKZF1_degradation", "sentence"]
    assert "For the record: IKZF1 stayed level (log2 -0.02, 95 % CI -0.22 to 0.18)" in sentence


def test_every_sentence_is_one_line_and_ends_with_one_full_stop(judge, shipped):
    effects = {"IRF4": (-1.74, 0.4), "MYC": (-0.02, 0.06), "CRBN": (-0.33, 0.1), "MX1": (0.1, 0.1)}
    for sentence in judge(shipped, effects, vehicle_time_matched=False)["sentence"]:
        assert "\n" not in sentence
        assert "nan" not in sentence
        assert sentence.endswith(".")
        assert not sentence.endswith("..")


BASELINE, INTERACTION = "resistant_vs_sensitive_at_vehicle", "drug_by_sensitivity_interaction"


class TestComparisons:
    """No course of time is told where two kinds of cells, or two effects, are compared."""

    def sentence(self, judge, one_hypothesis, kind, estimate, direction="up"):
        table = one_hypothesis(direction, kind=kind)
        both = frozenset({"sensitive", "resistant"})
        return judge(table, {"GENE1": estimate}, kind=kind, sensitivities=both).loc["H1", "sentence"]

    def test_an_interaction_compares_the_effects_of_the_drug(self, judge, one_hypothesis):
        # 2^3.46 = 11.0
        assert self.sentence(judge, one_hypothesis, INTERACTION, (3.46, 0.3)).startswith(
            "The drug's effect on GENE1 is 11-fold higher in sensitive than in resistant cells (log2 3.46, "
        )
        assert self.sentence(judge, one_hypothesis, INTERACTION, (-1.0, 0.2)).startswith(
            "The drug's effect on GENE1 is 2-fold lower in sensitive than in resistant cells (log2 -1.00, "
        )

    def test_a_baseline_compares_cells(self, judge, one_hypothesis):
        assert self.sentence(judge, one_hypothesis, BASELINE, (-1.0, 0.2), "down").startswith(
            "GENE1 is 2-fold lower in resistant than in sensitive cells (log2 -1.00, "
        )
        assert "opposite to the expected difference" in self.sentence(judge, one_hypothesis, BASELINE, (-1.0, 0.2))

    @pytest.mark.parametrize(
        ("kind", "words"),
        [
            (BASELINE, "GENE1 is alike in resistant and sensitive cells (log2 0.00"),
            (INTERACTION, "The drug's effect on GENE1 is alike in sensitive and resistant cells (log2 0.00"),
        ],
    )
    def test_no_difference(self, judge, one_hypothesis, kind, words):
        sentence = self.sentence(judge, one_hypothesis, kind, (0.0, 0.1))
        assert sentence.startswith(words)
        assert "; a difference of 1.5-fold or more is excluded: contradicted, absent." in sentence
        assert not set(sentence.split()) & {"rose", "fell", "stayed", "rise", "fall"}
