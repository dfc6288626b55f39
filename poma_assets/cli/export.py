"""The command `poma export`: the results in the formats of other programs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from poma_assets.cli.context import JsonOption, StudyOption, open_study, out

_FORMAT_NAMES = ["parquet", "csv", "h5ad", "summarizedexperiment"]
_FORMATS = "parquet, csv, h5ad (AnnData) or summarizedexperiment (a folder for R)"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(export)


def export(
    to: Annotated[Path, typer.Option("--to", metavar="FOLDER", help="The folder to make.")],
    format_name: Annotated[
        str,
        typer.Option("--format", metavar="FORMAT", help=f"{_FORMATS}.", autocompletion=lambda: _FORMAT_NAMES),
    ] = "parquet",
    study: StudyOption = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an earlier export in that folder.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Write the results for other programs: all tables as Parquet or CSV, one AnnData file, a folder for R.

    The folder appears when it is whole. In CSV a text that a spreadsheet would run as a formula gets a leading
    apostrophe.
    """
    from importlib.metadata import version

    from poma_assets.storage.exports import export_study

    resource = open_study(study)
    config = resource.study.config
    about = {"study": config.name, "organism": config.organism, "poma_assets": version("poma-assets")}
    made = export_study(resource.warehouse, to, format_name, about=about, force=force)
    if as_json:
        print(json.dumps({"folder": str(made.folder.resolve()), "format": format_name, "files": made.files}, indent=2))
        return
    for name, rows in made.files.items():
        if rows:
            out.print(escape(f"{made.folder / name}: {rows:,} {'samples' if name.endswith('h5ad') else 'rows'}"))
    empty = sum(not rows for rows in made.files.values())
    if empty:
        out.print(f"Tables without rows in this study, written too: {empty}")
