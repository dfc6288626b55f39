"""Where the runs of a launch are executed: this machine's workers, Celery, or Slurm; and what must be there for it."""

from __future__ import annotations

import importlib.util
import os

import dagster as dg
from dagster._core.storage.runs.sqlite import SqliteRunStorage

from poma_assets.resources import StudyResource
from poma_assets.run_pool import RunPool
from poma_assets.runs import this_process
from poma_assets.science.errors import InputError
from poma_assets.vocabulary import CELERY, HERE, PLACES, RUN_ON_VARIABLE


def chosen_pool(study: StudyResource, place: str) -> RunPool | None:
    """The pool for a place; None for this machine's own workers.

    Parameters
    ----------
    place
        One of `PLACES`; empty: as the environment says, else here.

    Raises
    ------
    InputError
        If the place is unknown, or the study is stored where only one machine can write it.
    """
    place = place or os.environ.get(RUN_ON_VARIABLE, "") or HERE
    if place not in PLACES:
        raise InputError("--on is unknown", found=place, expected=", ".join(PLACES))
    if place == HERE:
        return None
    _require_shared_storage(study)
    if place == CELERY:
        require_celery()
        from poma_assets.clusters.celery_pool import CeleryPool

        return CeleryPool(study_root=study.study.root, launcher=this_process())
    from poma_assets.clusters.slurm_pool import SlurmPool

    return SlurmPool(study)


def require_celery() -> None:
    """Refuse to go on without the packages for Celery."""
    missing = [name for name in ("celery", "redis") if importlib.util.find_spec(name) is None]
    if missing:
        raise InputError(
            "packages for clusters are not installed",
            found=f"no {' and no '.join(missing)}",
            fix="pip install --require-hashes -r .ci/requirements-cluster.txt (docs/deployment.md)",
        )


def _require_shared_storage(study: StudyResource) -> None:
    if study.study.catalogue is None or study.study.catalogue.kind != "postgres":
        raise InputError(
            "the warehouse of this study can be written by one machine only",
            where=str(study.study.root / "poma.yaml"),
            found=study.study.config.warehouse,
            expected="ducklake:postgres:...",
            fix="poma migrate warehouse --to 'ducklake:postgres:host=... dbname=... schema=...' (docs/deployment.md)",
        )
    with dg.DagsterInstance.get() as instance:
        if isinstance(instance.run_storage, SqliteRunStorage):
            raise InputError(
                "Dagster's run history of this study is in SQLite files, which only one machine can write",
                where=str(study.study.dagster_home / "dagster.yaml"),
                expected="storage: postgres",
                fix="Put deploy/dagster.yaml in its place (docs/deployment.md).",
            )
