"""The command `poma explain`: what an asset or table is, from what it is made, and how."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from poma_assets.cli.context import JsonOption, StudyOption, open_study, out
from poma_assets.storage.published_views import VIEW_COMMENTS
from poma_assets.storage.schema import TABLES
from poma_assets.vocabulary import CONTRAST_ASSETS, SAMPLE_ASSETS

if TYPE_CHECKING:
    from poma_assets.explanation import AssetFacts
    from poma_assets.resources import StudyResource

_LONGEST_VALUE = 60


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(explain)


def _names() -> list[str]:
    """What the tab key offers; made without Dagster, which takes seconds to load."""
    return sorted({*SAMPLE_ASSETS, *CONTRAST_ASSETS, *TABLES, *VIEW_COMMENTS})


def explain(
    name: Annotated[
        str, typer.Argument(metavar="ASSET", help="Asset or table; without one all are listed.", autocompletion=_names)
    ] = "",
    study: StudyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Explain an asset or table: what it is, from what and how it is made, its columns, what is checked.

    Within a study (or with --study) the parameters in force and the files are shown, too.
    """
    from poma_assets.explanation import all_assets, explain_asset

    if not name:
        assets = all_assets()
        print(json.dumps({g: dict(rows) for g, rows in assets.items()}, indent=2)) if as_json else _list(assets)
        return
    if name in VIEW_COMMENTS:
        _explain_view(name, as_json=as_json)
        return
    facts = explain_asset(name, _study_or_none(study))
    if as_json:
        columns = {table: [asdict(column) for column in TABLES[table].columns] for table in facts.tables}
        print(json.dumps({**asdict(facts), "columns": columns}, indent=2, default=str))
        return
    if name != facts.name:
        out.print(f"The table {escape(name)} is stored by the asset {facts.name}.\n")
    _print(facts)


def _study_or_none(root: Path | None) -> StudyResource | None:
    from poma_assets.study_config import CONFIG_NAME

    return open_study(root) if root is not None or Path(CONFIG_NAME).is_file() else None


def _list(assets: dict[str, list[tuple[str, str]]]) -> None:
    for group, rows in assets.items():
        out.print(f"[bold]{group}[/]")
        _grid((f"  {name}", sentence) for name, sentence in rows)
    out.print("\nEach in full: poma explain ASSET. Tables and ready views are explained by their names, too.")


def _explain_view(name: str, *, as_json: bool) -> None:
    question = f'poma query "FROM {name} LIMIT 5"'
    if as_json:
        print(json.dumps({"view": name, "description": VIEW_COMMENTS[name], "example": question}, indent=2))
    else:
        out.print(f"[bold]{name}[/]  (ready view)\n{escape(VIEW_COMMENTS[name])}\n{escape(question)}")


def _print(facts: AssetFacts) -> None:
    out.print(f"[bold]{facts.name}[/]  (group {facts.group}, one per {facts.one_per})")
    out.print(escape(facts.description))
    made = [
        ("made from", ", ".join(facts.made_from) or "the files of the study"),
        ("made by", f"{', '.join(facts.made_by)}; code version {facts.code_version}"),
        ("used by", ", ".join(facts.used_by) or "people"),
    ]
    _grid(made)
    for table in facts.tables:
        out.print(f"\n[bold]table {table}[/]  {escape(TABLES[table].comment)}")
        _grid((f"  {column.name}", column.type, column.comment) for column in TABLES[table].columns)
    if facts.files:
        out.print("\n[bold]files[/]")
        _grid((f"  {role}", f"made by {program}" if program else "") for role, program in sorted(facts.files.items()))
    if facts.checks:
        out.print("\n[bold]checks[/]")
        blocking = f" A failure stops the {facts.one_per}."
        _grid((f"  {one.name}", one.description + (blocking if one.blocking else "")) for one in facts.checks)
    if facts.parameters:
        of = f" of {facts.partition}" if facts.partition else ""
        out.print(f"\n[bold]parameters in force{escape(of)}[/]  (a change of one makes the step stale)")
        _grid((f"  {name}", _shortened(value)) for name, value in facts.parameters.items())


def _grid(rows: Iterable[tuple[str, ...]]) -> None:
    table = Table.grid(padding=(0, 2))
    for row in rows:
        while len(table.columns) < len(row):
            table.add_column(overflow="fold")
        table.add_row(*map(escape, row))
    out.print(table)


def _shortened(value: object) -> str:
    text = str(value) if value is not None else "none"
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 1]}…"
