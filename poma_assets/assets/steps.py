"""What all assets share: how a step's output gets its fingerprint, data version and metadata."""

import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from functools import wraps
from pathlib import Path
from typing import Any, Final

import dagster as dg
import pandas as pd

from poma_assets.asset_tables import definition_metadata
from poma_assets.assets.step_metadata import computed_metadata, unchanged_metadata
from poma_assets.column_lineage import column_sources
from poma_assets.planning import AssetNode, StepIndex, StoredStep, digest, stale_step, step_inputs
from poma_assets.resources import StudyResource
from poma_assets.run_steps import steps_of_run
from poma_assets.storage.hashing import frame_digest
from poma_assets.storage.results_folder import refuse_foreign_results
from poma_assets.storage.schema import TABLES
from poma_assets.storage.step_output import FileArtefact, StepCost, StepOutput
from poma_assets.tools.command import CommandRecord
from poma_assets.vocabulary import ONLY_STALE_TAG, OWNER, REMADE_TAG, WAREHOUSE_IO

Step = dg.Output[StoredStep]


_RUN_LOGS = ("verdict_history",)
_MADE_FROM: Final = object()
_BEGAN: ContextVar[float] = ContextVar("_BEGAN")
_REASON: ContextVar[str] = ContextVar("_REASON")


def pipeline_asset(
    *, kinds: set[str], code_version: str = "1", **options: Any
) -> Callable[[Callable[..., Step]], dg.AssetsDefinition]:
    """Declare an asset that is stored in the warehouse, owned by us, and timed. Options: those of ``dg.asset``.

    In a run that brings a study up to date (tag `ONLY_STALE_TAG`) a step whose inputs turned out to be what they were
    is not computed again; whoever materialises an asset by hand has it computed.
    """

    def declare(compute: Callable[..., Step]) -> dg.AssetsDefinition:
        @wraps(compute)
        def compute_if_stale(context: dg.AssetExecutionContext, study: StudyResource, **inputs: Any) -> Step:
            _BEGAN.set(time.monotonic())
            node, partition = _node(context), partition_of(context)
            for part in ("files", "logs"):
                refuse_foreign_results(study.study.results_dir, part, node.name)
            index = steps_of_run(context.run.run_id).around(node, partition, study)
            stale = stale_step(node, partition, study, index)
            remade = context.run.tags.get(REMADE_TAG, "").split(",")
            if stale is None and ONLY_STALE_TAG in context.run.tags and node.name not in remade:
                return _unchanged(context, node, partition, index)
            _REASON.set(stale.reason if stale else "asked for, or a dropped file of it is needed")
            return compute(context, study, **inputs)

        name = compute.__name__
        asset = dg.asset(
            io_manager_key=WAREHOUSE_IO,
            owners=[OWNER],
            kinds=kinds,
            code_version=code_version,
            metadata={**definition_metadata(name), **column_sources(name)},
            **options,
        )
        declared: dg.AssetsDefinition = asset(compute_if_stale)
        return declared

    return declare


def _node(context: dg.AssetExecutionContext) -> AssetNode:
    key = context.asset_key
    parents = tuple(parent.path[-1] for parent in context.assets_def.asset_deps[key])
    return AssetNode(key.path[-1], context.assets_def.code_versions_by_key[key] or "", parents)


def _unchanged(context: dg.AssetExecutionContext, node: AssetNode, partition: str, index: StepIndex) -> Step:
    """The output of a step that is up to date: what is stored of it stays."""
    key = (node.name, partition)
    version = index.data_versions[key]
    step = StoredStep(None, index.fingerprints[key], version, {}, {})
    metadata = unchanged_metadata(context, index.run_ids[key])
    return dg.Output(step, data_version=dg.DataVersion(version), metadata=metadata)


def partition_of(context: dg.AssetExecutionContext) -> str:
    """The sample or contrast of this step; empty for a cohort asset."""
    return context.partition_key if context.has_partition_key else ""


def finish(
    context: dg.AssetExecutionContext,
    study: StudyResource,
    *,
    tables: Mapping[str, pd.DataFrame] | None = None,
    files: Mapping[str, Path | FileArtefact] | None = None,
    commands: tuple[CommandRecord, ...] = (),
    metadata: Mapping[str, Any] | None = None,
    replaces: Mapping[str, Mapping[str, str]] | None = None,
    content: Any = _MADE_FROM,
) -> Step:
    """Make the Dagster output of a step: fingerprint, content data version, row counts, timings.

    Parameters
    ----------
    tables, files
        What the step keeps: table name -> frame, role -> file.
    commands
        The external programs that ran.
    replaces
        Values of the ``replace_by`` columns of a table beside, or instead of, the step's own partition.
    content
        What the files hold, as a JSON-able value without times and paths; None if the tables say it all. Left out:
        the files are told apart by what they were made from.
    """
    tables, partition = dict(tables or {}), partition_of(context)
    node = _node(context)
    inputs = step_inputs(node, partition, study, steps_of_run(context.run.run_id).around(node, partition, study))
    fingerprint = digest(inputs)
    artefacts = {role: _artefact(file, commands) for role, file in (files or {}).items()}
    cost = StepCost(
        wall_s=time.monotonic() - _BEGAN.get(),
        cpu_s=sum(record.cpu_s for record in commands),
        peak_memory_mib=max((record.peak_memory_mib for record in commands), default=0.0),
    )
    version = _data_version(tables, fingerprint, content if artefacts else None)
    output = StepOutput(tables=tables, files=artefacts, cost=cost)
    step = StoredStep(output, fingerprint, version, inputs, _partition_values(tables, partition, replaces or {}))
    return dg.Output(
        step,
        data_version=dg.DataVersion(version),
        metadata=computed_metadata(node.name, output, commands, why=_REASON.get(), findings=metadata or {}),
    )


def _artefact(file: Path | FileArtefact, commands: tuple[CommandRecord, ...]) -> FileArtefact:
    if isinstance(file, FileArtefact):
        return file
    record = commands[-1] if commands else None
    return FileArtefact(file, record.tool if record else "", record.version if record else "")


def _data_version(tables: Mapping[str, pd.DataFrame], fingerprint: str, content: Any) -> str:
    """Hash the content of tables and files; for files of unknown content and logs of runs, what they were made from."""
    parts: dict[str, Any] = {table: frame_digest(frame) for table, frame in tables.items() if table not in _RUN_LOGS}
    if content is _MADE_FROM or len(parts) < len(tables):
        parts["made from"] = fingerprint
    elif content is not None:
        parts["content"] = content
    return digest(parts)[:32]


def _partition_values(
    tables: Mapping[str, pd.DataFrame], partition: str, replaces: Mapping[str, Mapping[str, str]]
) -> dict[str, dict[str, str]]:
    values: dict[str, dict[str, str]] = {}
    for table in tables:
        columns = TABLES[table].replace_by
        own = {column: partition for column in columns if partition and column in ("sample_id", "contrast_id")}
        values[table] = {**own, **replaces.get(table, {})}
    return values
