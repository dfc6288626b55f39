"""The entry point of ``poma``: what must happen before the commands are imported, and plain messages for typed errors.

Nothing heavy may be imported at the top: every worker process imports this module again.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

from poma_assets.up_to_date import is_up_to_date

_LAUNCHING = ("run", "demo")


def main() -> None:
    """Run the command line; exit 0 only if what was asked for succeeded, 2 for bad input."""
    warnings.simplefilter("ignore")
    if (study := _finished_study(sys.argv[1:])) is not None:
        report = study / "results" / "reports" / "study" / "study_report.html"
        print("Everything is up to date; nothing ran.")
        if report.is_file():
            print(f"Report: {report}")
        return
    if len(sys.argv) > 1 and sys.argv[1] in _LAUNCHING and "--help" not in sys.argv:
        from poma_assets.worker_pool import prepare_workers

        prepare_workers()
    from poma_assets.cli.app import app
    from poma_assets.science.errors import PomaError

    try:
        app(prog_name="poma")
    except PomaError as error:
        if os.environ.get("POMA_DEBUG"):
            raise
        from rich.markup import escape

        from poma_assets.cli.context import err

        err.print(f"[bold red]error[/] {escape(str(error))}", soft_wrap=True)
        sys.exit(error.exit_status)


def _finished_study(arguments: Sequence[str]) -> Path | None:
    """The study, if this is `poma run` of a whole study that is up to date and was not touched since."""
    if list(arguments[:1]) != ["run"] or len(arguments) not in (1, 3) or list(arguments[1:2]) not in ([], ["--study"]):
        return None
    root = Path(arguments[2] if len(arguments) == 3 else ".").absolute()
    return root if (root / "poma.yaml").is_file() and is_up_to_date(root / "results") else None


if __name__ == "__main__":
    main()
