"""Operations of the storage, one by one: so small that they can be broken off at every single call that they make.

Each is prepared in an empty folder, and acts there; acting twice must leave the same as acting once.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pandas as pd

from poma_assets import up_to_date
from poma_assets.storage import rollback_journal
from poma_assets.storage.hashing import HashCache, file_identity
from poma_assets.storage.publish import publish_study_database
from poma_assets.storage.shared_file import link_or_copy, shared_file
from poma_assets.storage.staging import (
    move_into_place,
    plain_storage_errors,
    staged_directory,
    work_folder,
    write_whole_text,
)
from poma_assets.storage.step_output import FileArtefact, StepOutput
from poma_assets.storage.warehouse import Warehouse

_ROWS = 400
_KEY = {"sample_id": "S1", "counter": "featurecounts"}


@dataclass(frozen=True)
class Operation:
    """Something that the storage does; both parts get the folder."""

    name: str
    prepare: Callable[[Path], None]
    act: Callable[[Path], None]


def _warehouse(folder: Path) -> Warehouse:
    return Warehouse(folder / "results" / "warehouse.duckdb", lock_timeout_s=30)


def _store(folder: Path, number: int) -> None:
    file = folder / "results" / "files" / "counts.txt"
    with work_folder(file) as work, plain_storage_errors(file):
        (work / file.name).write_text(f"generation {number}\n" * 50)
        move_into_place({work / file.name: file})
    genes = [f"ENSG{i:011d}" for i in range(_ROWS)]
    counts = pd.DataFrame({"sample_id": "S1", "gene_id": genes, "counter": "featurecounts", "count": number})
    assigned = pd.DataFrame(
        {"sample_id": ["S1"], "counter": "featurecounts", "category": "Assigned", "fragments": [number]}
    )
    _warehouse(folder).write(
        StepOutput(
            tables={"gene_counts": counts, "count_assignment": assigned}, files={"counts": FileArtefact(file, "t", "1")}
        ),
        asset="gene_counts",
        partition="S1",
        study_root=folder,
        fingerprint=str(number),
        data_version=str(number),
        inputs={"code_version": str(number)},
        run_id="run",
        partition_values={"gene_counts": _KEY, "count_assignment": _KEY},
    )


def _stored(folder: Path) -> None:
    (folder / "results").mkdir(parents=True)
    _store(folder, 1)


def _empty(folder: Path) -> None:
    (folder / "results").mkdir(parents=True)


def _drop(folder: Path) -> None:
    _warehouse(folder).drop_files([("gene_counts", "S1", "counts")], study_root=folder)


def _published(folder: Path) -> None:
    _stored(folder)
    _publish(folder)
    _store(folder, 2)


def _publish(folder: Path) -> None:
    publish_study_database(_warehouse(folder), folder / "results" / "study.duckdb")


def _replace_folder(folder: Path, number: int = 2) -> None:
    with staged_directory(folder / "results" / "reports") as staging:
        for name in ("a.html", "b.html"):
            (staging / name).write_text(f"{number}\n" * 1000)


def _move_files(folder: Path, number: int = 2) -> None:
    target = folder / "results" / "alignments"
    with work_folder(target) as work, plain_storage_errors(target):
        for name in ("a.counts", "a.index", "log"):
            (work / name).write_text(f"{number}\n" * 1000)
        move_into_place({work / name: target / name for name in ("a.counts", "a.index", "log")})


def _write_text(folder: Path, number: int = 2) -> None:
    write_whole_text(folder / "results" / "settings.yaml", f"{number}\n" * 100)


def _share(folder: Path) -> None:
    def make(path: Path) -> None:
        path.write_text("a fit\n" * 100)

    path, _ = shared_file(folder / "results" / "shared", "key.npz", make, describe="a fit")
    with staged_directory(folder / "results" / "design_fit") as staging:
        link_or_copy(path, staging / "fit.npz")


def _stamp(folder: Path) -> None:
    inputs = [folder / "poma.yaml"]
    up_to_date.stamp(folder / "results", folders=[folder], inputs=inputs, outputs=[], began_ns=2**62)


def _configured(folder: Path) -> None:
    _empty(folder)
    (folder / "poma.yaml").write_text("name: x\n")


def _remember(folder: Path) -> None:
    path = folder / "poma.yaml"
    HashCache(folder / "results" / ".hashes").remember(path, file_identity(path), "hash")


def _with_log(folder: Path) -> None:
    """As a program leaves the warehouse that was killed with changes in its write-ahead log."""
    _stored(folder)
    path = folder / "results" / "warehouse.duckdb"
    with closing(duckdb.connect(str(path))) as connection:
        connection.execute("PRAGMA disable_checkpoint_on_shutdown")
        connection.execute("UPDATE gene_counts SET count = 7")


def _torn(folder: Path) -> None:
    """As a killed checkpoint leaves the warehouse: a block half written, and the journal."""
    _stored(folder)
    path = folder / "results" / "warehouse.duckdb"
    with closing(duckdb.connect(str(path), read_only=True)) as connection:
        blocks = [row[0] for row in connection.execute("SELECT block_id FROM pragma_metadata_info()").fetchall()]
    rollback_journal.save(path, blocks)
    with path.open("r+b") as file:
        file.seek(12_288 + blocks[0] * 262_144)
        file.write(b"\x5a" * 4096)


def _read(folder: Path) -> None:
    _warehouse(folder).read("gene_counts")


OPERATIONS = (
    Operation("store a step again", _stored, lambda folder: _store(folder, 2)),
    Operation("store the first step", _empty, lambda folder: _store(folder, 1)),
    Operation("drop files", _stored, _drop),
    Operation("publish study.duckdb", _published, _publish),
    Operation("fold in a log", _with_log, _read),
    Operation("undo a torn checkpoint", _torn, _read),
    Operation("replace a folder", lambda folder: _replace_folder(folder, 1), _replace_folder),
    Operation("move files into place", lambda folder: _move_files(folder, 1), _move_files),
    Operation("write a text", lambda folder: _write_text(folder, 1), _write_text),
    Operation("share a file", _empty, _share),
    Operation("stamp as up to date", _configured, _stamp),
    Operation("remember a hash", _configured, _remember),
)


def act(name: str, folder: str) -> None:
    """Let an operation act."""
    next(operation for operation in OPERATIONS if operation.name == name).act(Path(folder))
