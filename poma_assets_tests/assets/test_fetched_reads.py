"""A study whose reads are named by accession: checked and planned offline, then fetched and counted."""

from __future__ import annotations

import shutil

import pandas as pd
import pytest
from ena_server import declare, file_path
from loopback_server import loopback

from poma_assets.assets.accessions import describe_accessions, sample_is_paired, sample_lanes
from poma_assets.parameters import parameters_of
from poma_assets.resources import StudyResource
from poma_assets.science.errors import AccessionError, FastqError

SAMPLE = "MM1S_DMSO_1"
RUN = "SRR1039508"


@pytest.fixture
def server(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with loopback() as running:
        monkeypatch.setenv("POMA_ENA_URL", f"{running.url}/ena")
        yield running


@pytest.fixture
def small_study(tmp_path):
    """A study that has a sheet and nothing else; returns a function that writes the sheet and opens it."""
    (tmp_path / "poma.yaml").write_text("name: small\n")

    def sheet(*lines):
        (tmp_path / "samples.tsv").write_text("\n".join(["sample\tfastq_1\tfastq_2\taccession", *lines]) + "\n")
        return StudyResource(root=str(tmp_path))

    return sheet


def name_by_accession(study, accession):
    """Put the first sample's reads out of the sheet and an accession in; return the reads."""
    sheet = pd.read_csv(study / "samples.tsv", sep="\t", dtype=str, keep_default_na=False)
    sheet["accession"] = ""
    reads = [(study / sheet.loc[0, column]).read_bytes() for column in ("fastq_1", "fastq_2")]
    for column in ("fastq_1", "fastq_2"):
        (study / sheet.loc[0, column]).unlink()
    sheet.loc[0, ["fastq_1", "fastq_2", "accession"]] = ["", "", accession]
    sheet.to_csv(study / "samples.tsv", sep="\t", index=False)
    return {f"{RUN}_{read}.fastq.gz": body for read, body in enumerate(reads, start=1)}


@pytest.mark.tools
def test_an_accession_is_checked_planned_fetched_and_counted(study_copy, poma, server, poma_here):
    reads = name_by_accession(study_copy, "SRX384345")
    declare(server, "SRX384345", {RUN: reads})
    config = study_copy / "poma.yaml"
    config.write_text(config.read_text().replace("reference:\n", "reference:\n  star_sparse_d: 2\n"))
    checked = poma_here("check", "--study", str(study_copy))
    assert checked.returncode == 0, checked.stderr
    assert f"the reads of 1 will be fetched from {server.url}/ena into downloads (SRX384345)" in checked.stdout
    planned = poma_here("plan", "--study", str(study_copy))
    assert planned.returncode == 0, planned.stderr
    assert server.requests == []
    ran = poma("run", "--study", str(study_copy), "--samples", SAMPLE, "--until", "counts")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    logs = [path.read_bytes() for path in (study_copy / ".dagster").rglob("*.db")]
    assert any(f"fetching {server.url}{file_path(RUN, f'{RUN}_1.fastq.gz')}".encode() in log for log in logs)
    study = StudyResource(root=str(study_copy))
    counts = study.warehouse.read("gene_counts", {"sample_id": SAMPLE})
    assert counts["count"].sum() > 1000
    assert {name: (study_copy / "downloads" / RUN / name).read_bytes() for name in reads} == reads
    units = study.warehouse.read("sequencing_units", {"sample_id": SAMPLE})
    parameters = study.files("star_index")["parameters"].read_text()
    assert "genomeSAsparseD\t2" in parameters
    assert units[["fastq_1", "accession"]].to_numpy(dtype=object).tolist() == [[None, "SRX384345"]]
    again = poma("run", "--study", str(study_copy), "--samples", SAMPLE, "--until", "counts")
    assert "nothing" in (again.stdout + again.stderr).lower()


def test_lanes_are_files_and_runs_in_the_order_of_the_sheet(small_study, server, tmp_path):
    (tmp_path / "a_1.fq").write_text("")
    (tmp_path / "a_2.fq").write_text("")
    pair = {name: {f"{name}_1.fastq.gz": b"1", f"{name}_2.fastq.gz": b"2"} for name in ("SRR1000001", "SRR1000002")}
    declare(server, "SRS508568", pair)
    study = small_study("A\ta_1.fq\ta_2.fq\t", "A\t\t\tSRS508568")
    lanes = sample_lanes(study, "A", tell=print)
    assert [[path.name for path in lane] for lane in lanes] == [
        ["a_1.fq", "a_2.fq"],
        ["SRR1000001_1.fastq.gz", "SRR1000001_2.fastq.gz"],
        ["SRR1000002_1.fastq.gz", "SRR1000002_2.fastq.gz"],
    ]
    assert sample_is_paired(study, "A", tell=print)


def test_single_end_runs_are_known_as_such_without_the_network(small_study, server):
    declare(server, RUN, {RUN: {f"{RUN}.fastq.gz": b"1"}}, layout="SINGLE")
    study = small_study(f"A\t\t\t{RUN}")
    sample_lanes(study, "A", tell=print)
    server.answers.clear()
    assert not sample_is_paired(study, "A", tell=print)


def test_lanes_of_two_kinds_are_refused(small_study, server):
    runs = {
        "SRR1000001": {"SRR1000001_1.fastq.gz": b"1", "SRR1000001_2.fastq.gz": b"2"},
        "SRR1000002": {"SRR1000002.fastq.gz": b"1"},
    }
    declare(server, "SRX384345", runs, layout="SINGLE")
    with pytest.raises(FastqError, match=r"SRR1000001_1.fastq.gz paired, SRR1000002.fastq.gz single-end"):
        sample_lanes(small_study("A\t\t\tSRX384345"), "A", tell=print)


def test_a_run_that_two_rows_hold_is_refused(small_study, server):
    files = {f"{RUN}.fastq.gz": b"1"}
    declare(server, RUN, {RUN: files}, layout="SINGLE")
    declare(server, "SRX384345", {RUN: files}, layout="SINGLE")
    study = small_study(f"A\t\t\t{RUN}", "B\t\t\tSRX384345")
    sample_lanes(study, "A", tell=print)
    with pytest.raises(AccessionError, match=r"samples.tsv, line 2, .* SRR1039508 is in the sheet twice .*of sample A"):
        sample_lanes(study, "B", tell=print)


def test_a_sample_depends_on_the_text_of_its_accession_only(small_study, server, tmp_path):
    study = small_study(f"A\t\t\t{RUN}")
    parameters = parameters_of("raw_reads", "A", study)
    assert parameters == {f"sequencing_units of A: {RUN}": RUN}
    declare(server, RUN, {RUN: {f"{RUN}.fastq.gz": b"1"}}, layout="SINGLE")
    sample_lanes(study, "A", tell=print)
    shutil.rmtree(tmp_path / "downloads")
    assert parameters_of("raw_reads", "A", study) == parameters


def test_what_is_to_be_fetched_is_said_offline(small_study, server):
    study = small_study(f"A\t\t\t{RUN}", "B\t\t\tSRX384345")
    assert describe_accessions(study) == (
        f"accessions: the reads of 2 will be fetched from {server.url}/ena into downloads ({RUN}, SRX384345)"
    )
    declare(server, RUN, {RUN: {f"{RUN}.fastq.gz": b"1"}}, layout="SINGLE")
    asked = len(server.requests)
    sample_lanes(study, "A", tell=print)
    assert len(server.requests) == asked + 2
    assert describe_accessions(study).endswith("(SRX384345); those of 1 are there")
    declare(server, "SRX384345", {"SRR1000001": {"SRR1000001.fastq.gz": b"2"}}, layout="SINGLE")
    sample_lanes(study, "B", tell=print)
    assert describe_accessions(study) == "accessions: the reads of all 2 are in downloads"
