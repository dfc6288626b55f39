"""Commands that carry a study from one kind of storage to another."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape

from poma_assets.cli.context import StudyOption, open_study, out
from poma_assets.science.errors import InputError

migrate = typer.Typer(
    help="Carrying a study's tables from one kind of storage to another.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(migrate, name="migrate")


@migrate.command()
def warehouse(
    to: Annotated[
        str,
        typer.Option(
            "--to",
            help="duckdb (one file in the study folder), or where the catalogue of a DuckLake is. No password here!",
            metavar="WHERE",
        ),
    ],
    study: StudyOption = None,
    replace: Annotated[bool, typer.Option("--replace", help="Other tables that are there may give way.")] = False,
) -> None:
    """Carry all tables into a DuckLake or back; checked by row counts and hashes before poma.yaml names the new one.

    Nothing of the old is removed. A migration that was cut off is begun again by the same command.
    """
    from poma_assets.config import CONFIG_NAME
    from poma_assets.science.setting_line import with_setting
    from poma_assets.storage.lake_catalogue import parse_catalogue
    from poma_assets.storage.lock import exclusive_lock
    from poma_assets.storage.migration import migrate_tables
    from poma_assets.storage.staging import make_folder, write_whole_text
    from poma_assets.storage.text_files import read_text
    from poma_assets.storage.warehouse import Warehouse

    resource = open_study(study)
    place = resource.study
    try:
        catalogue = parse_catalogue(to, place.root)
    except ValueError as problem:
        raise InputError("--to is not valid", expected=str(problem)) from None
    source = resource.warehouse
    target = Warehouse(place.warehouse_path, catalogue=catalogue)
    if source.database.place == target.database.place:
        out.print(f"The warehouse is there already: {escape(source.database.place)}", soft_wrap=True)
        return
    config = place.root / CONFIG_NAME
    changed = with_setting(read_text(config), "warehouse", to)
    make_folder(place.results_dir)
    with exclusive_lock(place.run_lock_path, timeout_s=0.0, describe=f"poma migrate of {place.root}"):
        done = migrate_tables(source, target, replace=replace)
        write_whole_text(config, changed)
    verb = "were there already" if done.was_there else "copied"
    out.print(
        f"{len(done.contents)} tables with {done.rows:,} rows {verb}; row counts and hashes are equal on both sides."
    )
    if done.set_aside:
        out.print(f"The file that was there is kept as {escape(str(done.set_aside))}", soft_wrap=True)
    out.print(f"{CONFIG_NAME} now says: warehouse: {escape(to)}", soft_wrap=True)
    out.print(f"The old warehouse is left as it is: {escape(source.database.place)}", soft_wrap=True)
