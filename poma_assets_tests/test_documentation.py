"""The documentation is true and whole: what it quotes is in the code, what is generated is of now, the site builds."""

from __future__ import annotations

import ast
import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
QUOTED = re.findall(r"^\| `([^`]+)` \|", (DOCS / "troubleshooting.md").read_text(encoding="utf-8"), re.MULTILINE)


def load_generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate_docs", DOCS / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def texts() -> list[str]:
    """Every text of the code as it is written, names and numbers as an ellipsis."""
    found = []
    for path in sorted((ROOT / "poma_assets").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
            elif isinstance(node, ast.JoinedStr):
                found.append(
                    "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)
                )
    return found


@pytest.mark.parametrize("message", QUOTED)
def test_a_message_that_is_explained_is_one_that_the_program_prints(texts, message):
    assert message in texts


def test_the_page_of_messages_has_what_people_meet_first():
    assert len(QUOTED) > 40
    assert {"the program … is not installed", "the disk is full", "… is no study folder"} <= set(QUOTED)


def test_the_page_of_commands_is_that_of_the_commands_of_now():
    generated = load_generator().command_line_page()
    assert (DOCS / "command-line.md").read_text(encoding="utf-8") == generated, "write it anew: python docs/generate.py"


def test_the_table_of_thresholds_is_that_of_now():
    generated = load_generator().quality_page()
    assert (DOCS / "quality.md").read_text(encoding="utf-8") == generated, "write it anew: python docs/generate.py"


def test_the_site_builds_and_every_link_leads_somewhere(tmp_path):
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-f", str(ROOT / ".ci" / "mkdocs.yml")]
    built = subprocess.run([*command, "-d", str(tmp_path / "site")], capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    pages = {path.relative_to(tmp_path / "site").as_posix() for path in (tmp_path / "site").rglob("*.html")}
    sources = {path.relative_to(DOCS).with_suffix(".html").as_posix() for path in DOCS.rglob("*.md")}
    assert pages >= sources
    assert "fit_deseq2" in (tmp_path / "site" / "api.html").read_text(encoding="utf-8")


def test_every_link_of_the_readme_leads_to_a_file():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    links = re.findall(r"\]\((?!https?:)([^)#]+)", text)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []
