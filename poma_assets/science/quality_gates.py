"""Quality gates of samples: thresholds, what each metric says, and who enters the count matrix.

The metrics themselves are measured elsewhere. A missing measurement is never a pass.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final, Literal

import pandas as pd

from poma_assets.science.errors import ConfigError, InputError
from poma_assets.science.named_columns import read_rows
from poma_assets.science.tables import is_missing, listing, near_miss

NOT_ASSESSED: Final = "not_assessed"
"""Value of a metric that this study cannot have, for example reads in a study of counts."""

Value = float | None | Literal["not_assessed"]
Metric = Value | tuple[Value, str]
"""A value (None: not recorded), or a value and where it comes from."""

QUALITY_COLUMNS: Final = ("sample_id", "metric", "value", "warn", "fail", "status", "source", "scope")
INCLUSION_COLUMNS: Final = ("sample_id", "included", "reason")
OVERRIDE_COLUMNS: Final = ("sample", "metric", "decision", "reason", "who", "date")
ANY_METRIC: Final = "all"
IDENTITY_METRIC: Final = "identity"
IDENTITY_TABLE: Final = "sample_identity"
IDENTITY_RULES: Final = (
    *("light_chain", "heavy_chain", "translocation_outlier", "lineage", "parent_identity"),
    *("replicate_group", "swap", "near_duplicate"),
)
"""Rules of the table sample_identity."""
Y_LINKED: Final = "y_linked_in_female_line"
REPLICATE_SPEARMAN: Final = "replicate_spearman"

Scope = Literal["sample", "cohort"]
"""What a metric is computed of: the sample alone, or all samples of the count matrix."""
COHORT_METRICS: Final = (REPLICATE_SPEARMAN,)
"""Metrics of the scope ``cohort``. They can only warn: who enters the matrix is decided before they are known."""

SOURCES: Final = {
    "rna_integrity_number": "samples",
    "a260_a280": "samples",
    "read_pairs": "trimming",
    "pass_filter_pct": "trimming",
    "q30_pct": "trimming",
    "uniquely_mapped_pct": "alignment_quality",
    "assigned_pct": "count_assignment",
    "rrna_pct": "gene_counts",
    "mitochondrial_pct": "gene_counts",
    "duplication_pct": "read_quality",
    "genes_detected": "gene_counts",
    REPLICATE_SPEARMAN: "sample_distances",
    "strandedness": "strandedness",
    Y_LINKED: "gene_counts",
}
MEASURED_BY_PEOPLE: Final = ("rna_integrity_number", "a260_a280")
TRUE_WORDS: Final = ("present", "disagrees with the sheet")
"""Rules in words: they hold where the metric is 1, and not where it is 0."""

PROFILES: Final[Mapping[str, Mapping[str, tuple[str | None, str | None]]]] = {
    "human_poly_a": {},
    # A part of a genome or a simulated one: depth and detected genes follow its size, and most duplicates
    # come from deep sequencing of few transcripts. Shares of reads mean what they always mean.
    "small_reference": {
        "read_pairs": ("<1000", "<100"),
        "genes_detected": (None, None),
        "duplication_pct": (None, None),
        REPLICATE_SPEARMAN: ("<0.8", None),
    },
}
"""What a profile changes in the table of thresholds: metric -> (warn, fail); None is no rule."""

_NUMBER = r"(\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)"
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_COMPARISON = re.compile(rf"([<>])\s*{_NUMBER}")
_RANGE = re.compile(rf"outside\s+{_NUMBER}\s*-\s*{_NUMBER}")


@dataclass(frozen=True)
class Thresholds:
    """Rules as texts by metric: (warn, fail), in the order of the table; None is no rule."""

    rules: Mapping[str, tuple[str | None, str | None]]


def parse_thresholds(text: str, *, source: str, profile: str) -> Thresholds:
    """Read the table of thresholds (columns metric, warn, fail[, note]) and apply a profile.

    Raises
    ------
    ConfigError
        Unknown profile; a column missing, a metric twice, or a rule that cannot be read.
    """
    if profile not in PROFILES:
        raise ConfigError("unknown profile", found=repr(profile), expected=" or ".join(PROFILES))
    rules: dict[str, tuple[str | None, str | None]] = {}
    rows = read_rows(
        text,
        source=source,
        required=("metric", "warn", "fail"),
        error=ConfigError,
        what="table of thresholds",
    )
    for row in rows:
        metric, where = row.cells["metric"], f"{source}, line {row.line}"
        if metric in rules or not metric:
            raise ConfigError("every metric stands once", where=where, found=repr(metric))
        pair = (row.cells["warn"] or None, row.cells["fail"] or None)
        for column, rule in zip(("warn", "fail"), pair, strict=True):
            read_rule(rule, where=f"{where}, column {column}")
        rules[metric] = pair
    return Thresholds({**rules, **PROFILES[profile]})


def read_rule(rule: str | None, *, where: str) -> Callable[[float], bool] | None:
    """Turn ``<70``, ``>5``, ``outside 1.9-2.1`` or a rule in words into a test of a value; None if empty.

    Raises
    ------
    ConfigError
        The rule cannot be read.
    """
    if rule is None or not rule.strip():
        return None
    text = rule.strip()
    if text.lower() in TRUE_WORDS:
        return lambda value: value > 0
    if (limits := rule_limits(text)) is not None:
        low, high = limits
        return lambda value: not low <= value <= high
    raise ConfigError(
        "the threshold cannot be read",
        where=where,
        found=repr(rule),
        expected="<70, >5, outside 1.9-2.1, " + " or ".join(TRUE_WORDS),
    )


def rule_limits(rule: str) -> tuple[float, float] | None:
    """Return the range outside which a rule in numbers holds, infinite where it is open; None for any other text."""
    if match := _COMPARISON.fullmatch(rule):
        limit = float(match[2])
        return (limit, math.inf) if match[1] == "<" else (-math.inf, limit)
    if (match := _RANGE.fullmatch(rule)) and float(match[1]) <= float(match[2]):
        return float(match[1]), float(match[2])
    return None


def scope_of(metric: str) -> Scope:
    """Say whether a metric is computed of the sample alone or of the cohort."""
    return "cohort" if metric in COHORT_METRICS else "sample"


def evaluate_quality(
    sample_id: str,
    metrics: Mapping[str, Metric],
    thresholds: Thresholds,
    overrides: Mapping[str, Mapping[str, str | None]] | None = None,
    *,
    scope: Scope = "sample",
) -> pd.DataFrame:
    """Compare a sample's metrics of one scope with the thresholds.

    Parameters
    ----------
    metrics
        Metric -> value, or (value, source). None reads ``not_recorded``; `NOT_ASSESSED`, or a metric left
        out, reads ``not_assessed`` (RIN and A260/280, which people measure: ``not_recorded``).
        For rules in words the value is 1 where they hold and 0 where not.
    thresholds
        As from `parse_thresholds`.
    overrides
        The user's rules: metric -> {"warn": rule, "fail": rule}. None leaves the rule as it is, an empty
        text removes it.
    scope
        Which metrics are judged; those of the other scope are not looked at.

    Returns
    -------
    pandas.DataFrame
        Columns `QUALITY_COLUMNS`, one row per metric of the scope. A value without any rule reads ``not_assessed``.

    Raises
    ------
    ConfigError
        A user's rule is for an unknown metric or cannot be read; a measured metric is unknown.
    """
    known = list(thresholds.rules)
    for metric in [*metrics, *(overrides or {})]:
        if metric not in thresholds.rules:
            alike = near_miss(metric, known)
            raise ConfigError(
                "unknown quality metric",
                where=f"sample {sample_id}" if metric in metrics else "quality thresholds of the study",
                found=repr(metric),
                expected=listing(known, limit=30),
                fix=f"Is {alike!r} meant?" if alike else None,
            )
    rows = [
        _evaluate(sample_id, metric, metrics, rules_in_force(metric, thresholds, overrides or {}))
        for metric in known
        if scope_of(metric) == scope
    ]
    return pd.DataFrame(rows, columns=list(QUALITY_COLUMNS))


def rules_in_force(
    metric: str, thresholds: Thresholds, overrides: Mapping[str, Mapping[str, str | None]]
) -> tuple[str | None, str | None]:
    """Return the warning and failure rule of a metric, the user's before those of table and profile."""
    warn, fail = thresholds.rules[metric]
    own = overrides.get(metric, {})
    own_warn, own_fail = own.get("warn"), own.get("fail")
    return (warn if own_warn is None else own_warn or None, fail if own_fail is None else own_fail or None)


