"""STAR on the tiny genome: true counts, complete outputs, and what happens without reads or memory."""

from __future__ import annotations

import gzip
import shutil

import numpy as np
import pytest

from poma_assets.science.errors import NotEnoughDataError, ReferenceFilesError, ToolError
from poma_assets.science.star_logs import parse_reads_per_gene, parse_star_log_final
from poma_assets.science.strandedness import infer_strandedness
from poma_assets.tools.bam import check_bam
from poma_assets.tools.star import align_with_star, build_star_index, genome_sa_index_nbases
from poma_assets.tools.star_index import check_star_index, genome_chr_bin_nbits


@pytest.mark.parametrize(
    ("length_bp", "bases"),
    [(3_100_000_000, 14), (4**15, 14), (4**15 - 1, 13), (2_000_000, 9), (60_000, 6), (1_000, 3), (1, 1)],
)
def test_length_of_index_words(length_bp, bases):
    assert genome_sa_index_nbases(length_bp) == bases


@pytest.mark.parametrize(
    ("length_bp", "contigs", "bits"),
    [(3_100_000_000, 25, 18), (3_000_000_000, 300_000, 13), (60_000, 9999, 6)],
)
def test_bits_of_bins(length_bp, contigs, bits):
    assert genome_chr_bin_nbits(length_bp, contigs, 101) == bits


def test_a_genome_has_bases():
    with pytest.raises(ValueError, match="at least one base"):
        genome_sa_index_nbases(0)


@pytest.mark.tools
def test_counts_are_the_truth(tiny_genome, tiny_alignment):
    text = tiny_alignment.reads_per_gene.read_text()
    genes, summary = parse_reads_per_gene(text, source="x")
    assert genes.set_index("gene_id")["reverse"].to_dict() == tiny_genome.truth
    assert summary["reverse"].sum() == 0
    found = infer_strandedness(
        *(int(genes[name].sum()) for name in ("unstranded", "forward", "reverse")), declared="auto"
    )
    assert found.used == "reverse"
    assert found.unstranded_fragments < found.reverse_fragments


@pytest.mark.tools
def test_outputs_and_log(tiny_genome, tiny_alignment):
    folder = tiny_genome.folder / "alignments" / "S1"
    assert sorted(path.name for path in folder.iterdir()) == [
        "S1.Log.final.out",
        "S1.Log.out",
        "S1.ReadsPerGene.out.tab",
        "S1.SJ.out.tab",
        "S1.bam",
        "S1.bam.bai",
    ]
    assert [path.name for path in folder.parent.iterdir()] == ["S1"]
    log = parse_star_log_final(tiny_alignment.log_final.read_text(), source="x")
    assert (log["read_pairs"], log["uniquely_mapped"], log["unmapped_pct"]) == (500, 500, 0.0)
    assert log["annotated_splices"] == log["splices"] > 50
    assert check_bam(tiny_alignment.bam) == 1000
    assert tiny_alignment.record.version.startswith("2.")


@pytest.mark.tools
def test_single_end_and_plain_reads(tiny_genome, tiny_index, tmp_path):
    plain = tmp_path / "S1.fastq"
    plain.write_bytes(gzip.decompress(tiny_genome.fastq_1.read_bytes()))
    made = align_with_star(plain, None, tiny_index, tmp_path / "S1", threads=2, log_path=tmp_path / "log")
    genes, _ = parse_reads_per_gene(made.reads_per_gene.read_text(), source="x")
    assert genes.set_index("gene_id")["reverse"].to_dict() == tiny_genome.truth
    assert check_bam(made.bam) == 500


@pytest.mark.tools
def test_no_reads_and_foreign_reads_are_said_plainly(tiny_index, tmp_path):
    empty, foreign = tmp_path / "empty.fastq.gz", tmp_path / "foreign.fastq.gz"
    empty.write_bytes(gzip.compress(b""))
    rng = np.random.default_rng(7)
    reads = ["".join(rng.choice(list("ACGT"), 75)) for _ in range(20)]
    text = "".join(f"@r{i}\n{bases}\n+\n{'F' * 75}\n" for i, bases in enumerate(reads))
    foreign.write_bytes(gzip.compress(text.encode()))
    for fastq, message in ((empty, "there are no reads to align"), (foreign, "STAR aligned no read")):
        with pytest.raises(NotEnoughDataError, match=message):
            align_with_star(fastq, None, tiny_index, tmp_path / "S1", threads=1, log_path=tmp_path / "log")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty.fastq.gz", "foreign.fastq.gz", "log"]


