"""Dagster's services end with the command that started them, however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from living_processes import still_there
from recorded_study import write_study

_SCRIPT = """
import sys
from poma_assets.cli import service
from poma_assets.resources import StudyResource
argv = [sys.executable, "-c", sys.argv[2]]
service._END_WAITS_S = (2.0, 1.0)  # of the command; its guard is as patient as ever
raise SystemExit(service._run_service(argv, StudyResource(root=sys.argv[1])))
"""


_OBEDIENT = "import os, time; print(os.getpid(), os.getpid(), flush=True); time.sleep(120)"
_DEAF = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(120)"], start_new_session=True)
print(os.getpid(), child.pid, flush=True)
time.sleep(120)
"""


@pytest.mark.parametrize("service", [_OBEDIENT, _DEAF], ids=["obedient", "deaf, with a child in a session of its own"])
@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_the_service_ends_with_the_command(tmp_path: Path, ending: signal.Signals, service: str) -> None:
    study = write_study(tmp_path / "study")
    argv = [sys.executable, "-W", "ignore", "-c", _SCRIPT, study.root, service]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as command:
        assert command.stdout is not None
        started = [psutil.Process(int(pid)) for pid in command.stdout.readline().split()]
        os.kill(command.pid, ending)
        assert command.wait(30) == (-signal.SIGKILL if ending == signal.SIGKILL else 0)
        assert still_there(started) == []


_LIKE_DAGSTER = """
import os, pathlib, signal, time
signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGINT))
print(os.getpid(), flush=True)
try:
    time.sleep(120)
except KeyboardInterrupt:
    pathlib.Path("ended_by_itself").touch()
"""


def test_a_service_in_the_background_of_a_script_hears_that_it_should_end(tmp_path: Path) -> None:
    study = write_study(tmp_path / "study")
    argv = [sys.executable, "-W", "ignore", "-c", _SCRIPT, study.root, _LIKE_DAGSTER]
    background = ["sh", "-c", 'trap "" INT; exec "$@"', "sh", *argv]
    with subprocess.Popen(background, stdout=subprocess.PIPE, text=True) as command:
        assert command.stdout is not None
        command.stdout.readline()
        os.kill(command.pid, signal.SIGTERM)
        assert command.wait(30) == 0
    assert (Path(study.root) / "ended_by_itself").exists()
