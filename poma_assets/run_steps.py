"""The stored steps as one Dagster run needs them: read once, and kept up by what the run itself stores.

What other runs store meanwhile is not seen. That can only make a step look older than it is, so that it runs again.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from poma_assets.planning import AssetNode, StepIndex, StoredStep
from poma_assets.resources import Files, StudyResource
from poma_assets.storage.artefacts import absolute_path, stored_path
from poma_assets.vocabulary import KEPT_FILES

_Key = tuple[str, str]


@dataclass
class RunSteps:
    """The steps that the steps of one run look at."""

    run_id: str
    _narrow: dict[str, StepIndex] = field(default_factory=dict)
    """Partition -> its steps and those of the cohort."""
    _whole: StepIndex | None = None

    def around(self, node: AssetNode, partition: str, study: StudyResource) -> StepIndex:
        """The steps that one step of ``node`` looks at: itself and its parents at least."""
        if node.name == KEPT_FILES:
            return StepIndex.around(node, partition, study)  # it drops files itself
        if StepIndex.looks_across(node):
            if self._whole is None:
                self._whole = StepIndex.read(study)
            return self._whole
        return self._whole or self._of(partition, study)

    def files(self, asset: str, partition: str, study: StudyResource) -> Files:
        """Files that an asset partition keeps, by role."""
        index = self._whole or self._of(partition, study)
        root = study.study.root
        return Files(
            {role: absolute_path(path, root) for role, path in index.files.get((asset, partition), {}).items()}
        )

    def stored(self, key: _Key, step: StoredStep, study: StudyResource) -> None:
        """Take note of a step that this run has stored."""
        if step.output is None:
            return
        root = study.study.root
        files = {role: stored_path(file.path, root) for role, file in step.output.files.items()}
        for index in (*self._narrow.values(), *((self._whole,) if self._whole else ())):
            index.fingerprints[key], index.data_versions[key] = step.fingerprint, step.data_version
            index.run_ids[key] = self.run_id
            index.inputs[key] = json.dumps(step.inputs, sort_keys=True, default=str)
            index.files[key] = files
            for path in files.values():
                index.records.pop(path, None)  # of another content now
            index.dropped.pop(key, None)

    def _of(self, partition: str, study: StudyResource) -> StepIndex:
        if partition not in self._narrow:
            self._narrow[partition] = StepIndex.read(study, None, {partition, ""})
        return self._narrow[partition]


_latest = RunSteps("")


def steps_of_run(run_id: str) -> RunSteps:
    """The steps as this run knows them. A process executes one run at a time, so only the latest is kept."""
    global _latest
    if _latest.run_id != run_id:
        _latest = RunSteps(run_id)
    return _latest
