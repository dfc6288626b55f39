"""Links that lead out of a study, and folders that everybody may change: nothing outside is written or removed."""

from __future__ import annotations

from pathlib import Path

import pytest
from recorded_study import write_study

from poma_assets.cleaning import plan_cleaning
from poma_assets.launcher import Launcher
from poma_assets.science.errors import StorageError
from poma_assets.storage.results_folder import foreign_links, refuse_foreign_links, refuse_foreign_results
from poma_assets.storage.staging import _host, staged_directory
from poma_assets.tools.command import run_command
from poma_assets.tools.study_check import examine_study


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """Somebody else's folder."""
    folder = tmp_path / "elsewhere"
    (folder / "S1").mkdir(parents=True)
    (folder / "S1" / "precious.txt").write_text("mine")
    (folder / "precious.txt").write_text("mine")
    return folder


@pytest.fixture
def results(tmp_path: Path) -> Path:
    folder = tmp_path / "study" / "results"
    (folder / "files" / "alignments" / "S1").mkdir(parents=True)
    (folder / "logs" / "alignments").mkdir(parents=True)
    (folder / "reports" / "contrasts").mkdir(parents=True)
    return folder


def contents(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize(
    "place",
    [
        *("files", "logs", "reports", "warehouse.duckdb", "study.duckdb", ".run.lock"),
        *("files/trimmed_reads", "files/alignments/S2", "logs/star_index", "logs/alignments/S1.log"),
        *("reports/study", "reports/contrasts/pom"),
    ],
)
def test_a_link_out_of_the_results_is_refused_before_anything_runs(results: Path, elsewhere: Path, place: str) -> None:
    refuse_foreign_links(results)
    link = results / place
    if link.is_dir():
        link.rename(results / "aside")
    link.symlink_to(elsewhere)
    with pytest.raises(StorageError, match=r"leads out of the results, .*found a link to .*elsewhere"):
        refuse_foreign_links(results)
    assert [str(found) for found in foreign_links(results)] == [str(link)]


def test_links_within_the_results_and_to_single_reads_stay(results: Path, elsewhere: Path) -> None:
    (results / "files" / "raw_reads" / "S1").mkdir(parents=True)
    (results / "files" / "raw_reads" / "S1" / "S1_raw_R1.fastq").symlink_to(elsewhere / "precious.txt")
    (results / "files" / "more").symlink_to(results / "files" / "alignments")
    refuse_foreign_links(results)


def test_a_step_does_not_write_through_the_link_of_its_asset(results: Path, elsewhere: Path) -> None:
    (results / "files" / "trimmed_reads").symlink_to(elsewhere)
    with pytest.raises(StorageError, match="a link leads out of the results"):
        refuse_foreign_results(results, "files", "trimmed_reads")
    refuse_foreign_results(results, "files", "alignments")


@pytest.mark.parametrize("is_dangling", [False, True])
def test_the_folder_of_a_sample_replaces_a_link_and_leaves_its_target(
    results: Path, elsewhere: Path, is_dangling: bool
) -> None:
    target = results / "files" / "alignments" / "S2"
    target.symlink_to(elsewhere / ("gone" if is_dangling else "S1"))
    before = contents(elsewhere)
    with staged_directory(target) as folder:
        (folder / "S2.bam").write_text("ours")
    assert not target.is_symlink()
    assert contents(target) == {"S2.bam": "ours"}
    assert contents(elsewhere) == before
    assert sorted(path.name for path in target.parent.iterdir()) == ["S1", "S2"]


def test_a_log_is_not_written_through_a_link(results: Path, elsewhere: Path) -> None:
    log = results / "logs" / "alignments" / "S1.log"
    log.symlink_to(elsewhere / "precious.txt")
    run_command(["/bin/true"], log_path=log, tool="true")
    assert (elsewhere / "precious.txt").read_text() == "mine"
    assert log.read_text().startswith("$ /bin/true")


def test_results_may_be_a_link_to_an_empty_folder_or_to_earlier_results_only(results: Path, elsewhere: Path) -> None:
    scratch = results.parent.parent / "scratch"
    results.rename(scratch)
    results.symlink_to(scratch)
    refuse_foreign_links(results)
    results.unlink()
    results.symlink_to(elsewhere)
    with pytest.raises(StorageError, match="the results folder is a link to a folder with other things in it"):
        refuse_foreign_results(results)
    assert contents(elsewhere) == {"S1/precious.txt": "mine", "precious.txt": "mine"}


def test_neither_run_nor_clean_touches_what_results_link_to(
    tmp_path: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home"))
    left_behind = elsewhere / f".x.partial-{_host()}-999999-"
    left_behind.mkdir()
    study = write_study(tmp_path / "study")
    study.study.results_dir.symlink_to(elsewhere)
    before = sorted(path for path in elsewhere.rglob("*"))
    for use in (
        lambda: Launcher(study, None),  # type: ignore[arg-type]
        lambda: plan_cleaning(study, withdrawn=True),
    ):
        with pytest.raises(StorageError, match="the results folder is a link to a folder with other things in it"):
            use()
    assert sorted(path for path in elsewhere.rglob("*")) == before


@pytest.mark.parametrize("name", [".", "poma.yaml", "results"])
def test_doctor_warns_of_what_everybody_may_change(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POMA_CACHE", str(tmp_path / "cache"))
    study = tmp_path / "study"
    (study / "results").mkdir(parents=True)
    (study / "poma.yaml").write_text("name: x\n")
    assert [finding.state for finding in examine_study(study)] == ["ok"]
    (study / name).chmod(0o777)
    (finding,) = examine_study(study)
    assert finding.state == "warning"
    assert "everybody may write" in finding.found
    assert "chmod -R o-w" in finding.fix


def test_doctor_warns_of_a_webhook_that_everybody_may_read_and_never_shows_it(tmp_path: Path) -> None:
    config = tmp_path / "poma.yaml"
    config.write_text("name: x\nnotifications:\n  webhook: https://hooks.example.org/T000/s3cr3t\n")
    config.chmod(0o644)
    (finding,) = [one for one in examine_study(tmp_path) if one.name == "poma.yaml"]
    assert "s3cr3t" not in f"{finding.found}{finding.fix}"
    config.chmod(0o600)
    assert [one for one in examine_study(tmp_path) if one.name == "poma.yaml"] == []


def test_doctor_tells_of_links_and_fails_on_nothing(tmp_path: Path, elsewhere: Path) -> None:
    (tmp_path / "study" / "results" / "files").mkdir(parents=True)
    (tmp_path / "study" / "results" / "files" / "alignments").symlink_to(elsewhere)
    findings = examine_study(tmp_path / "study")
    assert any("a link leads out of the results" in finding.found for finding in findings)
    assert examine_study(tmp_path / "no such folder")
