"""The one way in which this package runs an external program.

Finding programs, logs, costs and error messages are here; processes are in ``process_group``; the options of
each program are in its own module.
"""

from __future__ import annotations

import errno
import os
import re
import shlex
import shutil
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from poma_assets.science.errors import PomaError, StorageError, ToolError, ToolMissingError
from poma_assets.tools import process_group
from poma_assets.tools.process_group import terminate_all

__all__ = ["CommandRecord", "disk_full_error", "no_output_error", "require_tool", "run_command", "terminate_all"]

PYTHON_TOOLS = ("cutadapt", "htseq-count", "multiqc")
"""Programs that come as Python packages; looked up beside the running interpreter first."""

_PACKAGES = {  # program: (Debian package, bioconda package)
    "STAR": ("rna-star", "star"),
    "fastqc": ("fastqc", "fastqc"),
    "featureCounts": ("subread", "subread"),
    "fastp": ("fastp", "fastp"),
    "samtools": ("samtools", "samtools"),
}
_PYTHON_PACKAGES = {"cutadapt": "cutadapt", "htseq-count": "HTSeq", "multiqc": "multiqc"}

_TAIL_LINES = 15
_TAIL_BYTES = 64 * 1024
_LITTLE_SPACE_BYTES = 8 * 1024**2
_DISK_FULL = re.compile(r"no space left on device|ENOSPC|disk quota exceeded|disk (is )?full", re.IGNORECASE)
_OUT_OF_MEMORY = re.compile(r"std::bad_alloc|OutOfMemoryError|cannot allocate memory|MemoryError", re.IGNORECASE)


@dataclass(frozen=True)
class CommandRecord:
    """One finished program.

    Attributes
    ----------
    argv
        The command line as given.
    tool, version
        Name of the tool for people, and its version.
    wall_s, cpu_s
        Seconds of wall time; CPU seconds of the program and of the children it waited for.
    peak_memory_mib
        Largest resident memory of one of its processes.
    log_path
        Where its messages went.
    """

    argv: tuple[str, ...]
    tool: str
    version: str
    wall_s: float
    cpu_s: float
    peak_memory_mib: float
    log_path: Path


def run_command(
    argv: Sequence[str | Path],
    *,
    log_path: Path,
    tool: str,
    version: str = "",
    cwd: Path | None = None,
    stdout_path: Path | None = None,
    env: Mapping[str, str] | None = None,
    timeout_s: float | None = None,
    on_line: Callable[[str], None] | None = None,
) -> CommandRecord:
    """Run a program to its end, in a process group of its own.

    Parameters
    ----------
    argv
        Program and arguments. A program without a slash is looked up by :func:`require_tool`.
    log_path
        Gets the command line, then standard error and, without ``stdout_path``, standard output. Overwritten.
    tool
        Name for messages.
    stdout_path
        Gets standard output instead of the log.
    env
        Variables to add to the environment.
    timeout_s
        After so many seconds the whole group is ended.
    on_line
        Called with each line of the log, while the program runs.

    Raises
    ------
    ToolMissingError
        The program is not installed.
    ToolError
        It failed, was stopped, or ran out of time, memory or disk.
    """
    texts = tuple(str(argument) for argument in argv)
    program = texts[0] if "/" in texts[0] else str(require_tool(texts[0]))
    begin = time.monotonic()
    try:
        with ExitStack() as files:
            log_path.parent.mkdir(parents=True, exist_ok=True)
            if log_path.is_symlink():  # Whatever it leads to is not our log.
                log_path.unlink()
            log = files.enter_context(log_path.open("wb"))
            log.write(f"$ {shlex.join(texts)}\n".encode())
            log.flush()
            out = files.enter_context(stdout_path.open("wb")) if stdout_path else log
            environment = None if env is None else {**os.environ, **env}
            run = process_group.start((program, *texts[1:]), stdout=out, stderr=log, cwd=cwd, env=environment)
            use = run.wait(timeout_s, None if on_line is None else _Follower(log_path, on_line).tell)
    except process_group.ProgramTimeoutError:
        raise _failure(tool, f"did not end within {timeout_s:g} s and was stopped", "", log_path) from None
    except OSError as error:
        raise _start_error(error, tool, program, log_path) from error
    if run.stop_requested and use.exit_code != 0:
        raise ToolError(f"{tool} was stopped on request", fix="Run again to continue where it stopped.")
    if use.exit_code != 0:
        raise _exit_error(tool, use.exit_code, log_path, cwd or log_path.parent)
    wall_s = time.monotonic() - begin
    return CommandRecord(texts, tool, version, wall_s, use.cpu_s, use.peak_memory_mib, log_path)


