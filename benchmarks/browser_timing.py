"""What a page of the Dagster UI asks for and how long it takes, in a headless Chromium; ``scale.py`` imports this.

Chromium (Debian: ``apt-get install chromium``) is driven over its debugging port on loopback.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

QUIET_S = 3.0
"""A page has come to rest when nothing new was asked for so long (the UI asks the same again every few seconds)."""


@dataclass
class PageTiming:
    """Seconds until everything had been answered once, and of every operation; ``unanswered`` came not in time."""

    settled_s: float
    operations: list[tuple[str, float]] = field(default_factory=list)
    unanswered: list[str] = field(default_factory=list)


def chromium() -> str | None:
    """Path of the browser, if there is one."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@contextmanager
def browser_page(program: str) -> Iterator[ClientConnection]:
    """Start the browser and connect to its one page."""
    with tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True) as profile:
        argv = [program, "--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0"]
        argv += [f"--user-data-dir={profile}", "--no-first-run", "--window-size=1600,1000", "about:blank"]
        process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            with connect(_page_address(Path(profile)), max_size=None) as page:
                yield page
        finally:
            process.terminate()
            process.wait()


def _page_address(profile: Path) -> str:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            port = (profile / "DevToolsActivePort").read_text().split()[0]
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list", timeout=10) as answer:
                pages = [target for target in json.load(answer) if target["type"] == "page"]
            return str(pages[0]["webSocketDebuggerUrl"])
        except (OSError, IndexError, ValueError):
            time.sleep(0.2)
    raise SystemExit("Chromium did not start within a minute")


def time_page(page: ClientConnection, address: str, *, at_most_s: float) -> PageTiming:
    """Open an address in an empty page and watch its requests until the page comes to rest."""
    for method in ("Network.enable", "Page.enable"):
        _send(page, method)
    _send(page, "Page.navigate", url="about:blank")
    _drain(page)
    _send(page, "Page.navigate", url=address)
    began = last = time.monotonic()
    waiting: dict[str, tuple[str, float]] = {}
    asked: set[str] = set()
    timing = PageTiming(0.0)
    while time.monotonic() - began < at_most_s and (waiting or not asked or time.monotonic() - last < QUIET_S):
        try:
            event = json.loads(page.recv(timeout=0.5))
        except TimeoutError:
            continue
        now, question = time.monotonic(), _question(event)
        if question is not None and question not in asked:
            asked.add(question)
            name = str(json.loads(question).get("operationName"))
            waiting[event["params"]["requestId"]], last = (name, now), now
        elif event.get("method") in ("Network.loadingFinished", "Network.loadingFailed"):
            known = waiting.pop(event["params"]["requestId"], None)
            if known is not None:
                timing.operations.append((known[0], now - known[1]))
                timing.settled_s, last = now - began, now
    timing.unanswered = [name for name, _ in waiting.values()]
    return timing


def _send(page: ClientConnection, method: str, **parameters: str) -> None:
    page.send(json.dumps({"id": 1, "method": method, "params": parameters}))


def _drain(page: ClientConnection) -> None:
    """Forget what the page before still asked for."""
    with suppress(TimeoutError):
        while True:
            page.recv(timeout=1.0)


def _question(event: dict[str, Any]) -> str | None:
    """The GraphQL request, operation and variables, that an event tells of."""
    if event.get("method") != "Network.requestWillBeSent":
        return None
    request = event["params"]["request"]
    is_query = request["url"].split("?")[0].endswith("/graphql") and "postData" in request
    return str(request["postData"]) if is_query else None
