"""The study folder: where everything lies, and its configuration, sample sheet and contrasts read.

What the files may say is decided in ``study_config`` and ``science``; here they are found and opened.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from poma_assets.science.contrasts import Contrast, parse_contrasts, validate_contrasts
from poma_assets.science.errors import ConfigError, ContrastError, InputError, SampleSheetError
from poma_assets.science.sample_sheet import SampleSheet, parse_sample_sheet
from poma_assets.science.tables import listing, near_miss
from poma_assets.storage.lake_catalogue import Catalogue, parse_catalogue
from poma_assets.storage.text_files import LARGEST_STUDY_FILE_BYTES, read_text
from poma_assets.study_config import CONFIG_NAME, DEFAULT_SAMPLES, SHIPPED, StudyConfig, parse_config

__all__ = [
    "CONFIG_NAME",
    "Study",
    "StudyConfig",
    "find_study_root",
    "load_contrasts",
    "load_sample_sheet",
    "load_study",
]

_CONTRAST_NAMES = ("contrasts.tsv", "contrasts.csv", "contrasts.yaml", "contrasts.yml")


@dataclass(frozen=True)
class Study:
    """A study folder (``root``, resolved) with its configuration, and where its files lie."""

    root: Path
    config: StudyConfig

    @property
    def results_dir(self) -> Path:
        """Everything that the pipeline makes."""
        return self.root / "results"

    @property
    def run_lock_path(self) -> Path:
        """The file that is locked while the study is brought up to date or cleaned: by one process at a time."""
        return self.results_dir / ".run.lock"

    @property
    def warehouse_path(self) -> Path:
        """The pipeline's own database."""
        return self.results_dir / "warehouse.duckdb"

    @property
    def catalogue(self) -> Catalogue | None:
        """Where the catalogue of the tables is; None where they are in the file `warehouse_path`."""
        return parse_catalogue(self.config.warehouse, self.root)

    @property
    def published_path(self) -> Path:
        """The copy that people open."""
        return self.results_dir / "study.duckdb"

    @property
    def files_dir(self) -> Path:
        """FASTQ, BAM and other files of the assets."""
        return self.results_dir / "files"

    @property
    def reports_dir(self) -> Path:
        """Reports for people."""
        return self.results_dir / "reports"

    @property
    def downloads_dir(self) -> Path:
        """Reads of accessions: raw input, which nothing removes."""
        return self.root / "downloads"

    @property
    def dagster_home(self) -> Path:
        """Run history."""
        return self.root / ".dagster"

    @property
    def samples_path(self) -> Path:
        """The sample sheet; ``samples.csv`` where the default is not there and that is."""
        path = self.root / self.config.samples
        if self.config.samples == DEFAULT_SAMPLES and not path.exists():
            alternative = path.with_suffix(".csv")
            return alternative if alternative.exists() else path
        return path

    @property
    def contrasts_path(self) -> Path | None:
        """The contrasts file: as configured, else contrasts.tsv, .csv or .yaml of the folder, else None."""
        if self.config.contrasts is not None:
            return self.root / self.config.contrasts
        found = [self.root / name for name in _CONTRAST_NAMES if (self.root / name).exists()]
        if len(found) > 1:
            raise ConfigError(
                "there are several contrasts files",
                where=str(self.root),
                found=listing(path.name for path in found),
                expected="one of them",
                fix=f"Delete the others, or write 'contrasts: {found[0].name}' into {CONFIG_NAME}",
            )
        return found[0] if found else None

    @property
    def genome_path(self) -> Path | None:
        """Genome FASTA."""
        return self._below_root(self.config.reference.genome)

    @property
    def annotation_path(self) -> Path | None:
        """Annotation GTF."""
        return self._below_root(self.config.reference.annotation)

    @property
    def count_matrix_path(self) -> Path | None:
        """Genes x samples counts given instead of reads."""
        return self._below_root(self.config.count_matrix)

    @property
    def hypotheses_path(self) -> Path | None:
        """The user's own table of marker hypotheses, instead of the shipped one or added to it."""
        return self._below_root(next((name for name in self.config.hypotheses if name != SHIPPED), None))

    @property
    def cell_lines_path(self) -> Path | None:
        """The user's own table of cell lines."""
        return self._below_root(self.config.cell_lines)

    @property
    def quality_overrides_path(self) -> Path:
        """Decisions of people on samples that failed a threshold; the file is optional."""
        return self.root / "qc_overrides.tsv"

    def step_dir(self, asset: str, partition: str) -> Path:
        """Folder of the files of one asset partition."""
        return self.files_dir / asset / partition

    def resolve_unit_path(self, text: str) -> Path:
        """Path of a file as written in the sample sheet: relative to the folder of the sheet."""
        return self.samples_path.parent / Path(text).expanduser()

    def display(self, path: Path) -> str:
        """A path for messages: relative to the study folder if it lies there."""
        return str(path.relative_to(self.root)) if path.is_relative_to(self.root) else str(path)

    def _below_root(self, text: str | None) -> Path | None:
        return None if text is None else self.root / Path(text).expanduser()


