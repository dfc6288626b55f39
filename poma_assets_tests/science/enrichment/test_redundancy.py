import time

import numpy as np
import pandas as pd
import pytest

from poma_assets.science.enrichment.frames import ENRICHMENT_COLUMNS, enrichment_frame, result_frame
from poma_assets.science.enrichment.redundancy import group_redundant_sets
from poma_assets.science.errors import InputError


def row(term, p, genes, *, nes=np.nan, score=2.0, collection="c"):
    return {
        "collection": collection,
        "term_id": term,
        "term_name": term,
        "set_size": 20,
        "overlap": len(genes),
        "score": score,
        "normalised_score": nes,
        "p_value": p,
        "leading_genes": ";".join(genes),
    }


def groups(rows, *, method="ora", direction="both", **options):
    frame = enrichment_frame(result_frame(rows), "c1", method, direction)
    grouped = group_redundant_sets(frame, fdr=0.05, **options)
    return dict(zip(grouped["term_id"], grouped["group_term_id"], strict=True))


def test_hand_worked_groups():
    rows = [
        row("interferon", 1e-9, "ABCDEFGH"),
        row("interferon_alpha", 1e-8, "ABCX"),  # 3 of its 4 genes are there: joins
        row("defence", 1e-7, "ABCDQRSTU"),  # 4 of 9: stands for itself
        row("response", 1e-6, "QRAB"),  # 2 of 4 in both: joins the more significant one
        row("proliferation", 1e-5, "KLM"),
        row("dull", 0.9, "ABC"),
    ]
    assert groups(rows) == {
        "interferon": "interferon",
        "interferon_alpha": "interferon",
        "defence": "defence",
        "response": "interferon",
        "proliferation": "proliferation",
        "dull": None,
    }


def test_a_large_set_is_not_hidden_behind_a_small_one():
    rows = [row("small", 1e-9, "AB"), row("large", 1e-8, "ABCDEFGH")]
    assert groups(rows) == {"small": "small", "large": "large"}
    swapped = [row("small", 1e-8, "AB"), row("large", 1e-9, "ABCDEFGH")]
    assert groups(swapped) == {"small": "large", "large": "large"}


def test_only_sets_that_stand_for_a_group_are_joined():
    # b joins a; c shares its genes with b, not with a, and so stands for itself: no chains.
    rows = [row("a", 1e-9, "ABCD"), row("b", 1e-8, "CDXY"), row("c", 1e-7, "XYZ")]
    assert groups(rows) == {"a": "a", "b": "a", "c": "c"}


def test_the_least_part_can_be_chosen():
    rows = [row("a", 1e-9, "ABCDEF"), row("b", 1e-8, "DEFXYZ")]
    assert groups(rows)["b"] == "a"
    assert groups(rows, shared=0.51)["b"] == "b"
    for wrong in (0, 1.01):
        with pytest.raises(InputError, match="shared genes"):
            groups(rows, shared=wrong)


def test_equal_p_values_go_by_normalised_score_then_id():
    rows = [row("b", 1e-3, "ABC", nes=1.5), row("a", 1e-3, "ABC", nes=1.5), row("z", 1e-3, "ABC", nes=1.9)]
    assert set(groups(rows, method="gsea").values()) == {"z"}
    assert set(groups(rows[:2], method="gsea").values()) == {"a"}


def test_opposite_scores_are_never_together():
    rows = [row("up", 1e-9, "ABC", score=0.7), row("down", 1e-8, "ABC", score=-0.7)]
    assert groups(rows, method="gsea") == {"up": "up", "down": "down"}


def test_collections_methods_directions_and_contrasts_are_apart():
    parts = [
        enrichment_frame(result_frame([row("s", p, "ABC", collection=collection)]), contrast, method, direction)
        for p, collection, contrast, method, direction in [
            (1e-3, "c", "c1", "ora", "up"),
            (1e-9, "c", "c1", "ora", "both"),
            (1e-9, "c", "c1", "gsea", "both"),
            (1e-9, "d", "c1", "ora", "up"),
            (1e-9, "c", "c2", "ora", "up"),
        ]
    ]
    frame = pd.concat(parts).assign(term_id=list("vwxyz"))
    assert group_redundant_sets(frame, fdr=0.05)["group_term_id"].tolist() == list("vwxyz")


def test_rows_and_order_stay():
    rows = [row(f"s{number}", 10.0**-number, "ABC") for number in range(1, 5)]
    frame = enrichment_frame(result_frame(rows), "c1", "ora", "up").sample(frac=1, random_state=1)
    grouped = group_redundant_sets(frame, fdr=0.05)
    assert tuple(grouped.columns) == ENRICHMENT_COLUMNS
    pd.testing.assert_frame_equal(grouped.drop(columns="group_term_id"), frame.drop(columns="group_term_id"))
    assert grouped["group_term_id"].dropna().unique().tolist() == ["s4"]
    assert frame["group_term_id"].isna().all()  # the input is left alone


def test_nothing_to_group():
    empty = enrichment_frame(pd.DataFrame(), "c1", "gsea", "both")
    assert group_redundant_sets(empty, fdr=0.05).empty
    assert groups([row("a", 0.9, "ABC"), row("b", 1.0, "")]) == {"a": None, "b": None}


def test_five_thousand_significant_sets_take_seconds_only():
    rng = np.random.default_rng(1)
    genes = [f"G{number}" for number in range(3000)]
    rows = [row(f"s{n}", 1e-9 * (n + 1), rng.choice(genes, rng.integers(5, 80), replace=False)) for n in range(5000)]
    frame = enrichment_frame(result_frame(rows), "c1", "ora", "up")
    started = time.process_time()
    grouped = group_redundant_sets(frame, fdr=0.05)
    assert time.process_time() - started < 8
    assert grouped["group_term_id"].notna().all()
