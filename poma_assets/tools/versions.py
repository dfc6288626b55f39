"""Versions of the external programs, asked once per process.

Programs that are Python packages are not started for it: their metadata are a thousand times faster.
"""

from __future__ import annotations

import functools
import re
import tempfile
from importlib import metadata
from pathlib import Path

from poma_assets.science.errors import ToolError, ToolMissingError
from poma_assets.tools.command import require_tool, run_command

_VERSION_ARGUMENT = {
    "STAR": "--version",
    "fastqc": "--version",
    "featureCounts": "-v",
    "fastp": "--version",
    "samtools": "--version",
}
_DISTRIBUTIONS = {"cutadapt": "cutadapt", "htseq-count": "HTSeq", "multiqc": "multiqc"}
_VERSION = re.compile(r"\bv?(\d+\.\d+[\w.]*)")

TOOLS = ("STAR", "fastqc", "featureCounts", "fastp", "cutadapt", "htseq-count", "multiqc")
"""All external programs of the chain."""


@functools.cache
def tool_version(program: str) -> str:
    """Version of an installed program, for example ``"2.7.10b"``.

    Raises
    ------
    ToolMissingError
        It is not installed.
    ToolError
        It did not tell its version.
    """
    path = require_tool(program)
    if program in _DISTRIBUTIONS:
        try:
            return metadata.version(_DISTRIBUTIONS[program])
        except metadata.PackageNotFoundError:
            pass  # A program on the PATH from another environment: ask it.
    with tempfile.TemporaryDirectory(prefix="poma-version-") as folder:
        log = Path(folder) / "version.log"
        run_command([path, _VERSION_ARGUMENT.get(program, "--version")], log_path=log, tool=program, timeout_s=120)
        said = log.read_text(errors="replace").partition("\n")[2]
    match = _VERSION.search(said)
    if match is None:
        raise ToolError(f"{program} did not tell its version", found=repr(said[:200]))
    return match.group(1)


def all_tool_versions() -> dict[str, str | None]:
    """Versions of all programs of the chain; None for a program that is not installed."""
    versions: dict[str, str | None] = {}
    for program in TOOLS:
        try:
            versions[program] = tool_version(program)
        except ToolMissingError:
            versions[program] = None
    return versions
