"""The progress of a download as a few lines of a log, for places without a terminal."""

from __future__ import annotations

import time
from collections.abc import Callable

_PARTS = 10
_LONGEST_SILENCE_S = 60.0

Tell = Callable[[str], None]


class TransferLog:
    """Tells about every tenth of a file, and at least once a minute; called as ``on_progress`` of `download`.

    Parameters
    ----------
    name
        The file, for the lines.
    tell
        Called with each line.
    clock
        Seconds.
    """

    def __init__(self, name: str, tell: Tell, clock: Callable[[], float] = time.monotonic) -> None:
        self._name = name
        self._tell = tell
        self._clock = clock
        self._part = 0
        self._told_s = clock()

    def __call__(self, size_bytes: int, total_bytes: int | None) -> None:
        """Bytes at hand, and the size of the whole file, if it is known."""
        now_s = self._clock()
        part = _PARTS * size_bytes // total_bytes if total_bytes else 0
        if part <= self._part and now_s - self._told_s < _LONGEST_SILENCE_S:
            return
        self._part, self._told_s = part, now_s
        whole = f" of {size_text(total_bytes)} ({100 * size_bytes / total_bytes:.0f} %)" if total_bytes else ""
        self._tell(f"{self._name}: {size_text(size_bytes)}{whole}")


def size_text(size_bytes: int) -> str:
    """A size for people, in decimal units."""
    for unit, power in (("GB", 9), ("MB", 6), ("kB", 3)):
        if size_bytes >= 10**power:
            return f"{size_bytes / 10**power:.1f} {unit}"
    return f"{size_bytes} bytes"
