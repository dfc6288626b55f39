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
from poma_assets.cli.service import _run_service
from poma_assets.resources import StudyResource
argv = [sys.executable, "-c", "import os, time; print(os.getpid(), flush=True); time.sleep(120)"]
raise SystemExit(_run_service(argv, StudyResource(root=sys.argv[1])))
"""


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_the_service_ends_with_the_command(tmp_path: Path, ending: signal.Signals) -> None:
    study = write_study(tmp_path / "study")
    argv = [sys.executable, "-W", "ignore", "-c", _SCRIPT, study.root]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as command:
        assert command.stdout is not None
        service = psutil.Process(int(command.stdout.readline()))
        os.kill(command.pid, ending)
        assert command.wait(30) == (-signal.SIGKILL if ending == signal.SIGKILL else 0)
        assert still_there([service]) == []
