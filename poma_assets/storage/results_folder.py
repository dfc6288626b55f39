"""Whether the places where results are written and removed are the study's own, and not links to somewhere else.

``results`` itself may be a link to a roomier disk, if what it leads to is empty or holds results of ours. Within it no
folder may be a link that leads out: what a step writes or removes there would be somebody else's.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from poma_assets.science.errors import StorageError

_OUR_MARKS = frozenset({"warehouse.duckdb", "study.duckdb", ".run.lock"})
_OUR_FOLDERS = frozenset({"files", "logs", "reports", "shared"})


def refuse_foreign_results(results_dir: Path, *parts: str) -> None:
    """Refuse results that a link leads away from the study.

    Parameters
    ----------
    results_dir
        The study's ``results``.
    parts
        Folders below it that are about to be written, outermost first: ``"files", "alignments"``; each is looked at.

    Raises
    ------
    StorageError
        Naming the link and where it leads.
    """
    if results_dir.is_symlink() and not _is_ours(results_dir):
        raise StorageError(
            "the results folder is a link to a folder with other things in it",
            where=str(results_dir),
            found=f"a link to {_target(results_dir)}",
            expected="a folder, or a link to an empty one (or to earlier results)",
            fix="Remove the link, or make an empty folder there and link to that.",
        )
    folder = results_dir
    for part in parts:
        folder = folder / part
        if folder.is_symlink() and not _leads_within(folder, results_dir):
            raise _foreign(folder)


def foreign_links(results_dir: Path) -> Iterator[Path]:
    """Links that lead out of the results, in the places where steps write: folders of samples, logs, databases.

    Links to single files in a sample's folder are ours: reads of one lane are not copied.
    """
    reports = results_dir / "reports"
    for place in (results_dir, results_dir / "files", results_dir / "logs", reports, reports / "contrasts"):
        yield from _links_in(place, results_dir)
    for asset in _folders(results_dir / "logs"):
        yield from _links_in(asset, results_dir)
    for asset in _folders(results_dir / "files"):
        yield from (link for link in _links_in(asset, results_dir) if link.is_dir())


def _links_in(folder: Path, results_dir: Path) -> Iterator[Path]:
    if not folder.is_dir():
        return
    with os.scandir(folder) as entries:
        links = sorted(entry.name for entry in entries if entry.is_symlink())
    yield from (folder / name for name in links if not _leads_within(folder / name, results_dir))


def _folders(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    with os.scandir(folder) as entries:
        return [folder / entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]


def refuse_foreign_links(results_dir: Path) -> None:
    """Look through the results before a run or a cleaning, down to the folders of samples and contrasts.

    Raises
    ------
    StorageError
        As `refuse_foreign_results`.
    """
    refuse_foreign_results(results_dir)
    for link in foreign_links(results_dir):
        raise _foreign(link)


def _foreign(link: Path) -> StorageError:
    return StorageError(
        "a link leads out of the results, where something else would be overwritten or removed",
        where=str(link),
        found=f"a link to {_target(link)}",
        expected="a file or folder of the study",
        fix="Remove the link; what was there is made again.",
    )


def _target(link: Path) -> str:
    return os.path.realpath(link)


def _leads_within(link: Path, results_dir: Path) -> bool:
    return Path(os.path.realpath(link)).is_relative_to(os.path.realpath(results_dir))


def _is_ours(results_dir: Path) -> bool:
    if not results_dir.is_dir():
        return False
    names = {entry.name for entry in os.scandir(results_dir)}
    return bool(names & _OUR_MARKS) or names <= _OUR_FOLDERS
