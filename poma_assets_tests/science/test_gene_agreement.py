"""Count tables of one study that speak of other genes are refused, of a few other genes told."""

from __future__ import annotations

import pandas as pd
import pytest

from poma_assets.science.errors import CountsError
from poma_assets.science.gene_agreement import compare_genes

IDS = [f"ENSG{i:011d}" for i in range(100)]


def test_the_same_genes_in_any_order_need_no_word() -> None:
    assert compare_genes({"S1": pd.Index(IDS), "S2": pd.Index(IDS[::-1]), "S3": pd.Index(IDS)}) == []
    assert compare_genes({"S1": pd.Index(IDS)}) == []


def test_symbols_among_ids_are_refused_and_named() -> None:
    symbols = pd.Index([f"GENE{i}" for i in range(100)])
    with pytest.raises(CountsError, match=r"sample S3.*do not speak of the same genes.*0 of its 100.*GENE0") as caught:
        compare_genes({"S1": pd.Index(IDS), "S2": pd.Index(IDS), "S3": symbols})
    assert caught.value.exit_status == 2


def test_a_table_that_was_cut_off_is_refused_below_half() -> None:
    with pytest.raises(CountsError, match="sample S2"):
        compare_genes({"S1": pd.Index(IDS), "S2": pd.Index(IDS[:49]), "S3": pd.Index(IDS)})


def test_a_few_missing_genes_are_told() -> None:
    (note,) = compare_genes({"S1": pd.Index(IDS), "S2": pd.Index([*IDS[2:], "NEW"]), "S3": pd.Index(IDS)})
    assert note.startswith("genes of sample S2: it lacks 2 that most samples have (ENSG00000000000, ENSG00000000001)")
    assert "has 1 that most lack (NEW)" in note


def test_two_samples_of_other_names_are_refused() -> None:
    with pytest.raises(CountsError, match="do not speak of the same genes"):
        compare_genes({"S1": pd.Index(IDS), "S2": pd.Index([f"GENE{i}" for i in range(100)])})
