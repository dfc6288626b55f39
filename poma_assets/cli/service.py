"""Commands around the platform: the Dagster UI and the doctor."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import Annotated

import typer
from rich.markup import escape

from poma_assets.cli.context import StudyOption, err, open_study, out
from poma_assets.science.errors import InputError

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(ui)
    app.command()(doctor)


def ui(
    study: StudyOption = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.", min=1, max=65535)] = 3000,
    public: Annotated[bool, typer.Option("--public", help="Allow an address other than loopback. No login!")] = False,
) -> None:
    """Open the Dagster UI of the study (webserver and daemon); Ctrl-C ends both."""
    from poma_assets.partitions import CONTRASTS, SAMPLES, synchronise

    if host not in _LOOPBACK and not public:
        raise InputError(
            "the Dagster UI has no login",
            found=f"--host {host}",
            expected="a loopback address",
            fix="Use an SSH tunnel, or say --public if you accept that everybody who reaches the port may run jobs.",
        )
    if public:
        err.print("[bold yellow]warning[/] there is no login: everybody who reaches this port may run jobs")
    resource = open_study(study)
    import dagster as dg

    with dg.DagsterInstance.get() as instance:
        synchronise(instance, SAMPLES, list(resource.sheet.samples["sample_id"]))
        synchronise(instance, CONTRASTS, list(resource.contrasts))
    out.print(f"Dagster UI of {escape(resource.study.config.name)}: http://{host}:{port} (Ctrl-C ends it)")
    argv = [sys.executable, "-m", "dagster", "dev", "-m", "poma_assets.definitions"]
    argv += ["--host", host, "--port", str(port), "--log-level", "warning"]
    # dagster dev starts the webserver, the daemon and the code server; one process group, so that one signal ends all.
    process = subprocess.Popen(argv, cwd=resource.study.root, env=dict(os.environ), start_new_session=True)
    signal.signal(signal.SIGTERM, lambda *_: process.send_signal(signal.SIGINT))
    try:
        status = process.wait()
    except KeyboardInterrupt:
        process.send_signal(signal.SIGINT)
        status = process.wait()
    raise typer.Exit(0 if status in (0, -signal.SIGINT, 130) else 1)


def doctor() -> None:
    """Show the programs and packages that poma uses, and how to get what is missing."""
    from importlib.metadata import version

    from poma_assets.tools.versions import all_tool_versions

    missing = False
    for tool, text in all_tool_versions().items():
        if text is None:
            missing = True
            err.print(f"[red]missing[/] {tool}")
        else:
            out.print(f"[green]ok[/]  {tool} {text}")
    for package in ("dagster", "duckdb", "pydeseq2", "pyedger", "gseapy"):
        out.print(f"[green]ok[/]  {package} {version(package)}")
    if missing:
        err.print("Debian/Ubuntu: sudo apt-get install rna-star fastqc subread fastp samtools")
        err.print("conda: conda install -c conda-forge -c bioconda star fastqc subread fastp samtools")
        raise typer.Exit(1)
