"""The Dagster instance of a study, for tests that look into its run history from outside."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest


def instance_of(study: Path) -> dg.DagsterInstance:
    """Open the run history of a study; its storage finds its files by the environment."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_HOME", str(study / ".dagster"))
        return dg.DagsterInstance.get()
