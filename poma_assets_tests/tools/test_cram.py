from __future__ import annotations

import gzip
from pathlib import Path

import pysam
import pytest
from small_alignments import GENOME, records_of, write_bam_file, write_genome

from poma_assets.science.errors import ToolError
from poma_assets.storage.hashing import file_sha256
from poma_assets.tools.cram import count_records, crai_of, cram_of, cram_reference, drop_cram_of, write_bam, write_cram


@pytest.fixture
def bam(tmp_path: Path) -> Path:
    return write_bam_file(tmp_path / "S1.bam")


@pytest.fixture
def reference(tmp_path: Path) -> Path:
    return cram_reference(write_genome(tmp_path / "genome.fa"), tmp_path / "cache", file_sha256)


def test_records_come_back_from_cram_as_they_went(bam: Path, reference: Path, tmp_path: Path) -> None:
    cram = write_cram(bam, reference, threads=2)
    assert cram == tmp_path / "S1.cram"
    assert crai_of(cram).is_file()
    assert count_records(cram, reference) == len(records_of(bam)) == 41  # one of them unmapped
    write_bam(cram, tmp_path / "again.bam", reference, threads=1)
    assert records_of(tmp_path / "again.bam") == records_of(bam)
    assert bam.is_file()  # who converts decides when the BAM file goes


def test_nothing_is_written_beside_the_users_genome(tmp_path: Path) -> None:
    genome = write_genome(tmp_path / "theirs" / "genome.fa")
    reference = cram_reference(genome, tmp_path / "cache", file_sha256)
    assert [path.name for path in genome.parent.iterdir()] == ["genome.fa"]
    assert reference.is_symlink()
    assert cram_reference(genome, tmp_path / "cache", file_sha256) == reference


def test_a_compressed_genome_is_unpacked_once(bam: Path, tmp_path: Path) -> None:
    genome = tmp_path / "genome.fa.gz"
    genome.write_bytes(gzip.compress(write_genome(tmp_path / "plain.fa").read_bytes()))
    reference = cram_reference(genome, tmp_path / "cache", file_sha256)
    assert reference.read_text().startswith(">chr1")
    made = reference.stat().st_mtime_ns
    assert cram_reference(genome, tmp_path / "cache", file_sha256).stat().st_mtime_ns == made
    assert count_records(write_cram(bam, reference, threads=1), reference) == 41


def test_a_moved_genome_is_linked_anew(tmp_path: Path) -> None:
    genome = write_genome(tmp_path / "one" / "genome.fa")
    reference = cram_reference(genome, tmp_path / "cache", file_sha256)
    moved = write_genome(tmp_path / "two" / "genome.fa")
    genome.unlink()
    assert cram_reference(moved, tmp_path / "cache", file_sha256) == reference
    assert reference.resolve() == moved
    moved.write_text(">chr1\nTTTT\n")  # the same place, another genome
    third = write_genome(tmp_path / "three" / "genome.fa")
    assert cram_reference(third, tmp_path / "cache", file_sha256).resolve() == third


def test_a_genome_that_cannot_be_indexed_is_refused_in_words(tmp_path: Path) -> None:
    genome = tmp_path / "genome.fa"
    genome.write_text(">chr1\nACGT\nAC\nACGT\n")
    with pytest.raises(ToolError, match=r"genome cannot be indexed.*alignment_format: bam"):
        cram_reference(genome, tmp_path / "cache", file_sha256)
    assert not list((tmp_path / "cache").glob("*/"))


def test_a_damaged_bam_file_is_not_converted(bam: Path, reference: Path) -> None:
    bam.write_bytes(bam.read_bytes()[:-40])
    with pytest.raises(ToolError, match="BAM file is not complete"):
        write_cram(bam, reference, threads=1)
    assert not cram_of(bam).exists()


def test_a_truncated_cram_file_is_an_error(bam: Path, reference: Path, tmp_path: Path) -> None:
    cram = write_cram(bam, reference, threads=1)
    cram.write_bytes(cram.read_bytes()[:-60])
    for read in (
        lambda: count_records(cram, reference),
        lambda: write_bam(cram, tmp_path / "again.bam", reference, threads=1),
    ):
        with pytest.raises(ToolError, match=r"S1\.cram"):
            read()


def test_another_genome_is_noticed(bam: Path, reference: Path, tmp_path: Path) -> None:
    cram = write_cram(bam, reference, threads=1)
    genome = write_genome(tmp_path / "other.fa", GENOME.translate(str.maketrans("ACGT", "CATG")))
    other = cram_reference(genome, tmp_path / "cache", file_sha256)
    with pytest.raises(ToolError, match=r"S1\.cram"):
        write_bam(cram, tmp_path / "again.bam", other, threads=1)


def test_a_cram_file_with_fewer_records_is_not_put_in_place(
    bam: Path, reference: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = pysam.view

    def lossy(*arguments: str, **options: object) -> object:
        return real(*arguments, *(("-F", "4") if "-C" in arguments else ()), **options)

    monkeypatch.setattr(pysam, "view", lossy)
    with pytest.raises(ToolError, match=r"not hold all records.*found 40 records; expected 41"):
        write_cram(bam, reference, threads=1)
    assert not cram_of(bam).exists()


def test_the_cram_file_of_an_earlier_alignment_goes(bam: Path, reference: Path) -> None:
    write_cram(bam, reference, threads=1)
    drop_cram_of(bam)
    drop_cram_of(bam)
    assert sorted(path.name for path in bam.parent.glob("S1*")) == ["S1.bam", "S1.bam.bai"]
