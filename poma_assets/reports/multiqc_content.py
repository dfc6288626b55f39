"""What MultiQC's report says beside the sections of the tools: quality gates, strandedness, identity of the samples.

Frames of the warehouse come in; MultiQC's custom content, as its configuration holds it, goes out. MultiQC takes cells
and descriptions for markup, and a comma in a cell for a separator of thousands: texts of users are made harmless here.
"""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import pandas as pd

from poma_assets.reports.inputs import declared_frame
from poma_assets.reports.rendering import is_missing, plural
from poma_assets.reports.wording import truth_of, words
from poma_assets.science.quality_gates import IDENTITY_RULES, SOURCES, TRUE_WORDS, rule_limits
from poma_assets.science.row_records import row_records

Content = dict[str, Any]

CONTENT_TABLES: Final = ("sample_quality", "strandedness", "sample_identity")
"""Tables that the sections are made from."""
SECTION_ORDER: Final = ("poma_gates", "poma_strandedness", "poma_identity")

_TITLES = {
    "rna_integrity_number": "RIN",
    "a260_a280": "A260/A280",
    "q30_pct": "Q30",
    "rrna_pct": "rRNA",
    "replicate_spearman": "Replicate Spearman",
    "y_linked_in_female_line": "Y-linked in a female line",
}
_FEW_READS = 1e6
_THOUSANDS = {"read_count_multiplier": 1e-3, "read_count_prefix": "K", "read_count_desc": "thousands"}
_WHOLE_NUMBERS = ("read_pairs", "genes_detected")
_WORST_FIRST = ("fail", "warn", "pass")
_IDENTITY_WORST_FIRST = ("mismatch", "warn", "match")
_LINE_RULES = ("light_chain", "heavy_chain", "translocation_outlier", "lineage")
_IDENTITY_COLOURS = {
    "pass": [{"s_eq": "match"}],
    "warn": [{"s_eq": "warn"}],
    "fail": [{"s_eq": "mismatch"}],
}
_UNCOLOURED = "not assessed"
_LEFT_OF_THE_TOOLS = 100


def custom_content(
    tables: Mapping[str, pd.DataFrame], samples: pd.DataFrame, inclusion: pd.DataFrame
) -> dict[str, Content]:
    """Make the sections of a study, and its columns in the general statistics.

    Parameters
    ----------
    tables
        Rows of `CONTENT_TABLES`; a section without rows is left out.
    samples, inclusion
        Rows of the tables ``samples`` and ``sample_inclusion``.

    Returns
    -------
    dict
        Value of ``custom_data`` in MultiQC's configuration, one entry per section.
    """
    frames = {name: declared_frame(tables.get(name), name) for name in CONTENT_TABLES}
    quality, identity = frames["sample_quality"], frames["sample_identity"]
    sections = {
        "poma_gates": _gates(quality, declared_frame(inclusion, "sample_inclusion"), cohort_is_known=len(identity) > 0),
        "poma_strandedness": _strandedness(frames["strandedness"]),
        "poma_identity": _identity(identity, declared_frame(samples, "samples")),
        "poma_overview": _overview(quality, identity),
    }
    return {name: section for name, section in sections.items() if section["data"]}


def read_unit(quality: pd.DataFrame) -> Content:
    """MultiQC's configuration that counts reads in thousands, where no sample of ``sample_quality`` has a million."""
    pairs = quality.loc[quality["metric"] == "read_pairs", "value"].astype(float)
    return dict(_THOUSANDS) if pairs.max() < _FEW_READS else {}


def _table(name: str, title: str, description: str, headers: Content, data: Content) -> Content:
    return {
        "id": name,
        "section_name": title,
        "description": description,
        "plot_type": "table",
        "pconfig": {
            "id": f"{name}_table",
            "title": title,
            "col1_header": "Sample",
            "namespace": "poma",
            "scale": False,
            "no_violin": True,
        },
        "headers": headers,
        "data": data,
    }


