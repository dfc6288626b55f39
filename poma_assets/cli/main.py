"""The entry point of ``poma``: what must happen before the commands are imported, and plain messages for errors.

Nothing heavy may be imported at the top: every worker process imports this module again.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import shutil
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from poma_assets.cli.run_values import run_values
from poma_assets.up_to_date import is_up_to_date
from poma_assets.vocabulary import HERE, RUN_ON_VARIABLE

DEBUG = "--debug"
JSON = "--json"
DEBUG_VARIABLE = "POMA_DEBUG"

_LAUNCHING = ("run", "demo")
_HELP_OPTIONS = ("-h", "--help")
_WIDEST_HELP = 110
_COLLECT_AFTER_OBJECTS = 100_000
"""The garbage collector's first threshold; at its default of 700 it takes a sixth of the time of importing Dagster."""


def main() -> None:
    """Run the command line; exit 0 only if what was asked for succeeded, 2 for bad input."""
    warnings.simplefilter("ignore")
    gc.set_threshold(_COLLECT_AFTER_OBJECTS)
    # Else Python ends with a search for garbage among all that was imported: 0.8 s when it was Dagster.
    atexit.register(gc.freeze)
    arguments = sys.argv[1:]
    if DEBUG in arguments:
        os.environ[DEBUG_VARIABLE] = "1"
        arguments = [argument for argument in arguments if argument != DEBUG]
    sys.excepthook = _tell_unexpected
    if (study := finished_study(arguments)) is not None:
        _tell_finished(study, as_json=JSON in arguments)
        return
    elsewhere = os.environ.get(RUN_ON_VARIABLE, HERE) != HERE or "--on" in arguments
    if arguments[:1] and arguments[0] in _LAUNCHING and not elsewhere and not set(_HELP_OPTIONS) & set(arguments):
        from poma_assets.worker_pool import prepare_workers

        prepare_workers()
    _run(arguments)


def _run(arguments: list[str]) -> None:
    from rich.markup import escape

    from poma_assets.cli.app import command_line
    from poma_assets.cli.context import err
    from poma_assets.science.errors import PomaError

    os.environ.setdefault("TERMINAL_WIDTH", str(min(shutil.get_terminal_size().columns, _WIDEST_HELP)))
    try:
        # Not through the Typer object: it would put its own hook in the place of ours.
        command_line()(arguments, prog_name="poma")
    except PomaError as error:
        if os.environ.get(DEBUG_VARIABLE):
            raise
        err.print(f"[bold red]error[/] {escape(str(error))}", soft_wrap=True)
        sys.exit(error.exit_status)


def finished_study(arguments: Sequence[str]) -> Path | None:
    """The study, if this is `poma run` of a whole study that is up to date and was not touched since."""
    words = [word for word in arguments if word != JSON]
    if words[:1] != ["run"] or len(words) % 2 == 0:
        return None
    options = dict(zip(words[1::2], words[2::2], strict=True))
    if not set(options) <= {"--study", "--jobs"} or not options.get("--jobs", "0").isdigit():
        return None  # something else is asked for, or there is a mistake to be told
    root = Path(options.get("--study", ".")).absolute()
    return root if (root / "poma.yaml").is_file() and is_up_to_date(root / "results") else None


def _tell_finished(study: Path, *, as_json: bool) -> None:
    report = study / "results" / "reports" / "study" / "study_report.html"
    if as_json:
        print(json.dumps(run_values(report), indent=2))
        return
    print("Everything is up to date; nothing ran.")
    if report.is_file():
        print(f"Report: {report}")


def _tell_unexpected(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Say in one line what nobody foresaw; the interpreter then ends with exit status 1."""
    if os.environ.get(DEBUG_VARIABLE):
        sys.__excepthook__(kind, error, trace)
        return
    from rich.markup import escape

    from poma_assets.cli.context import err

    text = " ".join(str(error).split()) or "without a message"
    err.print(f"[bold red]unexpected error[/] {escape(f'{kind.__name__}: {text}')}", soft_wrap=True)
    err.print(f"This is a mistake of the program. The same command with {DEBUG} shows where it happened.")


if __name__ == "__main__":
    main()
