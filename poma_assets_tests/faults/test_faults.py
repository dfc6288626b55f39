"""The short version of ``python -m poma_assets_tests.faults``, and proofs that the comparison sees what is lost."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import duckdb
import pytest

from .bench import Bench
from .fault import SKIPPED, carry_out
from .fault_points import Point
from .kills import choose_point
from .kinds import KINDS, numbers_of
from .operations import OPERATIONS, Operation
from .snapshot import differences, inconsistencies, snapshot
from .storage_faults import outcomes_at_every_call

SEED = 20240501
_EVERY = 17
WHOLE_RUNS = ("kill -9 before a call", "disk full from a call on", "two poma run at once", "kill -9 in half a write")


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with Bench(tmp_path_factory.mktemp("faults")) as made:
        if made.library is None:
            pytest.skip("there is no C compiler")
        yield made


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    """A folder with a warehouse that holds one step, and with its file."""
    operation = OPERATIONS[0]
    operation.prepare(tmp_path / "study")
    return tmp_path / "study"


def change_a_value(study: Path) -> None:
    with closing(duckdb.connect(str(study / "results" / "warehouse.duckdb"))) as connection:
        connection.execute("UPDATE gene_counts SET count = count + 1 WHERE gene_id = 'ENSG00000000007'")


def take_a_row(study: Path) -> None:
    with closing(duckdb.connect(str(study / "results" / "warehouse.duckdb"))) as connection:
        connection.execute("DELETE FROM gene_counts WHERE gene_id = 'ENSG00000000007'")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (change_a_value, ["other content: warehouse.duckdb: gene_counts"]),
        (take_a_row, ["other content: warehouse.duckdb: gene_counts"]),
        (
            lambda study: (study / "results/files/counts.txt").write_text("x"),
            ["other content: file results/files/counts.txt"],
        ),
        (
            lambda study: (study / "results/files/counts.txt").unlink(),
            ["missing: file results/files/counts.txt", "left over: folder results/files"],
        ),
        (lambda study: (study / "results/.x.partial-vm-1-a").mkdir(), ["left over: folder results/.x.partial-vm-1-a"]),
        (
            lambda study: (study / "results/warehouse.duckdb.undo").touch(),
            ["left over: file results/warehouse.duckdb.undo"],
        ),
        (lambda study: (study / "results/warehouse.duckdb").touch(), []),
    ],
)
def test_the_comparison_sees_every_change_and_no_other(
    stored: Path, change: Callable[[Path], object], said: list[str]
) -> None:
    before = snapshot(stored)
    change(stored)
    assert [text.partition(" (")[0] for text in differences(before, snapshot(stored))] == said


def test_a_file_that_is_not_as_recorded_is_seen(stored: Path) -> None:
    assert inconsistencies(stored) == []
    path = stored / "results" / "files" / "counts.txt"
    path.write_text(path.read_text().replace("1", "2"))
    assert inconsistencies(stored) == ["not as recorded: results/files/counts.txt"]
    path.unlink()
    assert inconsistencies(stored) == ["recorded but not there: results/files/counts.txt"]


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_an_operation_of_the_storage_that_is_broken_off_is_done_by_the_next(bench: Bench, operation: Operation) -> None:
    """At some calls in some ways; the command tries all."""
    outcomes = list(outcomes_at_every_call(bench, operation, every=_EVERY))
    assert {outcome.kind for outcome in outcomes} >= {"kill -9 before every call", "disk full from every call on"}
    assert [outcome for outcome in outcomes if outcome.problems] == []


@pytest.mark.parametrize("name", WHOLE_RUNS)
def test_nothing_is_lost_by_a_fault(bench: Bench, name: str) -> None:
    kind = next(kind for kind in KINDS if kind.name == name)
    outcome = carry_out(bench, kind, 0, SEED)
    if outcome.word == SKIPPED:
        pytest.skip(outcome.detail)
    assert outcome.problems == ()


def test_the_same_seed_chooses_the_same_point() -> None:
    points = [Point(i, 1, "write" if i % 2 else "rename", f"files/asset_{i % 5}/x") for i in range(1, 40)]
    assert choose_point(points, random.Random("1:kill:3")) == choose_point(points, random.Random("1:kill:3"))
    assert len({choose_point(points, random.Random(f"1:kill:{i}")).number for i in range(20)}) > 8


def test_a_number_of_faults_is_shared_among_all_kinds() -> None:
    counts = {kind.name: 0 for kind in KINDS}
    for kind, _ in numbers_of(KINDS, 300):
        counts[kind.name] += 1
    assert min(counts.values()) >= 1
    assert abs(sum(counts.values()) - 300) < 25
    assert len(counts) == len(KINDS)
