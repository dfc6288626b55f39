"""Commands that run Dagster's own services over a study: the web page, and the daemon that keeps it up to date."""

from __future__ import annotations

import errno
import ipaddress
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from poma_assets.cli.context import StudyOption, err, open_study, out
from poma_assets.science.errors import InputError

if TYPE_CHECKING:
    import psutil

    from poma_assets.resources import StudyResource

_END_WAITS_S = (10.0, 3.0)
"""How long the service and the runs have to end what they started, and then what is left of it to end by itself."""

_GUARD = """
import os, sys
from poma_assets.cli.service import end_with_children
if not os.read(0, 1):
    end_with_children(int(sys.argv[1]))
"""
"""Ends the service, with all that it has started, when we are gone without a word (by kill -9, too)."""


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(ui)
    app.command()(watch)


_Interval = Annotated[int, typer.Option("--every", help="Seconds between two looks at the study.", min=2)]


def watch(study: StudyOption = None, every_s: _Interval = 30) -> None:
    """Keep the study up to date: new, changed and withdrawn samples and changed settings run by themselves.

    Dagster's daemon without the web page; Ctrl-C ends it. With the page: `poma ui --watch`.
    """
    resource = _ready_study(study)
    os.environ.update(_watching(every_s))
    out.print(f"Watching {escape(resource.study.config.name)} every {every_s} s (Ctrl-C ends it)")
    argv = [sys.executable, "-m", "dagster._daemon", "run", "-m", "poma_assets.definitions"]
    # A failed look of the sensor is said by the sensor, in one line; as an error it would be a traceback every time.
    raise typer.Exit(_run_service([*argv, "--log-level", "critical"], resource))


def _watching(every_s: int) -> dict[str, str]:
    """What the sensors read: on from the start, and how often they look."""
    from poma_assets.sensors import INTERVAL_VARIABLE, WATCH_VARIABLE

    return {WATCH_VARIABLE: "1", INTERVAL_VARIABLE: str(every_s)}


def _ready_study(study: Path | None, *, opens_anyway: bool = False) -> StudyResource:
    """Open the study for a daemon: its sheets are sound, and Dagster knows its samples and contrasts.

    Parameters
    ----------
    opens_anyway
        Warn of a sheet that is not sound instead of refusing it: what was computed can be looked at all the same.
    """
    import dagster as dg

    from poma_assets.partitions import CONTRASTS, SAMPLES, synchronise

    resource = open_study(study)
    try:
        samples, contrasts = list(resource.sheet.samples["sample_id"]), list(resource.contrasts)
    except InputError as error:
        if not opens_anyway:
            raise
        err.print(f"[bold yellow]warning[/] {escape(str(error))}", soft_wrap=True)
        err.print("Until that is mended nothing new can run; the page shows the samples and contrasts of before.")
    else:
        with dg.DagsterInstance.get() as instance:
            synchronise(instance, SAMPLES, samples)
            synchronise(instance, CONTRASTS, contrasts)
    # A study of thousands of samples, or large files to look at, may take longer than Dagster's minute.
    os.environ.setdefault("DAGSTER_SENSOR_GRPC_TIMEOUT_SECONDS", "600")
    return resource


def _run_service(argv: list[str], resource: StudyResource) -> int:
    """Run a service of Dagster until it ends or is interrupted, and end all that it started; exit status."""
    # Before the service starts: a command that a script has put into the background ignores Ctrl-C, what it starts does
    # so too, and Dagster then ignores every other request to end.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # Dagster starts the webserver, daemon and code servers in a session of their own: Ctrl-C reaches us only.
    process = subprocess.Popen(
        argv,
        cwd=resource.study.root,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
        start_new_session=True,
    )
    try:
        with _guarded(process.pid):
            return 1 if process.wait() else 0
    except KeyboardInterrupt:
        end_with_children(process.pid)
        return 0


