"""Commands around reference genomes: fetching a release of GENCODE or Ensembl, and what has been fetched."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Column, Table

from poma_assets.cli.context import JsonOption, err, out
from poma_assets.science.errors import ConfigError
from poma_assets.science.reference_releases import SERVICES, ReferenceRelease, find_release
from poma_assets.tools.transfer_log import TransferLog, size_text

if TYPE_CHECKING:
    from poma_assets.tools.download import OnProgress
    from poma_assets.tools.reference_services import FetchedReference

_DEFAULTS = ", ".join(
    f"{name} {' and '.join(f'{release} ({organism})' for organism, release in service.default_release.items())}"
    for name, service in SERVICES.items()
)

reference = typer.Typer(
    help="Reference genomes: fetching a release of GENCODE or Ensembl, and what has been fetched.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(reference, name="reference")


@reference.command()
def fetch(
    name: Annotated[str, typer.Argument(help="gencode or ensembl.")],
    release: Annotated[str, typer.Option(help=f"Such as 49 or M38. Default: {_DEFAULTS}.", show_default=False)] = "",
    organism: Annotated[str, typer.Option(help="human or mouse.")] = "human",
    study: Annotated[
        Path | None, typer.Option("--study", help="Write the lines into poma.yaml of this study.", metavar="DIR")
    ] = None,
) -> None:
    """Fetch a genome (primary assembly, FASTA) and its genes (GTF) into the cache that all studies share."""
    from poma_assets.science.reference_lines import reference_lines, with_reference
    from poma_assets.storage.staging import write_whole_text
    from poma_assets.study_config import CONFIG_NAME

    wanted = find_release(name, release or None, organism)
    if study is not None:
        _refuse_named_reference(study)
    _tell(f"{wanted.service} release {wanted.release}, {wanted.organism}{'' if release else ' (the default release)'}")
    fetched = _fetch(wanted)
    paths = (str(fetched.genome_path.absolute()), str(fetched.annotation_path.absolute()))
    if study is None:
        out.print(f"to use it, write in {CONFIG_NAME}:", soft_wrap=True)
        for line in reference_lines(*paths):
            out.print(line, soft_wrap=True, markup=False)
        return
    config = study / CONFIG_NAME
    write_whole_text(config, with_reference(config.read_text(encoding="utf-8"), *paths))
    out.print(f"{config} names it now", soft_wrap=True, markup=False)


@reference.command("list")
def list_references(as_json: JsonOption = False) -> None:
    """List the references that have been fetched."""
    from poma_assets.tools.reference_services import fetched_references, references_folder

    rows = fetched_references()
    if as_json:
        print(json.dumps([{**asdict(row), "folder": str(row.folder), "whole": row.is_whole} for row in rows], indent=2))
        return
    if not rows:
        out.print(f"none in {references_folder()}; `poma reference fetch gencode` fetches one", soft_wrap=True)
        return
    table = Table(
        "reference",
        "release",
        "organism",
        "size",
        "fetched",
        Column("folder", overflow="fold"),
        box=None,
        header_style="bold",
    )
    for row in rows:
        size = size_text(row.genome.size_bytes + row.annotation.size_bytes)
        state = size if row.is_whole else "[red]damaged: fetch it again[/]"
        table.add_row(row.service, row.release, row.organism, state, row.date, escape(str(row.folder)))
    out.print(table)


def _fetch(wanted: ReferenceRelease) -> FetchedReference:
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    from poma_assets.tools.reference_services import fetch_reference

    if not err.is_terminal:
        return fetch_reference(wanted, tell=_tell, on_file=lambda file: TransferLog(file, _tell))
    name = TextColumn("{task.description}", table_column=Column(max_width=26, no_wrap=True, overflow="ellipsis"))
    with Progress(name, BarColumn(20), DownloadColumn(), TransferSpeedColumn(), console=err) as bars:

        def on_file(file: str) -> OnProgress:
            task = bars.add_task(file, total=None)
            return lambda size, total: bars.update(task, completed=size, total=total)

        return fetch_reference(wanted, tell=_tell, on_file=on_file)


def _refuse_named_reference(study: Path) -> None:
    """Before anything is fetched: a study that names a reference keeps it."""
    from poma_assets.config import CONFIG_NAME, load_study
    from poma_assets.science.reference_lines import names_reference

    load_study(study)
    config = study / CONFIG_NAME
    if names_reference(config.read_text(encoding="utf-8")):
        raise ConfigError(
            "the study names a reference already",
            where=str(config),
            expected="no genome and no annotation under 'reference:'",
            fix="Leave out --study, and change the lines yourself: another reference makes everything run again.",
        )


def _tell(text: str) -> None:
    err.print(text, soft_wrap=True, markup=False)
