from __future__ import annotations

import json
import shutil

import pytest

from poma_assets.tools import machine_check
from poma_assets.tools.machine_check import examine_machine
from poma_assets.tools.versions import tool_version


@pytest.fixture
def bare_path(tmp_path, monkeypatch):
    """A PATH with nothing on it but what a test puts there."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    tool_version.cache_clear()
    yield folder
    tool_version.cache_clear()


def found(name, kind):
    return next(one for one in examine_machine() if (one.name, one.kind) == (name, kind))


def test_a_missing_program_comes_with_the_line_that_installs_it(bare_path):
    star = found("STAR", "program")
    assert star.state == "missing"
    assert "apt-get install rna-star" in star.fix
    assert "bioconda" in star.fix


def test_a_program_that_is_too_old_or_broken_is_missing(bare_path):
    sh = shutil.which("sh", path="/bin:/usr/bin")
    for name, line in (("featureCounts", "echo 'featureCounts v1.6.0' >&2"), ("STAR", "echo hello")):
        (bare_path / name).write_text(f"#!{sh}\n{line}\n")
        (bare_path / name).chmod(0o755)
    old = found("featureCounts", "program")
    assert (old.state, old.found) == ("missing", "1.6.0")
    assert "2.0.2 or newer" in old.fix
    broken = found("STAR", "program")
    assert (broken.state, "did not tell its version" in broken.found) == ("missing", True)


def test_packages_are_those_that_are_declared_with_the_versions_that_are_asked_for(monkeypatch):
    duckdb = found("duckdb", "package")
    assert (duckdb.state, duckdb.found) == ("ok", "1.5.5")
    assert not [one for one in examine_machine() if one.name == "pytest"]
    asked = ["duckdb==0.1", "no-such-package>=1", "numpy", 'ruff>=99; extra == "dev"']
    monkeypatch.setattr(machine_check.metadata, "requires", lambda name: asked)
    states = {one.name: one.state for one in examine_machine() if one.kind == "package"}
    assert states == {"poma-assets": "ok", "duckdb": "missing", "no-such-package": "missing", "numpy": "ok"}


def test_little_memory_and_little_room_are_warnings(monkeypatch, tmp_path):
    monkeypatch.setenv("POMA_CACHE", str(tmp_path / "not" / "yet"))
    monkeypatch.setattr(machine_check, "machine_memory_bytes", lambda: 8_000_000_000)
    monkeypatch.setattr(machine_check.shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(9e12, 9e12, 1e9))
    memory, cache = found("memory", "machine"), found("cache", "machine")
    assert (memory.state, memory.found) == ("warning", "8.0 GB")
    assert (cache.state, "1.0 GB free" in cache.found) == ("warning", True)
    assert "POMA_CACHE" in cache.fix


def test_the_doctor_tells_programs_and_people_and_fails_if_something_is_missing(poma, bare_path):
    result = poma("doctor", "--json")
    told = json.loads(result.stdout)
    assert (result.returncode, told["sound"]) == (1, False)
    assert {one["name"] for one in told["findings"] if one["state"] == "missing"} >= {"STAR", "fastqc"}
    printed = poma("doctor")
    assert printed.returncode == 1
    assert "missing  STAR" in printed.stdout
