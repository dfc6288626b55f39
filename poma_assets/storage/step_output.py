"""What one asset partition stores, all at once: tables, files and what it cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd


@dataclass(frozen=True)
class FileArtefact:
    """A file that an asset keeps, and the program that made it."""

    path: Path
    tool: str = ""
    tool_version: str = ""


@dataclass(frozen=True)
class StepCost:
    """What a step cost: wall seconds, CPU seconds of its programs, their largest resident memory."""

    wall_s: float = 0.0
    cpu_s: float = 0.0
    peak_memory_mib: float = 0.0


@dataclass(frozen=True)
class StepOutput:
    """What one asset partition stores.

    Parameters
    ----------
    tables
        Declared table name -> frame with exactly the declared columns, in any order. An empty frame
        replaces the partition by no rows.
    files
        Role within the asset (for example ``bam``) -> file.
    cost
        Time and memory of the step.
    """

    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    files: Mapping[str, FileArtefact] = field(default_factory=dict)
    cost: StepCost = field(default_factory=StepCost)