@pytest.mark.tools
def test_too_little_memory_for_sorting_names_the_need(tiny_genome, tiny_index, tmp_path):
    with pytest.raises(ToolError, match=r"memory to sort.* 0.0 MiB to spare; expected 953.7 MiB"):
        align_with_star(
            tiny_genome.fastq_1,
            tiny_genome.fastq_2,
            tiny_index,
            tmp_path / "S1",
            threads=1,
            log_path=tmp_path / "log",
            bam_sort_memory_mib=0.0001,
        )


@pytest.mark.tools
def test_malformed_reads_fail_in_stars_words(tiny_index, tmp_path):
    reads = tmp_path / "S1.fastq"
    reads.write_text("@r1\nACGTACGTACGTACGTACGTACGTACGT\n+\nFFFF\n")
    with pytest.raises(ToolError, match=r"STAR failed with exit status(.|\n)*quality string length"):
        align_with_star(reads, None, tiny_index, tmp_path / "S1", threads=1, log_path=tmp_path / "log")


@pytest.mark.tools
def test_index_without_annotation_from_compressed_genome(tiny_genome, tmp_path):
    fasta = tmp_path / "genome.fa.gz"
    fasta.write_bytes(gzip.compress(tiny_genome.fasta.read_bytes()))
    index = tmp_path / "index"
    sizes = {"genome_length_bp": 60_000, "n_contigs": 2, "threads": 1, "log_path": tmp_path / "log"}
    build_star_index(fasta, None, index, **sizes)
    check_star_index(index, with_genes=False)
    with pytest.raises(ToolError, match="no exonGeTrInfo"):
        check_star_index(index, with_genes=True)
    made = align_with_star(
        tiny_genome.fastq_1, tiny_genome.fastq_2, index, tmp_path / "S1", threads=1, log_path=tmp_path / "log"
    )
    assert check_bam(made.bam) >= 1000
    assert not made.reads_per_gene.exists()


@pytest.mark.tools
def test_broken_references_leave_no_index(tiny_genome, tmp_path):
    sizes = {"genome_length_bp": 60_000, "n_contigs": 2, "threads": 1, "log_path": tmp_path / "log"}
    truncated = tmp_path / "genome.fa.gz"
    truncated.write_bytes(gzip.compress(tiny_genome.fasta.read_bytes())[:-900])
    with pytest.raises(ReferenceFilesError, match=r"genome.fa.gz: the gzip file is damaged"):
        build_star_index(truncated, None, tmp_path / "index", **sizes)
    foreign = tmp_path / "foreign.gtf"
    foreign.write_text('chr9\tx\texon\t1\t500\t.\t+\t.\tgene_id "A"; transcript_id "A.1";\n')
    with pytest.raises(ToolError, match=r"STAR failed with exit status(.|\n)*GTF"):
        build_star_index(tiny_genome.fasta, foreign, tmp_path / "index", **sizes)
    assert not (tmp_path / "index").exists()


@pytest.mark.tools
def test_truncated_bam_and_index(tiny_alignment, tiny_index, tmp_path):
    bam = tmp_path / "S1.bam"
    shutil.copy(tiny_alignment.bam, bam)
    assert check_bam(bam) == 1000
    for size in (bam.stat().st_size - 1, 10):
        bam.write_bytes(tiny_alignment.bam.read_bytes()[:size])
        with pytest.raises(ToolError, match="no end-of-file block"):
            check_bam(bam)
    with pytest.raises(ToolError, match="cannot be read"):
        check_bam(tmp_path / "no.bam")
    shutil.copytree(tiny_index, tmp_path / "index")
    (tmp_path / "index" / "SA").write_bytes(b"")
    with pytest.raises(ToolError, match="no SA"):
        align_with_star(
            tmp_path / "any.fastq",
            None,
            tmp_path / "index",
            tmp_path / "S1",
            threads=1,
            log_path=tmp_path / "log",
        )
