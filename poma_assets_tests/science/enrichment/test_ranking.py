import numpy as np
import pandas as pd
import pytest

from poma_assets.science.enrichment.gene_set_enrichment import rank_genes
from poma_assets.science.errors import InputError


def de_results(rows, engine="deseq2"):
    frame = pd.DataFrame(rows, columns=["gene_id", "gene_name", "base_mean", "statistic", "p_value"])
    return frame.assign(contrast_id="c", engine=engine)


ROWS = [
    ("ENSG3", "IRF4", 900.0, -7.5, 1e-13),
    ("ENSG1", "DUP", 10.0, 9.0, 1e-18),
    ("ENSG2", "DUP", 50.0, 1.0, 0.3),
    ("ENSG5", "TIE", 20.0, 2.0, 0.05),
    ("ENSG4", "TIE", 20.0, -2.0, 0.05),
    ("ENSG6", None, 5.0, 3.0, 0.003),
    ("ENSG7", "", 5.0, 3.0, 0.003),
    ("ENSG8", "NO_TEST", 0.0, np.nan, np.nan),
    ("ENSG9", "OUTLIER", 90.0, 4.0, np.nan),
]


def test_largest_base_mean_wins_and_the_rest_is_counted():
    ranked = rank_genes(de_results(ROWS))
    assert ranked.statistic.to_dict() == {"ENSG6": 3.0, "ENSG7": 3.0, "DUP": 1.0, "TIE": -2.0, "IRF4": -7.5}
    assert list(ranked.statistic.index) == ["ENSG6", "ENSG7", "DUP", "TIE", "IRF4"] == ranked.background
    assert ranked.dropped_duplicates == 2
    assert ranked.dropped_untested == 2
    assert ranked.table.loc["DUP", "gene_id"] == "ENSG2"
    assert ranked.table.loc["TIE", "gene_id"] == "ENSG4"


def test_an_untested_gene_does_not_displace_a_tested_one_of_its_symbol():
    rows = [("ENSG1", "A", 100.0, np.nan, np.nan), ("ENSG2", "A", 5.0, 1.5, 0.1)]
    assert rank_genes(de_results(rows)).statistic.to_dict() == {"A": 1.5}


def test_edger_rows_are_ignored():
    both = pd.concat([de_results(ROWS), de_results([("ENSG3", "IRF4", 8.0, 60.0, 1e-9)], engine="edger")])
    pd.testing.assert_series_equal(rank_genes(both).statistic, rank_genes(de_results(ROWS)).statistic)


def test_several_contrasts_are_refused():
    with pytest.raises(InputError, match=r"9 repeated gene ids, first 'ENSG3'"):
        rank_genes(pd.concat([de_results(ROWS), de_results(ROWS)]))


def test_missing_column():
    with pytest.raises(InputError, match="statistic missing"):
        rank_genes(de_results(ROWS).drop(columns="statistic"))
