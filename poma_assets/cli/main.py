"""The command line ``poma``: assembles the commands and turns errors into plain messages."""

from __future__ import annotations

import os
import shutil
import sys
import warnings
from importlib.metadata import version
from types import TracebackType

import typer
from rich.markup import escape
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
    notify,
    reference,
    results,
    running,
    service,
    start,
)
from poma_assets.cli.context import err
from poma_assets.cli.examples import teach
from poma_assets.science.errors import PomaError

_HELP = """From myeloma RNA sequencing reads to defended answers about pomalidomide.

Start with `poma demo` (a simulated study with planted truth), then `poma init DIR` for your own reads. Each command's
`--help` ends with examples.
"""
_DEBUG = "--debug"
_DEBUG_VARIABLE = "POMA_DEBUG"
_WIDEST_HELP = 110
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
    *(start, running, service, results, export, explain, inbox, gene_sets, reference),
    *(cleaning, notify, doctor, completion, development),
):
    module.register(app)
teach(app)


def _print_version(asked: bool) -> None:
    if asked:
        print(f"poma-assets {version('poma-assets')}")
        raise typer.Exit


@app.callback()
def _options(
    debug: bool = typer.Option(False, _DEBUG, help="Show Python tracebacks of errors; may stand anywhere."),
    told_version: bool = typer.Option(
        False, "--version", help="Print the version.", is_eager=True, callback=_print_version
    ),
) -> None:
    if debug:
        os.environ[_DEBUG_VARIABLE] = "1"


def main() -> None:
    """Run the command line; exit 0 only if what was asked for succeeded, 2 for bad input."""
    warnings.simplefilter("ignore")
    arguments = sys.argv[1:]
    if _DEBUG in arguments:
        os.environ[_DEBUG_VARIABLE] = "1"
        arguments = [argument for argument in arguments if argument != _DEBUG]
    sys.excepthook = _tell_unexpected
    os.environ.setdefault("TERMINAL_WIDTH", str(min(shutil.get_terminal_size().columns, _WIDEST_HELP)))
    try:
        # Not through the Typer object: it would put its own hook in the place of ours.
        command_line()(arguments, prog_name="poma")
    except PomaError as error:
        if os.environ.get(_DEBUG_VARIABLE):
            raise
        err.print(f"[bold red]error[/] {escape(str(error))}", soft_wrap=True)
        sys.exit(error.exit_status)


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


def _tell_unexpected(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Say in one line what nobody foresaw; the interpreter then ends with exit status 1."""
    if os.environ.get(_DEBUG_VARIABLE):
        sys.__excepthook__(kind, error, trace)
        return
    text = " ".join(str(error).split()) or "without a message"
    err.print(f"[bold red]unexpected error[/] {escape(f'{kind.__name__}: {text}')}", soft_wrap=True)
    err.print(f"This is a mistake of the program. The same command with {_DEBUG} shows where it happened.")


if __name__ == "__main__":
    main()
