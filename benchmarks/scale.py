"""Thousands of registered samples: the sensor's tick, `poma status`, `plan` and `run` with nothing to do, the UI.

``python benchmarks/scale.py [--samples 1000 10000] [--folder DIR] [--no-ui] [--profile]``

The studies are simulated at the level of tables (``large_study.py``) and made anew unless the folder has them. Every
command is a fresh process, its start and imports included, and so is the tick, which is timed without them: the first
one remembers nothing of earlier ones, the second does; both plan the whole study and find nothing to ask for.
The UI is dagster-webserver on loopback over the study (without daemon, so that no sensor starts runs); its pages are
opened in a headless Chromium, and the GraphQL operations that took longest are printed.
``--profile`` writes a cProfile file of each command beside the study.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from importlib.metadata import version
from pathlib import Path

from browser_timing import browser_page, chromium, time_page
from process_cost import measure

REPOSITORY = Path(__file__).resolve().parents[1]
PAGES = {
    "asset page, overview": "/assets/trimmed_reads",
    "asset page, partitions": "/assets/trimmed_reads?view=partitions",
    "asset graph of the group reads": "/locations/__repository__@poma_assets.definitions/asset-groups/reads",
}
MOST_PAGE_S = 300.0
COMMANDS = {
    "poma status": ["-m", "poma_assets.cli.main", "status"],
    "poma plan": ["-m", "poma_assets.cli.main", "plan"],
    "poma run, nothing to do": ["-m", "poma_assets.cli.main", "run"],
}
TICKS = """
import json, os, sys, time
import dagster as dg
from poma_assets.definitions import defs
from poma_assets.resources import StudyResource
from poma_assets.sensors import SENSORS
instance, cursor = dg.DagsterInstance.get(), None
for tick in range(2):
    context = dg.build_sensor_context(instance=instance, cursor=cursor, repository_def=defs.get_repository_def())
    began, used = time.monotonic(), time.process_time()
    result = SENSORS[0](context, study=StudyResource(root=os.environ["POMA_STUDY"]))
    requests = len(getattr(result, "run_requests", None) or [])
    print(json.dumps([time.monotonic() - began, time.process_time() - used, requests]))
    cursor = getattr(result, "cursor", None) or context.cursor or cursor
"""


def study_of(folder: Path, samples: int, env: dict[str, str]) -> Path:
    """The study of that size, made if the folder does not have it."""
    root = folder / f"samples_{samples}"
    if not (root / "made").is_file():
        shutil.rmtree(root, ignore_errors=True)
        began = time.monotonic()
        code = "import sys; from pathlib import Path; from large_study import make_large_study; "
        code += "make_large_study(Path(sys.argv[1]), int(sys.argv[2]))"
        path = os.pathsep.join([str(Path(__file__).parent), env["PYTHONPATH"]])
        argv = [sys.executable, "-W", "ignore", "-c", code, str(root), str(samples)]
        subprocess.run(argv, check=True, env={**env, "PYTHONPATH": path})
        (root / "made").touch()
        size_mb = (root / "results" / "warehouse.duckdb").stat().st_size / 1e6
        print(f"study of {samples:,} samples made in {time.monotonic() - began:.0f} s, warehouse {size_mb:.0f} MB\n")
    return root


def time_commands(root: Path, env: dict[str, str], *, profile: bool) -> Iterator[tuple[str, str, str, str]]:
    """Rows of the table: what, wall, CPU, remark."""
    log = root / "last.log"
    for title, command in COMMANDS.items():
        cost = measure([sys.executable, *command], log=log, cwd=root, env=env)
        last = log.read_text().strip().splitlines()[-1]
        yield title, f"{cost.wall_s:.1f}", f"{cost.cpu_s:.1f}", f"{cost.peak_mib:,.0f} MiB; {last[:70]}"
        if profile:
            target = root / f"{title.split(',')[0].replace(' ', '_')}.prof"
            argv = [sys.executable, "-m", "cProfile", "-o", target, *command]
            subprocess.run(argv, cwd=root, env=env, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    argv = [sys.executable, "-W", "ignore", "-c", TICKS]
    if profile:
        argv = [sys.executable, "-W", "ignore", "-m", "cProfile", "-o", str(root / "sensor.prof"), _script(root)]
    done = subprocess.run(argv, cwd=root, env=env, check=True, text=True, stdout=subprocess.PIPE)
    for title, line in zip(("without a memory", "again"), done.stdout.strip().splitlines(), strict=True):
        wall_s, cpu_s, requests = json.loads(line)
        yield f"sensor tick, {title}", f"{wall_s:.1f}", f"{cpu_s:.1f}", f"{requests:,} run requests"


def _script(root: Path) -> str:
    path = root / "ticks.py"
    path.write_text(TICKS)
    return str(path)


@contextmanager
def webserver(root: Path, env: dict[str, str]) -> Iterator[tuple[str, float]]:
    """The UI's server over the study, and the seconds until it answered."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    argv = [str(Path(sys.executable).parent / "dagster-webserver"), "-m", "poma_assets.definitions"]
    argv += ["-h", "127.0.0.1", "-p", str(port), "--log-level", "warning"]
    began = time.monotonic()
    with (root / "webserver.log").open("wb") as log:
        process = subprocess.Popen(argv, cwd=root, env=env, stdout=log, stderr=subprocess.STDOUT)
    try:
        address = f"http://127.0.0.1:{port}"
        while True:
            try:
                urllib.request.urlopen(f"{address}/server_info", timeout=60).read()
                break
            except OSError:
                if process.poll() is not None or time.monotonic() - began > 120:
                    raise SystemExit(f"the webserver did not start; see {root / 'webserver.log'}") from None
                time.sleep(0.2)
        yield address, time.monotonic() - began
    finally:
        process.terminate()
        process.wait()


