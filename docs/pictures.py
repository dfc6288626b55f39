"""Makes the pictures of the documentation from the demo: ``./poma demo && python docs/pictures.py demo_study``.

Chromium (Debian: ``apt-get install chromium``) takes them of the study report and of ``poma ui``; the table of verdicts
is what the command line prints.
"""

from __future__ import annotations

import base64
import io
import itertools
import json
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from rich.console import Console

from poma_assets.cli import verdicts
from poma_assets.resources import StudyResource

IMAGES = Path(__file__).resolve().parent / "images"
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))
from browser_timing import browser_page, chromium  # noqa: E402

SHOWN = ("IRF4", "MYC", "IFITM1", "DNMT3A", "MICA", "IKZF1", "IFNG")
OPEN_FIGURE = """
[...document.querySelectorAll('tr')]
  .find(row => row.innerText.startsWith('effects'))?.querySelector('button, a')?.click()
"""
_ids = itertools.count(1)


def verdict_table(study: Path) -> str:
    """Some verdicts of the demo as the terminal shows them, as SVG that asks nobody for a font."""
    resource = StudyResource(root=str(study))
    frame = verdicts.read_verdicts(resource, "pom_in_sensitive")
    frame = frame[frame["gene_symbol"].isin(SHOWN)]
    verdicts.out = Console(record=True, width=112, file=io.StringIO(), force_terminal=True)
    verdicts.print_verdicts(frame)
    svg = verdicts.out.export_svg(title="poma verdicts", unique_id="verdicts")
    return re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)


@contextmanager
def user_interface(study: Path) -> Iterator[str]:
    """`poma ui` over the study; its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "poma_assets.cli.main", "ui", "--study", str(study), "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(120):
            with suppress(OSError), urllib.request.urlopen(f"{address}/server_info", timeout=5):
                break
            time.sleep(1)
        yield address
    finally:
        process.terminate()
        process.wait()


def ask(page: Any, method: str, **parameters: Any) -> dict[str, Any]:
    """Send one command to the browser and wait for its answer."""
    number = next(_ids)
    page.send(json.dumps({"id": number, "method": method, "params": parameters}))
    while True:
        answer = json.loads(page.recv(timeout=60))
        if answer.get("id") == number:
            return answer.get("result", {})


def take(page: Any, address: str, target: Path, *, size: tuple[int, int], wait_s: float, script: str = "") -> None:
    """Open an address, wait until it stands still, and write what is seen."""
    ask(page, "Emulation.setDeviceMetricsOverride", width=size[0], height=size[1], deviceScaleFactor=1, mobile=False)
    ask(page, "Page.navigate", url=address)
    time.sleep(wait_s)
    if script:
        ask(page, "Runtime.evaluate", expression=script)
        time.sleep(3)
    shot = ask(page, "Page.captureScreenshot", format="png")
    target.write_bytes(base64.b64decode(shot["data"]))


def main() -> None:
    """Make all pictures."""
    if len(sys.argv) != 2:
        raise SystemExit("usage: python docs/pictures.py DEMO_STUDY")
    study, program = Path(sys.argv[1]).resolve(), chromium()
    if program is None:
        raise SystemExit("Chromium is not installed: apt-get install chromium")
    (IMAGES / "verdict_table.svg").write_text(verdict_table(study), encoding="utf-8")
    report = study / "results" / "reports" / "study" / "study_report.html"
    with user_interface(study) as address, browser_page(program) as page:
        take(page, report.as_uri(), IMAGES / "study_report.png", size=(1200, 900), wait_s=5)
        take(page, f"{address}/asset-groups", IMAGES / "asset_graph.png", size=(1600, 800), wait_s=20)
        verdict_page = f"{address}/assets/marker_verdicts?view=partitions&partition=pom_in_sensitive"
        take(page, verdict_page, IMAGES / "marker_verdicts.png", size=(1600, 1000), wait_s=15, script=OPEN_FIGURE)


if __name__ == "__main__":
    main()
