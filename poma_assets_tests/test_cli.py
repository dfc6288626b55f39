"""The command line as a user meets it: exit status, messages, machine-readable output."""

from __future__ import annotations

import gzip
import json
import re
import shutil
import socket
from datetime import date
from pathlib import Path

import pandas as pd
import pytest

from poma_assets.preflight import CheckLine, check_study, require_sound
from poma_assets.resources import StudyResource
from poma_assets.science.errors import PomaError
from poma_assets.storage.gene_set_cache import FetchedGeneSets, store_gene_sets


def edit_sheet(study: Path, row: int, column: str, value: str) -> None:
    sheet = pd.read_csv(study / "samples.tsv", sep="\t", dtype=str, keep_default_na=False)
    sheet.loc[row, column] = value
    sheet.to_csv(study / "samples.tsv", sep="\t", index=False)


def refusal(study: Path) -> PomaError:
    with pytest.raises(PomaError) as caught:
        check_study(StudyResource(root=str(study)))
    return caught.value


def test_a_sound_study_is_told_part_by_part(tiny_study):
    lines = check_study(StudyResource(root=str(tiny_study)))
    assert any(line.text.startswith("sample sheet: 8 samples in 8 sequencing units") for line in lines)
    assert sum(line.text.startswith("contrast ") for line in lines) == 4
    assert not any(line.severity == "error" for line in lines)


def test_a_confounded_design_is_told_with_the_other_contrasts_and_stops_a_run(study_copy, poma_here):
    sheet = pd.read_csv(study_copy / "samples.tsv", sep="\t", dtype=str, keep_default_na=False)
    sheet.assign(batch=sheet["treatment"].str[:2]).to_csv(study_copy / "samples.tsv", sep="\t", index=False)
    contrasts = pd.read_csv(study_copy / "contrasts.tsv", sep="\t", dtype=str, keep_default_na=False)
    contrasts.loc[0, "blocking"] = "batch"
    contrasts.to_csv(study_copy / "contrasts.tsv", sep="\t", index=False)
    study, name = StudyResource(root=str(study_copy)), contrasts.loc[0, "id"]
    errors = [line.text for line in check_study(study) if line.severity == "error"]
    assert any("treatment and batch are the same split" in text for text in errors)
    assert sum(line.text.startswith("contrast ") for line in check_study(study)) == 4
    with pytest.raises(PomaError, match=f"{name}.*the same split"):
        require_sound(study)
    result = poma_here("check", "--study", str(study_copy))
    assert (result.returncode, result.stdout.count("error ")) == (2, len(errors))
    assert CheckLine("error", errors[0]).text in result.stdout


def test_a_missing_fastq_is_named_with_its_line(study_copy):
    edit_sheet(study_copy, 1, "fastq_2", "reads/gone_R2.fastq.gz")
    error = refusal(study_copy)
    assert str(error).startswith("samples.tsv, line 3, column fastq_2: there is no file 'reads/gone_R2.fastq.gz'")
    assert error.exit_status == 2


@pytest.mark.parametrize("name", ["../x", "a/b", "a b", "", "-x"])
def test_a_sample_name_that_could_be_a_path_is_refused(study_copy, name):
    edit_sheet(study_copy, 0, "sample", name)
    assert "line 2, column sample" in str(refusal(study_copy))


def test_a_character_that_turns_the_direction_of_a_name_is_refused(study_copy):
    edit_sheet(study_copy, 0, "sample", "a\u202eb")
    assert str(refusal(study_copy)).startswith("samples.tsv, line 2: control character in the text (found '\\u202e'")


def test_an_unknown_level_is_answered_with_the_levels_there_are(study_copy):
    contrasts = study_copy / "contrasts.tsv"
    contrasts.write_text(contrasts.read_text().replace("\tpomalidomide", "\tpomalidomid", 1))
    text = str(refusal(study_copy))
    assert "found 'pomalidomid'" in text
    assert "Did you mean 'pomalidomide'?" in text


def test_an_absent_program_is_named_with_its_package(tiny_study, tmp_path, monkeypatch):
    for program in ("fastqc", "featureCounts"):
        (tmp_path / program).symlink_to(shutil.which("true") or "/bin/true")
    monkeypatch.setenv("PATH", str(tmp_path))
    text = str(refusal(tiny_study))
    assert "the program STAR is not installed" in text
    assert "rna-star" in text
    assert "bioconda" in text


