"""Where Dagster keeps what a step prints: in the study's Dagster home, written without helper processes."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dagster._core.execution.compute_logs import redirect_to_file
from dagster._core.storage.compute_log_manager import CapturedLogContext, ComputeIOType
from dagster._core.storage.local_compute_log_manager import IO_TYPE_EXTENSION, LocalComputeLogManager
from dagster._serdes import ConfigurableClassData
from dagster._utils import ensure_file, touch_file


class StudyComputeLogManager(LocalComputeLogManager):
    """Dagster's local log manager without its copy to the terminal.

    For that copy Dagster starts four processes in every run: two ``tail``, and two that watch over them. Nobody reads
    the terminal of our workers, and a process that is not there is not left behind. The page shows the same logs.
    """

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        """No settings: the folder is ``storage`` in the Dagster home, as Dagster's own default is."""
        return {}

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> StudyComputeLogManager:
        """Make the manager of the Dagster home in the environment."""
        return cls(str(Path(os.environ["DAGSTER_HOME"]) / "storage"), inst_data=inst_data)

    @contextmanager
    def capture_logs(self, log_key: Sequence[str]) -> Generator[CapturedLogContext, None, None]:
        """Send this process's standard output and error to the files of ``log_key``."""
        out = self.get_captured_local_path(log_key, IO_TYPE_EXTENSION[ComputeIOType.STDOUT])
        err = self.get_captured_local_path(log_key, IO_TYPE_EXTENSION[ComputeIOType.STDERR])
        ensure_file(out)
        ensure_file(err)
        with redirect_to_file(sys.stdout, out), redirect_to_file(sys.stderr, err):
            yield CapturedLogContext(log_key)
        touch_file(self.get_captured_local_path(log_key, "complete"))
