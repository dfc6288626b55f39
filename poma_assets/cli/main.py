"""The command line ``poma``: assembles the commands and turns typed errors into plain messages."""

from __future__ import annotations

import os
import sys
import warnings

import typer
from rich.markup import escape

from poma_assets.cli import (
    cleaning,
    development,
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
from poma_assets.science.errors import PomaError

_HELP = """From myeloma RNA sequencing reads to defended answers about pomalidomide.

Start with `poma demo` (a simulated study with planted truth), then `poma init DIR` for your own reads.
"""

app = typer.Typer(
    help=_HELP,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    add_completion=True,
)
for module in (start, running, results, export, inbox, gene_sets, reference, cleaning, notify, service, development):
    module.register(app)


@app.callback()
def _options(debug: bool = typer.Option(False, "--debug", help="Show Python tracebacks of errors.")) -> None:
    if debug:
        os.environ["POMA_DEBUG"] = "1"


def main() -> None:
    """Run the command line; exit 0 only if what was asked for succeeded, 2 for bad input."""
    warnings.simplefilter("ignore")
    try:
        app(prog_name="poma")
    except PomaError as error:
        if os.environ.get("POMA_DEBUG"):
            raise
        err.print(f"[bold red]error[/] {escape(str(error))}", soft_wrap=True)
        sys.exit(error.exit_status)


if __name__ == "__main__":
    main()
