"""Gene ids and symbols as texts: versions, and what spreadsheets do to them."""

from __future__ import annotations

import re
from collections.abc import Iterable

# GENCODE adds _PAR_Y to the second copy of a pseudo-autosomal gene, and a number to ids lifted to GRCh37.
_ENSEMBL_VERSION = re.compile(r"(ENS[A-Z]*G\d{11})\.\d+(?:_\d+)?((?:_PAR_Y)?)")
_MONTH = "jan|feb|mar|mrz|apr|may|jun|jul|aug|sep|sept|oct|okt|nov|dec|dez"
_MONTH_AFTER_DAY = f"{_MONTH}|mär|märz|mai|mars|avr|déc|ene|dic|set"
_DAMAGED = re.compile(
    rf"\d{{1,2}}(?:\. ?|[-/ ])(?:{_MONTH_AFTER_DAY})\.?(?:[-/. ]\d{{2,4}})?|(?:{_MONTH})[-/ ]\d{{1,4}}"
    r"|\d{4}-\d\d-\d\d(?: 00:00:00)?|\d{1,2}([/.])\d{1,2}\1\d{2,4}|\d(?:[.,]\d+)?e\+\d+",
    re.IGNORECASE,
)
_SERIAL_DAY = re.compile(r"(\d{5})(?:\.0)?")
_FIRST_DAY, _LAST_DAY = 36526, 51501  # 2000-01-01 and 2040-12-31 as spreadsheets count days.


def strip_version(gene_id: str) -> str:
    """Ensembl gene id without version: ``ENSG00000141510.18`` is ``ENSG00000141510``.

    The suffix ``_PAR_Y`` of GENCODE stays, because it marks another gene. Other ids are left as they are.
    """
    match = _ENSEMBL_VERSION.fullmatch(gene_id)
    return match[1] + match[2] if match else gene_id


def damaged_names(names: Iterable[str]) -> list[str]:
    """Return the names that a spreadsheet made of gene symbols: ``1-Mar`` (MARCHF1), ``02. Sep``, ``2.31E+13``.

    Days counted from 1900 (``44806``) are among them where most names begin with a letter: elsewhere they are
    Entrez ids. See Ziemann, Eren & El-Osta 2016, doi:10.1186/s13059-016-1044-7.
    """
    names = list(names)
    among_symbols = 2 * sum(name[:1].isalpha() for name in names) > len(names)
    return [name for name in names if _DAMAGED.fullmatch(name) or (among_symbols and _is_serial_day(name))]


def _is_serial_day(name: str) -> bool:
    match = _SERIAL_DAY.fullmatch(name)
    return match is not None and _FIRST_DAY <= int(match[1]) <= _LAST_DAY