def _evaluate(
    sample_id: str, metric: str, metrics: Mapping[str, Metric], rules: tuple[str | None, str | None]
) -> tuple[object, ...]:
    given = metrics.get(metric, None if metric in MEASURED_BY_PEOPLE else NOT_ASSESSED)
    value, source = given if isinstance(given, tuple) else (given, SOURCES.get(metric, ""))
    warn, fail = rules
    warns = read_rule(warn, where=f"warn rule of {metric}")
    fails = read_rule(fail, where=f"fail rule of {metric}")
    number = math.nan
    if value == NOT_ASSESSED:
        status = "not_assessed"
    elif value is None or math.isnan(float(value)):
        status = "not_recorded"
    else:
        number = float(value)
        if fails and fails(number):
            status = "fail"
        elif warns and warns(number):
            status = "warn"
        else:
            status = "pass" if warns or fails else "not_assessed"
    return sample_id, metric, number, warn, fail, status, source, scope_of(metric)


def parse_overrides(text: str, *, source: str) -> pd.DataFrame:
    """Read ``qc_overrides.tsv``: who decided, against or beyond the thresholds, on which sample, and why.

    Returns
    -------
    pandas.DataFrame
        Columns `OVERRIDE_COLUMNS`, texts; `decision` is include or exclude; `metric` is a metric, a rule of
        the table sample_identity, ``identity`` for all of those (``sample_identity`` means the same and is
        returned so), or ``all``; `date` is YYYY-MM-DD.

    Raises
    ------
    InputError
        A column or cell is missing, the metric or the decision is unknown, or the date cannot be read.
    """
    rows = read_rows(
        text, source=source, required=OVERRIDE_COLUMNS, error=InputError, what="table of quality overrides"
    )
    for row in rows:
        where = f"{source}, line {row.line}, column "
        for column in OVERRIDE_COLUMNS:
            if is_missing(row.cells[column]):
                raise InputError("the cell is empty", where=where + column, fix="All columns are mandatory.")
        _require_known_metric(row.cells["metric"], where + "metric")
        if row.cells["decision"] not in ("include", "exclude"):
            found = repr(row.cells["decision"])
            raise InputError("unknown decision", where=where + "decision", found=found, expected="include or exclude")
        if not _is_date(row.cells["date"]):
            found = repr(row.cells["date"])
            raise InputError("the date cannot be read", where=where + "date", found=found, expected="YYYY-MM-DD")
    records = [{column: row.cells[column] for column in OVERRIDE_COLUMNS} for row in rows]
    frame = pd.DataFrame(records, columns=list(OVERRIDE_COLUMNS))
    return frame.assign(metric=frame["metric"].replace(IDENTITY_TABLE, IDENTITY_METRIC))


