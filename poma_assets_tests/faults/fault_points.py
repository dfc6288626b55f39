"""Points at which a fault can be made to happen: the calls by which a launch changes files (``points.c``)."""

from __future__ import annotations

import ctypes
import mmap
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

_SOURCE = Path(__file__).with_name("points.c")
_PATH_BYTES = 1024


class Action(IntEnum):
    """What happens at the chosen point; the numbers are those of ``points.c``."""

    NOTHING = 0
    KILL_SELF = 1
    KILL_LAUNCHER = 2
    FAIL_ONCE = 3
    FAIL_FROM_HERE = 4
    TEAR = 5
    """Half of the write is done, then the process is killed."""
    SHIFT_CLOCK = 6


class _Control(ctypes.Structure):
    _fields_ = [
        *((name, ctypes.c_int64) for name in ("target", "action", "argument", "clock_offset_s")),
        *((name, ctypes.c_int64) for name in ("counted", "happened_in", "launcher")),
        ("within", ctypes.c_char * _PATH_BYTES),
        ("left_out", (ctypes.c_char * _PATH_BYTES) * 2),
        ("log", ctypes.c_char * _PATH_BYTES),
        ("happened", ctypes.c_char * _PATH_BYTES),
    ]


@dataclass(frozen=True)
class Point:
    """One call: its number in the launch, the process, the call, and the file relative to the folder watched."""

    number: int
    process: int
    call: str
    file: str


@dataclass(frozen=True)
class Plan:
    """What is to happen: at the n-th call (``target``, from 1) that changes a file below ``within``.

    ``argument`` is the error number, or the seconds by which the clock jumps.
    """

    within: Path
    target: int = 0
    action: Action = Action.NOTHING
    argument: int = 0
    left_out: Sequence[Path] = ()
    clock_offset_s: int = 0


class ControlFile:
    """The plan of one launch as its processes read it, and what has come of it."""

    def __init__(self, path: Path, plan: Plan) -> None:
        self.path, self.log = path, path.with_suffix(".log")
        path.write_bytes(bytes(ctypes.sizeof(_Control)))
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), 0)
        self._control = _Control.from_buffer(self._memory)
        self._control.target, self._control.action = plan.target, plan.action
        self._control.argument, self._control.clock_offset_s = plan.argument, plan.clock_offset_s
        self._control.within = f"{plan.within}/".encode()
        for number, folder in enumerate(plan.left_out):
            self._control.left_out[number].value = str(folder).encode()
        self._control.log = str(self.log).encode()

    @property
    def happened(self) -> str:
        """The call at which it happened; empty if the launch ended before."""
        text = self._control.happened.decode(errors="replace")
        return text or ("a call" if self._control.happened_in else "")

    @property
    def happened_in(self) -> int:
        """The process in which it happened; 0 if it did not."""
        return int(self._control.happened_in)

    @property
    def counted(self) -> int:
        """How many points the launch has passed."""
        return int(self._control.counted)

    def points(self) -> list[Point]:
        """All points that the launch has passed, by their number."""
        if not self.log.exists():
            return []
        rows = (line.split("\t", 3) for line in self.log.read_text(errors="replace").splitlines())
        points = [Point(int(row[0]), int(row[1]), row[2], row[3]) for row in rows if len(row) == 4]
        return sorted(points, key=lambda point: point.number)


def build_library(folder: Path) -> Path | None:
    """Compile ``points.c`` for LD_PRELOAD; None where there is no C compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        return None
    library = folder / "points.so"
    made = folder / f"points.{os.getpid()}.so"
    argv = [compiler, "-O1", "-fPIC", "-shared", "-o", str(made), str(_SOURCE), "-ldl", "-pthread"]
    subprocess.run(argv, check=True, capture_output=True)
    os.replace(made, library)
    return library