@contextmanager
def _guarded(pid: int) -> Iterator[None]:
    """End the process ``pid`` and its children if this one is killed within the block."""
    listens, says = os.pipe()
    guard = subprocess.Popen([sys.executable, "-c", _GUARD, str(pid)], stdin=listens, start_new_session=True)
    os.close(listens)
    try:
        yield
    finally:
        with suppress(BrokenPipeError):
            os.write(says, b"\n")
        os.close(says)
        guard.wait()


def ui(
    study: StudyOption = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.", min=1, max=65535)] = 3000,
    public: Annotated[bool, typer.Option("--public", help="Allow an address other than loopback. No login!")] = False,
    watched: Annotated[bool, typer.Option("--watch", help="Keep the study up to date, as `poma watch` does.")] = False,
) -> None:
    """Open the Dagster UI of the study (webserver and daemon); Ctrl-C ends both."""
    open_to_all = not _is_loopback(host)
    if open_to_all and not public:
        raise InputError(
            "the Dagster UI has no login",
            found=f"--host {host}",
            expected="a loopback address",
            fix="Use an SSH tunnel, or say --public if you accept that everybody who reaches the port may run jobs.",
        )
    _require_free_port(host, port)
    if open_to_all:
        err.print("[bold yellow]warning[/] there is no login: everybody who reaches this port may run jobs")
    resource = _ready_study(study, opens_anyway=True)
    if watched:
        os.environ.update(_watching(30))
    address = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    out.print(f"Dagster UI of {escape(resource.study.config.name)}: {address}", soft_wrap=True)
    out.print("It answers within half a minute; Ctrl-C ends it. The run history stays in the study folder (.dagster).")
    argv = [sys.executable, "-m", "dagster", "dev", "-m", "poma_assets.definitions"]
    # A failed look of a sensor stands in the page; as an error it would fill the terminal with a traceback every time.
    raise typer.Exit(_run_service([*argv, "--host", host, "--port", str(port), "--log-level", "critical"], resource))


def _is_loopback(host: str) -> bool:
    """Whether only this machine reaches the address; a name other than localhost may mean anything."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _require_free_port(host: str, port: int) -> None:
    """Refuse an address that cannot be listened on, before anything is started.

    Raises
    ------
    InputError
        The port is taken, or the address is none of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            taken = error.errno == errno.EADDRINUSE
            raise InputError(
                "the port is in use already" if taken else "the address cannot be listened on",
                where=f"{host}:{port}",
                found=None if taken else error.strerror,
                fix=f"Is `poma ui` running already? Open it, or choose another port: --port {port + 1}"
                if taken
                else "Leave --host out, or name an address of this machine.",
            ) from error


def end_with_children(pid: int) -> None:
    """End a process and all that it started: it is asked first, then what it has left, then they are made to."""
    import psutil

    try:
        parent = psutil.Process(pid)
    except psutil.NoSuchProcess:
        return
    alive = [parent, *parent.children(recursive=True)]
    # The service ends its own children, and each run its programs: two signals to one process print a traceback, and
    # a run whose program is ended before it takes that for a failure. Code servers wait for the runs that they started.
    asked = [parent, *(process for process in alive if _is_run(process))]
    for wait_s in _END_WAITS_S:
        _send(asked, signal.SIGTERM)
        _, alive = psutil.wait_procs(alive, timeout=wait_s)
        asked = alive
    _send(alive, signal.SIGKILL)


def _is_run(process: psutil.Process) -> bool:
    """Whether a process was started by one of Dagster's code servers, as those of runs are."""
    import psutil

    try:
        parent = process.parent()
        return parent is not None and parent.cmdline()[1:5] == ["-m", "dagster", "api", "grpc"]
    except psutil.NoSuchProcess:
        return False


def _send(processes: Sequence[psutil.Process], sent: signal.Signals) -> None:
    """Send a signal to those of the processes that are still there."""
    import psutil

    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(sent)