def test_results_that_cannot_be_written_are_refused_before_anything_runs(study_copy):
    (study_copy / "results").write_text("a file where the folder should be")
    assert "the results folder cannot be written" in str(refusal(study_copy))


def test_a_missing_genome_is_refused(study_copy):
    (study_copy / "reference" / "genome.fa").unlink()
    assert "genome.fa: the file does not exist" in str(refusal(study_copy))


def test_outside_a_study_the_way_in_is_told(poma, tmp_path):
    result = poma("status", cwd=tmp_path)
    assert result.returncode == 2
    assert "poma init DIR" in result.stderr
    assert "Traceback" not in result.stderr


def test_unknown_samples_and_phases_are_refused(poma_here, tiny_study):
    result = poma_here("run", "--study", str(tiny_study), "--samples", "nobody")
    assert (result.returncode, "unknown sample" in result.stderr) == (2, True)
    result = poma_here("run", "--study", str(tiny_study), "--until", "never")
    assert (result.returncode, "--until is unknown" in result.stderr) == (2, True)


def test_the_ui_listens_on_loopback_only_unless_told_twice(poma, tiny_study):
    result = poma("ui", "--study", str(tiny_study), "--host", "0.0.0.0")
    assert result.returncode == 2
    assert "no login" in result.stderr


def test_the_ui_tells_that_its_port_is_taken(poma, tiny_study):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        result = poma("ui", "--study", str(tiny_study), "--port", str(port))
    assert (result.returncode, "in use already" in result.stderr) == (2, True)


def test_what_a_check_finds_is_told_to_programs(poma_here, tiny_study):
    result = poma_here("check", "--study", str(tiny_study), "--json")
    lines = json.loads(result.stdout)
    assert result.returncode == 0
    assert {line["severity"] for line in lines} <= {"ok", "note", "warning"}
    assert any(line["text"].startswith("sample sheet: 8 samples") for line in lines)


def test_init_writes_a_sheet_from_the_reads_found(poma_here, tiny_study, tmp_path):
    study = tmp_path / "own"
    result = poma_here("init", str(study), "--reads", str(tiny_study / "reads"))
    assert result.returncode == 0, result.stderr
    sheet = pd.read_csv(study / "samples.tsv", sep="\t", dtype=str)
    assert len(sheet) == 8
    assert sheet["fastq_2"].str.endswith("_R2.fastq.gz").all()
    assert "FILL IN" in result.stdout
    refused = poma_here("run", "--study", str(study))
    assert (refused.returncode, "still to be filled in" in refused.stderr) == (2, True)
    twice = poma_here("init", str(tmp_path / "other"), "--reads", "x", "--count-matrix", "y")
    assert (twice.returncode, "three ways" in twice.stderr) == (2, True)
    again = poma_here("init", str(study), "--reads", str(tiny_study / "reads"))
    assert (again.returncode, "there is a study already" in again.stderr) == (2, True)


@pytest.mark.tools
def test_results_are_read_by_people_and_programs(poma_here, finished_study):
    study = ["--study", str(finished_study)]
    verdicts = json.loads(poma_here("verdicts", *study, "--json").stdout)
    assert {row["contrast_id"] for row in verdicts} >= {"pom_in_sensitive", "pom_in_resistant"}
    assert all(row["sentence"] for row in verdicts)
    table = poma_here("verdicts", *study, "--contrast", "pom_in_sensitive").stdout
    assert "IRF4" in table
    assert "pom_in_resistant" not in table
    answer = poma_here("query", *study, "SELECT count(*) AS n FROM samples", "--csv")
    assert answer.stdout == "n\n8\n"
    status = json.loads(poma_here("status", *study, "--json").stdout)
    assert [row["included"] for row in status["samples"]] == ["yes"] * 8
    assert json.loads(poma_here("report", *study, "--json").stdout)["study report"].endswith("study_report.html")


