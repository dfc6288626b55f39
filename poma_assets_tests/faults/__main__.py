"""Inject faults and print what came of them, as a table for docs/reliability.md.

``python -m poma_assets_tests.faults --faults 300``; one of them again: ``--only "kill -9 before a call:17" --keep``.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
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
    if options.list:
        _print("\n".join([*(kind.name for kind in KINDS), *(f"operation: {one.name}" for one in OPERATIONS)]))
        return 0
    if options.table:
        outcomes = [Outcome(**json.loads(line)) for path in options.table for line in path.read_text().splitlines()]
    else:
        outcomes = _inject(options)
    _print(markdown(outcomes))
    return 1 if any(outcome.problems for outcome in outcomes) else 0


def _inject(options: argparse.Namespace) -> list[Outcome]:
    told = _Teller(options.json)
    with Bench(Path(options.folder or tempfile.mkdtemp(prefix="poma-faults-")).absolute()) as bench:
        if not options.only:
            disturb_storage(bench, options.operations, told.tell, jobs=options.jobs, every=options.every)
        inject(bench, _chosen(options), options.seed, told.tell, jobs=options.jobs, keep=options.keep)
    return told.outcomes


class _Teller:
    """Tells each outcome on standard error as it comes, and writes it as a line of JSON."""

    def __init__(self, path: Path | None) -> None:
        self.outcomes: list[Outcome] = []
        self._path = path
        if path is not None:
            path.write_text("")

    def tell(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)
        if self._path is not None:
            with self._path.open("a") as file:
                file.write(json.dumps(asdict(outcome)) + "\n")
        verdict = "LOST" if outcome.problems else "ok"
        text = f"{outcome.kind}:{outcome.number} [{outcome.state}] {outcome.word}: {outcome.detail}"
        lines = [f"{time.strftime('%H:%M:%S')} {text} ({outcome.seconds:.1f} s) {verdict}"]
        sys.stderr.write("\n".join([*lines, *(f"    {problem}" for problem in outcome.problems)]) + "\n")
        sys.stderr.flush()


Tell = Callable[[Outcome], None]


def disturb_storage(bench: Bench, words: Sequence[str], tell: Tell, *, jobs: int, every: int) -> None:
    """Disturb the operations of the storage whose names hold one of these words at every so many of their calls."""
    chosen = [operation for operation in OPERATIONS if any(word in operation.name for word in words)]

    def work(operation: Operation) -> None:
        for outcome in outcomes_at_every_call(bench, operation, every=every):
            tell(outcome)

    with ThreadPoolExecutor(jobs) as threads:
        list(threads.map(work, chosen))


def inject(
    bench: Bench, chosen: Sequence[tuple[Kind, int]], seed: int, tell: Tell, *, jobs: int, keep: bool = False
) -> None:
    """Carry out faults, some at a time."""

    def work(entry: tuple[Kind, int]) -> None:
        tell(carry_out(bench, *entry, seed, keep=keep))

    with ThreadPoolExecutor(jobs) as threads:
        list(threads.map(work, chosen))


def _print(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m poma_assets_tests.faults", description=__doc__)
    parser.add_argument("--faults", type=int, default=300, help="how many in whole runs, shared among the kinds")
    parser.add_argument("--kinds", nargs="*", default=[""], help="only kinds whose names hold one of these words")
    parser.add_argument(
        "--operations", nargs="*", default=[""], help="only operations of the storage whose names hold one of these"
    )
    parser.add_argument("--every", type=int, default=1, help="disturb operations at every so many calls")
    parser.add_argument("--only", action="append", default=[], metavar="KIND:NUMBER", help="one fault again")
    parser.add_argument("--seed", type=int, default=_SEED)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 2, help="faults at once")
    parser.add_argument("--json", type=Path, help="where to write every outcome, as lines of JSON")
    parser.add_argument("--table", type=Path, nargs="*", help="only print the table of such files")
    parser.add_argument("--folder", type=Path, help="where to work; default: a temporary folder")
    parser.add_argument("--keep", action="store_true", help="keep the studies")
    parser.add_argument("--list", action="store_true", help="only name the kinds")
    return parser


def _chosen(options: argparse.Namespace) -> list[tuple[Kind, int]]:
    if options.only:
        wanted = [text.rsplit(":", 1) for text in options.only]
        return [(kind, int(number)) for name, number in wanted for kind in KINDS if kind.name == name]
    kinds = [kind for kind in KINDS if any(word in kind.name for word in options.kinds)]
    chosen = numbers_of(kinds, options.faults)
    random.Random(options.seed).shuffle(chosen)  # who breaks off has tried something of every kind
    return chosen


if __name__ == "__main__":
    sys.exit(main())
