"""The command of the developers: the checks that CI runs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from poma_assets.cli.context import err
from poma_assets.science.errors import InputError

_ROOT = Path(__file__).resolve().parents[2]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("test")(run_checks)


def run_checks(
    pytest_only: Annotated[bool, typer.Option("--pytest-only", help="Leave out ruff, mypy and import-linter.")] = False,
) -> None:
    """Run the project's own checks: ruff, mypy, import-linter, pytest."""
    if not (_ROOT / "poma_assets_tests").is_dir():
        raise InputError(
            "the tests are not here", where=str(_ROOT), fix="Run `./poma test` in a clone of the repository."
        )
    python = [sys.executable, "-m"]
    linters = [
        [*python, "ruff", "check", "."],
        [*python, "ruff", "format", "--check", "."],
        [*python, "mypy"],
        [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"],
    ]
    commands = [] if pytest_only else linters
    commands.append([*python, "pytest", "-n", str(os.cpu_count() or 1), "--dist", "worksteal"])
    failed = []
    for argv in commands:
        name = " ".join(Path(word).name if word.startswith("/") else word for word in argv if word != "-m")
        err.print(f"[bold]{name}[/]")
        if subprocess.run(argv, cwd=_ROOT, check=False).returncode:
            failed.append(name)
    if failed:
        err.print(f"[bold red]failed[/] {'; '.join(failed)}")
        raise typer.Exit(1)
