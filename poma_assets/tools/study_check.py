"""What `poma doctor` says of a study folder: who else may change it, and links that lead out of its results."""

from __future__ import annotations

import re
import stat
from collections.abc import Iterator
from pathlib import Path

from poma_assets.science.errors import StorageError
from poma_assets.storage.cache_folder import cache_folder
from poma_assets.storage.results_folder import foreign_links, refuse_foreign_results
from poma_assets.tools.machine_check import Finding

_CONFIG = "poma.yaml"
_LOOKED_AT = (".", _CONFIG, "samples.tsv", "samples.csv", "contrasts.tsv", "qc_overrides.tsv", "results", ".dagster")
_SECRET = re.compile(r"^\s*webhook\s*:\s*[\"']?https?:", re.MULTILINE)


def examine_study(root: Path) -> list[Finding]:
    """Look at a study folder; nothing raises, nothing is changed."""
    return list(_findings(root)) or [Finding("study", "study", "ok", f"{root}: only you and your group may change it")]


def _findings(root: Path) -> Iterator[Finding]:
    open_to_all = [name for name in _LOOKED_AT if _is_open_to_all(root / name)]
    if open_to_all:
        names = ", ".join("the folder" if name == "." else name for name in open_to_all)
        fix = f"whoever has an account here can change results and what is run: chmod -R o-w {root}"
        yield Finding("study", "study", "warning", f"everybody may write: {names}", fix)
    if _is_open_to_all(cache_folder("")):
        fix = f"everybody's STAR indices and references are taken from there: chmod -R o-w {cache_folder('')}"
        yield Finding("cache", "study", "warning", f"everybody may write: {cache_folder('')}", fix)
    if _shows_a_secret(root / _CONFIG):
        fix = f"whoever has it can post: write env:NAME instead, or chmod o-r {root / _CONFIG}"
        yield Finding("poma.yaml", "study", "warning", "everybody may read the address of the webhook", fix)
    try:
        refuse_foreign_results(root / "results")
        links = list(foreign_links(root / "results"))
    except (StorageError, OSError) as error:
        yield Finding("results", "study", "warning", str(error))
        return
    for link in links[:5]:
        fix = "remove it: `poma run` refuses to write there"
        yield Finding("results", "study", "warning", f"a link leads out of the results: {link}", fix)


def _is_open_to_all(path: Path) -> bool:
    """Whether everybody may write; in a folder with the sticky bit, such as /tmp, nobody can replace others' files."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return bool(mode & stat.S_IWOTH) and not mode & stat.S_ISVTX


def _shows_a_secret(config: Path) -> bool:
    try:
        readable = config.stat().st_mode & stat.S_IROTH
        return bool(readable) and _SECRET.search(config.read_text(encoding="utf-8", errors="replace")) is not None
    except OSError:
        return False
