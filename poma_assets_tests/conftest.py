"""Fixtures that several test modules share: a tiny simulated study, and the same after a whole run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from poma_assets.storage.simulated_study import TINY, write_simulated_study

Poma = Callable[..., "subprocess.CompletedProcess[str]"]


def run_poma(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own, as a user does."""
    environment = {key: value for key, value in os.environ.items() if key not in ("DAGSTER_HOME", "POMA_STUDY")}
    return subprocess.run(
        [sys.executable, "-m", "poma_assets.cli.main", *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**environment, "COLUMNS": "200"},
        check=False,
    )


@pytest.fixture(scope="session")
def poma() -> Poma:
    """The command line."""
    return run_poma


@pytest.fixture(scope="session")
def tiny_study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny simulated study; read only. Copy it before changing it."""
    return write_simulated_study(tmp_path_factory.mktemp("tiny") / "study", size=TINY, seed=1, jobs=2)


@pytest.fixture
def study_copy(tiny_study: Path, tmp_path: Path) -> Path:
    """A copy of the tiny study that a test may change."""
    return Path(shutil.copytree(tiny_study, tmp_path / "study"))


@pytest.fixture(scope="session")
def finished_study(tiny_study: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny study after a whole run; read only. Copy it before changing it."""
    cache = tmp_path_factory.mktemp("cache")
    os.environ["POMA_CACHE"] = str(cache)
    study = Path(shutil.copytree(tiny_study, tmp_path_factory.mktemp("finished") / "study"))
    result = run_poma("run", "--study", str(study))
    if result.returncode:
        pytest.fail(f"the run failed:\n{result.stdout}\n{result.stderr}")
    return study
