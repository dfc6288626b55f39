"""What an asset is: from what it is made, how, what it stores, what is checked of it; for `poma explain`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import dagster as dg
from dagster._core.definitions.assets.graph.asset_graph import AssetGraph, AssetNode

from poma_assets.asset_tables import TABLES_OF
from poma_assets.definitions import build_definitions
from poma_assets.parameters import parameters_of
from poma_assets.planning import partitions_of
from poma_assets.resources import StudyResource
from poma_assets.science.errors import InputError
from poma_assets.science.tables import near_miss
from poma_assets.storage.published_views import VIEW_COMMENTS
from poma_assets.storage.schema import TABLES
from poma_assets.vocabulary import CONTRAST_ASSETS, GROUPS, SAMPLE_ASSETS


@dataclass(frozen=True)
class CheckFacts:
    """One check: a sentence as its name, what it looks at, whether a failure stops the sample."""

    name: str
    description: str
    blocking: bool


@dataclass(frozen=True)
class AssetFacts:
    """What is known of an asset without a study, and of one step of it (``partition``) where there is a study."""

    name: str
    description: str
    group: str
    one_per: str
    made_by: tuple[str, ...]
    code_version: str
    made_from: tuple[str, ...]
    used_by: tuple[str, ...]
    tables: tuple[str, ...]
    checks: tuple[CheckFacts, ...]
    partition: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    """Role -> program and version that made it."""


def all_assets() -> dict[str, list[tuple[str, str]]]:
    """Group -> its assets, each with the first sentence of its description, in the order of the protocol."""
    graph = _graph()
    found: dict[str, list[tuple[str, str]]] = {group: [] for group in GROUPS}
    for key in graph.toposorted_asset_keys:
        node = graph.get(key)
        found[str(node.group_name)].append((key.path[-1], _first_sentence(node.description or "")))
    return found


def explain_asset(name: str, study: StudyResource | None = None) -> AssetFacts:
    """Explain an asset, or the asset that stores the table of this name.

    Raises
    ------
    InputError
        If there is no such asset or table; the message has what is near.
    """
    graph = _graph()
    known = {key.path[-1]: key for key in graph.toposorted_asset_keys}
    asset = name if name in known else next((one for one, tables in TABLES_OF.items() if name in tables), name)
    if asset not in known:
        raise _unknown(name, [*known, *TABLES, *VIEW_COMMENTS])
    node = graph.get(known[asset])
    facts = _facts(asset, node, _checks())
    return facts if study is None else _with_study(facts, study)


def _graph() -> AssetGraph:
    return build_definitions().resolve_asset_graph()


def _checks() -> dict[str, list[CheckFacts]]:
    checks: dict[str, list[CheckFacts]] = {}
    for definition in build_definitions().asset_checks or ():
        if isinstance(definition, dg.AssetChecksDefinition):
            for spec in definition.check_specs:
                fact = CheckFacts(spec.name, spec.description or "", spec.blocking)
                checks.setdefault(spec.asset_key.path[-1], []).append(fact)
    return checks


def _facts(asset: str, node: AssetNode, checks: Mapping[str, list[CheckFacts]]) -> AssetFacts:
    return AssetFacts(
        name=asset,
        description=" ".join((node.description or "").split()),
        group=str(node.group_name),
        one_per="sample" if asset in SAMPLE_ASSETS else "contrast" if asset in CONTRAST_ASSETS else "study",
        made_by=tuple(sorted(node.kinds)),
        code_version=node.code_version or "",
        made_from=tuple(sorted(key.path[-1] for key in node.parent_keys)),
        used_by=tuple(sorted(key.path[-1] for key in node.child_keys)),
        tables=TABLES_OF.get(asset, ()),
        checks=tuple(checks.get(asset, ())),
    )


def _with_study(facts: AssetFacts, study: StudyResource) -> AssetFacts:
    partition = next(iter(partitions_of(facts.name, study)), None)
    if partition is None:
        return facts
    rows = study.warehouse.read("artefacts", {"asset": facts.name}, ["role", "tool", "tool_version"])
    rows = rows.drop_duplicates("role").fillna("")
    made = {str(role): f"{tool} {version}".strip() for role, tool, version in rows.itertuples(index=False)}
    known = {**vars(facts), "partition": partition, "files": made}
    return AssetFacts(**{**known, "parameters": parameters_of(facts.name, partition, study)})


def _unknown(name: str, known: list[str]) -> InputError:
    alike = near_miss(name, known)
    return InputError(
        "there is no asset or table of this name",
        found=repr(name),
        expected="a name that `poma explain` lists",
        fix=f"Did you mean {alike!r}?" if alike else None,
    )


def _first_sentence(text: str) -> str:
    return " ".join(text.split()).split(". ")[0].rstrip(".")
