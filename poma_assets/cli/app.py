"""The command line ``poma``, assembled from its commands."""

from __future__ import annotations

import os

import typer
from typer.core import TyperGroup, TyperOption

from poma_assets.cli import (
    cleaning,
    completion,
    development,
    doctor,
    explain,
    export,
    gene_sets,
    inbox,
    migrate,
    notify,
    reference,
    results,
    running,
    service,
    start,
    worker,
)
from poma_assets.cli.examples import teach
from poma_assets.cli.main import DEBUG, DEBUG_VARIABLE

_HELP = """From myeloma RNA sequencing reads to defended answers about pomalidomide.

Start with `poma demo` (a simulated study with planted truth), then `poma init DIR` for your own reads. Each command's
`--help` ends with examples.
"""
_HELP_OPTIONS = ["-h", "--help"]

app = typer.Typer(
    help=_HELP,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    add_completion=True,
    context_settings={"help_option_names": _HELP_OPTIONS},
)
for module in (
    *(start, running, worker, service, results, export, explain, inbox, gene_sets, reference),
    *(cleaning, migrate, notify, doctor, completion, development),
):
    module.register(app)
teach(app)


def _print_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        print(f"poma-assets {version('poma-assets')}")
        raise typer.Exit


@app.callback()
def _options(
    debug: bool = typer.Option(False, DEBUG, help="Show Python tracebacks of errors; may stand anywhere."),
    told_version: bool = typer.Option(
        False, "--version", help="Print the version.", is_eager=True, callback=_print_version
    ),
) -> None:
    if debug:
        os.environ[DEBUG_VARIABLE] = "1"


def command_line() -> TyperGroup:
    """The assembled commands; flags are shown without a type in the help, for they take no value."""
    command = typer.main.get_command(app)
    if not isinstance(command, TyperGroup):
        raise TypeError("the command line is a group of commands")
    _show_flags_plainly(command)
    return command


def _show_flags_plainly(group: TyperGroup) -> None:
    for command in (group, *group.commands.values()):
        context = typer.Context(command, help_option_names=_HELP_OPTIONS)
        for option in (*command.params, command.get_help_option(context)):
            if isinstance(option, TyperOption) and option.is_flag:
                option.metavar = ""
                # `poma completion` prints the script; Typer's own options would write into people's start-up files.
                option.hidden |= str(option.name).endswith("_completion")
        if command is not group and isinstance(command, TyperGroup):
            _show_flags_plainly(command)
