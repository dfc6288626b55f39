"""The entry point of ``poma``: what must happen before the commands are imported, and plain messages for typed errors.

Nothing heavy may be imported at the top: every worker process imports this module again.
"""

from __future__ import annotations

import os
import sys
import warnings

_LAUNCHING = ("run", "demo")


def main() -> None:
    """Run the command line; exit 0 only if what was asked for succeeded, 2 for bad input."""
    warnings.simplefilter("ignore")
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


if __name__ == "__main__":
    main()
