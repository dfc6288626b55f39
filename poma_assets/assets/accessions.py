"""Reads that the sheet names by accession: fetched into the study, then like files of the user's own.

They lie in the study's ``downloads``, outside ``results``: raw input, which nothing removes.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from poma_assets.resources import StudyResource
from poma_assets.science.errors import AccessionError, FastqError
from poma_assets.science.secret_texts import without_secrets
from poma_assets.science.tables import listing
from poma_assets.tools.ena import are_there, ena_address, fetch_run, kept_runs, resolve_accession
from poma_assets.tools.transfer_log import Tell


def sample_lanes(study: StudyResource, sample: str, *, tell: Tell) -> list[list[Path]]:
    """Files of every lane of a sample, first reads before second; those of accessions are fetched if missing.

    Raises
    ------
    AccessionError
        An accession has no reads, or its reads belong to another sample, too.
    DownloadError
        They cannot be fetched.
    FastqError
        Some lanes are paired and some are not.
    """
    lanes = [lane for unit in _units(study, sample) for lane in _unit_lanes(study, unit, tell)]
    if len({len(lane) for lane in lanes}) > 1:
        raise FastqError(
            f"sample {sample} has single-end and paired-end lanes",
            where=f"sample {sample}",
            found=", ".join(f"{lane[0].name} {'paired' if len(lane) == 2 else 'single-end'}" for lane in lanes),
            expected="all lanes of a sample paired, or all single-end",
            fix="Name in the sheet only the runs of one kind, one row for each.",
        )
    return lanes


def sample_is_paired(study: StudyResource, sample: str, *, tell: Tell) -> bool:
    """Whether a sample has second reads; of an accession this is known from what it was resolved to."""
    return all(
        all(run.is_paired for run in resolve_accession(unit["accession"], study.study.downloads_dir, tell=tell))
        if isinstance(unit["accession"], str)
        else isinstance(unit["fastq_2"], str)
        for unit in _units(study, sample)
    )


def describe_accessions(study: StudyResource) -> str | None:
    """What will be fetched, in a sentence and without asking the network; None where the sheet has no accession."""
    downloads = study.study.downloads_dir
    named = [str(accession) for accession in study.sheet.units["accession"].dropna()]
    if not named:
        return None
    kept = {name: kept_runs(name, downloads) for name in named}
    missing = [name for name, runs in kept.items() if runs is None or not are_there(runs, downloads)]
    if not missing:
        return f"accessions: the reads of all {len(named)} are in {study.study.display(downloads)}"
    here = f"; those of {len(named) - len(missing)} are there" if len(missing) < len(named) else ""
    return (
        f"accessions: the reads of {len(missing)} will be fetched from {without_secrets(ena_address())} into "
        f"{study.study.display(downloads)} ({listing(missing, 6)}){here}"
    )


def _units(study: StudyResource, sample: str) -> list[dict[str, Any]]:
    units = study.sheet.units
    return [
        {str(name): value for name, value in unit.items()}
        for unit in units.loc[units["sample_id"] == sample].to_dict("records")
    ]


def _unit_lanes(study: StudyResource, unit: Mapping[str, Any], tell: Tell) -> Iterable[list[Path]]:
    accession, downloads = unit["accession"], study.study.downloads_dir
    if not isinstance(accession, str):
        paths = (unit["fastq_1"], unit["fastq_2"])
        return [[study.study.resolve_unit_path(path) for path in paths if isinstance(path, str)]]
    runs = resolve_accession(accession, downloads, tell=tell)
    _refuse_shared_runs(study, accession, {run.run_accession for run in runs})
    return [fetch_run(run, downloads, tell=tell) for run in runs]


def _refuse_shared_runs(study: StudyResource, accession: str, runs: set[str]) -> None:
    """An experiment or sample may hold a run that another row names, which the sheet alone does not show."""
    for other in study.sheet.units.dropna(subset=["accession"]).to_dict("records"):
        named = str(other["accession"])
        shared = runs & {run.run_accession for run in kept_runs(named, study.study.downloads_dir) or []}
        if named != accession and shared:
            raise AccessionError(
                f"run {min(shared)} is in the sheet twice",
                where=f"{study.study.display(study.study.samples_path)}, line {other['sheet_line']}, column accession",
                found=f"{accession}, and {named} of sample {other['sample_id']}",
                expected="every run once",
                fix="Write the runs (SRR...) themselves, each in the row of its sample.",
            )
