"""Commands that read results: verdicts, reports, queries."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.markup import escape
from rich.table import Table

from poma_assets.cli.context import JsonOption, StudyOption, open_study, out
from poma_assets.cli.verdicts import verdicts
from poma_assets.science.errors import StorageError

if TYPE_CHECKING:
    import pandas as pd

_MOST_ROWS, _MOST_RECORDS = 200, 20
_LEAST_TEXT = 8
"""Texts that are shortened to less than this say nothing any more."""


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
    from poma_assets.science.spreadsheet_cells import harmless_frame

    frame = open_study(study).warehouse.query(sql)
    if as_json:
        print(frame.to_json(orient="records", indent=2, date_format="iso"))
    elif csv:
        print(harmless_frame(frame).to_csv(index=False), end="")
    else:
        # Into a file or a pipe nothing is shortened.
        width = out.width if out.is_terminal else None
        is_wide = width is not None and _least_width(frame.head(_MOST_ROWS)) > width
        shown = frame.head(_MOST_RECORDS if is_wide else _MOST_ROWS)
        out.print(_records(shown) if is_wide else _query_table(shown, width), width=width or 10_000, crop=False)
        out.print(f"{len(frame)} rows" + (f" (the first {len(shown)} are shown)" if len(frame) > len(shown) else ""))


def _least_width(frame: pd.DataFrame) -> int:
    """Characters that a table needs at least: numbers whole, texts shortened."""
    import pandas as pd

    width = 0
    for name, column in frame.items():
        widths = [len(str(name)), *(len(_figure(value)) for value in column)]
        width += 2 + (max(widths) if pd.api.types.is_numeric_dtype(column) else min(_LEAST_TEXT, max(widths)))
    return width


def _records(frame: pd.DataFrame) -> Table:
    """One line for each value: for more columns than the terminal has room for."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", overflow="fold")
    table.add_column(overflow="fold")
    for row in frame.to_dict("records"):
        for name, value in row.items():
            table.add_row(escape(str(name)), escape(_figure(value)))
        table.add_row()
    return table


def _query_table(frame: pd.DataFrame, width: int | None) -> Table:
    """Numbers to five figures, never cut; texts on one line, all shortened alike where ``width`` is too narrow."""
    import pandas as pd

    numeric = {name for name, column in frame.items() if pd.api.types.is_numeric_dtype(column)}
    cells = {name: [str(name), *(_figure(value) for value in column)] for name, column in frame.items()}
    taken = sum(max(map(len, cells[name])) + 2 for name in numeric)
    texts = len(cells) - len(numeric)
    room = None if width is None or not texts else max(6, (width - taken) // texts - 2)
    table = Table(box=None, header_style="bold")
    for name, (heading, *_) in cells.items():
        justify: Literal["left", "right"] = "right" if name in numeric else "left"
        table.add_column(escape(heading), justify=justify, no_wrap=True, max_width=None if name in numeric else room)
    for row in zip(*(values[1:] for values in cells.values()), strict=True):
        table.add_row(*map(escape, row))
    return table


def _figure(value: object) -> str:
    import pandas as pd

    if pd.api.types.is_list_like(value):
        return str(value)
    if pd.isna(value):  # type: ignore[call-overload]
        return ""
    if isinstance(value, float):
        return f"{value:.0f}" if value.is_integer() and abs(value) < 1e15 else f"{value:.5g}"
    return str(value)


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