class _Follower:
    """Reads the lines that a log gets, from the second on: the first is the command."""

    def __init__(self, path: Path, on_line: Callable[[str], None]) -> None:
        self._path, self._on_line = path, on_line
        self._read_bytes = path.stat().st_size

    def tell(self) -> None:
        """Hand over the lines that are complete since the last call."""
        with self._path.open("rb") as log:
            log.seek(self._read_bytes)
            text = log.read()
        whole = text[: text.rfind(b"\n") + 1]
        self._read_bytes += len(whole)
        for line in whole.decode(errors="replace").splitlines():
            self._on_line(line)


def require_tool(program: str) -> Path:
    """Find an external program.

    Returns
    -------
    Path
        The program; for Python packages the one beside the running interpreter is preferred.

    Raises
    ------
    ToolMissingError
        It is not installed; the message has the line that installs it.
    """
    if program in PYTHON_TOOLS:
        beside = Path(sys.executable).parent / program
        if beside.is_file() and os.access(beside, os.X_OK):
            return beside
    found = shutil.which(program)
    if found is None:
        raise ToolMissingError(f"the program {program} is not installed", fix=how_to_install(program))
    return Path(found)


def disk_full_error(tool: str, folder: Path) -> ToolError:
    """Say that the disk is full."""
    return ToolError(
        f"the disk is full: {tool} could not write its output",
        where=str(folder),
        found=_free_space(folder),
        fix="Make room on that disk and run again; the steps that finished are kept.",
    )


def no_output_error(tool: str, what: str, folder: Path, log_path: Path) -> ToolError:
    """Say that a program ended well and yet left an output out; a full disk is the usual reason."""
    if _disk_is_full(folder):
        return disk_full_error(tool, folder)
    return ToolError(f"{tool} left no {what}", where=str(folder), fix=f"See {log_path}.")


def how_to_install(program: str) -> str:
    """The line that installs a program, in a sentence."""
    if program in _PYTHON_PACKAGES:
        return f"Install it with 'python -m pip install {_PYTHON_PACKAGES[program]}' in the environment of poma."
    if program not in _PACKAGES:
        return "Install it, or put its folder on the PATH."
    debian, conda = _PACKAGES[program]
    return (
        f"Install it with 'sudo apt-get install {debian}' (Debian, Ubuntu) or "
        f"'conda install -c conda-forge -c bioconda {conda}'; then 'poma doctor' should list it."
    )


def _start_error(error: OSError, tool: str, program: str, log_path: Path) -> PomaError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return disk_full_error(tool, log_path.parent)
    if error.filename == program and isinstance(error, FileNotFoundError):
        return ToolMissingError(
            f"the program {program} is not there or its interpreter is not",
            fix=how_to_install(Path(program).name),
        )
    if isinstance(error, PermissionError) or error.errno == errno.EROFS:
        return StorageError(
            f"{tool} cannot be run: {error.strerror}",
            where=str(error.filename or log_path),
            fix="Make it writable (or the program executable) for you, or choose another results folder.",
        )
    return ToolError(f"{tool} cannot be run: {error}", where=str(error.filename or log_path))


def _exit_error(tool: str, exit_code: int, log_path: Path, folder: Path) -> ToolError:
    tail = _tail(log_path)
    if _DISK_FULL.search(tail) or _disk_is_full(folder):
        return disk_full_error(tool, folder)
    if exit_code in (-signal.SIGKILL, 128 + signal.SIGKILL):
        return _failure(tool, "was killed (signal 9), probably out of memory", _MEMORY_ADVICE, log_path)
    if _OUT_OF_MEMORY.search(tail):
        return _failure(tool, f"ran out of memory (exit status {exit_code})", _MEMORY_ADVICE, log_path)
    if exit_code < 0:
        return _failure(tool, f"was ended by signal {signal.Signals(-exit_code).name}", "", log_path)
    return _failure(tool, f"failed with exit status {exit_code}", "", log_path)


_MEMORY_ADVICE = "Run fewer samples at once (--jobs 1) or use a machine with more memory. "


def _failure(tool: str, what: str, advice: str, log_path: Path) -> ToolError:
    lines = [line for line in _tail(log_path).splitlines() if line.strip()][-_TAIL_LINES:]
    shown = "".join(f"\n    {line}" for line in lines)
    return ToolError(f"{tool} {what}", fix=f"{advice}The whole log is {log_path}; it ends with:{shown}")


def _tail(path: Path) -> str:
    try:
        with path.open("rb") as log:
            log.seek(max(0, path.stat().st_size - _TAIL_BYTES))
            return log.read().decode(errors="replace")
    except OSError:
        return ""


def _disk_is_full(folder: Path) -> bool:
    # Some programs (STAR's sorter) die of a full disk without saying so.
    try:
        return shutil.disk_usage(folder).free < _LITTLE_SPACE_BYTES
    except OSError:
        return False


def _free_space(folder: Path) -> str | None:
    try:
        return f"{shutil.disk_usage(folder).free / 1024**2:,.0f} MiB free"
    except OSError:
        return None
