"""How much memory this process may use: that of the machine, or of the container that it runs in."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


def machine_memory_bytes(limits: tuple[Path, ...] = _LIMITS) -> int:
    """Physical memory, or the limit of the control group (version 2 or 1) where that is lower."""
    sizes = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    for path in limits:
        with suppress(OSError, ValueError):  # no such file, or "max"
            sizes.append(int(path.read_text(encoding="ascii")))
    return min(sizes)
