"""`poma ui` as people meet it: one real webserver and daemon over a finished study, looked at in Chromium."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pandas as pd
import psutil
import pytest
from living_processes import still_there
from playwright.sync_api import Page
from reports.browser import chromium_path, open_browser
from study_instance import instance_of

pytestmark = [
    pytest.mark.tools,
    pytest.mark.skipif(chromium_path() is None, reason="Chromium is not installed (Debian: apt-get install chromium)"),
]

CONTRAST = "pom_in_sensitive"
BAD_NAME = "../x"
MESSAGE = f"line 2, column sample: the sample name is not a valid name (found '{BAD_NAME}'"
_PATIENCE_S = 300.0
_PATIENCE_MS = 120_000


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def study(finished_study: Path, tmp_path: Path) -> Path:
    """The finished study, with a sheet that somebody has broken since."""
    root = Path(shutil.copytree(finished_study, tmp_path / "study", symlinks=True))
    sheet = pd.read_csv(root / "samples.tsv", sep="\t", dtype=str, keep_default_na=False)
    sheet.loc[0, "sample"] = BAD_NAME
    sheet.to_csv(root / "samples.tsv", sep="\t", index=False)
    return root


@contextmanager
def service(study: Path, log: Path) -> Iterator[str]:
    """`poma ui --watch` over the study; its address. It ends by Ctrl-C, with all that it started."""
    port = free_port()
    environment = {key: value for key, value in os.environ.items() if key not in ("DAGSTER_HOME", "POMA_STUDY")}
    command = [sys.executable, "-m", "poma_assets.cli.main", "ui", "--study", str(study), "--port", str(port)]
    process = subprocess.Popen(
        [*command, "--watch"],
        env=environment,
        stdout=log.open("wb"),
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    children: list[psutil.Process] = []
    try:
        wait_for(f"http://127.0.0.1:{port}/server_info", process)
        yield f"http://127.0.0.1:{port}"
    finally:
        if process.poll() is None:
            children = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
        assert still_there(children) == []
    assert len(children) >= 3  # webserver, daemon, code server


def wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(OSError), urllib.request.urlopen(url, timeout=5):
            return
        time.sleep(0.3)
    pytest.fail("`poma ui` did not answer")


def see(page: Page, address: str, *texts: str) -> None:
    """Open a page and wait until it shows all of these."""
    page.goto(address)
    for text in texts:
        page.get_by_text(text).first.wait_for()


def test_people_find_their_way_in_dagsters_page(study, tmp_path):
    runs_before = len(instance_of(study).get_runs())
    errors: list[str] = []
    with service(study, tmp_path / "ui.log") as address, open_browser() as browser:
        page = browser.new_context(viewport={"width": 1400, "height": 1000}).new_page()
        page.set_default_timeout(_PATIENCE_MS)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        look_at_the_asset(page, address)
        look_at_a_contrast(page, address)
        see(page, f"{address}/assets/marker_verdicts?view=checks", "every_verdict_is_explained", "Succeeded")
        see(page, f"{address}/asset-groups", "Global asset lineage", "markers", "quantification")
        automations = ("changed_inputs_sensor", "failed_run_notifier", "verdict_change_notifier", "nightly_update")
        see(page, f"{address}/automation", *automations, "inbox_sensor")
        see(page, f"{address}/runs", "analyse_contrast", f"partition: {CONTRAST}")
        assert "poma" not in page.locator("[class*=row], tr", has_text="analyse_contrast").first.inner_text()
        look_at_the_broken_sheet(page, address)
    assert errors == []
    printed = (tmp_path / "ui.log").read_text()
    assert address in printed
    assert f"warning samples.tsv, {MESSAGE}" in printed
    assert "Traceback" not in printed
    assert len(instance_of(study).get_runs()) == runs_before


def look_at_the_asset(page: Page, address: str) -> None:
    """Description, owner, kinds, rows, and what every column means."""
    see(
        page,
        f"{address}/assets/marker_verdicts",
        "The verdict on every marker hypothesis that this contrast can speak to",
        "poma-assets",
        "DuckDB",
        "Row count",
        "smallest effect of interest",
        "what the columns are made from",
    )


def look_at_a_contrast(page: Page, address: str) -> None:
    """The first rows of the table, and a plot that opens."""
    see(page, f"{address}/assets/marker_verdicts?view=partitions&partition={CONTRAST}", "preview of marker_verdicts")
    page.locator("td table th", has_text="sub_verdict").wait_for()
    assert page.locator("td table tbody tr", has_text="IRF4").count() >= 1
    page.locator("tr", has=page.get_by_text("effects", exact=True)).first.get_by_text("[Show Markdown]").click()
    image = page.locator("img[src^='data:image/png']")
    image.wait_for()
    assert image.evaluate("image => image.complete && image.naturalWidth") == 640
    assert len(image.get_attribute("src") or "") < 80_000


def look_at_the_broken_sheet(page: Page, address: str) -> None:
    """The sensor's last look failed, with the message that the terminal shows."""
    sensor = f"{address}/locations/poma_assets.definitions/sensors/changed_inputs_sensor"
    see(page, sensor, "Watches the sheets and all files they name", "Failure")
    page.get_by_text("View", exact=True).first.click()
    page.get_by_text(MESSAGE).first.wait_for()
