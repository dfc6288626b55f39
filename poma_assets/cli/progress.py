"""How `poma run` shows what it does: a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

_STOPPING = "interrupted: ending the programs that are running; what is finished is kept, `poma run` continues"
_WORTH_SAYING_S = 60.0


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


class PlainProgress:
    """One line per event: for logs and pipes."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._begun = time.monotonic()
        self._runs: dict[str, int] = {}
        self._done: dict[str, int] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def _line(self, text: str) -> None:
        self._console.print(f"{time.monotonic() - self._begun:7.1f} s  {text}", soft_wrap=True, markup=False)

    def phase(self, title: str, runs: int) -> None:
        """A phase begins."""
        self._runs[title], self._done[title] = runs, 0
        self._line(f"{title}: {runs} run{'s' if runs != 1 else ''}")

    def started(self, label: str, asset: str) -> None:
        """A step begins."""
        self._line(f"  {label}: {asset}")

    def finished(self, title: str, label: str, failures: Sequence[tuple[str, str]]) -> None:
        """A run ends."""
        self._done[title] = self._done.get(title, 0) + 1
        of_all = f" ({self._done[title]} of {self._runs[title]})" if title in self._runs else ""
        self._line(f"  {label}: {title} {'FAILED' if failures else 'done'}{of_all}")
        for step, message in failures:
            self._line(f"    {step}: {message}")

    def left(self, seconds: float | None) -> None:
        """The rest will take so long; said when it is long enough to matter."""
        if seconds is not None and seconds >= _WORTH_SAYING_S:
            self._line(f"  about {_duration(seconds)} left")

    def stopping(self) -> None:
        """The launch was interrupted."""
        self._line(_STOPPING)


class LiveProgress:
    """A table with one row per running sample or contrast, and a bar for the phase."""

    def __init__(self, console: Console) -> None:
        self._bar = Progress(
            TextColumn("[bold]{task.description:<10}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
        )
        self._tasks: dict[str, TaskID] = {}
        self._end: float | None = None
        self._rows: dict[str, tuple[str, float]] = {}
        self._console = console
        self._live = Live(console=console, refresh_per_second=4, get_renderable=self._render)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._rows.clear()
        self._live.stop()

    def _render(self) -> Group:
        table = Table.grid(padding=(0, 2))
        for label, (asset, since) in self._rows.items():
            table.add_row("  ", escape(label), f"[cyan]{asset}[/]", f"{time.monotonic() - since:.0f} s")
        if self._end is not None and (seconds := self._end - time.monotonic()) >= _WORTH_SAYING_S:
            table.add_row("  ", f"about {_duration(seconds)} left")
        return Group(self._bar, table)

    def phase(self, title: str, runs: int) -> None:
        """A phase begins."""
        self._tasks[title] = self._bar.add_task(title, total=runs)

    def started(self, label: str, asset: str) -> None:
        """A step begins."""
        self._rows[label] = (asset, time.monotonic())

    def finished(self, title: str, label: str, failures: Sequence[tuple[str, str]]) -> None:
        """A run ends."""
        self._rows.pop(label, None)
        if title in self._tasks:
            self._bar.advance(self._tasks[title])
        for step, message in failures:
            self._console.print(f"[bold red]{escape(label)}[/] {escape(step)}: {escape(message)}", soft_wrap=True)

    def left(self, seconds: float | None) -> None:
        """The rest will take so long."""
        self._end = None if seconds is None else time.monotonic() + seconds

    def stopping(self) -> None:
        """The launch was interrupted."""
        self._console.print(f"[yellow]{_STOPPING}[/]")
