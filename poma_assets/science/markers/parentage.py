"""Does a derivative (a resistant subline, a knock-out) show the identity of the parent that the sheet names?

The parent is the samples of the study that are declared as it; what the table of lines says of the parent is
judged by the rules in ``identity``. Lineage marks stay: chains, translocations, and a Y that the parent never had.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

import pandas as pd

from poma_assets.science.markers.identity import IDENTITY_COLUMNS

CHAINS: Final = ("light_chain", "heavy_chain")
_UNCLEAR: Final = ("none high", "not annotated", "not assessed")
_WORDS: Final[Mapping[str, str]] = {"light_chain": "light chain", "heavy_chain": "heavy chain"}


def parent_identity(identity: pd.DataFrame, samples: pd.DataFrame) -> pd.DataFrame:
    """Compare each sample that has a ``parent_line`` with what most samples of that line show.

    Parameters
    ----------
    identity
        Rows as from `identity.sample_identity`.
    samples
        Rows of the table ``samples``; ``parent_line`` is a column of the sheet, in ``metadata``.

    Returns
    -------
    pandas.DataFrame
        Rows of the table ``sample_identity``, one per sample with a declared parent, rule ``parent_identity``:
        ``mismatch`` where a chain differs or a Y appears that the parent has not, ``warn`` where only
        translocated genes differ, ``match``, or ``not_assessed``.
    """
    shown = _shown(identity)
    declared = {str(row["sample_id"]): _names(row) for row in samples.to_dict("records")}
    by_line: dict[str, list[str]] = {}
    for sample, (line, _) in declared.items():
        if sample in shown and line:
            by_line.setdefault(line, []).append(sample)
    marks = {line: _common([shown[sample] for sample in members]) for line, members in by_line.items()}
    rows = [
        (sample, "parent_identity", *_compare(shown[sample], line, parent, marks))
        for sample, (line, parent) in declared.items()
        if parent and parent != line and sample in shown
    ]
    return pd.DataFrame(rows, columns=list(IDENTITY_COLUMNS))


def _names(row: Mapping[object, object]) -> tuple[str, str]:
    metadata = row.get("metadata")
    values = json.loads(metadata) if isinstance(metadata, str) and metadata else {}
    line, parent = row.get("cell_line"), values.get("parent_line")
    return (line if isinstance(line, str) else ""), (parent if isinstance(parent, str) else "")


def _shown(identity: pd.DataFrame) -> dict[str, dict[str, str]]:
    """Return what each sample shows by rule; a chain that is not clear, and a gene not annotated, is absent."""
    shown: dict[str, dict[str, str]] = {}
    for sample, rule, observed in identity[["sample_id", "rule", "observed"]].itertuples(index=False):
        marks = shown.setdefault(str(sample), {})
        if observed not in _UNCLEAR and not (rule in CHAINS and " and " in observed):
            marks[str(rule)] = str(observed)
    return shown


def _common(members: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """Return what more than half of the samples of a line show, rule by rule."""
    common = {}
    for rule in (*CHAINS, "translocation_outlier", "sex"):
        counted = Counter(member[rule] for member in members if rule in member)
        if counted:
            mark, number = counted.most_common(1)[0]
            if 2 * number > counted.total():
                common[rule] = mark
    return common


def _compare(
    own: Mapping[str, str], line: str, parent: str, marks: Mapping[str, Mapping[str, str]]
) -> tuple[str, str, str, str | None, str]:
    expected = f"the identity of {parent}"
    if parent not in marks:
        return expected, "not assessed", "not_assessed", None, f"no sample of {parent} is in this study"
    theirs = marks[parent]
    both = [rule for rule in CHAINS if rule in own and rule in theirs]
    wrong = [
        f"{_WORDS[rule]} {own[rule]} where {parent} has {theirs[rule]}" for rule in both if own[rule] != theirs[rule]
    ]
    if theirs.get("sex") == "none" and ";" in own.get("sex", ""):
        wrong.append(f"Y-linked expression ({own['sex']}) where {parent} has none")
    detail = ", ".join(f"{_WORDS[rule]} {theirs[rule]}" for rule in both) or "no chain to compare"
    if wrong:
        return expected, "; ".join(wrong), "mismatch", _other_line(own, (line, parent), marks), detail
    genes = [marked.get("translocation_outlier") for marked in (own, theirs)]
    if None not in genes and genes[0] != genes[1]:
        observed = f"high {genes[0]} where {parent} has {genes[1]}"
        return expected, observed, "warn", None, detail + "; expression alone does not prove a translocation"
    if not both:
        return expected, "not assessed", "not_assessed", None, detail
    return expected, expected, "match", None, detail


def _other_line(own: Mapping[str, str], declared: Sequence[str], marks: Mapping[str, Mapping[str, str]]) -> str | None:
    """Name the lines of the study that show the same clear chains."""
    chains = {rule: own[rule] for rule in CHAINS if rule in own}
    fitting = [
        line
        for line, shown in marks.items()
        if line not in declared and chains and all(shown.get(rule) == mark for rule, mark in chains.items())
    ]
    return ";".join(fitting) or None
