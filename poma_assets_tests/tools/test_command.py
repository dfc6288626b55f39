"""Running programs: what they cost, what they say when they fail, and that none is left behind."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from poma_assets.science.errors import StorageError, ToolError, ToolMissingError
from poma_assets.tools import process_group
from poma_assets.tools.command import require_tool, run_command, terminate_all


def run_shell(script: str, log: Path, **options: object):
    return run_command(["sh", "-c", script], log_path=log, tool="Shell", **options)


def is_running(pid: int) -> bool:
    """A process that exists and is not a zombie (nobody may collect orphans in a container)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_for(condition, seconds: float = 5.0) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


def pid_written_to(path: Path) -> int:
    assert wait_for(lambda: path.exists() and path.read_text().strip() != "")
    return int(path.read_text())


def test_record_log_and_standard_output(tmp_path):
    log = tmp_path / "new folder" / "tool.log"
    record = run_command(
        ["sh", "-c", "echo said; echo told >&2; echo $POMA_TEST"],
        log_path=log,
        tool="Shell",
        version="1.2",
        env={"POMA_TEST": "extra"},
    )
    header, *lines = log.read_text().splitlines()
    assert header == "$ " + shlex.join(record.argv)
    assert sorted(lines) == ["extra", "said", "told"]
    assert (record.tool, record.version, record.log_path) == ("Shell", "1.2", log)
    assert 0 < record.wall_s < 5


def test_standard_output_goes_to_its_own_file(tmp_path):
    out = tmp_path / "out.txt"
    run_shell("echo said; echo told >&2; pwd", tmp_path / "log", stdout_path=out, cwd=tmp_path)
    assert out.read_text() == f"said\n{tmp_path}\n"
    assert (tmp_path / "log").read_text().splitlines()[1:] == ["told"]


def test_cpu_seconds_include_children(tmp_path):
    burn = "import time\nwhile time.process_time() < 0.4: pass"
    record = run_shell(f"{shlex.quote(sys.executable)} -S -c '{burn}'; true", tmp_path / "log")
    assert 0.4 <= record.cpu_s < 1.5


def test_peak_memory_is_the_programs_not_ours(tmp_path):
    ours = bytearray(b"x" * (200 * 1024**2))
    hold = "import time; x = b'x' * (60 * 1024**2); time.sleep(0.5)"
    record = run_command([sys.executable, "-S", "-c", hold], log_path=tmp_path / "log", tool="Python")
    assert len(ours) > 0
    assert 60 <= record.peak_memory_mib < 120


def test_failure_names_status_log_and_last_lines(tmp_path):
    log = tmp_path / "tool.log"
    with pytest.raises(ToolError) as caught:
        run_shell("for i in $(seq 1 40); do echo line $i; done; exit 7", log)
    text = str(caught.value)
    assert "Shell failed with exit status 7" in text
    assert str(log) in text
    assert "line 26\n    line 27" in text
    assert text.endswith("line 40")
    assert "line 25\n" not in text


def test_missing_program_says_how_to_install(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolMissingError, match=r"apt-get install rna-star.*-c bioconda star"):
        run_command(["STAR"], log_path=tmp_path / "log", tool="STAR")
    with pytest.raises(ToolMissingError, match="apt-get install subread"):
        require_tool("featureCounts")
    with pytest.raises(ToolMissingError, match="frobnicate is not installed"):
        require_tool("frobnicate")
    with pytest.raises(ToolMissingError, match="is not there"):
        run_command([tmp_path / "STAR"], log_path=tmp_path / "log", tool="STAR")


def test_python_tools_are_found_beside_the_interpreter(tmp_path, monkeypatch):
    beside = tmp_path / "environment" / "bin"
    beside.mkdir(parents=True)
    for program in ("python", "multiqc", "STAR"):
        (beside / program).write_text("#!/bin/sh\n")
        (beside / program).chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(beside / "python"))
    monkeypatch.setenv("PATH", "")
    assert require_tool("multiqc") == beside / "multiqc"
    with pytest.raises(ToolMissingError):
        require_tool("STAR")
    with pytest.raises(ToolMissingError, match="pip install cutadapt"):
        require_tool("cutadapt")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs the device /dev/full")
