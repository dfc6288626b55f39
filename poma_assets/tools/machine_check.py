"""What this machine offers: Python packages and programs with their versions, room, and what to do where it lacks."""

from __future__ import annotations

import os
import platform
import shutil
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

from packaging.requirements import Requirement
from packaging.version import Version

from poma_assets.science.errors import ToolError, ToolMissingError
from poma_assets.storage.cache_folder import cache_folder
from poma_assets.tools.command import how_to_install
from poma_assets.tools.machine_memory import machine_memory_bytes
from poma_assets.tools.versions import TOOLS, tool_version

_PACKAGE = "poma-assets"
_OLDEST = {"featureCounts": "2.0.2"}
"""Oldest version of a program whose options we use: featureCounts counts pairs by --countReadPairs."""

_LITTLE_FREE_BYTES = 10e9
_HUMAN_INDEX_BYTES = 16e9
"""Less memory than this does not hold even the sparsest STAR index of the human genome."""


@dataclass(frozen=True)
class Finding:
    """One line of `poma doctor`: what was looked at, what was found, and what to do if it is not ``ok``."""

    name: str
    kind: Literal["program", "package", "machine", "study"]
    state: Literal["ok", "warning", "missing"]
    found: str
    fix: str = ""


def examine_machine() -> list[Finding]:
    """Look at programs, Python packages and the machine; nothing raises, what lacks is ``missing``."""
    return [*_programs(), *_packages(), *_machine()]


def _programs() -> list[Finding]:
    findings = []
    for program in TOOLS:
        try:
            found = tool_version(program)
        except ToolMissingError as error:
            findings.append(Finding(program, "program", "missing", "not installed", error.fix or ""))
        except ToolError as error:
            findings.append(Finding(program, "program", "missing", str(error), how_to_install(program)))
        else:
            oldest = _OLDEST.get(program)
            if oldest and Version(found) < Version(oldest):
                fix = f"{program} {oldest} or newer is needed. {how_to_install(program)}"
                findings.append(Finding(program, "program", "missing", found, fix))
            else:
                findings.append(Finding(program, "program", "ok", found))
    return findings


def _packages() -> list[Finding]:
    findings = [Finding(_PACKAGE, "package", "ok", metadata.version(_PACKAGE))]
    for text in metadata.requires(_PACKAGE) or ():
        requirement = Requirement(text)
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        fix = "./poma in the repository installs the pinned packages"
        try:
            found = metadata.version(requirement.name)
        except metadata.PackageNotFoundError:
            findings.append(Finding(requirement.name, "package", "missing", "not installed", fix))
            continue
        fits = requirement.specifier.contains(found, prereleases=True)
        wanted = "" if fits else f"{requirement.specifier} is needed: {fix}"
        findings.append(Finding(requirement.name, "package", "ok" if fits else "missing", found, wanted))
    return findings


def _machine() -> list[Finding]:
    memory, folder = machine_memory_bytes(), cache_folder("")
    findings = [
        Finding("Python", "machine", "ok", platform.python_version()),
        Finding("cores", "machine", "ok", str(os.cpu_count() or 1)),
    ]
    fix = "enough for small genomes; STAR's index of the human genome needs more (docs/reference.md)"
    state: Literal["ok", "warning"] = "ok" if memory >= _HUMAN_INDEX_BYTES else "warning"
    findings.append(Finding("memory", "machine", state, f"{memory / 1e9:.1f} GB", fix if state == "warning" else ""))
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    findings.append(_room(folder, existing))
    return findings


def _room(folder: Path, existing: Path) -> Finding:
    """The cache that all studies share: it can be written, and has room."""
    if not os.access(existing, os.W_OK):
        fix = "make it writable for you, or name another folder in POMA_CACHE"
        return Finding("cache", "machine", "missing", f"{folder} cannot be written", fix)
    free = shutil.disk_usage(existing).free
    fix = "an index of the human genome takes up to 30 GB: make room, or name another disk in POMA_CACHE"
    if free < _LITTLE_FREE_BYTES:
        return Finding("cache", "machine", "warning", f"{folder}, {free / 1e9:.1f} GB free", fix)
    return Finding("cache", "machine", "ok", f"{folder}, {free / 1e9:.1f} GB free")
