"""Dagster resources: the study at hand with its warehouse, and how many threads a tool may use."""

import os
from functools import cached_property
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd

from poma_assets.config import Study, find_study_root, load_contrasts, load_sample_sheet, load_study
from poma_assets.science.contrasts import Contrast
from poma_assets.science.errors import StorageError
from poma_assets.science.row_records import row_records
from poma_assets.science.sample_sheet import SampleSheet
from poma_assets.storage.hashing import HashCache
from poma_assets.storage.warehouse import Warehouse

STUDY_VARIABLE = "POMA_STUDY"
"""Environment variable that names the study folder."""

THREADS_VARIABLE = "POMA_THREADS"
"""Environment variable that limits the threads of one tool."""


class Files(dict[str, Path]):
    """Files that one asset partition keeps: role -> absolute path. A missing one is an error in plain words."""

    def __missing__(self, role: str) -> Path:
        raise StorageError(
            f"a step needs the file {role!r} of the step before it, which is not there",
            found=", ".join(sorted(self)) or "no file",
            fix="It may have been dropped to save room (`keep:` in poma.yaml). `poma run` makes again what it needs.",
        )


class StudyResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The study folder in use. ``root`` empty: POMA_STUDY, else the current folder if it holds ``poma.yaml``."""

    root: str = ""
    threads: int = 0

    @cached_property
    def study(self) -> Study:
        """The study with its validated configuration."""
        named = self.root or os.environ.get(STUDY_VARIABLE, "")
        return load_study(Path(named) if named else find_study_root(Path.cwd()))

    @cached_property
    def warehouse(self) -> Warehouse:
        """The study's warehouse."""
        study = self.study
        return Warehouse(study.warehouse_path, on_wait=dg.get_dagster_logger().info, catalogue=study.catalogue)

    @property
    def hashes(self) -> HashCache:
        """Content hashes of files, cheap on a second look: the warehouse's own cache."""
        return self.warehouse.hashes

    @cached_property
    def sheet(self) -> SampleSheet:
        """The sample sheet as it is now."""
        return load_sample_sheet(self.study)

    @cached_property
    def design_table(self) -> pd.DataFrame:
        """Every metadata column of the sheet, as in `SampleSheet.design_table`; not to be changed in place."""
        return self.sheet.design_table()

    @cached_property
    def sample_rows(self) -> dict[str, dict[str, Any]]:
        """Each sample's row of the table ``samples``."""
        return {row["sample_id"]: row for row in row_records(self.sheet.samples)}

    @cached_property
    def sample_units(self) -> dict[str, list[dict[str, Any]]]:
        """Each sample's rows of the table ``sequencing_units``."""
        units: dict[str, list[dict[str, Any]]] = {}
        for unit in row_records(self.sheet.units):
            units.setdefault(unit["sample_id"], []).append(unit)
        return units

    @cached_property
    def samples_with_reads(self) -> list[str]:
        """The samples that begin at reads, not at given counts, in the order of the sheet."""
        units = self.sheet.units
        given = set(units.loc[units["counts"].notna(), "sample_id"])
        return [sample for sample in self.sheet.samples["sample_id"] if sample not in given]

    @cached_property
    def config_values(self) -> dict[str, Any]:
        """What ``poma.yaml`` says, as JSON-able values."""
        return self.study.config.model_dump(mode="json")

    @cached_property
    def contrasts(self) -> dict[str, Contrast]:
        """The declared contrasts by id."""
        return {contrast.id: contrast for contrast in load_contrasts(self.study, self.sheet)}

    @property
    def tool_threads(self) -> int:
        """Threads that one external program may use."""
        named = self.threads or int(os.environ.get(THREADS_VARIABLE, "0"))
        return named or max(1, (os.cpu_count() or 1))

    def log_path(self, asset: str, partition: str = "") -> Path:
        """Where the log of a step's program goes: outside the step's folder, so that a failure leaves it."""
        return self.study.results_dir / "logs" / asset / f"{partition or 'all'}.log"

    def files(self, asset: str, partition: str = "") -> Files:
        """Files that an asset partition keeps, by role."""
        return Files(self.warehouse.files(asset, partition, self.study.root))
