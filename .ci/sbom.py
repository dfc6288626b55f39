"""A bill of materials of what users install: CycloneDX 1.6 (JSON), made from the pins of ``.ci/requirements.txt``.

``python .ci/sbom.py [--dev] [FILE]`` writes it to FILE or standard output. It needs no network and no package: names,
versions, hashes and package URLs are those of the lock, so that it says what ``./poma`` installs and nothing else.
Licences are those of the installed packages, where they are installed.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import uuid
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
_PIN = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)(?:\[[^\]]*\])?==(?P<version>[^\s;\\]+)", re.MULTILINE)
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")
_NAMESPACE = uuid.UUID("6f1d6b0a-3f43-5f0f-9d43-7a1c2f6f8b10")


def pins(lock: str) -> Iterator[tuple[str, str, list[str]]]:
    """Name, version and hashes of every package of a lock."""
    matches = list(_PIN.finditer(lock))
    ends = [match.start() for match in matches[1:]] + [len(lock)]
    for match, end in zip(matches, ends, strict=True):
        name = re.sub(r"[-_.]+", "-", match["name"]).lower()
        yield name, match["version"], _HASH.findall(lock, match.end(), end)


def bill_of_materials(lock: str, project: str, version: str) -> dict[str, Any]:
    """The bill as CycloneDX has it; equal locks give equal bills."""
    components = [component(*pin) for pin in pins(lock)]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(_NAMESPACE, lock)}",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": f"pkg:pypi/{project}@{version}",
                "name": project,
                "version": version,
                "licenses": [{"license": {"id": "MIT"}}],
            }
        },
        "components": components,
    }


def component(name: str, version: str, hashes: list[str]) -> dict[str, Any]:
    """One package. The hashes are those of its files, of which one is installed."""
    purl = f"pkg:pypi/{name}@{version}"
    made: dict[str, Any] = {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}
    licence = licence_of(name, version)
    if licence:
        made["licenses"] = [{"license": {"name": licence}}]
    made["properties"] = [{"name": "poma:sha256", "value": value} for value in hashes]
    return made


def licence_of(name: str, version: str) -> str | None:
    """What the installed package says of its licence, in one line; None where another version or none is installed."""
    try:
        found = metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return None
    if found.version != version:
        return None
    said = found.metadata.get("License-Expression") or found.metadata.get("License") or ""
    classified = [
        line.rpartition(" :: ")[2] for line in found.metadata.get_all("Classifier") or () if "License ::" in line
    ]
    first = said.strip().splitlines()[:1]
    return (first[0][:100] if first and len(said) < 200 else None) or "; ".join(classified) or None


def main() -> None:
    """Write the bill."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", nargs="?", type=Path, help="where to write it; default: standard output")
    parser.add_argument("--dev", action="store_true", help="what developers install, too")
    asked = parser.parse_args()
    lock = ROOT / ".ci" / ("requirements-dev.txt" if asked.dev else "requirements.txt")
    version = re.search(r'^version = "([^"]+)"', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
    bill = bill_of_materials(lock.read_text(encoding="utf-8"), "poma-assets", version[1] if version else "0")
    text = json.dumps(bill, indent=2) + "\n"
    if asked.file is None:
        sys.stdout.write(text)
    else:
        asked.file.write_text(text, encoding="utf-8")
        sys.stderr.write(f"{asked.file}: {len(bill['components'])} packages\n")


if __name__ == "__main__":
    main()
