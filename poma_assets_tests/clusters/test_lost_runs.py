"""What the launcher does with runs whose machine was lost; nothing is executed here."""

from __future__ import annotations

from pathlib import Path

import pytest

from poma_assets.cli.context import open_study
from poma_assets.cli.progress import PlainProgress
from poma_assets.launcher import Launcher, Summary
from poma_assets.run_pool import KILLED, lost
from poma_assets.runs import RunOutcome, RunTask


class LosingPool:
    """Loses each run so many times, then says that it came through."""

    def __init__(self, losses: int, capacity: int | None = 5) -> None:
        self.losses, self.capacity = losses, capacity
        self.running: list[RunTask] = []
        self.seen: list[RunTask] = []

    def grow(self, n_workers: int) -> None:
        pass

    def submit(self, task: RunTask) -> None:
        self.running.append(task)
        self.seen.append(task)

    def finished(self, timeout_s: float) -> list[RunOutcome]:
        ended, self.running = self.running, []
        return [lost(task) if task.attempt <= self.losses else RunOutcome(task.run_id, True) for task in ended]

    def stop(self, run_id: str) -> None:
        pass

    def close(self, *, interrupt: bool = False) -> None:
        pass


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("DAGSTER_HOME", "POMA_STUDY"):
        monkeypatch.setenv(name, "")  # put back after the test, whatever is set in it
    (tmp_path / "poma.yaml").write_text("name: counts\nprofile: small_reference\ncount_matrix: counts.tsv\n")
    (tmp_path / "samples.tsv").write_text("sample\ttreatment\nA\tDMSO\nB\tpomalidomide\n")
    (tmp_path / "counts.tsv").write_text("gene_id\tA\tB\nENSG00000000001\t5\t6\n")
    return tmp_path


def launch(study: Path, pool: LosingPool) -> Summary:
    from rich.console import Console

    with PlainProgress(Console(quiet=True)) as progress:
        return Launcher(open_study(study), progress, pool=pool).run(until="reference")


def test_a_lost_run_is_handed_over_again_as_a_new_run(study: Path) -> None:
    pool = LosingPool(losses=1)
    summary = launch(study, pool)
    assert (summary.succeeded, summary.runs) == (True, 1)
    first, second = pool.seen
    assert (first.attempt, second.attempt) == (1, 2)
    assert first.assets == second.assets
    assert first.run_id != second.run_id


def test_a_run_that_is_always_lost_is_given_up(study: Path) -> None:
    pool = LosingPool(losses=99)
    summary = launch(study, pool)
    assert [task.attempt for task in pool.seen] == [1, 2, 3]
    assert summary.failures == [("all", "worker", KILLED)]


def test_on_this_machine_a_killed_worker_is_a_failure_at_once(study: Path) -> None:
    pool = LosingPool(losses=1, capacity=None)
    summary = launch(study, pool)
    assert len(pool.seen) == 1
    assert summary.failures == [("all", "worker", KILLED)]
