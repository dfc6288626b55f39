"""The warehouse: every table of a study in one database, written one asset partition at a time.

A write is one transaction, so that a killed process leaves the old partition or the new one. The database is a DuckDB
file (``embedded_database``) or a DuckLake that several machines write (``lake_database``); the SQL is the same.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from poma_assets.science.errors import StorageError
from poma_assets.storage.artefacts import FileKey, absolute_path, artefact_rows, exchange_files
from poma_assets.storage.connection import Connection, plain_errors
from poma_assets.storage.database_schema import ensure_tables, is_complete, show_as_declared
from poma_assets.storage.embedded_database import Change, Database, EmbeddedDatabase
from poma_assets.storage.hashing import HashCache
from poma_assets.storage.lake_catalogue import LAKE_FOLDER, Catalogue
from poma_assets.storage.lake_database import LakeDatabase
from poma_assets.storage.lock import OnWait
from poma_assets.storage.matrices import fetch_matrix
from poma_assets.storage.published_views import create_views
from poma_assets.storage.rows import check_columns, check_frame, declared_table, replace_rows
from poma_assets.storage.schema import TABLES
from poma_assets.storage.step_output import FileArtefact, StepOutput
from poma_assets.storage.table_declaration import Table

Where = Mapping[str, str | Sequence[str]]


class Warehouse:
    """The tables of a study.

    Parameters
    ----------
    path
        The embedded file, for example ``results/warehouse.duckdb``; it is made by the first write.
    lock_timeout_s
        Seconds to wait for another process that holds it.
    on_wait
        Called with a message that names the holder, about every 10 seconds of waiting.
    catalogue
        Where the catalogue of a DuckLake is, which takes the place of the file; its Parquet files are beside ``path``.
    """

    def __init__(
        self,
        path: Path,
        *,
        lock_timeout_s: float = 600.0,
        on_wait: OnWait | None = None,
        catalogue: Catalogue | None = None,
    ) -> None:
        self.path = path
        self.database: Database = (
            EmbeddedDatabase(path, lock_timeout_s, on_wait)
            if catalogue is None
            else LakeDatabase(catalogue, path.with_name(LAKE_FOLDER), lock_timeout_s, on_wait)
        )
        self.hashes = HashCache(path.with_name(".hashes"))
        self._held: Connection | None = None
        self._complete: object | None = None

    def write(
        self,
        output: StepOutput,
        *,
        asset: str,
        partition: str,
        study_root: Path,
        fingerprint: str,
        data_version: str,
        inputs: Mapping[str, Any],
        run_id: str,
        partition_values: Mapping[str, Mapping[str, str]],
    ) -> None:
        """Replace all that one asset partition stores, in one transaction.

        Parameters
        ----------
        output
            Tables, files and cost.
        asset, partition
            What made it; ``partition`` is empty for a cohort asset.
        study_root
            Files inside it are stored by relative paths.
        fingerprint, data_version, inputs, run_id
            Kept in the table ``steps``; ``inputs`` as JSON.
        partition_values
            Table -> value of each of its ``replace_by`` columns, or of its ``replace_together`` columns for the rows
            of all samples or contrasts. A table without any is replaced as a whole.

        Raises
        ------
        StorageError
            If a frame does not fit its declaration, a file is missing or the disk refuses; nothing changes.
        WarehouseLockedError
            If another process holds the warehouse for longer than ``lock_timeout_s``.
        """
        own = {"asset": asset, "partition": partition}
        replacements = [
            (declared_table(name), frame, dict(partition_values.get(name, {}))) for name, frame in output.tables.items()
        ]
        for table, frame, values in replacements:
            check_frame(table, frame, values)
        # Hashed before the lock: files may be large.
        artefacts = artefact_rows(output.files, **own, study_root=study_root, run_id=run_id, sha256=self.hashes.sha256)
        record = {"fingerprint": fingerprint, "data_version": data_version, "run_id": run_id}
        step = _step_row(output, inputs, **own, **record)
        replacements += [(TABLES["artefacts"], artefacts, own), (TABLES["steps"], step, own)]

        def replace(connection: Connection) -> None:
            for table, frame, values in replacements:
                replace_rows(connection, table, frame, values)

        self._change(f"storing {asset} {partition}".rstrip(), replace)

    def read(
        self,
        table: str,
        where: Where | None = None,
        columns: Sequence[str] | None = None,
        *,
        ordered: bool = True,
    ) -> pd.DataFrame:
        """Read rows of a table, in a fixed order (by its columns from left to right).

        Parameters
        ----------
        where
            Column -> value, or several of which one must match; no values at all match no row.
        columns
            The columns wanted, in this order; all by default.
        ordered
            False where the order of the rows does not matter: sorting a long table by texts takes its time.

        Returns
        -------
        pd.DataFrame
            Empty, with the columns, if nothing has been stored.
        """
        declared = declared_table(table)
        condition, values = _condition(declared, where)
        check_columns(declared, columns or ())
        selected = ", ".join(f'"{name}"' for name in columns or declared.column_names)
        order = ", ".join(f'"{name}"' for name in declared.column_names)
        sql = f'SELECT {selected} FROM "{table}" WHERE {condition}' + (f" ORDER BY {order}" if ordered else "")
        with self._reading(f"reading {table}") as connection:
            self._show_as_declared(connection, [declared])
            return connection.execute(sql, values).df()

    def read_matrix(
        self,
        table: str,
        *,
        row: str = "gene_id",
        column: str = "sample_id",
        value: str,
        where: Where | None = None,
        fill: float | None = None,
    ) -> pd.DataFrame:
        """Read one value column as a matrix, by default genes x samples.

        Parameters
        ----------
        row, column
            The columns whose values become index and columns, both in natural order (S2 before S10).
        value
            A numeric column.
        where
            As in :meth:`read`; needed where a table holds several values of a gene in a sample.
        fill
            For absent or NULL values: by default 0 for whole numbers and NaN for others.

        Returns
        -------
        pd.DataFrame
            int64 for whole numbers, float64 otherwise.

        Raises
        ------
        StorageError
            If a cell has several values.
        """
        declared = declared_table(table)
        condition, values = _condition(declared, where)
        check_columns(declared, (row, column, value))
        with self._reading(f"reading a matrix from {table}") as connection:
            self._show_as_declared(connection, [declared])
            return fetch_matrix(connection, declared, row, column, value, condition, values, fill)

    def files(self, asset: str, partition: str, study_root: Path) -> dict[str, Path]:
        """Files that an asset partition keeps: role -> absolute path. Those that were dropped are not among them."""
        rows = self.read("artefacts", {"asset": asset, "partition": partition}, ["role", "path", "dropped_at"])
        rows = rows.loc[rows["dropped_at"].isna()]
        return {role: absolute_path(path, study_root) for role, path in zip(rows["role"], rows["path"], strict=True)}

    def drop_files(
        self,
        dropped: Iterable[FileKey],
        *,
        study_root: Path,
        instead: Mapping[FileKey, FileArtefact] | None = None,
        run_id: str = "",
    ) -> None:
        """Note in one transaction that files are dropped, and which files are kept in their place.

        Call it before the files are deleted: whoever is killed in between leaves files that nobody uses, and not
        records of files that are gone, for which steps would run again.

        Raises
        ------
        StorageError
            If a new file is missing, or the warehouse cannot be written; nothing changes.
        """
        rows = [
            artefact_rows(
                {role: file},
                asset=asset,
                partition=partition,
                study_root=study_root,
                run_id=run_id,
                sha256=self.hashes.sha256,
            )
            for (asset, partition, role), file in (instead or {}).items()
        ]
        added, gone = pd.concat(rows) if rows else pd.DataFrame(), list(dropped)
        self._change("dropping files", lambda connection: exchange_files(connection, gone, added))

    def exists(self) -> bool:
        """Whether anything was ever stored."""
        with plain_errors(self.database.place):
            return self.database.exists()

    def steps(self) -> pd.DataFrame:
        """The last success of every asset partition."""
        return self.read("steps")

    def forget(
        self,
        *,
        partition: str,
        asset: str | None = None,
        key: Literal["sample_id", "contrast_id"] = "sample_id",
    ) -> None:
        """Remove what is stored of a withdrawn sample or contrast, in one transaction.

        The history of verdicts stays, and so do cohort tables until their assets run again.

        Parameters
        ----------
        partition
            The sample or contrast.
        asset
            Only the step and file records of this asset, so that it counts as never run; its rows stay.
        key
            Which of the two it is.
        """
        if not self.exists():
            return
        deletions: list[tuple[str, str]] = [
            (name, key)
            for name, table in TABLES.items()
            if asset is None and key in table.replace_by and name != "verdict_history"
        ]
        deletions += [("artefacts", "partition"), ("steps", "partition")]

        def delete(connection: Connection) -> None:
            for name, column in deletions:
                only = asset is not None
                sql = f'DELETE FROM "{name}" WHERE "{column}" = ?' + (" AND asset = ?" if only else "")
                connection.execute(sql, [partition, asset] if only else [partition])

        self._change(f"forgetting {partition}", delete)

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> pd.DataFrame:
        """Run one reading SQL statement, the views of the published database included; values for ``?`` are bound.

        It cannot write, neither into the database nor into files.

        Raises
        ------
        StorageError
            With DuckDB's words, if the statement is wrong or would write.
        """
        with plain_errors(self.database.place), self.database.querying(self._held) as connection:
            self._show_as_declared(connection, TABLES.values())
            create_views(connection, temporary=True)
            self.database.seal(connection)
            statements = connection.extract_statements(sql)
            # DuckDB makes two statements without a text of one PIVOT.
            is_pivot = len(statements) == 2 and not any(statement.query for statement in statements)
            if len(statements) != 1 and not is_pivot:
                raise StorageError(
                    "a query is one SQL statement",
                    found=f"{len(statements)} statements",
                    fix='For example "SHOW TABLES".',
                )
            self.database.require_reading(sql, [] if is_pivot else statements)
            return connection.execute(sql if is_pivot else statements[0], list(parameters)).df()

    @contextmanager
    def held_open(self) -> Iterator[None]:
        """Read over one connection within the block: many small tables cost little more than one. Write nothing there.

        Writers wait until the block ends, so nothing slow belongs into it.
        """
        before = self._held
        with self._reading("reading several tables") as connection:
            self._held = connection
            try:
                yield
            finally:
                self._held = before

    @contextmanager
    def _reading(self, describe: str) -> Iterator[Connection]:
        if self._held is not None:
            yield self._held
            return
        with plain_errors(self.database.place), self.database.reading(describe) as connection:
            yield connection

    def _change(self, describe: str, body: Change) -> None:
        def ensure_and_change(connection: Connection) -> None:
            if not self._is_known_complete(connection):
                ensure_tables(connection, self.database.place)
            body(connection)

        with plain_errors(self.database.place):
            self.database.change(describe, ensure_and_change)

    def _show_as_declared(self, connection: Connection, tables: Iterable[Table]) -> None:
        if not self._is_known_complete(connection):
            show_as_declared(connection, tables)

    def _is_known_complete(self, connection: Connection) -> bool:
        """Whether all tables are there. Asked once for a database: nobody takes a table or column away."""
        generation = self.database.generation(connection)
        if generation is None:
            return False
        if self._complete != generation and is_complete(connection):
            self._complete = generation
        return self._complete == generation


def _step_row(output: StepOutput, inputs: Mapping[str, Any], **record: str) -> pd.DataFrame:
    """The row of the table ``steps``."""
    return pd.DataFrame(
        {
            **record,
            "inputs": json.dumps(inputs, sort_keys=True, default=str),
            "finished_at": datetime.now(UTC).replace(tzinfo=None),
            "wall_s": output.cost.wall_s,
            "cpu_s": output.cost.cpu_s,
            "peak_memory_mib": output.cost.peak_memory_mib,
            "rows": sum(len(frame) for frame in output.tables.values()),
        },
        index=[0],
    )


def _condition(table: Table, where: Where | None) -> tuple[str, list[Any]]:
    """SQL condition with placeholders, and the values to bind."""
    check_columns(table, where or ())
    parts, values = ["true"], []
    for column, wanted in (where or {}).items():
        options = [wanted] if isinstance(wanted, str) else [str(value) for value in wanted]
        parts.append(f'"{column}" IN (SELECT unnest(CAST(? AS VARCHAR[])))')
        values.append(options)
    return " AND ".join(parts), values
