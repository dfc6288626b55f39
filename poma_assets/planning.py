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
from poma_assets.kept_content import FileRecord, why_not_as_made
from poma_assets.parameters import parameters_of
from poma_assets.remaking import remade_steps
from poma_assets.resources import StudyResource
from poma_assets.science.retention import lost_files
from poma_assets.sequencing_units import UNITS_PREFIX
from poma_assets.storage.step_output import StepOutput
from poma_assets.vocabulary import CONTRAST_ASSETS, KEPT_FILES, READ_ASSETS, SAMPLE_ASSETS

NEVER_RUN = "never run"

_NAMED_PARTITIONS = 3
_CAUSE_LENGTH = 20
_TOLD = (" version", " in poma.yaml")
"""Parameters whose old and new value are short enough to be told."""


@dataclass(frozen=True)
class StoredStep:
    """What an asset hands to the IO manager: its output and the record of what it was made from.

    ``output`` is None for a step that turned out to be up to date: what is stored of it stays.
    """

    output: StepOutput | None
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
    """A step that must run, and why, in words.

    ``cause`` identifies what is stored of the step and what of the study it would be made from now, so that nobody
    tries the same twice by himself; it is empty where the step runs again only because another one does.
    ``remade``: the step is up to date and must be computed all the same, since a file of it was dropped that another
    step needs.
    """

    asset: str
    partition: str
    reason: str
    cause: str = ""
    remade: bool = False


@dataclass
class StepIndex:
    """The stored steps and files of a study, read once."""

    fingerprints: dict[tuple[str, str], str] = field(default_factory=dict)
    data_versions: dict[tuple[str, str], str] = field(default_factory=dict)
    run_ids: dict[tuple[str, str], str] = field(default_factory=dict)
    inputs: dict[tuple[str, str], str] = field(default_factory=dict)
    files: dict[tuple[str, str], dict[str, str]] = field(default_factory=dict)
    """Role -> stored path of the files that a step keeps."""
    records: dict[str, FileRecord] = field(default_factory=dict)
    """Stored path -> what its content was when its step was stored."""
    dropped: dict[tuple[str, str], set[str]] = field(default_factory=dict)
    """Roles of the files of a step that were dropped on purpose."""

    @classmethod
    def read(
        cls, study: StudyResource, assets: Iterable[str] | None = None, partitions: Iterable[str] | None = None
    ) -> "StepIndex":
        """Read the steps and file records, of all assets and partitions or of some."""
        where = {
            column: sorted(values)
            for column, values in (("asset", assets), ("partition", partitions))
            if values is not None
        }
        index = cls()
        step_columns = ["asset", "partition", "fingerprint", "data_version", "run_id", "inputs", "finished_at"]
        file_columns = ["asset", "partition", "role", "path", "dropped_at", "bytes", "sha256"]
        with study.warehouse.held_open():
            steps = study.warehouse.read("steps", where, step_columns, ordered=False)
            artefacts = study.warehouse.read("artefacts", where, file_columns, ordered=False)
        steps["finished_at"] = steps["finished_at"].astype("datetime64[ns]").astype("int64") / 1e9
        stored_at_s: dict[tuple[str, str], float] = {}
        for asset, partition, fingerprint, version, run_id, inputs, finished_at_s in steps.itertuples(index=False):
            key = (asset, partition)
            index.fingerprints[key], index.data_versions[key] = fingerprint, version
            index.run_ids[key], index.inputs[key] = run_id, inputs
            stored_at_s[key] = finished_at_s
        artefacts["dropped_at"] = artefacts["dropped_at"].notna()
        for asset, partition, role, path, is_dropped, size, sha256 in artefacts.itertuples(index=False):
            key = (asset, partition)
            if is_dropped:
                index.dropped.setdefault(key, set()).add(role)
                continue
            index.files.setdefault(key, {})[role] = path
            if key in stored_at_s:
                index.records[path] = FileRecord(size, sha256, stored_at_s[key])
        return index

    @classmethod
    def around(cls, node: AssetNode, partition: str, study: StudyResource) -> "StepIndex":
        """Read what one step of ``node`` looks at: itself and its parents; the policy of files, the whole sample."""
        if node.name == KEPT_FILES:
            return cls.read(study, None, {partition, ""})
        return cls.read(study, [node.name, *node.parents], None if cls.looks_across(node) else {partition, ""})

    @staticmethod
    def looks_across(node: AssetNode) -> bool:
        """Whether a step of ``node`` depends on several samples or contrasts."""
        across = node.name not in SAMPLE_ASSETS and not set(SAMPLE_ASSETS).isdisjoint(node.parents)
        return across or (node.name not in CONTRAST_ASSETS and not set(CONTRAST_ASSETS).isdisjoint(node.parents))

    def lost(self) -> dict[tuple[str, str], set[str]]:
        """Step -> roles of its files that were dropped and cannot be had otherwise."""
        return {key: lost_files(roles, self.files.get(key, ())) for key, roles in self.dropped.items()}


