from __future__ import annotations

import numpy as np
import pandas as pd

from poma_assets.reports import wording
from poma_assets.reports.rendering import listing, number, p_value, text


def test_numbers_as_people_read_them():
    assert number(-1.744) == "−1.74"
    assert number(-0.001) == "0.00"
    assert number(1234567, 0) == "1,234,567"
    assert number(np.nan) == number(None) == number(pd.NA) == "–"
    assert number(float("-inf")) == "−∞"
    assert p_value(0.0412) == "0.041"
    assert p_value(3.21e-7) == "3.2e−7"
    assert text(24.0) == "24"
    assert text(pd.NaT) == "–"
    assert text(pd.Timestamp("2026-01-02 03:04:05.678")) == "2026-01-02 03:04:05"
    assert listing(["a", "b", "c"]) == "a, b and c"


def test_inclusion_in_words():
    frame = pd.DataFrame({"sample_id": ["a", "b"], "included": [True, False], "reason": [None, "QC"]})
    assert wording.inclusion_sentence(frame.iloc[:1], 1) == "1 sample is in the sheet: 1 entered the count matrix."
    assert wording.inclusion_sentence(frame, 3) == (
        "3 samples are in the sheet: 1 entered the count matrix and 1 was left out. 1 sample has not been judged yet."
    )
    assert wording.inclusion_remarks(frame) == [("b", False, "QC")]


def test_comparison_in_words():
    row = {
        "variable": "treatment",
        "reference": "DMSO",
        "target": "poma",
        "blocking": "batch;donor",
        "subset": None,
    }
    assert wording.comparison(row) == "poma against DMSO (treatment), blocked by batch and donor"
    assert wording.comparison({"formula": "~ a:b", "contrast": "a:b"}) == "model ~ a:b, tested: a:b"


def test_genes_in_words():
    common = {"fdr": 0.05, "log2_fold_change": 1.0, "target": "poma"}
    assert wording.genes_sentence(tested=9, total=10, up=2, down=1, **common) == (
        "3 genes of 9 tested differ (FDR below 0.05 and at least 1 in absolute log2 fold change): "
        "2 higher and 1 lower in poma."
    )
    assert wording.genes_sentence(tested=0, total=10, up=0, down=0, **common) == "None of 10 genes could be tested."
    assert wording.genes_sentence(tested=5, total=10, up=0, down=0, **common).startswith("None of 5 tested genes")


def test_genes_of_a_slope_have_no_threshold_of_effect():
    text = wording.genes_sentence(tested=9, total=10, up=2, down=1, fdr=0.05, log2_fold_change=0.0, target=None)
    assert text == "3 genes of 9 tested differ (FDR below 0.05): 2 higher and 1 lower."
    row = {"formula": "~ log2_dose(dose_um)", "contrast": "log2_dose(dose_um)", "effect": "slope"}
    assert wording.comparison(row).endswith("(the log2 fold change is for one unit of it)")


def test_genes_of_a_likelihood_ratio_test_have_no_direction():
    text = wording.any_difference_sentence(tested=90, passing=12, fdr=0.05)
    assert text.startswith(
        "12 genes of 90 tested differ at all between the models (likelihood-ratio test, FDR below 0.05)"
    )
    assert "higher" not in text
    assert wording.any_difference_sentence(tested=0, passing=0, fdr=0.05) == "No gene could be tested."
    assert wording.any_difference_sentence(tested=90, passing=0, fdr=0.05).startswith("None of 90 tested genes differs")


def test_agreement_in_words_counts_the_union():
    kinds = ["both_significant"] * 3 + ["deseq2_only"] + ["opposite"] + ["neither"] * 20 + ["not_comparable"]
    assert wording.agreement_sentence(pd.DataFrame({"agreement": kinds})) == (
        "3 of 5 genes that DESeq2 or edgeR finds significant are so in both, in the same direction (60.0 %). "
        "1 gene is significant in opposite directions."
    )
    none = pd.DataFrame({"agreement": ["neither"]})
    assert wording.agreement_sentence(none) == "Neither DESeq2 nor edgeR finds a significant gene."


def test_exposure_in_words():
    frame = pd.DataFrame(
        {
            "signature": "s 1",
            "exposure_shown": [True, False, True],
            "score": [1, 2, 3],
            "p_value": [0.01, 0.2, 0.03],
        }
    )
    assert wording.response_sentence(frame) == (
        "Exposure is shown for 2 of 3 judged genes, each left out of its own score "
        "(signature s 1; score 2.00, largest p 0.200)."
    )
    assert wording.response_sentence(frame[frame["exposure_shown"]]).startswith("Exposure is shown: ")
    assert wording.response_sentence(frame[~frame["exposure_shown"]]).startswith("Exposure is not shown: ")
    assert wording.response_sentence(frame.iloc[:0]) is None


def test_anchors_are_unique_and_plain():
    assert wording.anchor("<x> y/z", 3) == "c3-x-y-z"
    assert wording.anchor("…", 0) == "c0-"
