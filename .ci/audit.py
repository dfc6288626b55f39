"""Whether vulnerabilities of the pinned packages are known: pip-audit over ``.ci/requirements.txt``, where it can ask.

``python .ci/audit.py [--dev]``. Exit status: 0 if none is known, or if nobody could be asked (it says so); 1 if one is.
pip-audit is looked for on the PATH and beside this Python; ``--install`` gets it for this once.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import venv
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_SERVICES = ("pypi", "osv")
_TIMEOUT_S = 15
_LONGEST_S = 600


def audit(program: Sequence[str], lock: Path) -> int:
    """Ask one service after another until one answers; print what is known."""
    for service in _SERVICES:
        options = ["--no-deps", "--disable-pip", "--progress-spinner", "off", "--format", "json"]
        argv = [*program, "-r", str(lock), "-s", service, "--timeout", str(_TIMEOUT_S), *options]
        try:
            done = subprocess.run(argv, capture_output=True, text=True, timeout=_LONGEST_S, check=False)
            found = json.loads(done.stdout)["dependencies"]
        except (subprocess.TimeoutExpired, ValueError, KeyError, TypeError):
            continue
        # An index without a record of vulnerabilities answers, too: of packages that are skipped nothing is known.
        checked = [package for package in found if "skip_reason" not in package]
        if not checked:
            continue
        known = [(package, one) for package in checked for one in package["vulns"]]
        for package, one in known:
            fixed = ", ".join(one["fix_versions"]) or "no version yet"
            say(f"{package['name']} {package['version']}: {one['id']} ({', '.join(one['aliases'])}), mended in {fixed}")
        skipped = f", {len(found) - len(checked)} could not be checked" if len(found) > len(checked) else ""
        say(f"{len(checked)} packages checked{skipped}, {len(known)} known vulnerabilities (asked: {service})")
        return 1 if known else 0
    say("no service of vulnerabilities could be reached from here: nothing was checked")
    return 0


def installed(folder: Path) -> list[str] | None:
    """pip-audit in an environment of its own; None if it cannot be had."""
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    argv = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", "pip-audit"]
    done = subprocess.run(argv, capture_output=True, check=False)
    return [str(python), "-m", "pip_audit"] if done.returncode == 0 else None


def say(text: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> int:
    """Find pip-audit and ask."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dev", action="store_true", help="the packages of developers, too")
    parser.add_argument("--install", action="store_true", help="get pip-audit for this once")
    asked = parser.parse_args()
    lock = ROOT / ".ci" / ("requirements-dev.txt" if asked.dev else "requirements.txt")
    beside = Path(sys.executable).with_name("pip-audit")
    program = str(beside) if beside.exists() else shutil.which("pip-audit")
    if program:
        return audit([program], lock)
    if not asked.install:
        say("pip-audit is not installed: nothing was checked (--install gets it for this once)")
        return 0
    with tempfile.TemporaryDirectory(prefix="poma-audit-") as folder:
        made = installed(Path(folder))
        if made is None:
            say("pip-audit cannot be had from here: nothing was checked")
            return 0
        return audit(made, lock)


if __name__ == "__main__":
    sys.exit(main())
