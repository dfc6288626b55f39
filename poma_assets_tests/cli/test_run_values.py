"""What `poma run --json` says of failures: whose they are, and where the log is."""

from __future__ import annotations

import pytest
from recorded_study import write_study

from poma_assets.cli.running import summary_values
from poma_assets.launcher import Summary


@pytest.fixture
def study(tmp_path):
    study = write_study(tmp_path)
    (tmp_path / "samples.tsv").write_text(
        "sample\tfastq_1\tfastq_2\tstrandedness\ttreatment\n"
        "S1\treads/S1_0_R1.fastq\treads/S1_0_R2.fastq\tauto\tDMSO\n"
        "S2\treads/S2_1_R1.fastq\treads/S2_1_R2.fastq\tauto\tdrug\n"
    )
    # A contrast may be called as a sample.
    (tmp_path / "contrasts.tsv").write_text("id\tvariable\treference\ttarget\nS1\ttreatment\tDMSO\tdrug\n")
    return study


@pytest.mark.parametrize(
    ("label", "asset", "sample", "contrast"),
    [
        ("S1", "alignments", "S1", None),
        ("S1", "de_results", None, "S1"),
        ("all", "count_matrix", None, None),
        ("S2", "worker", "S2", None),
        ("all", "worker", None, None),
    ],
)
def test_a_failure_names_its_sample_or_contrast(study, label, asset, sample, contrast):
    told = summary_values(study, Summary(runs=1, steps=3, failures=[(label, asset, "why")], not_reached=["reports"]))
    failure = {"sample": sample, "contrast": contrast, "asset": asset, "message": "why", "log": None}
    assert told["failures"] == [failure]
    assert (told["succeeded"], told["runs"], told["steps"], told["not_reached"]) == (False, 1, 3, ["reports"])


def test_the_log_of_the_program_is_named(study):
    log = study.log_path("alignments", "S1")
    log.parent.mkdir(parents=True)
    log.write_text("STAR said so")
    told = summary_values(study, Summary(failures=[("S1", "alignments", "why")]))
    assert told["failures"][0]["log"] == str(log)