def test_full_disk_is_said_plainly(tmp_path):
    with pytest.raises(ToolError, match="the disk is full: Shell could not write"):
        run_shell("cat /dev/zero > /dev/full", tmp_path / "log")


@pytest.mark.parametrize("script", ["kill -9 $$", "echo std::bad_alloc; exit 1"])
def test_out_of_memory_is_suspected(script, tmp_path):
    with pytest.raises(ToolError, match=r"out of memory.*Run fewer samples at once"):
        run_shell(script, tmp_path / "log")


def test_other_signals_are_named(tmp_path):
    with pytest.raises(ToolError, match="Shell was ended by signal SIGSEGV"):
        run_shell("kill -SEGV $$", tmp_path / "log")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_read_only_folder(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(StorageError, match="Make it writable"):
        run_shell("true", tmp_path / "log")


def test_timeout_ends_grandchildren_that_ignore_term(tmp_path, monkeypatch):
    monkeypatch.setattr(process_group, "GRACE_S", 0.2)
    script = f"trap '' TERM; sleep 60 & echo $! > {tmp_path}/pid; echo working; wait; sleep 60"
    with pytest.raises(ToolError, match=r"did not end within 0.5 s(.|\n)*working"):
        run_shell(script, tmp_path / "log", timeout_s=0.5)
    grandchild = pid_written_to(tmp_path / "pid")
    assert wait_for(lambda: not is_running(grandchild))


def test_ctrl_c_ends_the_group_and_goes_on(tmp_path):
    script = f"sleep 60 & echo $! > {tmp_path}/pid; wait"
    main = threading.main_thread().ident
    timer = threading.Timer(0.4, signal.pthread_kill, (main, signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        run_shell(script, tmp_path / "log")
    grandchild = pid_written_to(tmp_path / "pid")
    assert wait_for(lambda: not is_running(grandchild))


def test_terminate_all_ends_programs_of_other_threads(tmp_path):
    errors = []

    def work(number: int) -> None:
        try:
            run_shell(f"sleep 60 & echo $! > {tmp_path}/pid{number}; wait", tmp_path / f"log{number}")
        except ToolError as error:
            errors.append(str(error))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    sleepers = [pid_written_to(tmp_path / f"pid{number}") for number in range(3)]
    begin = time.monotonic()
    terminate_all()
    for thread in threads:
        thread.join(5)
    assert time.monotonic() - begin < 4
    assert wait_for(lambda: not any(is_running(pid) for pid in sleepers))
    assert len(errors) == 3
    assert all("Shell was stopped on request" in text for text in errors)


def test_kill_9_of_this_program_takes_the_tool_and_its_children_along(tmp_path):
    script = f"trap '' TERM HUP; sleep 60 & echo $! > {tmp_path}/pid; wait"
    code = (
        "from pathlib import Path\n"
        "from poma_assets.tools.command import run_command\n"
        f"run_command(['sh', '-c', {script!r}], log_path=Path({str(tmp_path / 'log')!r}), tool='Shell')\n"
    )
    root = Path(process_group.__file__).parents[2]
    worker = subprocess.Popen([sys.executable, "-c", code], cwd=root)
    sleeper = pid_written_to(tmp_path / "pid")
    assert is_running(sleeper)
    worker.kill()
    worker.wait()
    assert wait_for(lambda: not is_running(sleeper))


def test_nothing_is_left_after_success(tmp_path):
    run_shell(f"sleep 60 & echo $! > {tmp_path}/pid", tmp_path / "log")
    left_behind = pid_written_to(tmp_path / "pid")
    assert wait_for(lambda: not is_running(left_behind))
    assert not process_group._running
    children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()
    names = [Path(f"/proc/{child}/cmdline").read_text() for child in children]
    assert not [name for name in names if "read -r group" in name]