def _is_date(text: str) -> bool:
    try:
        return _DATE.fullmatch(text) is not None and bool(date.fromisoformat(text))
    except ValueError:
        return False


def _require_known_metric(metric: str, where: str) -> None:
    known = [ANY_METRIC, IDENTITY_METRIC, IDENTITY_TABLE, *IDENTITY_RULES, *SOURCES]
    if metric not in known:
        alike = near_miss(metric, known)
        raise InputError(
            "the override is for an unknown metric",
            where=where,
            found=repr(metric),
            expected=listing(known, limit=40),
            fix=f"Is {alike!r} meant?" if alike else None,
        )


def decide_inclusion(
    sample_quality: pd.DataFrame, overrides: pd.DataFrame | None, sample_ids: Sequence[str]
) -> pd.DataFrame:
    """Decide which samples enter the count matrix.

    A failed metric keeps a sample out unless an override includes it (for that metric, or for ``all``). An
    override ``exclude`` keeps it out whatever its metrics. A sample without quality rows of its own is left out:
    its steps did not succeed. Rows of the scope ``cohort`` are computed of the samples that entered, and decide
    nothing.

    Parameters
    ----------
    sample_quality
        Rows of the table of this name.
    overrides
        As from `parse_overrides`; None if there are none.
    sample_ids
        Samples of the sheet.

    Returns
    -------
    pandas.DataFrame
        Columns `INCLUSION_COLUMNS`, one row per sample id, in their order.

    Raises
    ------
    InputError
        An override names a sample that is not in the sheet.
    """
    decisions = [] if overrides is None else overrides.to_dict("records")
    for row in decisions:
        if row["sample"] not in sample_ids:
            alike = near_miss(str(row["sample"]), sample_ids)
            raise InputError(
                "an override is for a sample that is not in the sheet",
                where="quality overrides",
                found=repr(row["sample"]),
                expected=listing(sample_ids),
                fix=f"Is {alike!r} meant?" if alike else None,
            )
    rows = []
    by_sample = dict(list(sample_quality[sample_quality["scope"] != "cohort"].groupby("sample_id")))
    for sample in sample_ids:
        own = [{str(k): str(v) for k, v in row.items()} for row in decisions if row["sample"] == sample]
        included, reason = _decide(by_sample.get(sample), own)
        rows.append((sample, included, reason))
    return pd.DataFrame(rows, columns=list(INCLUSION_COLUMNS))


def _decide(quality: pd.DataFrame | None, own: Sequence[Mapping[str, str]]) -> tuple[bool, str | None]:
    excluded = [row for row in own if row["decision"] == "exclude"]
    if excluded:
        return False, "; ".join(f"excluded ({row['metric']}) {_signature(row)}" for row in excluded)
    if quality is None:
        return False, "its steps up to sample_quality did not succeed"
    lifted = {row["metric"]: row for row in own}
    failures, remarks = [], []
    for metric, value, rule in quality.loc[quality["status"] == "fail", ["metric", "value", "fail"]].itertuples(
        index=False
    ):
        words = f"{metric} {float(value):g} fails ({rule})"
        override = next((lifted[name] for name in lifted_by(metric) if name in lifted), None)
        if override is None:
            failures.append(words)
        else:
            remarks.append(f"{words}, included {_signature(override)}")
    if failures:
        return False, "; ".join(failures)
    return True, "; ".join(remarks) or None


def lifted_by(metric: str) -> tuple[str, ...]:
    """Name what an override ``include`` may say to lift the failure of a metric, the nearest first.

    Who vouches for the identity of a sample vouches for its sex, too.
    """
    return (metric, IDENTITY_METRIC, ANY_METRIC) if metric == Y_LINKED else (metric, ANY_METRIC)


def _signature(row: Mapping[str, str]) -> str:
    return f"by {row['who']} on {row['date']}: {row['reason']}"
