"""The command that makes a machine of a cluster execute runs."""

from __future__ import annotations

import os
import socket
import sys
from typing import Annotated

import typer

from poma_assets.cli.context import out
from poma_assets.science.errors import InputError


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(worker)


def worker(
    queues: Annotated[
        str, typer.Option(help="What this machine takes: star (needs memory for a genome index), default, or both.")
    ] = "star,default",
    at_once: Annotated[
        int, typer.Option("--at-once", help="Runs at once; they share the machine's cores and memory.", min=1)
    ] = 1,
) -> None:
    """Execute runs of `poma run --on celery` on this machine, for every study that it can see; Ctrl-C ends it."""
    from poma_assets.clusters.choice import require_celery

    require_celery()
    from poma_assets.clusters.celery_queue import AT_ONCE_VARIABLE, QUEUES, broker_address

    named = [name.strip() for name in queues.split(",") if name.strip()]
    if not named or not set(named) <= set(QUEUES):
        raise InputError("--queues is unknown", found=queues, expected=", ".join(QUEUES))
    broker_address()
    os.environ[AT_ONCE_VARIABLE] = str(at_once)
    out.print(f"Taking runs of the queues {', '.join(named)}, {at_once} at once (Ctrl-C ends it)")
    argv = ["-A", "poma_assets.clusters.celery_worker", "worker", "--pool", "threads", "--loglevel", "warning"]
    name = f"{'-'.join(named)}-{os.getpid()}@{socket.gethostname()}"
    argv += ["--concurrency", str(at_once), "-Q", ",".join(named), "-n", name]
    os.execv(sys.executable, [sys.executable, "-m", "celery", *argv])
