"""Wall time, CPU time and memory of a command with all that it starts; other benchmarks import this.

``python benchmarks/process_cost.py COMMAND [ARGUMENT ...]`` runs a command and prints its cost;
``--self-test`` shows that grandchildren and orphans are counted. CPU is the kernel's own account of ended processes
(``rusage`` of children): a small process of ours starts the command and is made the reaper of its descendants
(Linux: ``PR_SET_CHILD_SUBREAPER``), so that one whose parent did not wait is counted, too. It ends when the last
descendant has. Memory is the sum of the resident sets of all descendants, looked at once a second: pages that they
share count repeatedly. "Others" are the CPU seconds that the machine spent on anything else meanwhile.
"""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36
_SAMPLE_S = 1.0
_TAIL_LINES = 15


@dataclass(frozen=True)
class Cost:
    """What a command cost: seconds of wall time and CPU, peak memory in MiB, CPU seconds of everybody else."""

    wall_s: float
    cpu_s: float
    peak_mib: float
    others_cpu_s: float


def measure(
    argv: Sequence[str | Path], *, log: Path, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> Cost:
    """Run a command to its end, its output to ``log``; a failure ends the benchmark with the end of the log."""
    with tempfile.NamedTemporaryFile("r", suffix=".json") as answer, log.open("wb") as output:
        command = [sys.executable, __file__, "--measure", answer.name, *map(str, argv)]
        status = subprocess.call(command, stdout=output, stderr=subprocess.STDOUT, cwd=cwd, env=env)
        if status:
            tail = "\n".join(log.read_text(errors="replace").splitlines()[-_TAIL_LINES:])
            raise SystemExit(f"{' '.join(map(str, argv))}\nfailed with status {status}; {log} ends with:\n{tail}")
        return Cost(**json.load(answer))


def _supervise(answer: str, argv: list[str]) -> int:
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    peak, ended = [0.0], threading.Event()
    sampler = threading.Thread(target=_sample, args=(peak, ended), daemon=True)
    busy, began, used = _machine_busy_s(), time.monotonic(), sum(os.times()[:2])
    child = os.posix_spawnp(argv[0], argv, os.environ)
    sampler.start()
    status, wall_s, cpu_s = 1, 0.0, 0.0
    while True:
        try:
            pid, word, usage = os.wait4(-1, 0)
        except ChildProcessError:
            break
        cpu_s += usage.ru_utime + usage.ru_stime
        if pid == child:
            status, wall_s = os.waitstatus_to_exitcode(word), time.monotonic() - began
    ended.set()
    own_s = sum(os.times()[:2]) - used
    others_s = max(0.0, _machine_busy_s() - busy - cpu_s - own_s)
    Path(answer).write_text(json.dumps(vars(Cost(wall_s, cpu_s, peak[0], others_s))))
    return status if status >= 0 else 128 - status


def _sample(peak: list[float], ended: threading.Event) -> None:
    page = os.sysconf("SC_PAGE_SIZE") / 2**20
    while not ended.wait(_SAMPLE_S):
        peak[0] = max(peak[0], sum(_resident_pages(pid) * page for pid in _descendants(os.getpid())))


def _descendants(root: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            try:
                parent = int(Path(entry.path, "stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, IndexError):
                continue
            children.setdefault(parent, []).append(int(entry.name))
    found, left = [], [root]
    while left:
        below = children.get(left.pop(), [])
        found += below
        left += below
    return found


def _resident_pages(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except OSError:
        return 0


def _machine_busy_s() -> float:
    """CPU seconds of all processes since the machine started: user, nice, system, interrupts."""
    ticks = [int(word) for word in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:8]]
    return (sum(ticks) - ticks[3] - ticks[4]) / os.sysconf("SC_CLK_TCK")


def _self_test() -> None:
    """A shell starts a grandchild that is waited for and an orphan that is not; each burns a second of CPU."""
    burn = "import time\nwhile time.process_time() < 1: pass"
    for title, line in (
        ("child", '"$0" -c "$1"'),
        ("grandchild", 'sh -c \'"$0" -c "$1"; true\' "$0" "$1"; true'),
        ("orphan, never waited for", '(setsid "$0" -c "$1" & ) ; true'),
    ):
        with tempfile.TemporaryDirectory() as folder:
            cost = measure(["sh", "-c", line, sys.executable, burn], log=Path(folder) / "log")
        print(f"{title:<26} {cost.cpu_s:.2f} CPU s found (1 burnt), {cost.wall_s:.2f} s wall of the command itself")


def main() -> int:
    if sys.argv[1:2] == ["--measure"]:
        return _supervise(sys.argv[2], sys.argv[3:])
    if sys.argv[1:] == ["--self-test"]:
        _self_test()
        return 0
    if len(sys.argv) < 2:
        raise SystemExit(__doc__)
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        cost = measure(sys.argv[1:], log=log)
        sys.stdout.write(log.read_text(errors="replace"))
    print(
        f"wall {cost.wall_s:.2f} s, CPU {cost.cpu_s:.2f} s, peak {cost.peak_mib:,.0f} MiB, "
        f"CPU of others {cost.others_cpu_s:.2f} s"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
