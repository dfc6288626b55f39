"""The command `poma notify`: which channels are configured, and a test message through all of them."""

from __future__ import annotations

import json
import os
from typing import Annotated

import typer
from rich.markup import escape

from poma_assets.cli.context import JsonOption, StudyOption, err, open_study, out
from poma_assets.science.errors import ConfigError

_EXAMPLE = """\
notifications:
  webhook: env:POMA_WEBHOOK
  email: {to: [lab@example.org], from: poma@example.org, smtp_host: smtp.example.org}"""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(notify)


def notify(
    study: StudyOption = None,
    test: Annotated[bool, typer.Option("--test", help="Send a test message through every channel.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show where failures and changed verdicts are told; with --test send a message there.

    Exit status: 0; 1 if a channel did not take the message; 2 if none is configured.
    """
    from poma_assets.notification_channels import channels_of
    from poma_assets.science.notification_texts import trial_notification
    from poma_assets.study_config import CONFIG_NAME
    from poma_assets.tools.notify import send_to_all

    config = open_study(study).study.config
    channels = channels_of(config.notifications, os.environ)
    if not channels:
        raise ConfigError(
            "no notifications are configured",
            where=CONFIG_NAME,
            fix=f"Write, with one of the two channels or both:\n{_EXAMPLE}",
        )
    if not test:
        events = list(config.notifications.on)
        if as_json:
            print(json.dumps([{"channel": channel.name, "events": events} for channel in channels], indent=2))
        for channel in () if as_json else channels:
            out.print(escape(f"{channel.name}: {', '.join(events) or 'nothing'}"), soft_wrap=True)
        return
    results = send_to_all(trial_notification(config.name), channels)
    if as_json:
        told = [
            {"channel": name, "sent": error is None, "error": None if error is None else str(error)}
            for name, error in results.items()
        ]
        print(json.dumps(told, indent=2))
    for name, error in () if as_json else results.items():
        if error is None:
            out.print(f"sent: {escape(name)}", soft_wrap=True)
        else:
            err.print(f"[bold red]not sent[/] {escape(str(error))}", soft_wrap=True)
    if any(results.values()):
        raise typer.Exit(1)
