"""The inbox on disk: the command that takes samples over, and the sensor that never does."""

from __future__ import annotations

import json
import os
import time

import dagster as dg
import pytest
from typer.testing import CliRunner

from poma_assets.cli.app import app
from poma_assets.config import load_study
from poma_assets.inbox_folder import append_rows
from poma_assets.inbox_sensor import inbox_sensor
from poma_assets.resources import StudyResource
from poma_assets.science.errors import ConfigError, InputError, SampleSheetError
from poma_assets.science.inbox import ProposedRow
from poma_assets.study_config import parse_config

SHEET = b'\xef\xbb\xbfbatch,sample,fastq_1,fastq_2,rin,note\r\n1,S1,inbox/S1_R1.fastq.gz,inbox/S1_R2.fastq.gz,9,"a, b"'


def deliver(folder, *names, age_s=120):
    folder.mkdir(exist_ok=True, parents=True)
    for name in names:
        (folder / name).write_bytes(b"x")
        os.utime(folder / name, (time.time() - age_s,) * 2)


@pytest.fixture
def study(tmp_path):
    (tmp_path / "poma.yaml").write_text("name: mm\ninbox: {folder: inbox}\n")
    (tmp_path / "samples.csv").write_bytes(SHEET)
    deliver(tmp_path / "inbox", "S1_R1.fastq.gz", "S1_R2.fastq.gz")
    return tmp_path


@pytest.fixture
def run(study, monkeypatch):
    for name in ("POMA_STUDY", "DAGSTER_HOME"):
        monkeypatch.setenv(name, "")

    def invoke(*arguments):
        result = CliRunner().invoke(app, ["inbox", "--study", str(study), *arguments], catch_exceptions=False)
        assert result.exit_code == 0
        return result.stdout

    return invoke


def tick(study):
    with dg.instance_for_test() as instance:
        return inbox_sensor(
            dg.build_sensor_context(instance=instance), study=StudyResource(root=str(study))
        ).skip_message


def test_accepting_appends_to_the_sheet_and_keeps_every_byte(study, run):
    lanes = [f"S2_L00{lane}_R{mate}_001.fastq.gz" for lane in (1, 2) for mate in (1, 2)]
    deliver(study / "inbox" / "run 2", *lanes)
    (study / "samples.csv").chmod(0o640)
    assert "proposed S2 L001: inbox/run 2/S2_L001_R1_001.fastq.gz" in run()
    assert (study / "samples.csv").read_bytes() == SHEET
    assert "accepted S2 L002" in run("--accept", "all")
    added = "".join(
        f"\r\n,S2,inbox/run 2/S2_L00{n}_R1_001.fastq.gz,inbox/run 2/S2_L00{n}_R2_001.fastq.gz,," for n in (1, 2)
    )
    assert (study / "samples.csv").read_bytes() == SHEET + added.encode() + b"\r\n"
    assert (study / "samples.csv.bak").read_bytes() == SHEET
    assert (study / "samples.csv").stat().st_mode & 0o777 == 0o640
    assert "Nothing is proposed." in run("--accept", "all")
    assert (study / "samples.csv.bak").read_bytes() == SHEET


def test_chosen_samples_only_and_json(study, run):
    deliver(study / "inbox", *(f"S{n}_R{mate}.fq" for n in (2, 3, 4) for mate in (1, 2)), "S5_R1.fq")
    told = json.loads(run("--accept", "S4,S2", "--json"))
    assert [row["sample"] for row in told["accepted"]] == ["S2", "S4"]
    assert [row["sample"] for row in told["rows"]] == ["S2", "S3", "S4"]
    assert told["remarks"][0]["files"] == ["inbox/S5_R1.fq"]
    assert [row["sample"] for row in json.loads(run("--json"))["rows"]] == ["S3"]
    with pytest.raises(InputError, match="sample 'S5' is not proposed"):
        run("--accept", "S3,S5")
    assert b"S3" not in (study / "samples.csv").read_bytes()


def test_a_file_named_by_an_absolute_path_is_known(study, run):
    (study / "samples.csv").write_text(
        f"sample,fastq_1,fastq_2\nA,{study}/inbox/../inbox/S1_R1.fastq.gz,./inbox/S1_R2.fastq.gz\n"
    )
    assert run() == "Nothing is proposed.\n"


def test_a_linked_sheet_stays_a_link_and_hidden_files_are_passed_over(study, run):
    (study / "samples.csv").rename(study / "real.csv")
    (study / "samples.csv").symlink_to("real.csv")
    deliver(study / "inbox", ".S8_R1.fq", "S2_R1.fq", "S2_R2.fq")
    run("--accept", "S2")
    assert (study / "samples.csv").is_symlink()
    assert b"S2_R1.fq" in (study / "real.csv").read_bytes()
    assert b"S8" not in (study / "real.csv").read_bytes()


def test_a_sheet_that_would_not_be_valid_is_left_alone(study):
    rows = [ProposedRow("s1", None, "inbox/a.fq", None)]
    with pytest.raises(SampleSheetError, match="upper and lower case"):
        append_rows(load_study(study), rows)
    assert (study / "samples.csv").read_bytes() == SHEET
    assert not (study / "samples.csv.bak").exists()


def test_the_sensor_writes_proposals_and_never_the_sheet(study):
    assert tick(study) == "Nothing is proposed."
    deliver(study / "inbox", "S2_R1.fq", "S2_R2.fq", "S9_R1.fq")
    told = tick(study)
    assert told.startswith("Proposed in proposed_samples.tsv: S2. 1 remarks on files that are not proposed")
    proposed = study / "proposed_samples.tsv"
    assert proposed.read_text() == (
        "batch\tsample\tfastq_1\tfastq_2\trin\tnote\n\tS2\tinbox/S2_R1.fq\tinbox/S2_R2.fq\t\t\n"
    )
    before = proposed.stat().st_ino
    tick(study)
    assert proposed.stat().st_ino == before
    assert (study / "samples.csv").read_bytes() == SHEET
    (study / "inbox" / "S2_R2.fq").unlink()
    tick(study)
    assert not proposed.exists()


def test_without_inbox_or_folder_it_says_what_to_do(study, run):
    (study / "poma.yaml").write_text("name: mm\ninbox: {folder: elsewhere}\n")
    assert "the inbox is no folder" in tick(study)
    (study / "poma.yaml").write_text("name: mm\n")
    assert "no inbox is configured" in tick(study)
    with pytest.raises(ConfigError, match=r"inbox: \{folder"):
        run()


@pytest.mark.parametrize("pattern", ["(?P<sample>.*", "(.*)_R1.fq", "(?P<sample>.)(?P<mate>.)"])
def test_a_pattern_that_cannot_work_is_refused(pattern):
    with pytest.raises(ConfigError, match=r"inbox\.pattern"):
        parse_config(f"name: mm\ninbox: {{folder: in, pattern: '{pattern}'}}\n")
