"""Three ways to make inputs: changes that hypothesis chooses, the same chosen by dice (ten times as many), and atheris,
which looks for inputs that reach new code.

Each runs in a process of its own, with a bound on its memory, and writes what it found as JSON:
``python -m poma_assets_tests.fuzzing.engines NAME ENGINE SECONDS SEED FILE``.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import random
import resource
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from poma_assets_tests.fuzzing.target import Finding, Target

MEMORY_BYTES = 4 * 1024**3
_EXAMPLES = 400
_SAVE_EVERY = 500
_PACKAGES = [
    "poma_assets.science",
    "poma_assets.tools.fastq_files",
    "poma_assets.storage.text_files",
    "poma_assets.study_config",
]


@dataclass
class Report:
    """What came of one engine on one target: inputs tried, seconds, and the first input of each kind of failure."""

    target: str
    engine: str
    path: Path
    inputs: int = 0
    seconds: float = 0.0
    findings: dict[str, dict[str, Any]] = field(default_factory=dict)

    def add(self, finding: Finding) -> None:
        """Keep the shortest input of each kind of failure."""
        known = self.findings.get(finding.key)
        if known is None or len(finding.data) < known["bytes"]:
            entry = {**asdict(finding), "data": base64.b64encode(finding.data[:100_000]).decode()}
            self.findings[finding.key] = {**entry, "bytes": len(finding.data)}

    def save(self) -> None:
        """Write it, so that it is there even if the process is killed."""
        made = self.path.with_suffix(".part")
        made.write_text(json.dumps({**asdict(self), "path": str(self.path)}), encoding="utf-8")
        os.replace(made, self.path)


def run_engine(name: str, engine: str, seconds: float, seed: int, path: Path) -> None:
    """Fuzz one target for some seconds and write the report."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    report = Report(name, engine, path)
    report.save()
    if engine == "atheris":
        _run_atheris(report, seconds, seed)
    elif engine == "hypothesis":
        _run_hypothesis(report, seconds, seed)
    else:
        _run_dice(report, seconds, seed)


def _run_dice(report: Report, seconds: float, seed: int) -> None:
    from poma_assets_tests.fuzzing.mutations import hostile_input
    from poma_assets_tests.fuzzing.targets import TARGETS

    target, generator, began = TARGETS[report.target], random.Random(f"{report.target}{seed}"), time.monotonic()
    while time.monotonic() - began < seconds:
        _try(report, target, hostile_input(generator, target))
        if report.inputs % _SAVE_EVERY == 0:
            report.save()
    report.seconds = time.monotonic() - began
    report.save()


def _run_hypothesis(report: Report, seconds: float, seed_number: int) -> None:
    from hypothesis import HealthCheck, Phase, given, seed, settings

    from poma_assets_tests.fuzzing.mutations import hostile_inputs
    from poma_assets_tests.fuzzing.targets import TARGETS

    target, began = TARGETS[report.target], time.monotonic()
    options = settings(
        max_examples=_EXAMPLES,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    while time.monotonic() - began < seconds:

        @seed(seed_number)
        @options
        @given(hostile_inputs(target))
        def look(data: bytes) -> None:
            if time.monotonic() - began < seconds:
                _try(report, target, data)

        look()
        seed_number += 1
        report.seconds = time.monotonic() - began
        report.save()


def _run_atheris(report: Report, seconds: float, seed: int) -> None:
    import atheris

    with atheris.instrument_imports(include=_PACKAGES):
        from poma_assets_tests.fuzzing.targets import TARGETS

    from poma_assets_tests.fuzzing import hostile_texts

    target, began = TARGETS[report.target], time.monotonic()

    def look(data: bytes) -> None:
        _try(report, target, data)
        if report.inputs % _SAVE_EVERY == 0:
            report.seconds = time.monotonic() - began
            report.save()

    with tempfile.TemporaryDirectory(prefix="poma-atheris-") as folder:
        corpus, words = Path(folder, "corpus"), Path(folder, "words")
        corpus.mkdir()
        for number, text in enumerate(target.seeds):
            (corpus / f"seed{number}").write_bytes(text.encode())
        texts = [text for text in dict.fromkeys((*hostile_texts.ALL, *target.words)) if 0 < len(text) <= 60]
        words.write_text("".join(f'"{_escaped(text)}"\n' for text in texts), encoding="ascii")
        options = [
            *("poma-fuzz", f"-max_total_time={max(1, round(seconds))}", f"-seed={seed + 1}", f"-dict={words}"),
            *("-max_len=8192", "-rss_limit_mb=0", "-timeout=60", "-print_final_stats=0", "-verbosity=0", str(corpus)),
        ]
        atheris.Setup(options, look)
        # libFuzzer ends the process: what counts is in the report by then, but for the last few inputs.
        with contextlib.suppress(SystemExit):
            atheris.Fuzz()


def _escaped(text: str) -> str:
    """A word as libFuzzer's dictionaries write it."""
    return "".join(f"\\x{byte:02x}" for byte in text.encode("utf-8", "surrogateescape"))


def _try(report: Report, target: Target, data: bytes) -> None:
    from poma_assets_tests.fuzzing.target import try_input

    report.inputs += 1
    finding = try_input(target, data)
    if finding is not None:
        report.add(finding)
        report.save()


if __name__ == "__main__":
    run_engine(sys.argv[1], sys.argv[2], float(sys.argv[3]), int(sys.argv[4]), Path(sys.argv[5]))
