"""The command `poma inbox`: what the watched folder holds that the sheet does not, and taking it over."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from poma_assets.cli.context import JsonOption, StudyOption, err, open_study, out

if TYPE_CHECKING:
    from poma_assets.science.inbox import Proposals, ProposedRow


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(inbox)


def inbox(
    study: StudyOption = None,
    accept: Annotated[
        str, typer.Option(metavar="all|S1,S2", help="Append the rows of these samples to the sample sheet.")
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """Show the samples that lie in the inbox and not in the sheet; with --accept append them to it.

    Exit status: 0; 2 if no inbox is configured, a sample is not proposed, or the sheet would not be valid.
    """
    from poma_assets.inbox_folder import append_rows, chosen_rows, find_proposals, write_proposals

    opened = open_study(study).study
    proposals = find_proposals(opened, now_s=time.time())
    rows: list[ProposedRow] = []
    if accept:
        names = proposals.samples if accept == "all" else [name.strip() for name in accept.split(",")]
        rows = chosen_rows(proposals, names)
    if rows:
        backup = append_rows(opened, rows)
        err.print(f"{len(rows)} rows appended to {escape(str(opened.samples_path))}; before: {escape(backup.name)}")
        write_proposals(opened, find_proposals(opened, now_s=time.time()))
    if as_json:
        print(json.dumps({**asdict(proposals), "accepted": [asdict(row) for row in rows]}, indent=2))
        return
    _print(proposals, rows)


def _print(proposals: Proposals, accepted: list[ProposedRow]) -> None:
    from poma_assets.science.inbox import shown

    for row in proposals.rows:
        word = "accepted" if row in accepted else "proposed"
        files = "  ".join(file for file in (row.fastq_1, row.fastq_2) if file)
        lane = f" {row.lane}" if row.lane else ""
        out.print(escape(f"{word} {row.sample}{lane}: {files}"), soft_wrap=True)
    for remark in proposals.remarks:
        files = ", ".join(shown(file) for file in remark.files)
        out.print(f"[yellow]{'remark' if remark.proposed else 'left'}[/] {escape(files)}: {escape(remark.what)}")
    if not proposals.rows:
        out.print("Nothing is proposed.")
    elif accepted:
        out.print("Next: fill in what the sheet records of the new samples, then `poma check` and `poma run`.")
    else:
        out.print("Take them over with `poma inbox --accept all`, or name samples: --accept S1,S2")
