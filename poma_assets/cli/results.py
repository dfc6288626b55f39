"""Commands that read results: verdicts, reports, queries."""

from __future__ import annotations

import json
from typing import Annotated

import pandas as pd
import typer
from rich.markup import escape
from rich.table import Table

from poma_assets.cli.context import JsonOption, StudyOption, open_study, out
from poma_assets.cli.verdicts import print_verdicts, read_verdicts, verdicts
from poma_assets.science.errors import StorageError

__all__ = ["print_verdicts", "read_verdicts", "register"]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(verdicts)
    app.command()(query)
    app.command()(report)


def query(
    sql: Annotated[str, typer.Argument(help="One SQL statement in DuckDB's dialect.")],
    study: StudyOption = None,
    as_json: JsonOption = False,
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
) -> None:
    """Ask the results by SQL, read-only. Tables: `poma query "SHOW TABLES"`."""
    frame = open_study(study).warehouse.query(sql)
    if as_json:
        print(frame.to_json(orient="records", indent=2, date_format="iso"))
    elif csv:
        print(frame.to_csv(index=False), end="")
    else:
        table = Table(*map(str, frame.columns), box=None, header_style="bold")
        for row in frame.head(200).itertuples(index=False):
            table.add_row(*(escape("" if pd.isna(value) else str(value)) for value in row))
        out.print(table)
        out.print(f"{len(frame)} rows" + (" (the first 200 are shown)" if len(frame) > 200 else ""))


def report(study: StudyOption = None, as_json: JsonOption = False) -> None:
    """Say where the reports and the published database are."""
    resource = open_study(study)
    paths = {
        "study report": resource.study.reports_dir / "study" / "study_report.html",
        "MultiQC": resource.study.reports_dir / "multiqc" / "multiqc_report.html",
        "database": resource.study.published_path,
    }
    for contrast in resource.contrasts:
        paths[f"contrast {contrast}"] = resource.study.reports_dir / "contrasts" / contrast / "contrast_report.html"
    present = {name: str(path) for name, path in paths.items() if path.is_file()}
    if as_json:
        print(json.dumps(present, indent=2))
        return
    if not present:
        raise StorageError("there is no report yet", where=str(resource.study.root), fix="Run `poma run` first.")
    for name, path in present.items():
        out.print(f"{escape(name)}: {escape(path)}", soft_wrap=True)
