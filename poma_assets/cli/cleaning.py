"""`poma clean`: makes room."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from poma_assets.cli.context import JsonOption, StudyOption, err, open_study, out
from poma_assets.science.errors import InputError

if TYPE_CHECKING:
    from poma_assets.cleaning import CleaningPlan


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(clean)


def clean(
    study: StudyOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    withdrawn: Annotated[
        bool, typer.Option("--withdrawn", help="Rows and files of samples and contrasts that left the sheets, too.")
    ] = False,
    all_intermediate: Annotated[
        bool, typer.Option("--all-intermediate", help="Trimmed reads and alignments, whatever `keep:` says.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Remove what can be made again or nothing refers to. Never raw input, sheets, the warehouse or reports."""
    from poma_assets.cleaning import clean as remove
    from poma_assets.cleaning import plan_cleaning

    resource = open_study(study)
    plan = plan_cleaning(resource, all_intermediate=all_intermediate, withdrawn=withdrawn)
    _show(plan, resource.study.root, as_json=as_json)
    if plan.is_empty or dry_run:
        return
    if not yes and not _confirmed():
        out.print("Nothing was removed.")
        raise typer.Exit(1)
    freed = remove(resource, plan)
    if not as_json:
        out.print(f"{size_text(freed)} freed.")


def _confirmed() -> bool:
    if not sys.stdin.isatty():
        raise InputError("there is no terminal to ask on", fix="Say --yes to remove, or --dry-run to look.")
    return typer.confirm("Remove all this?", err=True)


def _show(plan: CleaningPlan, root: Path, *, as_json: bool) -> None:
    if as_json:
        removals = [
            {"kind": one.kind, "path": str(one.path.relative_to(root)), "bytes": one.bytes} for one in plan.removals
        ]
        print(json.dumps({"removals": removals, "withdrawn": sorted(plan.withdrawn)}, indent=2))
        return
    if plan.is_empty:
        out.print("There is nothing to remove.")
        return
    table = Table("what", "number", "size", "for example", box=None, header_style="bold")
    for kind in dict.fromkeys(removal.kind for removal in plan.removals):
        alike = [removal for removal in plan.removals if removal.kind == kind]
        total = size_text(sum(removal.bytes for removal in alike))
        table.add_row(escape(kind), str(len(alike)), total, escape(str(alike[0].path.relative_to(root))))
    if plan.withdrawn:
        table.add_row("rows of withdrawn samples and contrasts", str(len(plan.withdrawn)), "", _named(plan))
    err.print(f"In {escape(str(root))}:", soft_wrap=True)
    out.print(table)
    out.print(f"Together {size_text(plan.bytes)}.")


def _named(plan: CleaningPlan) -> str:
    names = sorted(plan.withdrawn)
    return escape(", ".join(names[:5]) + (", ..." if len(names) > 5 else ""))


def size_text(size_bytes: float) -> str:
    """A size in the unit that people would choose: 1.5 GB, 20.1 MB, 3.0 kB."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if size_bytes < 1000:
            return f"{size_bytes:,.0f} {unit}" if unit == "bytes" else f"{size_bytes:,.1f} {unit}"
        size_bytes /= 1000
    return f"{size_bytes:,.1f} TB"
