"""Commands that read results: verdicts, reports, queries."""

from __future__ import annotations

import json
import re
from typing import Annotated

import pandas as pd
import typer
from rich.markup import escape
from rich.table import Table

from poma_assets.cli.context import JsonOption, StudyOption, open_study, out
from poma_assets.resources import StudyResource
from poma_assets.science.errors import InputError, StorageError

_STYLES = {"confirmed": "green", "contradicted": "red", "inconclusive": "yellow", "not_testable": "dim"}
_SET_MEMBER = "judged_as_set"
_FURTHER_FIGURES = re.compile(r" Standard error | For the record: ")
_SYMBOLS = {"confirmed": "+", "contradicted": "x", "inconclusive": "?", "not_testable": "-"}


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(verdicts)
    app.command()(query)
    app.command()(report)


def verdicts(
    study: StudyOption = None,
    contrast: Annotated[str, typer.Option(help="Only this contrast.")] = "",
    everything: Annotated[bool, typer.Option("--all", help="Members of sets too, and the whole sentences.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Print the marker verdicts, each with its reason in one sentence."""
    resource = open_study(study)
    if contrast and contrast not in resource.contrasts:
        raise InputError(
            "--contrast names an unknown contrast",
            found=contrast,
            expected=", ".join(resource.contrasts) or "none",
        )
    frame = read_verdicts(resource, contrast)
    if as_json:
        print(frame.to_json(orient="records", indent=2))
        return
    print_verdicts(frame, everything=everything)


def read_verdicts(resource: StudyResource, contrast: str = "") -> pd.DataFrame:
    """Verdicts of the study, or of one contrast: contrasts in the order of their file, decided verdicts first."""
    frame = resource.warehouse.read("marker_verdicts", {"contrast_id": contrast} if contrast else None)
    if frame.empty:
        raise StorageError("there are no verdicts yet", where=str(resource.study.root), fix="Run `poma run` first.")
    contrasts, decided = list(resource.contrasts), list(_SYMBOLS)
    ranks = pd.DataFrame(
        {
            "contrast": frame["contrast_id"].map(contrasts.index),
            "identity": frame["policy"] == "identity",
            "verdict": frame["verdict"].map(decided.index),
            "marker": frame["gene_symbol"],
        }
    )
    return frame.loc[ranks.sort_values(list(ranks.columns), kind="stable").index].reset_index(drop=True)


def print_verdicts(frame: pd.DataFrame, *, everything: bool = False) -> None:
    """Print one table per contrast: each verdict with its reason, by default without the further figures."""
    if not everything:
        frame = frame.loc[frame["sub_verdict"] != _SET_MEMBER]
    for contrast, rows in frame.groupby("contrast_id", sort=False):
        table = Table(
            "",
            "marker",
            "verdict",
            "log2 FC",
            "why",
            title=escape(str(contrast)),
            title_justify="left",
            title_style="bold",
            box=None,
            padding=(0, 1),
            header_style="dim",
        )
        for row in rows.to_dict("records"):
            verdict, effect = str(row["verdict"]), row["log2_fold_change"]
            name = f"{verdict} {row['sub_verdict'] or ''}".replace("_", " ")
            table.add_row(
                _SYMBOLS.get(verdict, ""),
                escape(str(row["gene_symbol"])),
                name,
                "" if pd.isna(effect) else f"{effect:+.2f}",
                escape(str(row["sentence"]) if everything else _FURTHER_FIGURES.split(str(row["sentence"]))[0]),
                style=_STYLES.get(verdict, ""),
            )
        out.print(table)
        out.print()


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
