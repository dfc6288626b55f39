"""Which processes outlive what should end them, for tests of termination."""

from __future__ import annotations

from collections.abc import Sequence

import psutil


def still_there(processes: Sequence[psutil.Process]) -> list[psutil.Process]:
    """Those that are alive after 20 s of patience; nobody may collect orphans in a container."""
    _, alive = psutil.wait_procs(processes, timeout=20)
    return [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]
