from __future__ import annotations

import socket
import subprocess
import sys
import time

import psutil

from poma_assets import runs
from poma_assets.runs import is_gone, this_process


def test_a_living_process_is_there_and_an_ended_one_is_gone():
    assert not is_gone(this_process())
    script = "from poma_assets.runs import this_process; print(this_process())"
    name = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.strip()
    assert name.startswith(socket.gethostname())
    assert is_gone(name)


def test_another_process_of_the_same_number_is_another_and_other_hosts_are_unknown():
    host, pid, start = this_process().rsplit(":", 2)
    assert is_gone(f"{host}:{pid}:1{start}")
    assert not is_gone(f"elsewhere:{pid}:1{start}")


def test_a_clock_that_jumps_ends_no_process(monkeypatch):
    """psutil counts the start of a process from the time of the boot, which moves with the clock."""
    name, boot = this_process(), psutil.boot_time()
    monkeypatch.setattr(psutil, "boot_time", lambda: boot + 86_400)
    monkeypatch.setattr(psutil._pslinux, "BOOT_TIME", boot + 86_400, raising=False)
    monkeypatch.setattr(time, "time", lambda: boot)
    assert not is_gone(name)


def test_the_name_of_a_program_may_hold_anything(tmp_path):
    program = tmp_path / "a) (b"
    program.symlink_to(sys.executable)
    with subprocess.Popen([program, "-c", "import time; time.sleep(60)"]) as process:
        start = runs._start_of(process.pid)
        assert int(start.partition("@")[0]) > 0
        assert not is_gone(f"{socket.gethostname()}:{process.pid}:{start}")
        process.kill()
        process.wait()
    assert is_gone(f"{socket.gethostname()}:{process.pid}:{start}")