def time_ui(root: Path, env: dict[str, str], program: str) -> Iterator[tuple[str, str, str, str]]:
    """Rows of the table: every page, until its last answer, and its slowest operations. Each is opened twice."""
    with webserver(root, env) as (address, start_s), browser_page(program) as page:
        yield "webserver start", f"{start_s:.1f}", "", ""
        for title, path in PAGES.items():
            for turn in ("first", "again"):
                timing = time_page(page, address + path, at_most_s=MOST_PAGE_S)
                slowest = sorted(timing.operations, key=lambda one: -one[1])[:4]
                told = ", ".join(f"{name} {seconds:.1f}" for name, seconds in slowest)
                told += f"; without answer: {', '.join(timing.unanswered)}" if timing.unanswered else ""
                yield f"{title}, {turn}", f"{timing.settled_s:.1f}", "", told


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, nargs="+", default=[1_000, 10_000])
    parser.add_argument("--folder", type=Path, help="keeps the studies; default: a temporary one")
    parser.add_argument("--no-ui", action="store_true")
    parser.add_argument("--only-ui", action="store_true")
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    program = None if options.no_ui else chromium()
    versions = ", ".join(f"{name} {version(name)}" for name in ("dagster", "duckdb", "pandas"))
    print(f"{date.today()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; {versions}\n")
    with tempfile.TemporaryDirectory(prefix="scale-") as temporary:
        folder = (options.folder or Path(temporary)).resolve()
        for samples in options.samples:
            python_path = os.pathsep.join(filter(None, [str(REPOSITORY), os.environ.get("PYTHONPATH")]))
            env = {**os.environ, "PYTHONPATH": python_path, "PYTHONWARNINGS": "ignore"}
            root = study_of(folder, samples, env)
            env |= {"POMA_STUDY": str(root), "DAGSTER_HOME": str(root / ".dagster")}
            print(f"| {samples:,} samples | wall s | CPU s | remark |\n|---|---:|---:|---|")
            if not options.only_ui:
                for row in time_commands(root, env, profile=options.profile):
                    print(f"| {' | '.join(row)} |", flush=True)
            if program is not None:
                for row in time_ui(root, env, program):
                    print(f"| {' | '.join(row)} |", flush=True)
            elif not options.no_ui:
                print("| UI | not measured: no Chromium (sudo apt-get install chromium) | | |")
            print(f"\nload {os.getloadavg()[0]:.1f}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