def find_study_root(start: Path) -> Path:
    """Return ``start`` if it is a study folder.

    Raises
    ------
    ConfigError
        There is no ``poma.yaml``.
    """
    if not (start / CONFIG_NAME).is_file():
        raise _no_study(start)
    return start.resolve()


def load_study(root: Path) -> Study:
    """Read and validate ``poma.yaml`` of a study folder.

    Raises
    ------
    ConfigError
        No such file, invalid YAML, unknown keys or wrong values; with line and column.
    """
    if not (root / CONFIG_NAME).is_file():
        raise _no_study(root)
    text = _read_text(root / CONFIG_NAME, CONFIG_NAME, "the configuration", ConfigError)
    return Study(root.resolve(), parse_config(text))


def load_sample_sheet(study: Study) -> SampleSheet:
    """Read the sample sheet of a study and check that the files it names exist.

    Raises
    ------
    SampleSheetError
        Missing, undecodable or wrong sheet, or a file that is not there; with line and column.
    """
    path = study.samples_path
    source = study.display(path)
    text = _read_text(path, source, "the sample sheet", SampleSheetError)
    sheet = parse_sample_sheet(text, source=source, files_required=study.config.count_matrix is None)
    missing = list(_missing_unit_files(study, sheet))
    if missing:
        line, column, written = missing[0]
        more = f", and {len(missing) - 1} further files of the sheet are missing" if len(missing) > 1 else ""
        raise SampleSheetError(
            f"there is no file {written!r}",
            where=f"{source}, line {line}, column {column}",
            found=f"no {study.resolve_unit_path(written)}{more}",
            expected="a path relative to the folder of the sheet, or an absolute one",
            fix=_missing_file_fix(study.resolve_unit_path(written), written),
        )
    return sheet


def load_contrasts(study: Study, sheet: SampleSheet) -> list[Contrast]:
    """Read the contrasts of a study and check them against its samples; empty if the study has none.

    Raises
    ------
    ContrastError
        Missing, undecodable or wrong file; with line and column.
    """
    path = study.contrasts_path
    if path is None:
        return []
    source = study.display(path)
    contrasts = parse_contrasts(_read_text(path, source, "the contrasts file", ContrastError), source=source)
    validate_contrasts(contrasts, sheet, source=source)
    return contrasts


def _no_study(root: Path) -> ConfigError:
    return ConfigError(
        f"{root} is no study folder",
        found=f"no {CONFIG_NAME}" if root.is_dir() else "no such folder",
        expected=f"a folder with {CONFIG_NAME}",
        fix="Make one with 'poma init DIR', or name the folder with '--study DIR'",
    )


def _read_text(path: Path, source: str, what: str, error: type[InputError]) -> str:
    if not path.exists():
        raise error(f"{what} is missing", where=source, found=f"no file {path}", fix=_missing_file_fix(path, path.name))
    return read_text(path, source=source, what=what, error=error, max_bytes=LARGEST_STUDY_FILE_BYTES)


def _missing_unit_files(study: Study, sheet: SampleSheet) -> Iterator[tuple[int, str, str]]:
    for unit in sheet.units.to_dict("records"):
        for column in ("fastq_1", "fastq_2", "counts"):
            written = unit[column]
            if isinstance(written, str) and not study.resolve_unit_path(written).is_file():
                yield int(unit["sheet_line"]), column, written


def _missing_file_fix(path: Path, written: str) -> str | None:
    if "://" in written:
        return "Addresses are not fetched: download the file and write its path"
    if path.is_dir():
        return "This is a folder: write the path of a file in it"
    if not path.parent.is_dir():
        return f"There is no folder {path.parent} either: copy it there, or correct the path"
    alike = near_miss(path.name, (entry.name for entry in path.parent.iterdir()))
    return f"Did you mean {alike!r}, which is in that folder?" if alike else None
