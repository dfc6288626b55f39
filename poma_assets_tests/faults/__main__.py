"""Inject faults and print what came of them, as a table for docs/reliability.md.

``python -m poma_assets_tests.faults --faults 300``; one of them again: ``--only "kill -9 before a call:17" --keep``.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

from .bench import Bench
from .fault import Kind, Outcome, carry_out
from .kinds import KINDS, numbers_of
from .operations import OPERATIONS, Operation
from .results import markdown
from .storage_faults import outcomes_at_every_call

_SEED = 20240501


def main(argv: Sequence[str] | None = None) -> int:
    """Run the faults that are asked for; exit status 1 if anything was lost."""
    options = _options().parse_args(argv)
    chosen = _chosen(options)
    base = Path(options.folder or tempfile.mkdtemp(prefix="poma-faults-")).absolute()
    began = time.monotonic()
    with Bench(base) as bench:
        outcomes = disturb_storage(bench, options.operations, jobs=options.jobs)
        outcomes += inject(bench, chosen, options.seed, jobs=options.jobs, keep=options.keep)
    if options.json:
        options.json.write_text(json.dumps([asdict(outcome) for outcome in outcomes], indent=1))
    _print(markdown(outcomes, time.monotonic() - began))
    return 1 if any(outcome.problems for outcome in outcomes) else 0


def disturb_storage(bench: Bench, words: Sequence[str], *, jobs: int = 2) -> list[Outcome]:
    """Disturb the operations of the storage whose names hold one of these words at each of their calls."""
    chosen = [operation for operation in OPERATIONS if any(word in operation.name for word in words)]
    outcomes: list[Outcome] = []

    def work(operation: Operation) -> None:
        for outcome in outcomes_at_every_call(bench, operation):
            outcomes.append(outcome)
            if outcome.problems:
                _tell(outcome)
        sys.stderr.write(f"{operation.name}: every call\n")

    with ThreadPoolExecutor(jobs) as threads:
        list(threads.map(work, chosen))
    return outcomes


def inject(
    bench: Bench, chosen: Sequence[tuple[Kind, int]], seed: int, *, jobs: int = 2, keep: bool = False
) -> list[Outcome]:
    """Carry out faults, some at a time; tell each on standard error."""

    def work(entry: tuple[Kind, int]) -> Outcome:
        outcome = carry_out(bench, *entry, seed, keep=keep)
        _tell(outcome)
        return outcome

    with ThreadPoolExecutor(jobs) as threads:
        return list(threads.map(work, chosen))


def _tell(outcome: Outcome) -> None:
    verdict = "LOST" if outcome.problems else "ok"
    text = f"{time.strftime('%H:%M:%S')} {outcome.kind}:{outcome.number} [{outcome.state}] {outcome.word}: {outcome.detail}"
    sys.stderr.write(f"{text} ({outcome.seconds:.1f} s) {verdict}\n")
    for problem in outcome.problems:
        sys.stderr.write(f"    {problem}\n")
    sys.stderr.flush()


def _print(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m poma_assets_tests.faults", description=__doc__)
    parser.add_argument("--faults", type=int, default=300, help="how many, shared among the kinds")
    parser.add_argument("--kinds", nargs="*", default=[], help="only kinds whose names hold one of these words")
    parser.add_argument(
        "--operations",
        nargs="*",
        default=[""],
        help="only operations of the storage whose names hold one of these words",
    )
    parser.add_argument("--only", action="append", default=[], metavar="KIND:NUMBER", help="one fault again")
    parser.add_argument("--seed", type=int, default=_SEED)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 2, help="faults at once")
    parser.add_argument("--json", type=Path, help="where to write every outcome")
    parser.add_argument("--folder", type=Path, help="where to work; default: a temporary folder")
    parser.add_argument("--keep", action="store_true", help="keep the studies")
    parser.add_argument("--list", action="store_true", help="only name the kinds")
    return parser


def _chosen(options: argparse.Namespace) -> list[tuple[Kind, int]]:
    kinds = [kind for kind in KINDS if not options.kinds or any(word in kind.name for word in options.kinds)]
    if options.list:
        _print("\n".join(kind.name for kind in kinds))
        return []
    if options.only:
        wanted = [text.rsplit(":", 1) for text in options.only]
        return [(kind, int(number)) for name, number in wanted for kind in KINDS if kind.name == name]
    return numbers_of(kinds, options.faults)


if __name__ == "__main__":
    sys.exit(main())