def _gates(quality: pd.DataFrame, inclusion: pd.DataFrame, *, cohort_is_known: bool) -> Content:
    """Samples x metrics, each value coloured by its thresholds; before them what they come to, in words."""
    columns = _metric_columns(quality)
    included = {str(row["sample_id"]): row for row in inclusion.to_dict("records")}
    headers: Content = {
        "gates": {"title": "Gates", "description": "The worst of the metrics that were measured"},
        "in_matrix": {"title": "In the matrix", "description": "Whether the sample entered the count matrix"},
    }
    headers["remarks"] = {
        "title": "Remarks",
        "description": "What failed, what warned, what nobody recorded; overrides",
    }
    headers |= {key: _metric_header(*rules) for rules, key in columns.items()}
    data: Content = {}
    by_sample = {str(name): rows for name, rows in quality.groupby(quality["sample_id"].astype(str), sort=False)}
    for sample in dict.fromkeys([*included, *by_sample]):
        rows = row_records(by_sample.get(sample, quality[:0]))
        cells: Content = {"gates": _worst([row["status"] for row in rows], _WORST_FIRST)}
        if sample in included:
            cells["in_matrix"] = "yes" if truth_of(included[sample]["included"]) else "no"
        for row in rows:
            if not is_missing(row["value"]):
                cells[columns[_rules_of(row)]] = _metric_cell(row)
        remarks = _remarks(rows, included.get(sample, {}).get("reason"))
        data[sample] = cells | ({"remarks": remarks} if remarks else {})
    thresholds = "".join(f"\n- {_sentence(*rules)}" for rules in columns if any(rules[1:]))
    description = (
        "Every metric against the thresholds in force. A sample that fails one stays out of the count matrix, unless "
        "somebody vouches for it in `qc_overrides.tsv`. An empty cell was not recorded or could not be assessed; that "
        f"is no pass.\n{thresholds}"
    )
    if not cohort_is_known:
        description += (
            "\n\nThe samples have not been compared with each other yet: likeness and identity are not known."
        )
    return _table("poma_gates", "Quality gates", description, headers, data)


def _rules_of(row: Mapping[str, Any]) -> tuple[str, str, str]:
    warn, fail = ("" if is_missing(row[name]) else str(row[name]).strip() for name in ("warn", "fail"))
    return str(row["metric"]), warn, fail


def _metric_columns(quality: pd.DataFrame) -> dict[tuple[str, str, str], str]:
    """Name a column for each metric and pair of rules; where rules differ between samples, they get one each."""
    place = {metric: number for number, metric in enumerate(SOURCES)}
    found = sorted(
        {_rules_of(row) for row in row_records(quality)}, key=lambda rules: (place.get(rules[0], len(place)), rules)
    )
    several = {metric for metric, *_ in found if sum(other[0] == metric for other in found) > 1}
    return {rules: " ".join(filter(None, rules)) if rules[0] in several else rules[0] for rules in found}


def _metric_header(metric: str, warn: str, fail: str) -> Content:
    header: Content = {"title": _title(metric), "description": _sentence(metric, warn, fail)}
    if metric.endswith("_pct"):
        header |= {"format": "{:,.1f}", "suffix": "%"}
    else:
        header["format"] = "{:,.0f}" if metric in _WHOLE_NUMBERS else "{:,.3g}"
    conditions = {"pass": [{"s_ne": ""}], "warn": _conditions(warn), "fail": _conditions(fail)}
    return header | ({"cond_formatting_rules": conditions} if warn or fail else {})


def _title(metric: str) -> str:
    return _TITLES.get(metric) or words(metric.removesuffix("_pct")).capitalize()


