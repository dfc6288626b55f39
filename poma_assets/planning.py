"""What a step was made from, and therefore whether it must run again and why.

A step's fingerprint hashes its code version, the parameters of the study that it reads, and the data versions of
its upstream steps. It is stored with the step's rows in one transaction, so that a killed run leaves either the
old step with the old fingerprint or the new step with the new one.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from poma_assets.file_policy import unapplied_policy
from poma_assets.parameters import parameters_of
from poma_assets.remaking import remade_steps
from poma_assets.resources import StudyResource
from poma_assets.science.retention import lost_files
from poma_assets.storage.step_output import StepOutput
from poma_assets.vocabulary import CONTRAST_ASSETS, KEPT_FILES, SAMPLE_ASSETS

_NAMED_PARTITIONS = 3


@dataclass(frozen=True)
class StoredStep:
    """What an asset hands to the IO manager: its output and the record of what it was made from."""

    output: StepOutput
    fingerprint: str
    data_version: str
    inputs: Mapping[str, Any]
    partition_values: Mapping[str, Mapping[str, str]]


@dataclass(frozen=True)
class AssetNode:
    """One asset of the graph as planning sees it."""

    name: str
    code_version: str
    parents: tuple[str, ...]


@dataclass(frozen=True)
class StaleStep:
    """A step that must run, and why, in words."""

    asset: str
    partition: str
    reason: str


@dataclass
class StepIndex:
    """The stored steps and files of a study, read once."""

    fingerprints: dict[tuple[str, str], str] = field(default_factory=dict)
    data_versions: dict[tuple[str, str], str] = field(default_factory=dict)
    inputs: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    files: dict[tuple[str, str], dict[str, str]] = field(default_factory=dict)
    """Role -> stored path of the files that a step keeps."""
    dropped: dict[tuple[str, str], set[str]] = field(default_factory=dict)
    """Roles of the files of a step that were dropped on purpose."""

    @classmethod
    def read(cls, study: StudyResource, assets: Iterable[str] | None = None) -> "StepIndex":
        """Read the steps (of some assets) and, when all are asked for, the file records."""
        where = None if assets is None else {"asset": sorted(assets)}
        index = cls()
        steps = study.warehouse.read("steps", where)
        for asset, partition, fingerprint, version, inputs in zip(
            steps["asset"],
            steps["partition"],
            steps["fingerprint"],
            steps["data_version"],
            steps["inputs"],
            strict=True,
        ):
            key = (asset, partition)
            index.fingerprints[key], index.data_versions[key] = fingerprint, version
            index.inputs[key] = json.loads(inputs)
        if assets is None:
            artefacts = study.warehouse.read("artefacts", columns=["asset", "partition", "role", "path", "dropped_at"])
            artefacts["dropped_at"] = artefacts["dropped_at"].notna()
            for asset, partition, role, path, is_dropped in artefacts.itertuples(index=False):
                if is_dropped:
                    index.dropped.setdefault((asset, partition), set()).add(role)
                else:
                    index.files.setdefault((asset, partition), {})[role] = path
        return index

    def lost(self) -> dict[tuple[str, str], set[str]]:
        """Step -> roles of its files that were dropped and cannot be had otherwise."""
        return {key: lost_files(roles, self.files.get(key, ())) for key, roles in self.dropped.items()}


def partitions_of(asset: str, study: StudyResource) -> list[str]:
    """Partition keys of an asset: its samples, its contrasts, or the one empty key of a cohort asset."""
    if asset in SAMPLE_ASSETS:
        return list(study.sheet.samples["sample_id"])
    if asset in CONTRAST_ASSETS:
        return list(study.contrasts)
    return [""]


def step_inputs(node: AssetNode, partition: str, study: StudyResource, index: StepIndex) -> dict[str, Any]:
    """Everything that a step depends on, as JSON-able values: the reason of its fingerprint."""
    upstream: dict[str, str | None] = {}
    for parent in sorted(node.parents):
        if parent == "htseq_counts" and study.study.config.counter != "htseq":
            continue
        for key in [partition] if shares_partitions(parent, node.name) else partitions_of(parent, study):
            upstream[f"{parent}[{key}]" if key else parent] = index.data_versions.get((parent, key))
    return {
        "code_version": node.code_version,
        "parameters": parameters_of(node.name, partition, study),
        "upstream": upstream,
    }


def digest(value: object) -> str:
    """SHA-256 of a JSON-able value."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()


def stale_steps(nodes: list[AssetNode], study: StudyResource) -> list[StaleStep]:
    """Steps that must run, in the order of ``nodes`` (topological), each with its reason.

    A step downstream of a stale step is stale too; whether its content changes is known only when it has run.
    """
    index = StepIndex.read(study)
    stale: list[StaleStep] = []
    keys: dict[str, set[str]] = {node.name: set() for node in nodes}
    for node in nodes:
        for partition in partitions_of(node.name, study):
            reason = _stale_parent(node, partition, keys) or _reason(node, partition, study, index)
            if reason:
                stale.append(StaleStep(node.name, partition, reason))
                keys[node.name].add(partition)
    return _with_remade(stale, nodes, study, index)


def _with_remade(
    stale: list[StaleStep], nodes: list[AssetNode], study: StudyResource, index: StepIndex
) -> list[StaleStep]:
    """The stale steps with those that must make a dropped file again, in the order of ``nodes``."""
    names, config = [node.name for node in nodes], study.study.config
    running = [(step.asset, step.partition) for step in stale]
    reasons = remade_steps(names, running, index.lost(), counter=config.counter, keep=config.keep)
    steps = stale + [StaleStep(*key, reason) for key, reason in reasons.items()]
    return sorted(steps, key=lambda step: names.index(step.asset)) if reasons else stale


def shares_partitions(parent: str, child: str) -> bool:
    """Whether a partition of ``child`` depends on the same partition of ``parent`` only."""
    return any(parent in assets and child in assets for assets in (SAMPLE_ASSETS, CONTRAST_ASSETS))


def _stale_parent(node: AssetNode, partition: str, stale: Mapping[str, set[str]]) -> str | None:
    for parent in node.parents:
        keys = stale.get(parent, set())
        if shares_partitions(parent, node.name):
            if partition in keys:
                return f"{parent} runs again"
        elif keys:
            if "" in keys:
                return f"{parent} runs again"
            named = [*sorted(keys)[:_NAMED_PARTITIONS], *["..."] * (len(keys) > _NAMED_PARTITIONS)]
            return f"{parent} runs again for {', '.join(named)}"
    return None


def _reason(node: AssetNode, partition: str, study: StudyResource, index: StepIndex) -> str | None:
    key = (node.name, partition)
    if key not in index.fingerprints:
        return "never run"
    inputs = step_inputs(node, partition, study, index)
    if index.fingerprints[key] != digest(inputs):
        return _difference(index.inputs.get(key, {}), json.loads(json.dumps(inputs, default=str)))
    for path in index.files.get(key, {}).values():
        if not (study.study.root / path).exists():
            return f"its file {path} is gone"
    return unapplied_policy(partition, index.files, study) if node.name == KEPT_FILES else None


def _difference(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    if before.get("code_version") != now["code_version"]:
        return "its code version changed"
    for kind, word in (("parameters", "changed"), ("upstream", "has new content")):
        old, new = before.get(kind, {}), now[kind]
        for name in sorted(set(old) | set(new)):
            if old.get(name) != new.get(name):
                return f"{name} {word}"
    return "its inputs changed"
