"""The process that the harness forks its launches of ``poma`` from, so that none of them imports anything.

Each launch is the command line as a user starts it: a process of its own, with its own process for the workers. Only
the imports are saved. Requests come as lines of JSON on standard input; answers go to standard output.
"""

from __future__ import annotations

import ctypes
import json
import multiprocessing.util
import os
import select
import sys
import time
from collections.abc import Sequence
from typing import Any

for _variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_variable] = "1"  # read on import

import operations  # noqa: E402 - beside this file

_POLL_S = 0.01
_MOST_DESCRIPTORS = 1024


def main() -> None:
    """Import everything, then fork launches until standard input ends."""
    _import_everything()
    _answer(ready=True)
    launches: dict[int, int] = {}
    pending = b""
    while True:
        if select.select([0], [], [], _POLL_S if launches else None)[0]:
            received = os.read(0, 65536)
            if not received:
                return
            *lines, pending = (pending + received).split(b"\n")
            for line in lines:
                request = json.loads(line)
                process = os.fork()
                if process == 0:
                    _launch(request)
                launches[process] = request["number"]
                _answer(number=request["number"], process=process)
        for process in list(launches):
            ended, status = os.waitpid(process, os.WNOHANG)
            if ended:
                _answer(number=launches.pop(process), status=os.waitstatus_to_exitcode(status))


def _answer(**values: Any) -> None:
    os.write(1, json.dumps(values).encode() + b"\n")


def _import_everything() -> None:
    import formulaic  # noqa: F401
    import gseapy  # noqa: F401
    import matplotlib.figure  # noqa: F401
    import pyedger  # noqa: F401
    import pysam  # noqa: F401

    import poma_assets.cli.app
    import poma_assets.cli.main
    import poma_assets.cli.progress
    import poma_assets.launcher
    import poma_assets.preflight
    import poma_assets.worker_origin

    poma_assets.cli.app.command_line()


def _launch(request: dict[str, Any]) -> None:
    """Become the command line; does not return, but ends the process as the interpreter does."""
    os.setsid()
    silence, output = (
        os.open(os.devnull, os.O_RDONLY),
        os.open(request["output"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644),
    )
    for descriptor, source in ((0, silence), (1, output), (2, output)):
        os.dup2(source, descriptor)
    os.closerange(3, _MOST_DESCRIPTORS)
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["folder"])
    import poma_assets.cli.main
    from poma_assets import up_to_date

    # What a module knows from when it was imported.
    up_to_date._IMPORTED_NS, up_to_date._SURROUNDINGS = time.time_ns(), up_to_date._surroundings()
    multiprocessing.util.spawnv_passfds = _forked_server(multiprocessing.util.spawnv_passfds)
    sys.modules["__main__"] = poma_assets.cli.main
    sys.argv = ["poma", *request["arguments"]]
    if request["control"]:
        os.environ["FAULT_POINTS"] = request["control"]
        if ctypes.CDLL(None).fault_points_open(request["control"].encode()) != 0:
            raise OSError("the control file cannot be opened")
    if request["acts"]:
        operations.act(*request["arguments"])
    else:
        poma_assets.cli.main.main()
    sys.exit(0)


def _forked_server(spawn: Any) -> Any:
    """Start the process that workers are forked from as a fork of the launch; others are started as ever."""

    def start(path: Any, arguments: Sequence[Any], kept: Sequence[int]) -> int:
        command = os.fsdecode(arguments[-1])
        if "multiprocessing.forkserver" not in command:
            return int(spawn(path, arguments, kept))
        process = os.fork()
        if process:
            return process
        try:
            before = 3
            for descriptor in sorted({*kept, _MOST_DESCRIPTORS}):
                os.closerange(before, descriptor)
                before = descriptor + 1
            exec(command, {})
        finally:
            os._exit(0)

    return start


if __name__ == "__main__":
    main()
