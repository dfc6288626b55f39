"""What is installed is pinned, listed, and asked about: the scripts of ``.ci``."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

CI = Path(__file__).resolve().parents[1] / ".ci"


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, CI / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("lock", ["requirements.txt", "requirements-dev.txt"])
def test_the_bill_of_materials_lists_every_pin_with_its_hashes(lock: str) -> None:
    text = (CI / lock).read_text(encoding="utf-8")
    bill = load("sbom").bill_of_materials(text, "poma-assets", "0.1.0")
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    names = [component["name"] for component in bill["components"]]
    assert len(names) == len(set(names)) == len(re.findall(r"^[A-Za-z0-9].*==", text, re.MULTILINE))
    by_name = {component["name"]: component for component in bill["components"]}
    assert by_name["duckdb"]["purl"] == "pkg:pypi/duckdb@1.5.5"
    assert all(component["properties"] for component in bill["components"])
    assert sum(len(component["properties"]) for component in bill["components"]) == text.count("--hash=sha256:")
    assert load("sbom").bill_of_materials(text, "poma-assets", "0.1.0") == bill


def said(output: object) -> list[str]:
    """A program that prints what pip-audit would."""
    return [sys.executable, "-c", f"print({json.dumps(output)!r})"]


VULNERABLE = {"name": "x", "version": "1", "vulns": [{"id": "PYSEC-1", "aliases": ["CVE-1"], "fix_versions": ["2"]}]}


@pytest.mark.parametrize(
    ("output", "status", "words"),
    [
        ({"dependencies": [VULNERABLE]}, 1, "x 1: PYSEC-1 (CVE-1), mended in 2"),
        (
            {"dependencies": [{"name": "x", "version": "1", "vulns": []}]},
            0,
            "1 packages checked, 0 known vulnerabilities",
        ),
        ({"dependencies": [{"name": "x", "skip_reason": "not found"}]}, 0, "nothing was checked"),
        ("no network", 0, "nothing was checked"),
    ],
)
def test_the_audit_says_what_is_known_and_where_nobody_could_be_asked(
    output: object, status: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert load("audit").audit(said(output), CI / "requirements.txt") == status
    assert words in capsys.readouterr().out
