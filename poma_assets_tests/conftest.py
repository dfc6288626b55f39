"""Fixtures that several test modules share: a tiny simulated study, and the same after a whole run."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest
import secrets_of_a_run

from poma_assets.storage.lock import exclusive_lock
from poma_assets.storage.simulated_study import TINY, write_simulated_study

os.environ.pop("COLUMNS", None)  # pytest-xdist sets it: tables would be cut as on a narrow terminal

Poma = Callable[..., "subprocess.CompletedProcess[str]"]


def run_poma(*arguments: str, cwd: Path | None = None, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own, as a user does."""
    environment = {key: value for key, value in os.environ.items() if key not in ("DAGSTER_HOME", "POMA_STUDY")}
    return subprocess.run(
        [sys.executable, "-m", "poma_assets.cli.main", *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**environment, "COLUMNS": "200", **variables},
        check=False,
    )


@pytest.fixture(scope="session")
def poma() -> Poma:
    """The command line."""
    return run_poma


@pytest.fixture
def poma_here(monkeypatch: pytest.MonkeyPatch) -> Poma:
    """The command line in this process: the same answers and status, without three seconds of imports a call.

    For commands that read, refuse or write files; what starts processes wants `poma`.
    """
    from poma_assets.cli import context  # not before COLUMNS is out of the way: its consoles read it
    from poma_assets.cli.main import _run as command_line_of_poma

    def run(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        texts = {"stdout": io.StringIO(), "stderr": io.StringIO()}
        with monkeypatch.context() as patch:
            for name in ("DAGSTER_HOME", "POMA_STUDY", "TERMINAL_WIDTH"):
                patch.setenv(name, "")  # the command sets them; the end of this block puts back what was there
                patch.delenv(name)
            for console in (context.out, context.err):
                patch.setattr(console, "_width", 200)  # the property would stay fixed afterwards
            if cwd is not None:
                patch.chdir(cwd)
            with redirect_stdout(texts["stdout"]), redirect_stderr(texts["stderr"]), pytest.raises(SystemExit) as ended:
                command_line_of_poma(list(arguments))
        status = ended.value.code
        return subprocess.CompletedProcess(
            arguments, status if isinstance(status, int) else 0, *(text.getvalue() for text in texts.values())
        )

    return run


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of this test session that all processes of pytest-xdist share."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


def made_once(target: Path, make: Callable[[Path], object]) -> Path:
    """What ``make`` makes at ``target``, made by the first process that asks for it; the others wait."""
    with exclusive_lock(target.with_name(f"{target.name}.lock"), timeout_s=900, describe=f"making {target.name}"):
        done = target.with_name(f"{target.name}.done")
        if not done.exists():
            make(target)
            done.touch()
    return target


@pytest.fixture(scope="session")
def tiny_study(shared_folder: Path) -> Path:
    """A tiny simulated study; read only. Copy it before changing it."""
    return made_once(
        shared_folder / "tiny_study", lambda study: write_simulated_study(study, size=TINY, seed=1, jobs=2)
    )


@pytest.fixture
def study_copy(tiny_study: Path, tmp_path: Path) -> Path:
    """A copy of the tiny study that a test may change."""
    return Path(shutil.copytree(tiny_study, tmp_path / "study"))


@pytest.fixture(scope="session")
def finished_study(tiny_study: Path, shared_folder: Path) -> Path:
    """The tiny study after a whole run with all secrets set; read only. Copy it before changing it."""
    os.environ["POMA_CACHE"] = str(shared_folder / "poma_cache")

    def run(study: Path) -> None:
        shutil.copytree(tiny_study, study)
        with (study / "poma.yaml").open("a") as config:
            config.write(secrets_of_a_run.NOTIFICATIONS)
        result = run_poma("run", "--study", str(study), **secrets_of_a_run.ENVIRONMENT)
        study.with_name(f"{study.name}.told").write_text(result.stdout + result.stderr)
        if result.returncode:
            pytest.fail(f"the run failed:\n{result.stdout}\n{result.stderr}")

    return made_once(shared_folder / "finished_study", run)


_LONG = ("test_live_daemon", "test_pipeline", "test_termination", "test_faults", "test_dagster_page", "test_cleaning")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The tests that start whole programs and wait for them go first: short ones fill the gaps at the end.

    The first of them do without the finished study, which another process makes meanwhile.
    """
    items.sort(key=lambda item: _LONG.index(item.path.stem) if item.path.stem in _LONG else len(_LONG))
