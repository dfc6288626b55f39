"""What Dagster's page shows of a step that has run: rows, first rows, files, cost, and of what the columns are made."""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from poma_assets.asset_tables import preview_name, table_preview
from poma_assets.column_lineage import column_lineage
from poma_assets.storage.step_output import StepOutput
from poma_assets.tools.command import CommandRecord
from poma_assets.vocabulary import UNCHANGED_KEY

COMPUTED_IN = "computed in run"
"""Metadata key of the run that a step which was not computed again has its results from."""

_OF_UNCHANGED = (UNCHANGED_KEY, COMPUTED_IN)


def computed_metadata(
    asset: str, output: StepOutput, commands: tuple[CommandRecord, ...], *, why: str, findings: Mapping[str, Any]
) -> dict[str, Any]:
    """The metadata of a step that was computed: first what was found, last what it cost.

    Parameters
    ----------
    why
        The reason why the step ran, in words.
    findings
        Metadata of the asset's own; what has the name of an entry of ours stands in its place.
    """
    previews = {
        key: table_preview(name, frame)
        for name, frame in output.tables.items()
        if (key := preview_name(name)) not in findings
    }
    files = {f"file: {role}": dg.MetadataValue.path(str(file.path)) for role, file in output.files.items()}
    return {
        **findings,
        **previews,
        **_row_counts(output),
        **column_lineage(asset),
        **files,
        "why": why,
        **_cost(output, commands),
    }


def _row_counts(output: StepOutput) -> dict[str, Any]:
    """Rows of the main table under Dagster's own name, which the page shows apart; those of the others by name."""
    if not output.tables:
        return {}
    counts = {name: len(frame) for name, frame in output.tables.items()}
    main, *others = counts
    return {
        "dagster/row_count": counts[main],
        **{f"rows of {name}": counts[name] for name in others},
    }


def _cost(output: StepOutput, commands: tuple[CommandRecord, ...]) -> dict[str, Any]:
    metadata: dict[str, Any] = {}
    if output.cost.wall_s:
        metadata["wall_s"] = round(output.cost.wall_s, 2)
    if commands:
        metadata["cpu_s"] = round(output.cost.cpu_s, 2)
        metadata["peak_memory_mib"] = round(output.cost.peak_memory_mib, 1)
        metadata["tools"] = ", ".join(sorted({f"{record.tool} {record.version}".strip() for record in commands}))
    return metadata


def unchanged_metadata(context: dg.AssetExecutionContext, computed_in: str) -> dict[str, Any]:
    """The metadata of a step that was not computed again: those of its last materialisation, and that it is so.

    The page of an asset shows its latest materialisation, which would be empty otherwise.

    Parameters
    ----------
    computed_in
        The run that computed what is stored.
    """
    key = context.asset_key
    partitions = [context.partition_key] if context.has_partition_key else None
    wanted = dg.AssetRecordsFilter(key, asset_partitions=partitions)
    last = context.instance.fetch_materializations(wanted, limit=1).records
    shown = last[0].asset_materialization if last else None
    kept = shown.metadata if shown else {}
    return {
        UNCHANGED_KEY: "not computed again: all that it is made from is what it was",
        COMPUTED_IN: dg.MetadataValue.dagster_run(computed_in),
        **{name: value for name, value in kept.items() if name not in _OF_UNCHANGED},
    }
