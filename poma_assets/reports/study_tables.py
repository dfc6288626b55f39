"""The tables of the study report that are not of one contrast: verdict matrix, samples, truth, provenance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from poma_assets.reports.contrast_section import ContrastSection
from poma_assets.reports.inputs import StudyReportInputs
from poma_assets.reports.palette import VERDICTS
from poma_assets.reports.rendering import is_missing
from poma_assets.reports.wording import identity_sentence, truth_of

_STATUS_ORDER = ("fail", "mismatch", "warn", "pass", "match", "not_assessed", "not_recorded")
_UNKNOWN = ("not_assessed", "not_recorded")
_MAX_ROWS = 400

Row = dict[str, Any]


@dataclass(frozen=True)
class VerdictMatrix:
    """Markers x contrasts; every cell holds the verdicts of that marker there, often one, sometimes none."""

    contrasts: list[ContrastSection]
    rows: list[tuple[str, str, list[list[Row]]]]


def verdict_matrix(sections: Sequence[ContrastSection]) -> VerdictMatrix:
    """Arrange the verdicts of all contrasts, one row per panel and marker in order of first appearance."""
    judged = [section for section in sections if section.verdicts]
    cells: dict[tuple[str, str], dict[str, list[Row]]] = {}
    for section in judged:
        for row in sorted(section.verdicts, key=lambda row: str(row["hypothesis_id"])):
            key = (str(row["panel"]), str(row["gene_symbol"]))
            cells.setdefault(key, {}).setdefault(section.anchor, []).append(row)
    rank = {verdict: i for i, verdict in enumerate(VERDICTS)}

    def best(key: tuple[str, str]) -> tuple[str, int, str]:
        found = [rank.get(str(r["verdict"]), len(rank)) for rows in cells[key].values() for r in rows]
        return key[0], min(found), key[1]

    rows = [
        (panel, symbol, [cells[panel, symbol].get(section.anchor, []) for section in judged])
        for panel, symbol in sorted(cells, key=best)
    ]
    return VerdictMatrix(judged, rows)


@dataclass(frozen=True)
class SampleTable:
    """The samples with what is recorded of them and how each quality metric came out.

    Metadata that all samples share are in `common`, not in the rows. `thresholds` (warn, fail) belong to `metrics`;
    `identities` are the rules that were looked at, what did not match first.
    """

    common: list[tuple[str, object]]
    metadata: list[str]
    metrics: list[str]
    thresholds: list[tuple[str, str]]
    rows: list[Row]
    identities: list[Row]
    n_identities: int
    identity_sentence: str


def sample_table(inputs: StudyReportInputs) -> SampleTable:
    """Join sheet, inclusion, quality, identity and strandedness by sample.

    Metadata columns that are empty for every sample are left out.
    """
    samples = inputs.table("samples")
    optional = [
        *("cell_line", "cell_context", "sensitivity", "treatment", "dose_um", "time_h"),
        *("replicate", "batch", "donor"),
    ]
    recorded = [column for column in optional if samples[column].notna().any()]
    shared = [c for c in recorded if len(samples) > 1 and samples[c].nunique(dropna=False) == 1]
    metadata = [column for column in recorded if column not in shared]
    quality = inputs.table("sample_quality")
    metrics = list(dict.fromkeys(quality["metric"].dropna().astype(str)))
    by_sample = {str(k): list(rows.to_dict("records")) for k, rows in quality.groupby(quality["sample_id"].astype(str))}
    included = _by_sample(inputs.table("sample_inclusion"))
    strands = _by_sample(inputs.table("strandedness"))
    identity = _worst_identity(inputs.table("sample_identity"))
    rows = []
    for record in samples.to_dict("records"):
        name = str(record["sample_id"])
        checks = {str(check["metric"]): check for check in by_sample.get(name, [])}
        statuses = [str(check["status"]) for check in checks.values()]
        rows.append(
            {
                "sample": name,
                "metadata": [record[column] for column in metadata],
                "included": truth_of(included[name]["included"]) if name in included else None,
                "reason": included.get(name, {}).get("reason"),
                "status": _worst(statuses),
                "unknown": sum(status in _UNKNOWN for status in statuses if _worst(statuses) not in _UNKNOWN),
                "checks": [checks.get(metric) for metric in metrics],
                "strandedness": strands.get(name),
                "identity": identity.get(name),
            }
        )
    identities = _identities(inputs.table("sample_identity"))
    return SampleTable(
        common=[(c, samples[c].iloc[0]) for c in shared],
        metadata=metadata,
        metrics=metrics,
        thresholds=_thresholds(quality, metrics),
        rows=rows,
        identities=identities[:_MAX_ROWS],
        n_identities=len(identities),
        identity_sentence=identity_sentence(inputs.table("sample_identity")),
    )


def _thresholds(quality: pd.DataFrame, metrics: Sequence[str]) -> list[tuple[str, str]]:
    """What warns and what fails, by metric; empty where there is no such limit."""
    limits = quality.drop_duplicates("metric").set_index("metric")[["warn", "fail"]].astype(object)
    return [
        ("" if is_missing(warn) else str(warn), "" if is_missing(fail) else str(fail))
        for warn, fail in limits.loc[list(metrics)].itertuples(index=False, name=None)
    ]


def _identities(identity: pd.DataFrame) -> list[Row]:
    """The rules of identity that could be assessed: mismatches, then warnings, then matches."""
    order = {"mismatch": 0, "warn": 1, "match": 2}
    known = identity[identity["status"].isin(order)]
    known = known.sort_values("status", key=lambda status: status.map(order), kind="stable")
    return [{str(k): v for k, v in row.items()} for row in known.to_dict("records")]


def _by_sample(frame: pd.DataFrame) -> dict[str, Row]:
    return {str(row["sample_id"]): {str(k): v for k, v in row.items()} for row in frame.to_dict("records")}


def _worst(statuses: Sequence[str]) -> str | None:
    known = [status for status in statuses if status in _STATUS_ORDER]
    return min(known, key=_STATUS_ORDER.index) if known else None


def _worst_identity(identity: pd.DataFrame) -> dict[str, Row]:
    worst: dict[str, Row] = {}
    for record in identity.to_dict("records"):
        row = {str(k): v for k, v in record.items()}
        name, status = str(row["sample_id"]), str(row["status"])
        # A rule that could not be assessed says less than one that matched.
        rank = {"mismatch": 0, "warn": 1, "match": 2}.get(status, 3)
        if name not in worst or rank < worst[name]["rank"]:
            worst[name] = row | {"rank": rank}
    return worst


def truth_rows(truth: pd.DataFrame | None, verdicts: pd.DataFrame) -> list[Row] | None:
    """Compare planted with found verdicts.

    Parameters
    ----------
    truth
        See `StudyReportInputs.truth`.
    verdicts
        Rows of ``marker_verdicts``, all contrasts.

    Returns
    -------
    list of dict or None
        ``contrast_id, marker, hypothesis, planted, found, agrees`` per planted verdict, differing
        ones first; ``None`` without truth or if it lacks a column that identifies the hypothesis.
    """
    if truth is None:
        return None
    truth = truth.rename(columns={name: name.removeprefix("expected_") for name in truth.columns})
    keys = [key for key in ("hypothesis_id", "gene_symbol") if key in truth.columns]
    if not keys or not {"contrast_id", "verdict"} <= set(truth.columns):
        return None
    keys = ["contrast_id", *keys]
    found = {tuple(str(row[key]) for key in keys): row for row in verdicts.to_dict("records")}
    rows = []
    for record in truth.dropna(subset=["verdict"]).to_dict("records"):
        judged = found.get(tuple(str(record[key]) for key in keys), {})
        verdict, sub_verdict = judged.get("verdict"), judged.get("sub_verdict")
        planted_sub = record.get("sub_verdict") or None
        rows.append(
            {
                "contrast_id": record["contrast_id"],
                "marker": judged.get("gene_symbol") or record[keys[-1]],
                "hypothesis": record.get("hypothesis_id"),
                "planted": _verdict_words(record["verdict"], planted_sub),
                "found": "not judged" if verdict is None else _verdict_words(verdict, sub_verdict),
                "agrees": verdict == record["verdict"] and (is_missing(planted_sub) or planted_sub == sub_verdict),
            }
        )
    return sorted(rows, key=lambda row: bool(row["agrees"]))


def _verdict_words(verdict: object, sub_verdict: object) -> str:
    text = str(verdict) if is_missing(sub_verdict) else f"{verdict}, {sub_verdict}"
    return text.replace("_", " ")


@dataclass(frozen=True)
class Provenance:
    """Where the results come from: steps by asset, every step, and files with their hashes."""

    assets: list[Row]
    steps: list[Row]
    n_steps: int
    artefacts: list[Row]
    n_artefacts: int
    runs: list[str]


def provenance(inputs: StudyReportInputs) -> Provenance:
    """Summarise ``steps`` and ``artefacts``; at most 400 rows of each are shown one by one."""
    steps, artefacts = inputs.table("steps"), inputs.table("artefacts")
    assets = []
    for asset, rows in steps.groupby(steps["asset"].astype(str), sort=False):
        numbers = {c: pd.to_numeric(rows[c], errors="coerce") for c in ("wall_s", "cpu_s", "peak_memory_mib")}
        assets.append(
            {
                "asset": asset,
                "partitions": len(rows),
                "runs": rows["run_id"].nunique(),
                "finished_at": rows["finished_at"].max(),
                "wall_s": numbers["wall_s"].sum(min_count=1),
                "cpu_s": numbers["cpu_s"].sum(min_count=1),
                "peak_memory_mib": numbers["peak_memory_mib"].max(),
            }
        )
    return Provenance(
        assets=assets,
        steps=[{str(k): v for k, v in row.items()} for row in steps.head(_MAX_ROWS).to_dict("records")],
        n_steps=len(steps),
        artefacts=[{str(k): v for k, v in row.items()} for row in artefacts.head(_MAX_ROWS).to_dict("records")],
        n_artefacts=len(artefacts),
        runs=sorted(set(steps["run_id"].dropna().astype(str))),
    )
