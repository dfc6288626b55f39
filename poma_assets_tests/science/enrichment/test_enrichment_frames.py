import numpy as np
import pandas as pd
import pytest

from poma_assets.science.enrichment.frames import (
    ENRICHMENT_COLUMNS,
    benjamini_hochberg,
    enrichment_frame,
    result_frame,
)
from poma_assets.science.errors import InputError
from poma_assets.storage.schema import TABLES


def row(term, p, nes=np.nan):
    return {
        "collection": "c",
        "term_id": term,
        "term_name": term,
        "set_size": 12,
        "overlap": 3,
        "score": 1.5,
        "normalised_score": nes,
        "p_value": p,
        "leading_genes": "A;B;C",
    }


def test_columns_are_those_of_the_declared_table():
    assert TABLES["enrichment"].column_names == ENRICHMENT_COLUMNS
    frame = enrichment_frame(result_frame([row("a", 0.5)]), "drug-vs-DMSO", "ora", "up")
    assert tuple(frame.columns) == ENRICHMENT_COLUMNS
    assert frame.iloc[0, :5].tolist() == ["drug-vs-DMSO", "ora", "up", "c", "a"]


def test_empty_result_has_the_columns_and_types():
    frame = enrichment_frame(pd.DataFrame(), "c1", "gsea", "both")
    assert len(frame) == 0
    assert tuple(frame.columns) == ENRICHMENT_COLUMNS
    full = enrichment_frame(result_frame([row("a", 0.5)]), "c1", "gsea", "both")
    assert frame.dtypes.to_dict() == full.dtypes.to_dict()


def test_what_a_method_does_not_have_is_missing():
    frame = enrichment_frame(
        result_frame([row("a", 0.5), {**row("b", 0.6), "permutations": 2000}]), "c", "gsea", "both"
    )
    assert frame["permutations"].isna().tolist() == [True, False]
    assert frame["permutations"].iloc[1] == 2000
    assert frame[["expected_overlap", "group_term_id"]].isna().all(axis=None)


def test_smallest_p_first_then_strongest_then_id():
    rows = [row("d", 0.2, 1.0), row("b", 0.1, 1.2), row("a", 0.1, 1.2), row("c", 0.1, -1.9), row("e", 0.1)]
    assert list(result_frame(rows)["term_id"]) == ["c", "a", "b", "e", "d"]


def test_benjamini_hochberg_by_hand():
    adjusted = benjamini_hochberg(np.array([0.04, 0.01, 0.03, 0.8]))
    np.testing.assert_allclose(adjusted, [0.16 / 3, 0.04, 0.16 / 3, 0.8])
    assert benjamini_hochberg(np.array([])).size == 0


@pytest.mark.parametrize(("method", "direction"), [("ora", "sideways"), ("gsea", "up"), ("fisher", "both")])
def test_unknown_method_or_direction(method, direction):
    with pytest.raises(InputError, match="Unknown enrichment method or direction"):
        enrichment_frame(result_frame([row("a", 0.5)]), "c1", method, direction)
