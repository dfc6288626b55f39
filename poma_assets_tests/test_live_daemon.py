"""A real Dagster daemon keeps a study up to date: what runs, how often, and what a bad sample does to the others."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import psutil
import pytest
from living_processes import still_there
from study_instance import instance_of

pytestmark = pytest.mark.tools

_LOOK_EVERY_S = 3
_PATIENCE_S = 240.0


class Watched:
    """A study under `poma watch`: its sheet, its runs, its tables."""

    def __init__(self, root: Path, everything: pd.DataFrame) -> None:
        self.root = root
        self._everything = everything
        self.instance = instance_of(root)

    def write_sheet(self, rows: list[int]) -> None:
        """Let the sheet hold these rows; written aside and renamed, as an editor does."""
        new = self.root / "samples.new"
        self._everything.iloc[rows].to_csv(new, sep="\t", index=False)
        os.replace(new, self.root / "samples.tsv")

    def finished_runs(self) -> Counter[str]:
        """How many runs of each job, and of each sample's, have ended.

        How many samples' reads are prepared while the genome index is made depends on how long that takes.
        """
        runs = [run for run in self.instance.get_runs() if run.is_finished and run.job_name != "prepare_reads"]
        return Counter(
            run.tags.get("dagster/partition", run.job_name) if run.job_name == "process_sample" else run.job_name
            for run in runs
        )

    def wait(self, condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + _PATIENCE_S
        while not condition():
            if time.monotonic() > deadline:
                ended = [(run.job_name, run.status.value, run.tags) for run in self.instance.get_runs()]
                pytest.fail(f"waited in vain for: {what}; runs: {ended}")
            time.sleep(0.5)

    def wait_for_updates(self, n: int) -> None:
        """Wait for the n-th update, and then for some looks that ask for no more."""
        self.wait(lambda: self.finished_runs()["update_study"] >= n, f"update {n}")
        time.sleep(3 * _LOOK_EVERY_S)
        assert self.finished_runs()["update_study"] == n

    def query(self, sql: str) -> pd.DataFrame:
        import duckdb

        with duckdb.connect(str(self.root / "results" / "study.duckdb"), read_only=True) as connection:
            return connection.execute(sql).df()

    def counted(self) -> set[str]:
        return set(self.query("SELECT DISTINCT sample_id FROM count_matrix")["sample_id"])


@pytest.fixture
def watched(tiny_study: Path, tmp_path: Path) -> Iterator[Watched]:
    from poma_assets.cli.context import write_dagster_home

    root = Path(shutil.copytree(tiny_study, tmp_path / "study"))
    for path in root.rglob("*"):
        if path.is_file():
            os.utime(path, (time.time() - 3600,) * 2)  # long since copied
    everything = pd.read_csv(root / "samples.tsv", sep="\t", dtype=str, keep_default_na=False)
    contrasts = pd.read_csv(root / "contrasts.tsv", sep="\t", dtype=str, keep_default_na=False)
    contrasts.iloc[:1].to_csv(root / "contrasts.tsv", sep="\t", index=False)
    write_dagster_home(root / ".dagster")
    study = Watched(root, everything)
    environment = {key: value for key, value in os.environ.items() if key not in ("DAGSTER_HOME", "POMA_STUDY")}
    process = subprocess.Popen(
        [sys.executable, "-m", "poma_assets.cli.main", "watch", "--study", str(root), "--every", str(_LOOK_EVERY_S)],
        env=environment,
        stdout=(tmp_path / "watch.log").open("wb"),
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        yield study
    finally:
        children = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
        process.send_signal(signal.SIGINT)
        process.wait(60)
        assert still_there(children) == []


def test_a_study_is_kept_up_to_date_by_a_live_daemon(watched):
    root, names = watched.root, list(watched._everything["sample"])
    contrast = pd.read_csv(root / "contrasts.tsv", sep="\t", dtype=str).loc[0]
    level = contrast["subset"].split("=")[1].split(";")[0]
    rows = [i for i, line in enumerate(watched._everything["cell_line"]) if line == level]
    assert len(rows) == 4
    bad = root / watched._everything.loc[rows[-1], "fastq_1"]
    whole = bad.read_bytes()
    bad.write_bytes(whole[: len(whole) // 2])
    os.utime(bad, (time.time() - 3600,) * 2)

    # Four samples are there, one of them bad: each runs once, the cohort once, verdicts appear without the bad one.
    watched.write_sheet(rows)
    watched.wait_for_updates(1)
    expected = Counter({names[i]: 1 for i in rows}) + Counter(
        ["update_study", "prepare_reference", "analyse_cohort", "analyse_contrast", "publish_reports"]
    )
    assert watched.finished_runs() == expected + Counter(["publish_reports"])  # MultiQC runs beside the contrasts
    assert watched.counted() == {names[i] for i in rows[:-1]}
    assert len(watched.query("SELECT * FROM marker_verdicts")) > 0

    # A broken sheet changes nothing.
    before = watched.finished_runs()
    sheet = (root / "samples.tsv").read_text()
    (root / "samples.tsv").write_text(sheet.replace(names[rows[0]], "../x"))
    time.sleep(3 * _LOOK_EVERY_S)
    assert watched.finished_runs() == before
    (root / "samples.tsv").write_text(sheet)

    # The bad sample is delivered again, and a sample of another line appears: only these two run, and the cohort once.
    bad.write_bytes(whole)
    os.utime(bad, (time.time() - 3600,) * 2)
    other = next(i for i in range(len(names)) if i not in rows)
    watched.write_sheet([*rows, other])
    watched.wait_for_updates(2)
    ran = watched.finished_runs() - before
    assert {name: count for name, count in ran.items() if name in names} == {names[rows[-1]]: 1, names[other]: 1}
    assert ran["analyse_cohort"] == 1
    assert watched.counted() == {names[i] for i in [*rows, other]}

    # One is withdrawn: no sample runs, the cohort once.
    before = watched.finished_runs()
    watched.write_sheet(rows)
    watched.wait_for_updates(3)
    ran = watched.finished_runs() - before
    assert set(ran).isdisjoint(names)
    assert ran["analyse_cohort"] == 1
    assert watched.counted() == {names[i] for i in rows}
