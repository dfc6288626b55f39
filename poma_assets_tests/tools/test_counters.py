"""featureCounts and htseq-count on the tiny alignment: the truth, by strand, and refused outputs."""

from __future__ import annotations

import pytest

from poma_assets.science.count_tables import (
    parse_featurecounts,
    parse_featurecounts_summary,
    parse_htseq_counts,
)
from poma_assets.science.errors import ToolError
from poma_assets.tools.featurecounts import _check_table, run_featurecounts
from poma_assets.tools.htseq import run_htseq_count


def count_features(tiny_genome, bam, output, strandedness, *, paired=True):
    run_featurecounts(
        bam,
        tiny_genome.gtf,
        output,
        strandedness=strandedness,
        paired=paired,
        threads=1,
        log_path=output.with_suffix(".log"),
    )
    return parse_featurecounts(output.read_text(), source=str(output)).to_dict()


@pytest.mark.tools
def test_featurecounts_by_strand(tiny_genome, tiny_alignment, tmp_path):
    output = tmp_path / "S1.txt"
    assert count_features(tiny_genome, tiny_alignment.bam, output, "reverse") == tiny_genome.truth
    summary = parse_featurecounts_summary((tmp_path / "S1.txt.summary").read_text(), source="x")
    assert (summary["Assigned"], sum(summary.values())) == (500, 500)
    forward = count_features(tiny_genome, tiny_alignment.bam, output, "forward")
    assert [forward[gene] for gene in ("G1", "G2", "G3", "G4")] == [0, 0, 0, 0]
    assert forward["G6"] > 0
    unstranded = count_features(tiny_genome, tiny_alignment.bam, output, "unstranded")
    for gene in ("G1", "G2", "G3", "G4"):
        assert unstranded[gene] == tiny_genome.truth[gene]
    for gene in ("G5", "G6"):
        assert unstranded[gene] <= tiny_genome.truth[gene] - tiny_genome.overlapping[gene]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["S1.log", "S1.txt", "S1.txt.summary"]


@pytest.mark.tools
def test_pairs_are_not_counted_as_reads(tiny_genome, tiny_alignment, tmp_path):
    with pytest.raises(ToolError, match=r"Paired-end reads were detected"):
        count_features(tiny_genome, tiny_alignment.bam, tmp_path / "S1.txt", "unstranded", paired=False)


@pytest.mark.tools
def test_htseq_by_strand(tiny_genome, tiny_alignment, tmp_path):
    output = tmp_path / "S1.txt"
    for strandedness in ("reverse", "unstranded"):
        run_htseq_count(
            tiny_alignment.bam,
            tiny_genome.gtf,
            output,
            strandedness=strandedness,
            paired=True,
            log_path=tmp_path / "log",
        )
        counts, summary = parse_htseq_counts(output.read_text(), source="x")
        if strandedness == "reverse":
            assert counts.to_dict() == tiny_genome.truth
        else:
            assert summary["__ambiguous"] >= sum(tiny_genome.overlapping.values()) > 0
            assert counts.sum() + summary["__ambiguous"] == 500


@pytest.mark.tools
def test_failed_counting_leaves_the_old_table(tiny_genome, tmp_path):
    output = tmp_path / "S1.txt"
    output.write_text("old")
    (tmp_path / "not.bam").write_text("not a BAM file\n" * 50)
    with pytest.raises(ToolError):
        count_features(tiny_genome, tmp_path / "not.bam", output, "reverse")
    assert output.read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["S1.log", "S1.txt", "not.bam"]


def test_incomplete_table_is_found(tmp_path):
    table, summary, log = tmp_path / "t", tmp_path / "t.summary", tmp_path / "log"
    header = "Geneid\tChr\tStart\tEnd\tStrand\tLength\tS1.bam\n"
    rows = ["A\ts1\t1\t9\t+\t9\t4\n", "B\ts1\t20\t29\t+\t10\t3\n"]
    summary.write_text("Status\tS1.bam\nAssigned\t7\n")
    log.write_text("||    Features : 2\n||    Meta-features : 2   ||\n")
    table.write_text(header + "".join(rows))
    _check_table(table, summary, table, log)
    table.write_text(header + rows[0])
    with pytest.raises(ToolError, match=r"found 1 genes with 4 fragments; expected 2 genes with 7 fragments"):
        _check_table(table, summary, table, log)
    log.write_text("of another version")
    with pytest.raises(ToolError, match="expected 1 genes with 7 fragments"):
        _check_table(table, summary, table, log)
