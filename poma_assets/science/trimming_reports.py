"""JSON reports of cutadapt and fastp -> one row of table ``trimming``."""

from __future__ import annotations

import json
from typing import Any

from poma_assets.science.errors import ToolError

_TOO_MANY = 10**15
TrimmingRow = dict[str, str | int | float | None]


def parse_cutadapt_json(text: str, *, source: str) -> TrimmingRow:
    """Read cutadapt's JSON report (``--json``; schema 0.3 of cutadapt 5).

    Returns
    -------
    dict
        Columns of table ``trimming`` without ``sample_id``. ``q30_pct`` is None: cutadapt does not count it.

    Raises
    ------
    ToolError
        The report is not complete.
    """
    report = _load(text, source)
    try:
        reads, bases = report["read_counts"], report["basepair_counts"]
        pairs_in, bases_in = _whole(reads["input"]), _whole(bases["input"])
        pairs_out, bases_out = _part(reads["output"], pairs_in), _part(bases["output"], bases_in)
        with_adapter = (reads["read1_with_adapter"], reads["read2_with_adapter"])
        adapter_1, adapter_2 = (None if n is None else _percent(_part(n, pairs_in), pairs_in) for n in with_adapter)
    except (KeyError, TypeError, ValueError) as error:
        raise _incomplete("cutadapt", source, error) from error
    return {
        "trimmer": "cutadapt",
        "read_pairs_in": pairs_in,
        "read_pairs_out": pairs_out,
        "pass_filter_pct": _percent(pairs_out, pairs_in),
        "adapter_r1_pct": adapter_1,
        "adapter_r2_pct": adapter_2,
        "bases_in_bp": bases_in,
        "bases_out_bp": bases_out,
        "q30_pct": None,
    }


def parse_fastp_json(text: str, *, source: str) -> TrimmingRow:
    """Read fastp's JSON report (0.23 to 1.x).

    Returns
    -------
    dict
        Columns of table ``trimming`` without ``sample_id``. fastp counts reads of both mates together: they
        are halved for pairs, and the adapter shares of single mates are None (of single-end reads it is
        known).

    Raises
    ------
    ToolError
        The report is not complete.
    """
    report = _load(text, source)
    try:
        before, after = report["summary"]["before_filtering"], report["summary"]["after_filtering"]
        mates = 2 if "read2_before_filtering" in report else 1
        reads_in, bases_in = _whole(before["total_reads"]), _whole(before["total_bases"])
        reads_out, bases_out = _part(after["total_reads"], reads_in), _part(after["total_bases"], bases_in)
        q30_bases = _part(after["q30_bases"], bases_out)
        trimmed = _part(report.get("adapter_cutting", {}).get("adapter_trimmed_reads", 0), reads_in)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _incomplete("fastp", source, error) from error
    return {
        "trimmer": "fastp",
        "read_pairs_in": reads_in // mates,
        "read_pairs_out": reads_out // mates,
        "pass_filter_pct": _percent(reads_out, reads_in),
        "adapter_r1_pct": _percent(trimmed, reads_in) if mates == 1 else None,
        "adapter_r2_pct": None,
        "bases_in_bp": bases_in,
        "bases_out_bp": bases_out,
        "q30_pct": _percent(q30_bases, bases_out),
    }


def _load(text: str, source: str) -> dict[str, Any]:
    try:
        report = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ToolError(
            f"the trimming report is not JSON: {error}", where=source, fix="Trim the sample again."
        ) from error
    if not isinstance(report, dict):
        raise ToolError("the trimming report is not a JSON object", where=source, fix="Trim the sample again.")
    return report


def _incomplete(trimmer: str, source: str, error: Exception) -> ToolError:
    return ToolError(
        f"the report of {trimmer} is not complete",
        where=source,
        found=f"{type(error).__name__}: {error}",
        expected="numbers of reads and bases before and after trimming",
        fix="Trim the sample again, with the version in docs/dependencies.md.",
    )


def _whole(value: object) -> int:
    """A number of reads or bases; ValueError for anything else that JSON can hold."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < _TOO_MANY:
        raise ValueError(f"{str(value)[:40]!r} is no number of reads or bases")
    return value


def _part(value: object, whole: int) -> int:
    part = _whole(value)
    if part > whole:
        raise ValueError(f"{part} of {whole}")
    return part


def _percent(part: int, whole: int) -> float:
    return 100 * part / whole if whole else 0.0
