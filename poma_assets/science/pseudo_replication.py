"""Samples that look like technical repeats of one another but are counted as biological replicates."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pandas as pd

from poma_assets.science.design_findings import Finding
from poma_assets.science.subsets import column_texts
from poma_assets.science.tables import listing

_CONDITION = ("cell_line", "sensitivity", "treatment", "dose_um", "time_h", "batch", "donor")
_MERGE = "If they are repeats of one culture, give them one sample name in the sheet, so that they are merged"
_LANE = re.compile(r"[._-](?:L\d{3}|lane[._-]?\d+)$", re.IGNORECASE)
_REPEAT = re.compile(r"(?:[._-](?:T|tech[._-]?|techrep[._-]?|run[._-]?)\d+|(?<=\d)[a-d])$", re.IGNORECASE)


def repeated_replicates(rows: pd.DataFrame, factors: Sequence[str]) -> list[Finding]:
    """A replicate number repeated within one condition, batch and donor hints at technical replicates."""
    if "replicate" not in rows.columns:
        return []
    repeated = [
        " and ".join(samples)
        for samples in same_condition(rows.dropna(subset=["replicate"]), ["replicate", *factors])
        if len(samples) > 1
    ]
    if not repeated:
        return []
    sentence = (
        f"samples with the same replicate number in one condition: {listing(repeated)}. "
        "If these are technical replicates, give them one sample name, so that they are merged; "
        "counted as biological replicates they make the results look surer than they are"
    )
    return [Finding("warning", "pseudo_replication", sentence)]


def same_condition(
    rows: pd.DataFrame, further: Sequence[str] = (), *, without: Sequence[str] = ()
) -> list[tuple[str, ...]]:
    """Samples grouped by condition: the standard columns that say what was done, and further ones."""
    columns = [name for name in dict.fromkeys([*_CONDITION, *further]) if name in rows.columns and name not in without]
    if not columns:
        return [tuple(map(str, rows.index))]
    keys = rows[columns].astype(object).where(rows[columns].notna(), "")
    groups = keys.groupby(columns, sort=False).groups.values()
    return [tuple(map(str, samples)) for samples in groups]


def technical_names(rows: pd.DataFrame, factors: Sequence[str]) -> list[Finding]:
    """Samples of one condition whose names differ only by a lane or by the number of a technical repeat.

    Repeats (``_T1``, ``tech1``, ``rep1a``) are believed to be biological if their replicate numbers differ;
    lanes (``_L001``) never are.
    """
    groups: dict[tuple[int, str], list[str]] = {}
    for number, samples in enumerate(same_condition(rows, factors)):
        for sample in samples:
            stem = _REPEAT.sub("", _LANE.sub("", sample))
            groups.setdefault((number, stem), []).append(sample)
    repeated = [samples for samples in groups.values() if len(samples) > 1 and not _differ(rows, samples)]
    if not repeated:
        return []
    named = listing(" and ".join(samples) for samples in repeated)
    sentence = (
        f"samples whose names differ only by lane or technical repeat are counted as replicates: {named}. {_MERGE}"
    )
    return [Finding("warning", "pseudo_replication", sentence)]


def _differ(rows: pd.DataFrame, samples: Sequence[str]) -> bool:
    if any(_LANE.search(sample) for sample in samples) or "replicate" not in rows.columns:
        return False
    numbers = rows.loc[list(samples), "replicate"]
    return bool(numbers.notna().all() and numbers.is_unique)


def repeated_donors(rows: pd.DataFrame, factors: Sequence[str]) -> list[Finding]:
    """Donors that are counted more than once in one condition, and conditions of a single donor."""
    if "donor" not in rows.columns or rows["donor"].isna().all():
        return []
    recorded = rows.dropna(subset=["donor"])
    donors = column_texts(recorded, "donor")
    if donors.nunique() == 1:
        sentence = f"all samples are of donor {donors.iloc[0]}: the result holds for this donor, not for others"
        return [Finding("note", "one_donor", sentence)]
    repeated = []
    for samples in same_condition(recorded, factors, without=["batch"]):
        if len(samples) > 1 and donors[list(samples)].nunique() == 1:
            repeated.append(f"{' and '.join(samples)} (donor {donors[samples[0]]})")
    if not repeated:
        return []
    sentence = f"a donor is counted more than once in one condition: {listing(repeated)}. {_MERGE}; "
    if "donor" in factors:
        sentence += "the variation between them is that within a donor"
        return [Finding("note", "donor_repeated", sentence)]
    sentence += "without donor in the design they count as independent"
    return [Finding("warning", "donor_repeated", sentence)]
