"""Versions of gene ids, and names that spreadsheets damage."""

from __future__ import annotations

import pytest

from poma_assets.science.gene_ids import damaged_names, strip_version


@pytest.mark.parametrize(
    ("raw", "stripped"),
    [
        ("ENSG00000141510.18", "ENSG00000141510"),
        ("ENSG00000141510", "ENSG00000141510"),
        ("ENSG00000182378.15_PAR_Y", "ENSG00000182378_PAR_Y"),
        ("ENSG00000182378_PAR_Y", "ENSG00000182378_PAR_Y"),
        ("ENSGR0000182378.10", "ENSGR0000182378.10"),
        ("ENSG00000223972.5_2", "ENSG00000223972"),
        ("ENSMUSG00000059552.13", "ENSMUSG00000059552"),
        ("ENST00000141510.2", "ENST00000141510.2"),
        ("AC004556.3", "AC004556.3"),
        ("FBgn0031208", "FBgn0031208"),
        ("YAL001.1", "YAL001.1"),
    ],
)
def test_strip_version(raw: str, stripped: str) -> None:
    assert strip_version(raw) == stripped


def test_stripping_keeps_genes_apart() -> None:
    ids = ["ENSG00000182378.15", "ENSG00000182378.15_PAR_Y", "ENSGR0000182378.10"]
    assert len({strip_version(gene) for gene in ids}) == 3


@pytest.mark.parametrize(
    "name",
    [
        *("1-Mar", "2-Sep", "01-Dec", "Mar-01", "1-Mar-24", "2024-03-01", "3/1/2024", "2.31E+13", "1-mar"),
        *(
            "01. Mrz",
            "02. Sep",
            "1.Mrz",
            "01. Dez",
            "Mrz 01",
            "01.03.2022",
            "1. Mär 22",
            "2,31E+13",
            "2-sept.",
            "1-mars",
        ),
        *("44806", "44621.0"),
    ],
)
def test_damaged_symbols(name: str) -> None:
    assert damaged_names(["IRF4", name, "MYC"]) == [name]


def test_real_names_are_not_taken_for_dates() -> None:
    real = ["MARCHF1", "MARCH1", "SEPTIN2", "DEC1", "1", "100130426", "HLA-A", "NKX2-1", "7SK", "ENSG00000141510.18"]
    assert damaged_names(real) == []


def test_numbers_among_numbers_are_entrez_ids() -> None:
    assert damaged_names(["44806", "4609", "3662", "MYC"]) == []
    assert damaged_names(["44806", "MYC", "IRF4"]) == ["44806"]
    assert damaged_names(["4609", "100130426", "MYC", "IRF4", "KRAS"]) == []
