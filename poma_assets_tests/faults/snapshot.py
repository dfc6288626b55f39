"""What a study holds, without times, run ids and costs: two runs of the same input must give the same."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import zipfile
from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path

import duckdb

from poma_assets.tools.bam import alignments_sha256

Snapshot = dict[str, str]
"""Name of a table -> its rows as text; name of a file -> digest of its content."""

DATABASES = ("warehouse.duckdb", "study.duckdb")

_TOLD = 300
_OF_A_RUN = {"run_id", "wall_s", "cpu_s", "peak_memory_mib"}
_OF_A_CHANGE = {"previous_verdict", "previous_sub_verdict", "cause"}
_NOT_COMPARED = (".dagster", "results/logs", "results/shared")
"""The history of runs and the logs, which tell of every attempt; what steps share and make again if it is missing."""

_MAY_DIFFER = ("results/.hashes", "results/.hashes-journal", "results/.up_to_date.json")
"""May be deleted at any time."""

_TEXTS = (".html", ".json", ".out", ".txt", ".summary")
_DATED = (*_TEXTS, ".zip", ".bam", ".bam.bai", ".npz", ".duckdb")
"""Endings of files that hold times or paths: compared without them, and by their records' other columns."""

_OF_AN_ATTEMPT = (
    # Runs, times and costs in the table of steps of the study report.
    (
        re.compile(rb'(<tr><td class="name">[^<]*</td><td class="n">\d+</td>)<td class="n">\d+</td><td>.*?</tr>'),
        rb"\1",
    ),
    (re.compile(rb"\d{4}-\d\d-\d\d([ T,]+\d\d:\d\d(:\d\d(\.\d+)?)?)?( UTC|Z|\+00:00)?|\d\d:\d\d:\d\d"), b"DATE"),
    (re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"), b"RUN"),
    (re.compile(rb"assets in \d+ runs?"), b"assets in RUNS"),
    # Size and hash of another page, with its date, or of a BAM file, with its header.
    (
        re.compile(rb'<td class="n" data-v="\d+">[^<]*</td>\s*<td class="mono">[0-9a-f]{64}'),
        rb"SIZE AND HASH",
    ),
    (re.compile(rb"\.partial-\w+-\d+-\w+"), b".partial"),
    (re.compile(rb"(\w+ per hour \|)\s+\S+"), rb"\1"),  # "inf" within a second
)


def snapshot(study: Path) -> Snapshot:
    """Digest every table and file of a study, its input included."""
    held: Snapshot = {}
    for folder, names, files in os.walk(study):
        relative = Path(folder).relative_to(study)
        names[:] = [name for name in names if str(relative / name) not in _NOT_COMPARED]
        held |= {f"folder {relative / name}": "" for name in names if not os.listdir(Path(folder, name))}
        for name in files:
            if str(relative / name) not in _MAY_DIFFER and not name.endswith(".lock"):
                held[f"file {relative / name}"] = _file_digest(Path(folder, name), study)
    for name in DATABASES:
        if (study / "results" / name).exists():
            held |= {f"{name}: {table}": digest for table, digest in _tables(study / "results" / name).items()}
    return held


def differences(expected: Mapping[str, str], found: Mapping[str, str]) -> list[str]:
    """What of a study is not as in an undisturbed one, in words; of a table also the first row that differs."""
    said = [f"missing: {name}" for name in sorted(expected.keys() - found.keys())]
    said += [f"left over: {name}" for name in sorted(found.keys() - expected.keys())]
    changed = [name for name in sorted(expected.keys() & found.keys()) if expected[name] != found[name]]
    return said + [f"other content: {name}{_first_difference(expected[name], found[name])}" for name in changed]


def _first_difference(expected: str, found: str) -> str:
    before, now = (text.splitlines() for text in (expected, found))
    gone, new = ([row for row in rows if row not in others] for rows, others in ((before, now), (now, before)))
    if not expected.startswith("("):
        return ""
    return f" ({len(before)} rows, {len(now)} found): {''.join(gone[:1])[:_TOLD]} became {''.join(new[:1])[:_TOLD]}"


def inconsistencies(study: Path) -> list[str]:
    """Files that are not what their records in the warehouse say, and locks that somebody still holds."""
    said = []
    sql = "SELECT path, bytes, sha256 FROM artefacts WHERE dropped_at IS NULL"
    with closing(duckdb.connect(str(study / "results" / "warehouse.duckdb"), read_only=True)) as connection:
        recorded = connection.execute(sql).fetchall()
    for path, size, sha256 in recorded:
        content = (study / path).read_bytes() if (study / path).is_file() else None
        if content is None:
            said.append(f"recorded but not there: {path}")
        elif (len(content), hashlib.sha256(content).hexdigest()) != (size, sha256):
            said.append(f"not as recorded: {path}")
    return said + [f"still locked: {path.relative_to(study)}" for path in study.rglob("*.lock") if _is_held(path)]


def folder_listing(folder: Path) -> Snapshot:
    """Names and contents of all files below a folder that nobody should touch."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        for path in sorted(folder.rglob("*"))
    }


def _is_held(path: Path) -> bool:
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _tables(database: Path) -> Snapshot:
    held = {}
    with closing(duckdb.connect(str(database), read_only=True)) as connection:
        columns: dict[str, list[tuple[str, str]]] = {}
        sql = (
            "SELECT table_name, column_name, data_type FROM duckdb_columns() JOIN duckdb_tables() USING (table_name) "
            "ORDER BY ALL"
        )
        for table, column, kind in connection.execute(sql).fetchall():
            columns.setdefault(table, []).append((column, kind))
        for table, declared in columns.items():
            held[table] = _rows_of(connection, table, declared)
        comments = (
            "SELECT table_name, comment FROM duckdb_tables() "
            "UNION ALL SELECT view_name, sql FROM duckdb_views() WHERE NOT internal"
        )
        held["comments and views"] = _text(connection.execute(f"{comments} ORDER BY ALL").fetchall())
    return held


def _rows_of(connection: duckdb.DuckDBPyConnection, table: str, declared: Iterable[tuple[str, str]]) -> str:
    chosen = []
    for column, kind in declared:
        if kind.startswith(("TIMESTAMP", "DATE", "TIME")):
            chosen.append(f'"{column}" IS NULL')
        elif column not in _OF_A_RUN:
            chosen.append(f'"{column}"')
    source = f'"{table}"'
    if table == "verdict_history":
        # A launch whose worker was killed judges without that sample, and the next one says so; the last word counts.
        chosen = [name for name in chosen if name.strip('"') not in _OF_A_CHANGE]
        source += " QUALIFY row_number() OVER (PARTITION BY contrast_id, hypothesis_id ORDER BY recorded_at DESC) = 1"
    if table == "steps":
        chosen = ["CASE WHEN asset = 'verdict_history' THEN NULL ELSE rows END" if n == '"rows"' else n for n in chosen]
    if table == "artefacts":
        dated = " OR ".join(f"path LIKE '%{ending}'" for ending in _DATED)
        chosen = [
            f"CASE WHEN {dated} THEN NULL ELSE {name} END" if "sha256" in name or "bytes" in name else name
            for name in chosen
        ]
    return _text(connection.execute(f"SELECT {', '.join(chosen)} FROM {source} ORDER BY ALL").fetchall())


def _text(rows: Iterable[tuple[object, ...]]) -> str:
    return "\n".join(map(repr, rows))


def _file_digest(path: Path, study: Path) -> str:
    if path.is_symlink():
        return f"link to {os.readlink(path).removeprefix(str(study))}"
    if path.suffix == ".duckdb" or _is_log_of_a_tool(path.relative_to(study)):
        return ""  # tables are compared elsewhere; of these it is enough that they are there
    if path.suffix == ".bam":
        return alignments_sha256(path)
    content = path.read_bytes()
    if path.suffix == ".zip":
        content = _fastqc_data(path)
    elif path.name.endswith(_TEXTS):
        content = content.replace(str(study).encode(), b"STUDY")
        for pattern, instead in _OF_AN_ATTEMPT:
            content = pattern.sub(instead, content)
    return hashlib.sha256(content).hexdigest()


def _is_log_of_a_tool(path: Path) -> bool:
    return path.name.endswith((".Log.out", ".Log.progress.out", ".bam.bai")) or "multiqc" in path.parts


def _fastqc_data(path: Path) -> bytes:
    with zipfile.ZipFile(path) as archive:
        texts = [name for name in sorted(archive.namelist()) if name.endswith("fastqc_data.txt")]
        return b"\n".join(archive.read(name) for name in texts)