def _conditions(rule: str) -> list[dict[str, float | str]]:
    """MultiQC's conditions under which a value is coloured as a rule says."""
    if rule.lower() in TRUE_WORDS:
        return [{"s_eq": rule}]
    low, high = rule_limits(rule) or (-math.inf, math.inf)
    bounds = [{"lt": low}] * math.isfinite(low) + [{"gt": high}] * math.isfinite(high)
    return [dict(bound) for bound in bounds]


def _sentence(metric: str, warn: str, fail: str) -> str:
    unit = " %" if metric.endswith("_pct") else ""
    parts = [f"{does} {_rule_in_words(rule)}{unit}" for does, rule in (("warns", warn), ("fails", fail)) if rule]
    return f"{_title(metric)}: {'; '.join(parts) or 'no threshold'}"


def _rule_in_words(rule: str) -> str:
    limits = rule_limits(rule)
    if limits is None:
        return f"if it {'is ' * (rule.lower() == 'present')}{html.escape(rule)}"
    low, high = (f"{limit:,.0f}" if limit == round(limit) else f"{limit:g}" for limit in _finite(limits))
    if math.isinf(limits[1]):
        return f"below {low}"
    return f"above {high}" if math.isinf(limits[0]) else f"outside {low} to {high}"


def _finite(limits: tuple[float, float]) -> list[float]:
    return [limit if math.isfinite(limit) else 0.0 for limit in limits]


def _metric_cell(row: Mapping[str, Any]) -> float | str:
    _, warn, fail = _rules_of(row)
    rule = fail if fail.lower() in TRUE_WORDS else warn
    if rule.lower() in TRUE_WORDS:
        return rule if float(row["value"]) > 0 else "ok"
    return float(row["value"])


def _remarks(rows: Sequence[Mapping[str, Any]], reason: object) -> str:
    """Why the sample is in or out, which tells what failed, or else what failed; what warned or was not recorded."""
    reasons = [] if is_missing(reason) else [str(reason)]
    said = ((("fail", "failed"),) if not reasons else ()) + (("warn", "warned"), ("not_recorded", "not recorded"))
    named = {status: [_title(str(row["metric"])) for row in rows if row["status"] == status] for status, _ in said}
    parts = [f"{word}: {' + '.join(named[status])}" for status, word in said if named[status]]
    return _plain("; ".join([*reasons, *parts]))


def _plain(text: object) -> str:
    """A text as MultiQC may show it in a cell."""
    return html.escape(str(text)).replace(",", ";")


def _worst(statuses: Iterable[object], worst_first: Sequence[str]) -> str:
    found = set(map(str, statuses))
    return next((status for status in worst_first if status in found), _UNCOLOURED)


def _strandedness(strandedness: pd.DataFrame) -> Content:
    headers: Content = {
        "declared": {"title": "Declared", "description": "As the sheet says; auto: whatever the reads say"},
        "inferred": {"title": "Inferred", "description": "From STAR's gene counts of both strands"},
        "used": {"title": "Used", "description": "What the counters were given"},
        "agrees": {"title": "Agrees", "description": "The reads do not contradict the sheet"},
        "reverse_pct": {
            "title": "Reverse",
            "description": "Reverse share of the fragments in genes on either strand: 0 % forward; 50 % unstranded",
            "min": 0,
            "max": 100,
            "suffix": "%",
            "scale": "PuOr",
            "format": "{:,.1f}",
        },
        "fragments": {
            "title": "Fragments",
            "description": "Fragments in genes on either strand, that is what the share is of",
            "format": "{:,.0f}",
        },
    }
    data: Content = {}
    for row in strandedness.to_dict("records"):
        cells = {name: str(row[name]) for name in ("declared", "inferred", "used")}
        cells["agrees"] = "yes" if truth_of(row["agrees"]) else "no"
        share = row["reverse_fraction"]
        numbers = {} if is_missing(share) else {"reverse_pct": 100.0 * float(share)}
        numbers["fragments"] = float(row["forward_fragments"]) + float(row["reverse_fragments"])
        data[str(row["sample_id"])] = cells | numbers
    description = (
        "The library's strandedness as declared, as the reads show it, and as the counters were given it. Where sheet "
        "and reads differ, the reads are believed and the sample warns."
    )
    return _table("poma_strandedness", "Strandedness", description, headers, data)


