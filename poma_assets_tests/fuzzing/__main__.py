"""Fuzz the readers of users' files for some minutes and print what was tried and found, as a table in Markdown.

``python -m poma_assets_tests.fuzzing --minutes 20 [--target NAME ...] [--engine NAME ...] [--seed N]``

Each engine (default: all; atheris only where it is installed) gets its share of the time. Inputs that were not stood
are written to ``--findings DIR``.
"""

from __future__ import annotations

import argparse
import base64
import importlib.util
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from poma_assets_tests.fuzzing.targets import TARGETS

_START_S = 900.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the targets one after another; exit status 1 if something was found."""
    asked = _parser().parse_args(arguments)
    names = asked.target or list(TARGETS)
    engines = _engines(asked.engine)
    seconds = 60 * asked.minutes / (len(names) * len(engines))
    rows = []
    with tempfile.TemporaryDirectory(prefix="poma-fuzzing-") as folder:
        for name in names:
            reports = [_run(name, engine, seconds, asked.seed, Path(folder)) for engine in engines]
            rows.append(_row(name, reports))
            sys.stderr.write(f"{name}: {rows[-1][1]:,} inputs, {len(rows[-1][3])} findings\n")
    sys.stdout.write(_table(rows) + "\n")
    found = {key: entry for *_, findings in rows for key, entry in findings.items()}
    if asked.findings is not None:
        _keep(found, asked.findings)
    return 1 if found else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m poma_assets_tests.fuzzing", description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0, help="time for all targets together (default: 5)")
    parser.add_argument("--target", action="append", choices=sorted(TARGETS), help="one target; may be given again")
    parser.add_argument(
        "--engine", action="append", choices=("dice", "hypothesis", "atheris"), help="may be given again"
    )
    parser.add_argument("--seed", type=int, default=0, help="another seed, other inputs (default: 0)")
    parser.add_argument("--findings", type=Path, help="folder for the inputs that were not stood")
    return parser


def _engines(asked: list[str] | None) -> list[str]:
    return asked or ["dice", "hypothesis", *(["atheris"] if importlib.util.find_spec("atheris") else [])]


def _run(name: str, engine: str, seconds: float, seed: int, folder: Path) -> dict[str, Any]:
    path = folder / f"{name}-{engine}.json"
    argv = [sys.executable, "-m", "poma_assets_tests.fuzzing.engines", name, engine, str(seconds), str(seed), str(path)]
    began = time.monotonic()
    try:
        done = subprocess.run(argv, capture_output=True, timeout=seconds + _START_S, check=False)
        problem = done.stderr.decode(errors="replace") if done.returncode else ""
    except subprocess.TimeoutExpired:
        problem = "the process did not end: a hang that no signal reaches"
    report: dict[str, Any] = (
        json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"findings": {}, "inputs": 0}
    )
    report["seconds"] = time.monotonic() - began
    if problem:
        last = (problem.strip().splitlines() or ["no message"])[-1][:200]
        entry = {"target": name, "kind": "process", "place": engine, "message": last, "data": "", "bytes": 0}
        report["findings"][f"the process of {engine} ended badly"] = entry
    return report


Row = tuple[str, int, float, dict[str, dict[str, Any]]]


def _row(name: str, reports: Sequence[dict[str, Any]]) -> Row:
    findings = {f"{name}: {key}": entry for report in reports for key, entry in report["findings"].items()}
    return name, sum(r["inputs"] for r in reports), sum(r["seconds"] for r in reports), findings


def _table(rows: Sequence[Row]) -> str:
    lines = ["| target | inputs | seconds | findings |", "|---|---:|---:|---|"]
    for name, inputs, seconds, findings in rows:
        words = "; ".join(f"{e['kind']} at {e['place']}: {e['message']}" for e in findings.values()) or "none"
        lines.append(f"| {name} | {inputs:,} | {seconds:.0f} | {words.replace('|', chr(92) + '|')[:600]} |")
    total = sum(len(row[3]) for row in rows)
    lines.append(f"| **all** | {sum(row[1] for row in rows):,} | {sum(row[2] for row in rows):.0f} | {total} |")
    return "\n".join(lines)


def _keep(found: dict[str, dict[str, Any]], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number, (key, entry) in enumerate(found.items()):
        (folder / f"{number:03d}-{entry['target']}-{entry['kind']}.input").write_bytes(base64.b64decode(entry["data"]))
        (folder / f"{number:03d}-{entry['target']}-{entry['kind']}.txt").write_text(f"{key}\n{entry['message']}\n")


if __name__ == "__main__":
    sys.exit(main())
