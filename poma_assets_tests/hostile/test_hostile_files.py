"""Files that would hang a reader, fill the memory, or are in another encoding: refused in words, at once."""

from __future__ import annotations

import gzip
import os
import resource
import socket
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from poma_assets.config import load_sample_sheet, load_study
from poma_assets.science.annotation import fasta_contigs, parse_gtf_genes
from poma_assets.science.errors import CountsError, FastqError, GeneSetError, InputError, PomaError, ReferenceFilesError
from poma_assets.storage.package_data import read_gene_sets
from poma_assets.storage.text_files import read_counts_text, read_text
from poma_assets.storage.text_lines import text_lines
from poma_assets.tools.fastq_files import check_fastq_pair, has_reads, read_through

BOMB_BYTES = 3 * 1024**3
SHEET = "sample\tfastq_1\tnote\nS1\tS1.fastq\tx\n"


@contextmanager
def memory_of_at_most(more_bytes: int) -> Iterator[None]:
    """Let this process take so much more memory within the block, and no more."""
    now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (now + more_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


@pytest.fixture(scope="module")
def bomb(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """3 MB that unpack to 3 GB of the letter A, without a line end; made of one packed piece, many times over."""
    path = tmp_path_factory.mktemp("bomb") / "bomb.gz"
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    piece = packer.compress(b"A" * 2**24) + packer.flush(zlib.Z_FULL_FLUSH)
    last = zlib.compressobj(9, zlib.DEFLATED, -15).flush()
    with path.open("wb") as file:
        file.write(b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03")
        for _ in range(BOMB_BYTES // 2**24):
            file.write(piece)
        file.write(last + b"\0" * 8)
    assert path.stat().st_size < 4_000_000
    return path


def named(path: Path, name: str) -> Path:
    link = path.with_name(name)
    if not link.exists():
        link.hardlink_to(path)
    return link


def test_a_table_that_unpacks_to_gigabytes_is_refused_within_its_bound(bomb: Path) -> None:
    with memory_of_at_most(256 * 1024**2), pytest.raises(InputError, match=r"larger than any such file"):
        read_text(bomb, max_bytes=32 * 1024**2)
    with pytest.raises(CountsError, match="the table of counts is larger"):
        read_text(bomb, what="the table of counts", error=CountsError, max_bytes=10**6)


def test_reads_that_unpack_to_gigabytes_are_streamed(bomb: Path) -> None:
    with memory_of_at_most(300 * 1024**2):
        with pytest.raises(FastqError, match="a record is longer than any read"):
            check_fastq_pair(named(bomb, "S1.fastq.gz"), None, sample="S1")
        assert has_reads(named(bomb, "S1.fastq.gz"))


def test_an_annotation_that_unpacks_to_gigabytes_is_refused_at_its_first_line(bomb: Path) -> None:
    path = named(bomb, "genes.gtf.gz")
    with (
        memory_of_at_most(300 * 1024**2),
        pytest.raises(ReferenceFilesError, match="a line is longer than any line of such a file"),
        text_lines(path) as lines,
    ):
        parse_gtf_genes(lines, source="genes.gtf.gz")


def test_a_genome_on_one_line_is_read(tmp_path: Path) -> None:
    path = tmp_path / "genome.fa.gz"
    path.write_bytes(gzip.compress(b">chr1\n" + b"ACGT" * 10**6 + b"\n>chr2\nAC\n"))
    with text_lines(path, longest_line_bytes=5 * 10**6) as lines:
        assert fasta_contigs(lines, source="genome.fa.gz") == {"chr1": 4_000_000, "chr2": 2}
    with (
        pytest.raises(ReferenceFilesError, match="more than 1,000,000 bytes without a line end"),
        text_lines(path, longest_line_bytes=10**6) as lines,
    ):
        fasta_contigs(lines, source="genome.fa.gz")


def special(folder: Path, kind: str) -> Path:
    if kind == "folder":
        path = folder / "special.gmt"
        path.mkdir()
    elif kind == "pipe":
        path = folder / "special.gmt"
        os.mkfifo(path)
    elif kind == "socket":
        path = folder / "special.gmt"
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(str(path))
    else:
        path = folder / "special.gmt"
        path.symlink_to("/dev/zero")
    return path


@pytest.mark.parametrize("kind", ["folder", "pipe", "socket", "device"])
def test_what_is_no_file_is_not_waited_for(tmp_path: Path, kind: str) -> None:
    path = special(tmp_path, kind)
    readers = {
        "text": lambda: read_text(path),
        "counts": lambda: read_counts_text(path),
        "gene sets": lambda: read_gene_sets("special.gmt", tmp_path),
        "reads": lambda: check_fastq_pair(path, None, sample="S1"),
        "lines": lambda: text_lines(path).__enter__(),
    }
    for read in readers.values():
        with pytest.raises(PomaError, match=r"no ordinary file|cannot be read"):
            read()
    with pytest.raises(PomaError):
        read_through(path)


@pytest.mark.parametrize("kind", ["folder", "pipe", "device"])
@pytest.mark.parametrize("name", ["samples.tsv", "contrasts.tsv", "qc_overrides.tsv"])
def test_a_sheet_that_is_no_file_is_refused(tmp_path: Path, kind: str, name: str) -> None:
    from poma_assets.assets.cohort import read_overrides
    from poma_assets.resources import StudyResource

    (tmp_path / "poma.yaml").write_text("name: x\ncount_matrix: counts.tsv\n")
    (tmp_path / "samples.tsv").write_text("sample\ttreatment\nS1\tDMSO\n")
    (tmp_path / name).unlink(missing_ok=True)
    special(tmp_path, kind).rename(tmp_path / name)
    study = StudyResource(root=str(tmp_path))
    read = (lambda: read_overrides(study)) if name == "qc_overrides.tsv" else (lambda: study.contrasts)
    with pytest.raises(PomaError, match=r"no ordinary file|cannot be read"):
        read()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (SHEET.encode("utf-16"), "the sample sheet is UTF-16 (a spreadsheet's 'Unicode text')"),
        (SHEET.encode("utf-16-le"), "control character"),
        (SHEET.replace("x", "Mäuse").encode("latin-1"), "line 2: the sample sheet is not encoded as UTF-8"),
        (b"PK\x03\x04" + b"\xff" * 20, "the sample sheet is a spreadsheet or zip file"),
        (SHEET.replace("x", "a\0b").encode(), "line 2: control character in the text (found '\\x00'"),
        (SHEET.replace("x", "\u202eoiD").encode(), "line 2: control character in the text (found '\\u202e'"),
        (SHEET.replace("x", "y" * 5000).encode(), "the cell is longer than 4,000 characters"),
        (SHEET.replace("x", "y" * 10**7).encode(), "field larger than field limit"),
        (SHEET.replace("x", '"open').encode(), "Close every quotation mark"),
    ],
    ids=["utf16", "utf16-without-mark", "latin1", "zip", "nul", "bidi", "long", "10MB", "quote"],
)
def test_a_sheet_of_another_encoding_or_form_is_named(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "poma.yaml").write_text("name: x\n")
    (tmp_path / "samples.tsv").write_bytes(content)
    with pytest.raises(PomaError) as caught:
        load_sample_sheet(load_study(tmp_path))
    assert words in str(caught.value)
    assert len(str(caught.value)) < 5000


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_old_and_foreign_line_ends_are_read(tmp_path: Path, line_end: str, mark: bytes) -> None:
    (tmp_path / "poma.yaml").write_text("name: x\n")
    (tmp_path / "S1.fastq").touch()
    (tmp_path / "samples.tsv").write_bytes(mark + SHEET.replace("\n", line_end).encode())
    assert load_sample_sheet(load_study(tmp_path)).samples["sample_id"].tolist() == ["S1"]
    sets = "A\tfirst\tG1\tG2\nB\tsecond\tG3\n".replace("\n", line_end).encode()
    (tmp_path / "own.gmt").write_bytes(mark + sets)
    assert [one.genes for one in read_gene_sets("own.gmt", tmp_path).sets] == [("G1", "G2"), ("G3",)]


def test_a_nul_in_annotation_or_genome_is_refused() -> None:
    exon = 'chr1\tx\texon\t1\t9\t.\t+\t.\tgene_id "G\0{}";\n'
    with pytest.raises(ReferenceFilesError, match=r"genes.gtf, line 1: this is not a text file"):
        parse_gtf_genes([exon.format(1), exon.format(2)], source="genes.gtf")
    with pytest.raises(ReferenceFilesError, match=r"genome.fa, line 3: this is not a text file"):
        fasta_contigs([">a\n", "AC\n", ">a\0b\n", "AC\n"], source="genome.fa")


def test_damaged_and_cut_off_gzip_files_are_named(tmp_path: Path) -> None:
    path = tmp_path / "own.gmt.gz"
    for content in (gzip.compress(b"A\tb\tG\n" * 50)[:-9], b"\x1f\x8b\x08\x00garbage that is no deflate stream"):
        path.write_bytes(content)
        with pytest.raises(GeneSetError, match="damaged or cut off"):
            read_gene_sets("own.gmt.gz", tmp_path)
        with pytest.raises(ReferenceFilesError, match="damaged or cut off"), text_lines(path) as lines:
            list(lines)
