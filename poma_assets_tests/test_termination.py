"""Runs that are ended in the Dagster UI, and run workers that are killed: no program of theirs is left behind."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import pandas as pd
import psutil
import pytest
from living_processes import still_there
from study_instance import instance_of

from poma_assets.cli.context import write_dagster_home
from poma_assets.sensors import close_killed_updates, killed_update
from poma_assets.vocabulary import PROCESS_TAG

pytestmark = pytest.mark.tools

_LAUNCH = """mutation ($job: String!, $config: RunConfigData!, $tags: [ExecutionTag!]) {
  launchRun(executionParams: {
    selector: {repositoryLocationName: "poma_assets.definitions", repositoryName: "__repository__", jobName: $job},
    runConfigData: $config, executionMetadata: {tags: $tags}, mode: "default"}) {
    __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""
_TERMINATE = "mutation ($id: String!) { terminateRun(runId: $id) { __typename } }"


class Page:
    """The webserver and daemon of a study, asked as its page asks."""

    def __init__(self, study: Path, port: int, process: subprocess.Popen[bytes]) -> None:
        self.study, self.process = study, process
        self._url = f"http://127.0.0.1:{port}/graphql"
        self.instance = instance_of(study)

    def ask(self, query: str, **variables: object) -> dict[str, dict[str, object]]:
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(self._url, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)["data"]

    def launch(self, job: str, tags: dict[str, str] | None = None) -> str:
        named = [{"key": key, "value": value} for key, value in (tags or {}).items()]
        answer = self.ask(_LAUNCH, job=job, config={}, tags=named)["launchRun"]
        assert answer["__typename"] == "LaunchRunSuccess", answer
        return answer["run"]["runId"]

    def programs(self) -> list[psutil.Process]:
        """STAR processes of this study: they work below its folder."""
        found = []
        for process in psutil.process_iter(["name"]):
            try:
                if process.info["name"] == "STAR" and Path(process.cwd()).is_relative_to(self.study):
                    found.append(process)
            except (psutil.NoSuchProcess, psutil.AccessDenied, FileNotFoundError):
                continue
        return found

    def status(self, run_id: str) -> dg.DagsterRunStatus:
        return self.instance.get_run_by_id(run_id).status

    def children(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)


def wait_for(condition: Callable[[], object], what: str, seconds: float = 120.0) -> object:
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > deadline:
            pytest.fail(f"waited in vain for {what}")
        time.sleep(0.02)
    return found


def tree_of_star(page: Page, servers: set[int]) -> list[psutil.Process]:
    """All processes of the run that STAR belongs to, from its own process down; none while no STAR works.

    The samples of few reads are aligned in a blink: a program that has ended meanwhile is passed over.
    """
    for program in page.programs():
        try:
            parents = program.parents()
            own = [parent for parent in parents if parent.pid not in servers]
            chain = [process for process in own if servers.intersection(parent.pid for parent in process.parents())]
            tree = [chain[-1], *chain[-1].children(recursive=True)] if chain else []
        except psutil.NoSuchProcess:
            continue
        if program in tree:
            return tree
    return []


def free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])


@pytest.fixture
def page(finished_study: Path, tmp_path: Path) -> Iterator[Page]:
    """The page of a study whose first sample has so many reads that STAR works for some time."""
    study = Path(shutil.copytree(finished_study, tmp_path / "study"))
    shutil.rmtree(study / ".dagster")
    write_dagster_home(study / ".dagster")
    sheet = pd.read_csv(study / "samples.tsv", sep="\t", dtype=str)
    for column in ("fastq_1", "fastq_2"):
        path = study / sheet.loc[0, column]
        path.write_bytes(path.read_bytes() * 40)
    port = free_port()
    environment = {key: value for key, value in os.environ.items() if key not in ("DAGSTER_HOME", "POMA_STUDY")}
    process = subprocess.Popen(
        [sys.executable, "-m", "poma_assets.cli.main", "ui", "--study", str(study), "--port", str(port)],
        env=environment,
        stdout=(tmp_path / "ui.log").open("wb"),
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    made = Page(study, port, process)

    def answers() -> bool:
        try:
            located = "{ repositoriesOrError { ... on RepositoryConnection { nodes { name } } } }"
            return bool(made.ask(located)["repositoriesOrError"].get("nodes"))
        except OSError:
            return False

    try:
        wait_for(answers, "the page")
        yield made
    finally:
        children = made.children() if process.poll() is None else []
        process.send_signal(signal.SIGINT)
        process.wait(60)
        assert psutil.wait_procs(children, timeout=20)[1] == []


def test_runs_that_end_in_the_page_or_are_killed_leave_no_program(page):
    sample = pd.read_csv(page.study / "samples.tsv", sep="\t", dtype=str).loc[0, "sample"]
    servers = {process.pid for process in page.children()}

    # A run of one sample, by Dagster's own launcher, and an update of the study: each ended in the page.
    for job, tags in (("process_sample", {"dagster/partition": sample}), ("update_study", {})):
        run_id = page.launch(job, tags)
        processes = wait_for(lambda: tree_of_star(page, servers), f"STAR in {job}")
        assert page.ask(_TERMINATE, id=run_id)["terminateRun"]["__typename"] == "TerminateRunSuccess"
        wait_for(lambda run=run_id: page.status(run) == dg.DagsterRunStatus.CANCELED, f"the end of {job}", 60)
        assert still_there(processes) == []

    # The process of an update is killed: its programs go with it, and the next look closes the run.
    run_id = page.launch("update_study")
    processes = wait_for(lambda: tree_of_star(page, servers), "STAR in the update that is killed")
    tag = page.instance.get_run_by_id(run_id).tags[PROCESS_TAG]
    os.kill(int(tag.split(":")[1]), signal.SIGKILL)
    assert still_there(processes) == []
    close_killed_updates(page.instance)  # unless Dagster has seen it already
    assert page.status(run_id) == dg.DagsterRunStatus.FAILURE
    assert killed_update(page.instance).run_id == run_id

    # Ctrl-C at `poma ui` ends an update and what it started; the next look asks for another.
    run_id = page.launch("update_study")
    processes = wait_for(lambda: tree_of_star(page, servers), "STAR in the update that is interrupted")
    page.process.send_signal(signal.SIGINT)
    assert page.process.wait(30) == 0
    assert still_there(processes) == []
    assert page.status(run_id) == dg.DagsterRunStatus.FAILURE
    assert killed_update(page.instance).run_id == run_id
