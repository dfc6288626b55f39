"""A job of Slurm: ``python -m poma_assets.clusters.slurm_job FILE`` executes the run that the file describes."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path

from poma_assets.config import load_study
from poma_assets.runs import RunOutcome, task_from_json
from poma_assets.science.errors import PomaError


def main(file: Path) -> None:
    """Execute a run, and leave how it ended beside the file of the task."""
    described = json.loads(file.read_text(encoding="utf-8"))
    task = task_from_json(described["task"])
    study = load_study(Path(described["study_root"]))
    os.environ["DAGSTER_HOME"] = str(study.dagster_home)
    from poma_assets.run_execution import Runner  # after the environment: what it imports reads it

    try:
        outcome = Runner(study.root).execute(task)
    except PomaError as error:
        outcome = RunOutcome(task.run_id, False, (("run", str(error)),))
    target = file.with_name(f"{task.run_id}.outcome.json")
    new = target.with_suffix(".new")
    new.write_text(json.dumps(asdict(outcome)), encoding="utf-8")
    os.replace(new, target)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