def partitions_of(asset: str, study: StudyResource) -> list[str]:
    """Partition keys of an asset: its samples, its contrasts, or the one empty key of a cohort asset."""
    if asset in READ_ASSETS:
        return study.samples_with_reads
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


def stale_steps(nodes: list[AssetNode], study: StudyResource, index: StepIndex | None = None) -> list[StaleStep]:
    """Steps that must run, in the order of ``nodes`` (topological), each with its reason.

    A step downstream of a stale step is stale too; whether its content changes is known only when it has run.
    """
    index = StepIndex.read(study) if index is None else index
    stale: list[StaleStep] = []
    keys: dict[str, set[str]] = {node.name: set() for node in nodes}
    for node in nodes:
        for partition in partitions_of(node.name, study):
            step = stale_step(node, partition, study, index)
            if step is None and (reason := _stale_parent(node, partition, keys)):
                step = StaleStep(node.name, partition, reason)
            if step is not None:
                stale.append(step)
                keys[node.name].add(partition)
    return _with_remade(stale, nodes, study, index)


def _with_remade(
    stale: list[StaleStep], nodes: list[AssetNode], study: StudyResource, index: StepIndex
) -> list[StaleStep]:
    """The stale steps with those that must make a dropped file again, in the order of ``nodes``."""
    names, config = [node.name for node in nodes], study.study.config
    running = [(step.asset, step.partition) for step in stale]
    reasons = remade_steps(names, running, index.lost(), counter=config.counter, keep=config.keep)
    steps = stale + [StaleStep(*key, reason, remade=True) for key, reason in reasons.items()]
    return sorted(steps, key=lambda step: names.index(step.asset)) if reasons else stale


def stale_step(node: AssetNode, partition: str, study: StudyResource, index: StepIndex) -> StaleStep | None:
    """The step, with its reason, if it is stale by itself: never run, or made from other inputs than those of now.

    Large files are looked at by size and time first; the content is read where these leave a doubt, and never for a
    step that must run anyway.
    """
    key = (node.name, partition)
    with study.hashes.at_a_glance(read_unknown=key in index.fingerprints):
        inputs = step_inputs(node, partition, study, index)
    reason = _reason(key, inputs, study, index)
    if not reason:
        return None
    # What is upstream is left out: where that changed, another step has a cause, or the step has been tried with it.
    # Files count by their identity: their hash becomes known only when somebody has read them.
    with study.hashes.by_identity():
        parameters = parameters_of(node.name, partition, study)
    cause = digest([index.run_ids.get(key), node.code_version, parameters])
    return StaleStep(*key, reason, cause[:_CAUSE_LENGTH])


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


def _reason(key: tuple[str, str], inputs: Mapping[str, Any], study: StudyResource, index: StepIndex) -> str | None:
    if key not in index.fingerprints:
        return NEVER_RUN
    if index.fingerprints[key] != digest(inputs):
        return _difference(json.loads(index.inputs[key]), json.loads(json.dumps(inputs, default=str)))
    for path in index.files.get(key, {}).values():
        if (reason := why_not_as_made(path, index.records.get(path), study)) is not None:
            return reason
    return unapplied_policy(key[1], index.files, study) if key[0] == KEPT_FILES else None


def _difference(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    if before.get("code_version") != now["code_version"]:
        return "its code version changed"
    for kind in ("parameters", "upstream"):
        old, new = before.get(kind, {}), now[kind]
        for name in sorted(set(old) | set(new)):
            if old.get(name) != new.get(name):
                return _change(name, old.get(name), new.get(name), is_content=kind == "upstream")
    return "its inputs changed"


def _change(name: str, old: object, new: object, *, is_content: bool) -> str:
    """One difference in words: "sequencing_units of S3 changed: fastq_2 has new content", "STAR version changed"."""
    if name.startswith(UNITS_PREFIX):
        units, _, column = name.partition(": ")
        verb = "is new" if old is None else "is no longer there" if new is None else "has new content"
        return f"{units} changed: {column} {verb}"
    if is_content:
        return f"{name} has new content"
    if isinstance(old, str | int | float) and isinstance(new, str | int | float) and name.endswith(_TOLD):
        return f"{name} changed from {old} to {new}"
    return f"{name} changed"