@pytest.mark.tools
def test_results_are_exported_and_csv_runs_in_no_spreadsheet(poma_here, finished_study, tmp_path):
    study = ["--study", str(finished_study)]
    made = poma_here("export", *study, "--to", str(tmp_path / "out"), "--format", "csv", "--json")
    assert json.loads(made.stdout)["files"]["samples.csv"] == 8
    again = poma_here("export", *study, "--to", str(tmp_path / "out"), "--format", "csv")
    assert (again.returncode, "--force" in again.stderr) == (2, True)
    answer = poma_here("query", *study, "--csv", "SELECT '=1+1' AS a, -1.5 AS b, '-' AS c")
    assert answer.stdout == "a,b,c\n'=1+1,-1.5,-\n"


@pytest.mark.tools
def test_wrong_sql_is_answered_without_a_traceback(poma_here, finished_study):
    result = poma_here("query", "--study", str(finished_study), "SELEC 1")
    assert result.returncode == 1
    assert "Parser Error" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.tools
def test_a_query_cannot_write(poma_here, finished_study):
    result = poma_here("query", "--study", str(finished_study), "DELETE FROM samples")
    assert result.returncode != 0
    rows = poma_here("query", "--study", str(finished_study), "SELECT count(*) AS n FROM samples", "--csv")
    assert rows.stdout == "n\n8\n"


@pytest.mark.tools
@pytest.mark.parametrize(
    ("sql", "part"),
    [("", "one SQL statement"), ("SELECT 1; SELECT 2", "one SQL statement"), ("COPY samples TO 'x.csv'", "Permission")],
)
def test_a_query_is_one_statement_that_reads(finished_study, sql, part):
    with pytest.raises(PomaError, match=part):
        StudyResource(root=str(finished_study)).warehouse.query(sql)


@pytest.mark.tools
def test_the_views_answer_without_the_published_copy(finished_study):
    top = StudyResource(root=str(finished_study)).warehouse.query("SELECT * FROM v_top_genes WHERE rank = 1")
    assert set(top["engine"]) == {"deseq2", "edger"}


@pytest.mark.tools
def test_another_counter_makes_the_gene_counts_stale(poma_here, finished_study, tmp_path):
    study = Path(shutil.copytree(finished_study, tmp_path / "study"))
    with (study / "poma.yaml").open("a") as config:
        config.write("counter: star\n")
    stale = json.loads(poma_here("plan", "--study", str(study), "--json").stdout)
    recounted = [step for step in stale if step["asset"] == "gene_counts"]
    assert len(recounted) == 8
    assert recounted[0]["reason"] == "counter in poma.yaml changed from featurecounts to star"


def test_fetched_gene_sets_that_were_edited_are_told(study_copy):
    fetched = FetchedGeneSets("set\tname\tIRF4\tMYC\n", "http://localhost", "release 1")
    note = store_gene_sets(study_copy, "own", date(2026, 1, 2), fetched, licence="CC0")
    config = study_copy / "poma.yaml"
    config.write_text(re.sub(r"gene_sets:.*", f"gene_sets: [{note.name}]", config.read_text()))
    study = StudyResource(root=str(study_copy))
    assert not any("not as they were fetched" in line.text for line in check_study(study))
    (study_copy / note.name).write_bytes(gzip.compress(b"set\tname\tIRF4\n"))
    warnings = [line.text for line in check_study(study) if line.severity == "warning"]
    assert f"gene sets {note.name} are not as they were fetched on 2026-01-02: edited or damaged" in warnings


def test_more_columns_than_the_terminal_has_room_for_are_shown_line_by_line(capsys):
    from rich.console import Console

    from poma_assets.cli.results import _least_width, _records

    frame = pd.DataFrame({"gene_name": ["IRF4", "MYC"], **{f"p_value_{i}": [1.2345e-181, 1.0] for i in range(6)}})
    assert _least_width(frame[["gene_name", "p_value_0"]]) == 2 + 8 + 2 + 11
    assert _least_width(frame) > 60
    Console(width=60).print(_records(frame))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["gene_name", "IRF4"]
    assert lines[1].split() == ["p_value_0", "1.2345e-181"]
    assert lines[8].split() == ["gene_name", "MYC"]


def test_query_never_cuts_a_number(capsys):
    from rich.console import Console

    from poma_assets.cli.results import _query_table

    frame = pd.DataFrame({"gene": ["IRF4"], "p_value": [1.7790164043e-181], "n": [12.0], "reason": ["x" * 200]})
    Console(width=60).print(_query_table(frame, 60))
    printed = capsys.readouterr().out
    assert "1.779e-181" in printed
    assert " 12 " in printed
    assert "…" in printed
