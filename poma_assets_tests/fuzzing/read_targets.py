"""Readers of reads, references and gene sets, and of what services answer."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from poma_assets.science.accessions import is_run
from poma_assets.science.annotation import check_names, fasta_contigs, parse_gtf_genes
from poma_assets.science.ena_report import parse_file_report
from poma_assets.science.enrichment.gmt import parse_gmt
from poma_assets.science.enrichment.kegg_tables import (
    kegg_gene_sets,
    parse_gene_symbols,
    parse_links,
    parse_pathways,
    parse_release,
)
from poma_assets.science.errors import FastqError, PomaError, ReferenceFilesError
from poma_assets.science.fastq_pairs import find_fastq_pairs, sheet_from_pairs
from poma_assets.science.inbox import InboxFile, addition, propose_rows, read_sheet_rows
from poma_assets.science.reference_releases import find_checksum
from poma_assets.science.sample_sheet import parse_sample_sheet
from poma_assets.storage.text_lines import text_lines
from poma_assets.tools.fastq_files import check_fastq_pair, has_reads, merge_fastq, read_through
from poma_assets_tests.fuzzing.target import Target, packed, text_of

FASTQ = (
    "@run:1:FC:1:1101:1000:2000 1:N:0:ACGT\nACGTN\n+\nIIII#\n@run:1:FC:1:1101:1000:2001 1:N:0:ACGT\nACG\n+\nIII\n",
    "@r/1\r\nAC\r\n+r/1\r\n@@\r\n",
)
GTF = """\
#!genome-build GRCh38
chr1\thavana\tgene\t100\t900\t.\t+\t.\tgene_id "ENSG00000137265.16"; gene_name "IRF4"; gene_biotype "protein_coding";
chr1\thavana\texon\t100\t200\t.\t+\t.\tgene_id "ENSG00000137265.16"; transcript_id "T1"; gene_name "IRF4";
chr1\thavana\texon\t150\t300\t.\t+\t.\tgene_id "ENSG00000137265.16"; transcript_id "T2";
chr2\thavana\texon\t5\t9\t.\t-\t.\tgene_id G2; gene "x";
"""
FASTA = ">chr1 first\nACGTACGTAC\nACGT\n>chr2\nNNNNNNNNNN\n"
GMT = "GO:0006915\tapoptotic process\tTP53\tBCL2,1.0\tBAX\nhsa04610\thttps://example.org\tA\tB\n"
NAMES = (
    "S1_R1.fastq.gz\nS1_R2.fastq.gz\nS2_S1_L001_R1_001.fastq.gz\nS2_S1_L001_R2_001.fastq.gz\n",
    "a/ctrl_1.fq\na/ctrl_2.fq\nb/ctrl_3.fq\nsingle.fastq\n",
)
_ENA_FILES = ";".join(f"ftp.sra.ebi.ac.uk/vol1/fastq/SRR1039508_{read}.fastq.gz" for read in (1, 2))
ENA = (
    "run_accession\tfastq_ftp\tfastq_md5\tfastq_bytes\tlibrary_layout\n"
    f"SRR1039508\t{_ENA_FILES}\t{'a' * 32};{'b' * 32}\t1;2\tPAIRED\n"
)
CHECKSUMS = (
    f"{'0' * 31}a  ./genome.fa.gz\n{'b' * 32}  other.gz\n",
    "12345 678 genome.fa.gz\n1 2 other.gz\n",
)
KEGG = (
    "hsa00010\tGlycolysis - Homo sapiens (human)\nhsa:10327\tpath:hsa00010\n"
    "hsa:124\tCDS\t4:1..2\tADH1A, ADH1; alcohol\n"
)


@contextlib.contextmanager
def _file(data: bytes, name: str) -> Iterator[Path]:
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="poma-fuzz-", dir=memory if memory.is_dir() else None) as folder:
        path = Path(folder) / name
        path.write_bytes(data)
        yield path


def _fastq(path: Path) -> None:
    summary = check_fastq_pair(path, None, sample="S1")
    assert summary.read_pairs > 0
    assert 0 <= summary.read_length_max <= 10_000_000
    assert has_reads(path)
    with contextlib.suppress(FastqError):
        content = read_through(path)
        assert content.reads >= summary.read_pairs or path.read_bytes()[-1:] != b"\n"
    target = path.with_name("merged" + path.suffix)
    merge_fastq([path, path], target)
    with contextlib.suppress(FastqError):
        assert check_fastq_pair(target, None, sample="S1").read_pairs == 2 * summary.read_pairs


def _plain_fastq(data: bytes) -> None:
    with _file(data, "S1.fastq") as path:
        _fastq(path)


def _packed_fastq(data: bytes) -> None:
    with _file(data if data[:2] == b"\x1f\x8b" else packed(data), "S1.fastq.gz") as path:
        _fastq(path)


def _pairs(data: bytes) -> None:
    names = [name for name in text_of(data).split("\n") if name]
    pairs = find_fastq_pairs(names)
    assert all(pair.fastq_1 in names for pair in pairs)
    if pairs:
        sheet = parse_sample_sheet(sheet_from_pairs(pairs), source="samples.tsv")
        assert len(sheet.units) == len(pairs)


def _inbox(data: bytes) -> None:
    names = [name for name in text_of(data).split("\n") if name]
    text = "sample,fastq_1,fastq_2,strandedness\nOLD,old_1.fastq,,auto\n"
    files = [InboxFile(name, 10, 0.0) for name in dict.fromkeys(names)]
    proposals = propose_rows(files, read_sheet_rows(text, "samples.csv"), listed=set(), now_s=1e6)
    made = text + addition(text, proposals.rows, source="samples.csv")
    sheet = parse_sample_sheet(made, source="samples.csv")
    assert len(sheet.units) == 1 + len(proposals.rows)


def _gtf(data: bytes) -> None:
    with _file(data, "genes.gtf.gz" if data[:2] == b"\x1f\x8b" else "genes.gtf") as path, text_lines(path) as lines:
        genes = parse_gtf_genes(lines, source="genes.gtf")
        check_names({"chr1": 10**9}, GTF.splitlines(), genome_source="genome.fa", annotation_source="genes.gtf")
    assert genes["gene_id"].is_unique
    assert (genes["start_bp"] >= 1).all()
    assert (genes["end_bp"] >= genes["start_bp"]).all()
    assert (genes["length_bp"] >= 1).all()
    assert genes["gene_name"].str.len().gt(0).all()


def _fasta(data: bytes) -> None:
    with _file(data, "genome.fa.gz" if data[:2] == b"\x1f\x8b" else "genome.fa") as path:
        with text_lines(path) as lines:
            contigs = fasta_contigs(lines, source="genome.fa")
        assert contigs
        assert all(name and length > 0 for name, length in contigs.items())
        with contextlib.suppress(ReferenceFilesError), text_lines(path) as lines:
            check_names({"chr1": 10}, lines, genome_source="genome.fa", annotation_source="genes.gtf")
    with contextlib.suppress(ReferenceFilesError):
        check_names(contigs, GTF.splitlines(keepends=True), genome_source="genome.fa", annotation_source="genes.gtf")


def _gmt(data: bytes) -> None:
    collection = parse_gmt(text_of(data), name="own", source="own.gmt")
    ids = [one.term_id for one in collection.sets]
    assert len(set(ids)) == len(ids) > 0
    assert all(one.genes and len(set(one.genes)) == len(one.genes) and one.term_name for one in collection.sets)


def _ena(data: bytes) -> None:
    runs = parse_file_report(text_of(data), accession="SRR1039508", source="https://ena.invalid/x")
    for run in runs:
        assert is_run(run.run_accession)
        assert len(run.files) in (1, 2)
        for file in run.files:
            assert file.name.startswith(run.run_accession)
            assert "/" not in file.name
            assert file.size_bytes >= 0


def _checksums(data: bytes) -> None:
    assert find_checksum(text_of(data), "genome.fa.gz", source="x").startswith(("md5:", "bsd:"))


def _kegg(data: bytes) -> None:
    text, tables = text_of(data), []
    parse_release(text)
    for parse in (parse_pathways, parse_links, parse_gene_symbols):
        with contextlib.suppress(PomaError):
            tables.append(parse(text, "hsa", source="x"))
    lines = text.splitlines()
    pathways, links, symbols = (
        parse("\n".join(lines[i : i + 1]), "hsa", source="x")
        for i, parse in enumerate((parse_pathways, parse_links, parse_gene_symbols))
    )
    made = kegg_gene_sets(pathways, links, symbols, {"10327": "AKR1A1"}, source="x")
    parse_gmt(made.gmt, name="kegg", source="x")


READ_TARGETS = (
    Target("fastq", _plain_fastq, FASTQ, ("@", "+", "@r/2", "\n\n")),
    Target("fastq-gz", _packed_fastq, FASTQ, ("@", "+")),
    Target("fastq-names", _pairs, NAMES, (".fastq.gz", "_R1", "_R2", "_L001", "..", "/", ".fq")),
    Target("inbox", _inbox, NAMES, (".fastq.gz", "_R1", "_R2", "_L001", "..", "/", "=1_R1.fastq.gz")),
    Target("gtf", _gtf, (GTF,), ('gene_id ""', "gene_id", "exon", "##gff-version 3", "ID=x", "Parent=")),
    Target("fasta", _fasta, (FASTA,), (">", "@", ">chr1")),
    Target("gmt", _gmt, (GMT,), ("na", "https://", ",1.0")),
    Target("ena-report", _ena, (ENA,), ("SRR1", ";", "SINGLE", "ftp://", "../..", "/")),
    Target("checksums", _checksums, CHECKSUMS, ("genome.fa.gz", "*genome.fa.gz")),
    Target("kegg", _kegg, (KEGG,), ("hsa:", "path:", "Release ", ";")),
)
"""Targets of this module."""
