"""Gene ids and symbols as texts: versions, and what spreadsheets do to them."""

from __future__ import annotations

import re
from collections.abc import Iterable

# GENCODE adds _PAR_Y to the second copy of a pseudo-autosomal gene, and a number to ids lifted to GRCh37.
_ENSEMBL_VERSION = re.compile(r"(ENS[A-Z]*G\d{11})\.\d+(?:_\d+)?((?:_PAR_Y)?)")
_MONTH = "jan|feb|mar|apr|may|jun|jul|aug|sep|sept|oct|nov|dec"
_DAMAGED = re.compile(
    rf"\d{{1,2}}[-/ ](?:{_MONTH})(?:[-/ ]\d{{2,4}})?|(?:{_MONTH})[-/ ]\d{{1,4}}|\d{{4}}-\d\d-\d\d(?: 00:00:00)?"
    r"|\d{1,2}/\d{1,2}/\d{2,4}|\d(?:\.\d+)?e\+\d+",
    re.IGNORECASE,
)


def strip_version(gene_id: str) -> str:
    """Ensembl gene id without version: ``ENSG00000141510.18`` is ``ENSG00000141510``.

    The suffix ``_PAR_Y`` of GENCODE stays, because it marks another gene. Other ids are left as they are.
    """
    match = _ENSEMBL_VERSION.fullmatch(gene_id)
    return match[1] + match[2] if match else gene_id


def damaged_names(names: Iterable[str]) -> list[str]:
    """Return the names that a spreadsheet made of gene symbols: ``1-Mar`` (MARCHF1), ``2-Sep``, ``2.31E+13``.

    See Ziemann, Eren & El-Osta 2016, doi:10.1186/s13059-016-1044-7.
    """
    return [name for name in names if _DAMAGED.fullmatch(name)]
