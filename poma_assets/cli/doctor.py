"""The command `poma doctor`: what this machine has, and how to get what it lacks."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import typer
from rich.markup import escape

from poma_assets.cli.context import JsonOption, StudyOption, out

_MARKS = {"ok": "[green]ok[/]      ", "warning": "[yellow]warning[/] ", "missing": "[red]missing[/] "}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(doctor)


def doctor(study: StudyOption = None, as_json: JsonOption = False) -> None:
    """Show programs, packages and room with their versions, and how to get what is missing.

    In a study folder also who else may change it, and links that lead out of its results.

    Exit status: 0; 1 if something is missing.
    """
    from poma_assets.config import find_study_root
    from poma_assets.tools.machine_check import examine_machine
    from poma_assets.tools.study_check import examine_study

    findings = examine_machine()
    folder = study or Path.cwd()
    if study is not None or (folder / "poma.yaml").is_file():
        findings += examine_study(find_study_root(folder))
    missing = [finding for finding in findings if finding.state == "missing"]
    if as_json:
        print(json.dumps({"sound": not missing, "findings": [asdict(finding) for finding in findings]}, indent=2))
    else:
        for finding in findings:
            out.print(f"{_MARKS[finding.state]} {escape(f'{finding.name:<18} {finding.found}')}", soft_wrap=True)
            if finding.fix:
                out.print(f"           {escape(finding.fix)}", soft_wrap=True)
        out.print(f"{len(missing)} missing." if missing else "Nothing is missing.")
    if missing:
        raise typer.Exit(1)
