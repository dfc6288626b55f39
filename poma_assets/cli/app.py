"""The command line ``poma``, assembled from its commands."""

from __future__ import annotations

import os

import typer

from poma_assets.cli import cleaning, development, gene_sets, inbox, notify, reference, results, running, service, start

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
for module in (start, running, results, inbox, gene_sets, reference, cleaning, notify, service, development):
    module.register(app)


@app.callback()
def _options(debug: bool = typer.Option(False, "--debug", help="Show Python tracebacks of errors.")) -> None:
    if debug:
        os.environ["POMA_DEBUG"] = "1"
