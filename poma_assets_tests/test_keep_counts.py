"""`keep: counts` on a finished study, as a user does it: nothing becomes stale, and what is needed is made again."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import duckdb
import pytest

pytestmark = pytest.mark.tools


def query(study: Path, sql: str) -> list[tuple[object, ...]]:
    with duckdb.connect(str(study / "results" / "warehouse.duckdb"), read_only=True) as connection:
        return connection.execute(sql).fetchall()


def files_of(study: Path, asset: str, sample: str) -> set[str]:
    return {path.name.removeprefix(sample) for path in (study / "results" / "files" / asset / sample).iterdir()}


def test_files_are_dropped_and_made_again_where_a_step_needs_them(finished_study, poma, tmp_path, poma_here):
    study = Path(shutil.copytree(finished_study, tmp_path / "study", symlinks=True))
    sample = "MM1S_POM_1"
    assert "_trimmed_R1.fastq.gz" not in files_of(study, "trimmed_reads", sample)  # keep: bam is the default
    assert ".bam" in files_of(study, "alignments", sample)
    with (study / "poma.yaml").open("a") as config:
        config.write("keep: counts\n")
    result = poma("run", "--study", str(study))
    assert result.returncode == 0, result.stderr
    assert "8 steps in 8 runs" in result.stdout
    assert files_of(study, "alignments", sample) == {".Log.final.out", ".Log.out", ".ReadsPerGene.out.tab"}
    assert {path.name for path in (study / "reads").iterdir()} == {
        path.name for path in (finished_study / "reads").iterdir()
    }
    assert json.loads(poma_here("plan", "--study", str(study), "--json").stdout) == []
    status = json.loads(poma_here("status", "--study", str(study), "--json").stdout)
    assert status["disk"]["trimmed reads"] < 100_000
    assert status["disk"]["merged reads"] == 0

    before = dict(query(study, "SELECT asset, data_version FROM steps WHERE partition = 'MM1S_POM_1'"))
    result = poma("run", "--study", str(study), "--until", "counts", "--samples", sample, "--htseq")
    assert result.returncode == 0, result.stderr
    steps = [line.split(": ")[1] for line in result.stderr.splitlines() if f"{sample}: " in line and "done" not in line]
    assert steps == ["trimmed_reads", "alignments", "htseq_counts", "kept_files"]
    counted = dict(query(study, f"SELECT counter, sum(count) FROM gene_counts WHERE sample_id = '{sample}' GROUP BY 1"))
    assert counted["htseq"] == pytest.approx(counted["featurecounts"], rel=0.01)
    after = dict(query(study, "SELECT asset, data_version FROM steps WHERE partition = 'MM1S_POM_1'"))
    assert {asset for asset in after if after[asset] != before.get(asset)} == {"htseq_counts"}
    assert ".bam" not in files_of(study, "alignments", sample)
    plan = json.loads(poma_here("plan", "--study", str(study), "--json").stdout)
    assert sample not in {step["partition"] for step in plan}