def _identity(identity: pd.DataFrame, samples: pd.DataFrame) -> Content:
    declared = {str(row["sample_id"]): row["cell_line"] for row in samples.to_dict("records")}
    rules = [rule for rule in IDENTITY_RULES if rule in set(identity["rule"])]
    coloured = {"cond_formatting_rules": _IDENTITY_COLOURS}
    headers: Content = {
        "verdict": {"title": "Verdict", "description": "The worst of the rules that could be assessed", **coloured},
        "declared": {"title": "Declared line", "description": "As the sheet says"},
        "by_expression": {"title": "By expression", "description": "The line that the counts speak for"},
    }
    headers["contradicts"] = {"title": "What contradicts", "description": "What was expected, and what was found"}
    for rule in rules:
        headers[rule] = {"title": words(rule).capitalize(), "description": f"The rule {rule}", **coloured}
    data: Content = {}
    for name, rows in identity.groupby(identity["sample_id"].astype(str), sort=False):
        line = declared.get(str(name))
        cells: Content = {
            "verdict": _worst(rows["status"], _IDENTITY_WORST_FIRST),
            "declared": "not recorded" if is_missing(line) else _plain(line),
            "by_expression": _line_by_expression(rows, line),
        }
        cells |= {str(row["rule"]): words(row["status"]) for row in rows.to_dict("records")}
        against = rows[rows["status"].isin(["mismatch", "warn"])].to_dict("records")
        if against:
            cells["contradicts"] = _plain(
                "; ".join(
                    f"{words(row['rule'])}: expected {row['expected']}, found {row['observed']}" for row in against
                )
            )
        data[str(name)] = cells
    description = (
        "Is each sample the line that the sheet says, and a culture of its own: chains, translocations, lineage, "
        "parent, arm, likeness to others. A mismatch blocks the verdicts that rest on the sample; what cannot be told "
        "is no match. "
        f"{plural(len(data), 'sample was', 'samples were')} looked at: those of the count matrix."
    )
    return _table("poma_identity", "Identity of the samples", description, headers, data)


def _line_by_expression(rows: pd.DataFrame, declared: object) -> str:
    """The line that the counts speak for: another one, the declared one, or none."""
    likelier = rows["likelier_line"].dropna()
    if len(likelier):
        return f"rather {_plain(likelier.iloc[0])}"
    statuses = set(rows.loc[rows["rule"].isin(_LINE_RULES), "status"])
    if "mismatch" in statuses:
        return "another line"
    return f"fits {_plain(declared)}" if "match" in statuses and not is_missing(declared) else _UNCOLOURED


def _overview(quality: pd.DataFrame, identity: pd.DataFrame) -> Content:
    """The columns of the general statistics: what gates and identity come to."""
    data: dict[str, dict[str, str]] = {}
    for column, frame, order in (("gates", quality, _WORST_FIRST), ("identity", identity, _IDENTITY_WORST_FIRST)):
        for sample, rows in frame.groupby(frame["sample_id"].astype(str), sort=False):
            data.setdefault(str(sample), {})[column] = _worst(rows["status"], order)
    headers: Content = {
        "gates": {"title": "Gates", "description": "Quality gates: the worst of the metrics that were measured"},
        "identity": {
            "title": "Identity",
            "description": "Is the sample what the sheet says",
            "cond_formatting_rules": _IDENTITY_COLOURS,
        },
    }
    for header in headers.values():
        header |= {"namespace": "poma", "scale": False, "placement": _LEFT_OF_THE_TOOLS}
    return {"id": "poma_overview", "plot_type": "generalstats", "headers": headers, "data": data}
