"""What every command shares: the study option, the Dagster home of a study, consoles, and clear errors."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

if TYPE_CHECKING:
    from poma_assets.resources import StudyResource

StudyOption = Annotated[
    Path | None,
    typer.Option("--study", help="Study folder; default: the current folder if it holds poma.yaml.", metavar="DIR"),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]

_PIPE_WIDTH = 160


def _console(*, stderr: bool) -> Console:
    console = Console(stderr=stderr, highlight=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = _PIPE_WIDTH
    return console


out = _console(stderr=False)
err = _console(stderr=True)


_DAGSTER_YAML = """\
# Written by poma: run history of this study stays in this folder.
telemetry:
  enabled: false
nux:
  enabled: false
concurrency:
  runs:
    max_concurrent_runs: {runs}
  pools:
    # At most one run with STAR at a time among those that the page or the daemon starts; `poma run` counts by itself.
    granularity: run
    default_limit: 1
storage:
  custom:
    module: poma_assets.instance_storage
    class: StudyInstanceStorage
compute_logs:
  module: poma_assets.compute_logs
  class: StudyComputeLogManager
"""


_FORMER_DAGSTER_YAML = """\
# Written by poma: run history of this study stays in this folder.
telemetry:
  enabled: false
nux:
  enabled: false
concurrency:
  runs:
    max_concurrent_runs: {runs}
  pools:
    default_limit: 1
"""
"""As an older version wrote it; whoever changed it keeps his own."""


def open_study(root: Path | None) -> StudyResource:
    """Open the study, make its Dagster home, and point Dagster to both."""
    from poma_assets.config import find_study_root, load_study
    from poma_assets.resources import STUDY_VARIABLE, StudyResource

    study = load_study(root if root is not None else find_study_root(Path.cwd()))
    home = study.dagster_home
    write_dagster_home(home)
    os.environ[STUDY_VARIABLE] = str(study.root)
    os.environ["DAGSTER_HOME"] = str(home)
    return StudyResource(root=str(study.root))


def write_dagster_home(home: Path) -> None:
    """Make the folder of Dagster's run history, with its configuration, if it is not there."""
    from poma_assets.storage.staging import plain_storage_errors, write_whole_text

    with plain_storage_errors(home):
        home.mkdir(parents=True, exist_ok=True)
        config, runs = home / "dagster.yaml", max(1, os.cpu_count() or 2)
        if not config.exists() or config.read_text(encoding="utf-8") == _FORMER_DAGSTER_YAML.format(runs=runs):
            write_whole_text(config, _DAGSTER_YAML.format(runs=runs))
