"""The command `poma completion`: the script that lets a shell complete commands and options by the tab key."""

from __future__ import annotations

from typing import Annotated

import typer

from poma_assets.science.errors import InputError

SHELLS = ("bash", "zsh", "fish")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(completion)


def completion(
    shell: Annotated[str, typer.Argument(help=f"{', '.join(SHELLS)}.", autocompletion=lambda: list(SHELLS))],
) -> None:
    """Print the script that completes commands and options by the tab key, for `poma` and `./poma` alike.

    For this shell only: `source <(poma completion bash)`.
    """
    from typer._completion_shared import get_completion_script

    if shell not in SHELLS:
        raise InputError("the shell is unknown", found=shell, expected=", ".join(SHELLS))
    print(get_completion_script(prog_name="poma", complete_var="_POMA_COMPLETE", shell=shell))
